//! What is not Accelerate, and what Accelerate cannot do.

use std::path::Path;

use engrad_accelerate::{Accelerate, AccelerateError};
use engrad_kernels::{Matrix, MatrixMut};

use super::common::StandIn;

#[test]
fn systems_without_it_say_so() {
    let found = Accelerate::system().map(|library| library.path().to_owned());
    if cfg!(target_os = "macos") {
        assert!(found.unwrap().ends_with("Accelerate"));
    } else {
        assert_eq!(found, Err(AccelerateError::NotAvailable));
    }
}

#[test]
fn a_library_that_is_missing_or_another_one_is_named_on_one_line() {
    let missing = Accelerate::load(Path::new("/nowhere/libaccelerate.so")).unwrap_err();
    assert!(matches!(missing, AccelerateError::Load { .. }));
    let text = missing.to_string();
    assert!(
        text.starts_with("Accelerate is not available: cannot load /nowhere/libaccelerate.so: "),
        "{text}"
    );
    assert!(!text.contains('\n'), "{text}");

    let other = if cfg!(target_os = "macos") { "/usr/lib/libobjc.A.dylib" } else { "libc.so.6" };
    let other = Accelerate::load(Path::new(other)).unwrap_err();
    assert!(matches!(other, AccelerateError::Function { name: "cblas_sgemm", .. }), "{other}");
}

#[test]
fn refused_products_reach_no_library_and_change_nothing() {
    let standin = StandIn::new();
    let accelerate = standin.accelerate();
    let (data, mut c) = ([1.0f32; 64], [7.0f32; 4]);
    let square = Matrix::new(&data, 2, 2, 2);
    let apart = Matrix::strided(&data, 2, 2, 9, 3);
    let refused = accelerate.sgemm(MatrixMut::new(&mut c, 2, 2, 2), 0.0, 1.0, square, apart);
    assert_eq!(refused, Err(AccelerateError::Strides { rows: 9, columns: 3 }));
    // A view of one element time and again has any extent.
    let long = i32::MAX as usize + 1;
    let repeated = Matrix::strided(&data, 1, long, 1, 0);
    let column = Matrix::strided(&data, long, 1, 0, 1);
    let refused = accelerate.sgemm(MatrixMut::new(&mut c, 1, 1, 1), 0.0, 1.0, repeated, column);
    assert_eq!(refused, Err(AccelerateError::Extent { what: "inner extent", value: long }));
    assert_eq!((c, standin.calls()), ([7.0; 4], 0));
}

#[test]
#[should_panic(expected = "inner extents")]
fn shapes_that_do_not_fit_are_the_callers_fault() {
    let standin = StandIn::new();
    let (data, mut c) = ([1.0f32; 6], [0.0f32; 4]);
    let (a, b) = (Matrix::new(&data, 2, 3, 3), Matrix::new(&data, 2, 2, 2));
    let _ = standin.accelerate().sgemm(MatrixMut::new(&mut c, 2, 2, 2), 0.0, 1.0, a, b);
}
