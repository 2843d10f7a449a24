use super::*;
use crate::interpret::testing::{assert_close, assert_ints, call_on, floats, ints};

fn of_pair(x: &Tensor, y: &Tensor, op: &str) -> Tensor {
    call_on(&[("x", x.clone()), ("y", y.clone())], &format!("{op}(x = x, y = y)")).unwrap()
}

fn of_one(x: Tensor, call: &str) -> Tensor {
    call_on(&[("x", x)], call).unwrap()
}

#[test]
fn operands_of_different_ranks_stretch_from_the_last_dimension() {
    let x = floats(&[2, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
    let y = floats(&[3, 1], &[10.0, 20.0, 30.0]);
    let sums = [11.0, 12.0, 21.0, 22.0, 31.0, 32.0, 13.0, 14.0, 23.0, 24.0, 33.0, 34.0];
    assert_close(&of_pair(&x, &y, "add"), &[2, 3, 2], &sums);
    let scalar = floats(&[], &[2.0]);
    assert_close(&of_pair(&scalar, &y, "sub"), &[3, 1], &[-8.0, -18.0, -28.0]);
    assert_close(&of_pair(&floats(&[0, 2], &[]), &x, "mul"), &[2, 0, 2], &[]);
}

#[test]
fn large_tensors_are_cut_into_tasks_without_losing_elements() {
    let (rows, columns) = (300, 151);
    let x: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
    let y: Vec<f32> = (0..rows).map(|i| i as f32 * 0.5).collect();
    let expected: Vec<f32> = x.iter().enumerate().map(|(i, x)| x - y[i / columns]).collect();
    let found = of_pair(&floats(&[rows, columns], &x), &floats(&[rows, 1], &y), "sub");
    assert_close(&found, &[rows, columns], &expected);
}

#[test]
fn integers_wrap_and_divide_toward_negative_infinity() {
    let pairs = |x: &[i32], y: &[i32], op| of_pair(&ints(&[x.len()], x), &ints(&[y.len()], y), op);
    let (x, y) = ([7, -7, 7, -7, 6, i32::MIN, 5], [2, 2, -2, -2, -3, -1, 0]);
    assert_ints(&pairs(&x, &y, "floor_div"), DType::Int32, &[3, -4, -4, 3, -2, i32::MIN, 0]);
    assert_ints(&pairs(&x, &y, "mod"), DType::Int32, &[1, 1, -1, -1, 0, 0, 0]);
    assert_ints(&pairs(&x[..4], &y[..4], "real_div"), DType::Int32, &[3, -3, -3, 3]);
    assert_ints(&pairs(&[i32::MAX, i32::MIN], &[1, -1], "add"), DType::Int32, &[i32::MIN, i32::MAX]);
    assert_ints(&pairs(&[65537, -3], &[65536, 3], "mul"), DType::Int32, &[65536, -9]);
    assert_ints(&pairs(&[3, -2, 2, -1, 2], &[4, 3, 32, -3, -1], "pow"), DType::Int32, &[81, -8, 0, -1, 0]);
}

#[test]
fn remainders_of_floats_have_the_sign_of_the_divisor() {
    let (x, y) = (floats(&[4], &[7.5, -7.5, 7.5, 3.0]), floats(&[4], &[2.0, 2.0, -2.0, f32::INFINITY]));
    assert_close(&of_pair(&x, &y, "mod"), &[4], &[1.5, 0.5, -0.5, 3.0]);
    assert_close(&of_pair(&x, &y, "floor_div"), &[4], &[3.0, -4.0, -4.0, 0.0]);
    let zero = floats(&[1], &[0.0]);
    assert_close(
        &of_pair(&x, &zero, "floor_div"),
        &[4],
        &[f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY, f32::INFINITY],
    );
}

#[test]
fn nan_wins_extremes_and_loses_comparisons() {
    let (x, y) = (floats(&[3], &[f32::NAN, 1.0, 2.0]), floats(&[3], &[0.0, f32::NAN, 1.0]));
    assert_close(&of_pair(&x, &y, "maximum"), &[3], &[f32::NAN, f32::NAN, 2.0]);
    assert_close(&of_pair(&x, &y, "minimum"), &[3], &[f32::NAN, f32::NAN, 1.0]);
    assert_ints(&of_pair(&x, &y, "greater_equal"), DType::Bool, &[0, 0, 1]);
    assert_ints(&of_pair(&x, &x, "equal"), DType::Bool, &[0, 1, 1]);
    assert_ints(&of_pair(&x, &x, "not_equal"), DType::Bool, &[1, 0, 0]);
    let clipped = of_one(x, "clip(alpha = fp32(0), beta = fp32(1.5), x = x)");
    assert_close(&clipped, &[3], &[f32::NAN, 1.0, 1.5]);
}

#[test]
fn unsigned_integers_compare_as_unsigned() {
    let large = Tensor::ints(DType::UInt32, vec![1], vec![-1]).unwrap();
    let small = Tensor::ints(DType::UInt32, vec![1], vec![1]).unwrap();
    assert_ints(&of_pair(&large, &small, "greater"), DType::Bool, &[1]);
    assert_close(&of_one(large, "cast(dtype = string(\"fp32\"), x = x)"), &[1], &[4_294_967_296.0]);
}

#[test]
fn truth_values_combine_and_select() {
    let x = Tensor::bools(vec![2], vec![true, false]).unwrap();
    let y = Tensor::bools(vec![2, 1], vec![true, false]).unwrap();
    assert_ints(&of_pair(&x, &y, "logical_and"), DType::Bool, &[1, 0, 0, 0]);
    assert_ints(&of_pair(&x, &y, "logical_or"), DType::Bool, &[1, 1, 1, 0]);
    assert_ints(&of_pair(&x, &y, "logical_xor"), DType::Bool, &[0, 1, 1, 0]);
    let inputs = [("c", x), ("a", ints(&[2, 1], &[1, 2])), ("b", ints(&[], &[9]))];
    let picked = call_on(&inputs, "select(a = a, b = b, cond = c)").unwrap();
    assert_eq!(picked.shape, [2, 2]);
    assert_ints(&picked, DType::Int32, &[1, 9, 2, 9]);
}

#[test]
fn halves_round_to_even_and_signs_keep_zero() {
    let x = floats(&[5], &[0.5, 1.5, -2.5, 0.0, f32::NAN]);
    assert_close(&of_one(x.clone(), "round(x = x)"), &[5], &[0.0, 2.0, -2.0, 0.0, f32::NAN]);
    assert_close(&of_one(x, "sign(x = x)"), &[5], &[1.0, 1.0, -1.0, 0.0, f32::NAN]);
    assert_ints(&of_one(ints(&[3], &[-3, 0, 4]), "sign(x = x)"), DType::Int32, &[-1, 0, 1]);
    assert_ints(&of_one(ints(&[2], &[3, -1]), "exp2(x = x)"), DType::Int32, &[8, 0]);
}

#[test]
fn epsilon_is_added_before_rounding_to_half_precision() {
    let x = Tensor::floats(DType::Fp16, vec![1], vec![1.0]).unwrap();
    // 1 + 10⁻⁴ is 1 in fp16; its logarithm is not 0.
    assert_close(&of_one(x, "log(epsilon = fp16(0x1p-13), x = x)"), &[1], &[1.220_629e-4]);
}

#[test]
fn casts_truncate_and_wrap() {
    let x = floats(&[5], &[2.9, -2.9, 300.0, f32::NAN, 3e9]);
    let cast = |dtype: &str| of_one(x.clone(), &format!("cast(dtype = string(\"{dtype}\"), x = x)"));
    assert_ints(&cast("int32"), DType::Int32, &[2, -2, 300, i32::MIN, i32::MIN]);
    assert_ints(&cast("uint8"), DType::UInt8, &[2, 254, 44, 0, 0]);
    assert_ints(&cast("int8"), DType::Int8, &[2, -2, 44, 0, 0]);
    assert_ints(&cast("bool"), DType::Bool, &[1, 1, 1, 1, 1]);
    assert_ints(
        &of_one(ints(&[2], &[-1, 18]), "cast(dtype = string(\"int4\"), x = x)"),
        DType::Int4,
        &[-1, 2],
    );
    let third = of_one(floats(&[1], &[1.0 / 3.0]), "cast(dtype = string(\"bf16\"), x = x)");
    assert_close(&third, &[1], &[0.333_984_38]);
    assert!(call_on(&[("x", x)], "cast(dtype = string(\"string\"), x = x)").is_err());
}
