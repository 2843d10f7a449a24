use engrad_mil::DType;

use super::*;
use crate::interpret::testing::{assert_close, assert_ints, call_on, floats, ints};

fn of(x: &Tensor, call: &str) -> Result<Tensor, String> {
    call_on(&[("x", x.clone())], call)
}

fn matrix() -> Tensor {
    floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
}

#[test]
fn axes_are_dropped_kept_or_all() {
    let x = matrix();
    let axis = |i: i32| format!("tensor<int32, [1]>([{i}])");
    assert_close(&of(&x, "reduce_sum(x = x)").unwrap(), &[], &[21.0]);
    assert_close(&of(&x, &format!("reduce_sum(axes = {}, x = x)", axis(0))).unwrap(), &[3], &[5.0, 7.0, 9.0]);
    let kept = of(&x, &format!("reduce_max(axes = {}, keep_dims = bool(true), x = x)", axis(-1))).unwrap();
    assert_close(&kept, &[2, 1], &[3.0, 6.0]);
    let none = of(&x, "reduce_sum(axes = tensor<int32, [0]>([]), x = x)").unwrap();
    assert_close(&none, &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn outer_and_inner_axes_reduce_together() {
    let x = floats(&[2, 2, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let found = of(&x, "reduce_prod(axes = tensor<int32, [2]>([2, 0]), x = x)").unwrap();
    assert_close(&found, &[2], &[60.0, 672.0]);
}

#[test]
fn norms_and_logarithms_have_their_definitions() {
    let x = floats(&[2], &[-3.0, 4.0]);
    assert_close(&of(&x, "reduce_l1_norm(x = x)").unwrap(), &[], &[7.0]);
    assert_close(&of(&x, "reduce_l2_norm(x = x)").unwrap(), &[], &[5.0]);
    assert_close(&of(&x, "reduce_sum_square(x = x)").unwrap(), &[], &[25.0]);
    assert_close(&of(&x, "reduce_log_sum(x = x)").unwrap(), &[], &[0.0]);
    assert_close(&of(&x, "reduce_mean(x = x)").unwrap(), &[], &[0.5]);
    let large = floats(&[2], &[1000.0, 1000.0]);
    assert_close(&of(&large, "reduce_log_sum_exp(x = x)").unwrap(), &[], &[1_000.693_1]);
}

#[test]
fn long_sums_do_not_lose_small_terms() {
    let x = floats(&[1 << 20], &vec![0.1; 1 << 20]);
    assert_close(&of(&x, "reduce_mean(x = x)").unwrap(), &[], &[0.1]);
}

#[test]
fn integers_wrap_and_truncate() {
    let x = ints(&[3], &[i32::MAX, 1, -9]);
    assert_ints(&of(&x, "reduce_sum(x = x)").unwrap(), DType::Int32, &[i32::MAX - 8]);
    let pair = ints(&[2], &[-4, 1]);
    assert_ints(&of(&pair, "reduce_mean(x = x)").unwrap(), DType::Int32, &[-1]);
    assert_ints(&of(&pair, "reduce_prod(x = x)").unwrap(), DType::Int32, &[-4]);
    assert_ints(&of(&pair, "reduce_l2_norm(x = x)").unwrap(), DType::Int32, &[4]);
    assert_ints(&of(&ints(&[2], &[65536, 1]), "reduce_sum_square(x = x)").unwrap(), DType::Int32, &[1]);
}

#[test]
fn extremes_are_the_first_and_nan_is_one() {
    let x = floats(&[3, 3], &[1.0, 3.0, 3.0, 2.0, f32::NAN, 9.0, 0.0, -0.0, 0.0]);
    assert_ints(&of(&x, "reduce_argmax(x = x)").unwrap(), DType::Int32, &[1, 1, 0]);
    assert_ints(&of(&x, "reduce_argmin(axis = int32(0), x = x)").unwrap(), DType::Int32, &[2, 1, 2]);
    let kept =
        of(&x, "reduce_argmax(keep_dims = bool(true), output_dtype = string(\"uint16\"), x = x)").unwrap();
    assert_eq!(kept.shape, [3, 1]);
    assert_ints(&kept, DType::UInt16, &[1, 1, 0]);
    let axis = "axes = tensor<int32, [1]>([1])";
    assert_close(&of(&x, &format!("reduce_max({axis}, x = x)")).unwrap(), &[3], &[3.0, f32::NAN, 0.0]);
    assert!(of(&floats(&[2, 0], &[]), &format!("reduce_max({axis}, x = x)")).is_err());
    assert!(of(&floats(&[2, 0], &[]), "reduce_argmax(x = x)").is_err());
    assert_close(
        &of(&floats(&[2, 0], &[]), &format!("reduce_sum({axis}, x = x)")).unwrap(),
        &[2],
        &[0.0, 0.0],
    );
}

#[test]
fn running_sums_go_both_ways() {
    let x = matrix();
    let sums = |rest: &str| of(&x, &format!("cumsum(axis = int32(1), {rest}x = x)")).unwrap();
    assert_close(&sums(""), &[2, 3], &[1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
    assert_close(&sums("exclusive = bool(true), "), &[2, 3], &[0.0, 1.0, 3.0, 0.0, 4.0, 9.0]);
    assert_close(&sums("reverse = bool(true), "), &[2, 3], &[6.0, 5.0, 3.0, 15.0, 11.0, 6.0]);
    let both = sums("exclusive = bool(true), reverse = bool(true), ");
    assert_close(&both, &[2, 3], &[5.0, 3.0, 0.0, 11.0, 6.0, 0.0]);
    assert_close(&of(&x, "cumsum(x = x)").unwrap(), &[2, 3], &[1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
}
