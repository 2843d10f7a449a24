//! Results against the definition in f64, over odd sizes, transposes and strides: those of the stand-in, and on macOS of the
//! framework itself.

use engrad_accelerate::Accelerate;
use engrad_kernels::{Matrix, MatrixMut, ProductLibrary};
use proptest::prelude::*;

use super::common::StandIn;

/// A matrix of small numbers, contiguous along its rows or its columns.
#[derive(Debug)]
struct Sample {
    data: Vec<f32>,
    rows: usize,
    columns: usize,
    strides: (usize, usize),
}

impl Sample {
    fn new(rows: usize, columns: usize, by_columns: bool, pad: usize, seed: usize) -> Self {
        let strides = if by_columns { (1, rows + pad) } else { (columns + pad, 1) };
        let len = (rows - 1) * strides.0 + (columns - 1) * strides.1 + 1;
        let data = (0..len).map(|i| ((i * 37 + seed * 11 + i / 7) % 61) as f32 / 16.0 - 1.9).collect();
        Self { data, rows, columns, strides }
    }

    fn view(&self) -> Matrix<'_> {
        Matrix::strided(&self.data, self.rows, self.columns, self.strides.0, self.strides.1)
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        f64::from(self.data[row * self.strides.0 + column * self.strides.1])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn products_agree_with_the_definition(
        (m, n, k) in (1usize..40, 1usize..40, 1usize..70),
        by_columns in [any::<bool>(), any::<bool>()],
        pads in [0usize..3, 0usize..3, 0usize..3],
        (alpha, beta) in (prop_oneof![Just(1f32), Just(0.5)], prop_oneof![Just(0f32), Just(1.0), Just(-0.5)]),
    ) {
        let standin = StandIn::new();
        let (a, b) = (Sample::new(m, k, by_columns[0], pads[0], 1), Sample::new(k, n, by_columns[1], pads[1], 2));
        let stride = n + pads[2];
        // What is not read may be anything.
        let before = |i: usize| if beta == 0.0 { f32::NAN } else { (i % 19) as f32 - 9.0 };
        for library in [Some(standin.accelerate()), Accelerate::system().ok()].into_iter().flatten() {
            let mut c: Vec<f32> = (0..m * stride).map(before).collect();
            let view = MatrixMut::new(&mut c, m, n, stride);
            library.sgemm(view, beta, alpha, a.view(), b.view()).unwrap();
            for (at, &got) in c.iter().enumerate() {
                let (i, j) = (at / stride, at % stride);
                if j >= n {
                    prop_assert_eq!(got.to_bits(), before(at).to_bits(), "padding is left alone");
                    continue;
                }
                let terms = (0..k).map(|p| a.at(i, p) * b.at(p, j));
                let added = if beta == 0.0 { 0.0 } else { f64::from(beta) * f64::from(before(at)) };
                let want = f64::from(alpha) * terms.clone().sum::<f64>() + added;
                let magnitude = terms.map(f64::abs).sum::<f64>() + added.abs();
                let close = (f64::from(got) - want).abs() <= 1e-5 * magnitude;
                prop_assert!(close, "{:?}: ({i}, {j}) is {got}, not {want}", library.path());
            }
        }
        standin.assert_no_violation();
    }
}

#[test]
fn a_library_of_products_adds_to_what_is_there() {
    let standin = StandIn::new();
    let (a, b) = ([1.0, 2.0], [3.0, 4.0]);
    let mut c = [10.0];
    let (left, right) = (Matrix::new(&a, 1, 2, 2), Matrix::new(&b, 2, 1, 1));
    let library: &dyn ProductLibrary = &standin.accelerate();
    library.multiply(MatrixMut::new(&mut c, 1, 1, 1), 1.0, left, right).unwrap();
    assert_eq!((c, library.name(), standin.calls()), ([21.0], "accelerate", 1));
    standin.assert_no_violation();
}
