use engrad_mil::DType;

use super::*;
use crate::interpret::testing::{assert_close, assert_ints, call_on, floats, ints};

const SIX: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];

#[test]
fn matrices_multiply_as_they_are_or_transposed() {
    let inputs = [("x", floats(&[2, 3], &SIX)), ("y", floats(&[3, 2], &SIX))];
    let plain = call_on(&inputs, "matmul(x = x, y = y)").unwrap();
    assert_close(&plain, &[2, 2], &[22.0, 28.0, 49.0, 64.0]);
    let both =
        call_on(&inputs, "matmul(transpose_x = bool(true), transpose_y = bool(true), x = x, y = y)").unwrap();
    assert_close(&both, &[3, 3], &[9.0, 19.0, 29.0, 12.0, 26.0, 40.0, 15.0, 33.0, 51.0]);
}

#[test]
fn stacks_and_vectors_stretch() {
    let stack = floats(&[2, 1, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
    let other = floats(&[2, 2, 1], &[1.0, 1.0, 2.0, 0.0]);
    let found = call_on(&[("x", stack.clone()), ("y", other)], "matmul(x = x, y = y)").unwrap();
    assert_close(&found, &[2, 2, 1, 1], &[3.0, 2.0, 7.0, 6.0]);
    let vector = floats(&[2], &[10.0, 1.0]);
    let found = call_on(&[("x", stack), ("y", vector.clone())], "matmul(x = x, y = y)").unwrap();
    assert_close(&found, &[2, 1, 1], &[12.0, 34.0]);
    let found = call_on(&[("x", vector.clone()), ("y", vector)], "matmul(x = x, y = y)").unwrap();
    assert_close(&found, &[], &[101.0]);
}

#[test]
fn empty_products_are_zeros() {
    let inputs = [("x", floats(&[2, 0], &[])), ("y", floats(&[0, 2], &[]))];
    assert_close(&call_on(&inputs, "matmul(x = x, y = y)").unwrap(), &[2, 2], &[0.0; 4]);
    let inputs = [("x", floats(&[0, 2], &[])), ("y", floats(&[2, 2], &SIX[..4]))];
    assert_close(&call_on(&inputs, "matmul(x = x, y = y)").unwrap(), &[0, 2], &[]);
}

#[test]
fn integer_products_wrap() {
    let inputs = [("x", ints(&[1, 2], &[65536, 1])), ("y", ints(&[2, 1], &[65536, 7]))];
    assert_ints(&call_on(&inputs, "matmul(x = x, y = y)").unwrap(), DType::Int32, &[7]);
}

#[test]
fn a_weight_is_out_by_in_and_the_bias_optional() {
    let inputs = [
        ("x", floats(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0])),
        ("w", floats(&[3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0])),
        ("b", floats(&[3], &[0.0, 0.0, 10.0])),
    ];
    let found = call_on(&inputs, "linear(bias = b, weight = w, x = x)").unwrap();
    assert_close(&found, &[1, 2, 3], &[1.0, 2.0, 13.0, 3.0, 4.0, 17.0]);
    let found = call_on(&inputs, "linear(weight = w, x = x)").unwrap();
    assert_close(&found, &[1, 2, 3], &[1.0, 2.0, 3.0, 3.0, 4.0, 7.0]);
}

fn einsum(equation: &str, operands: &[Tensor]) -> Tensor {
    const NAMES: [&str; 3] = ["x", "y", "z"];
    let inputs: Vec<_> = NAMES.into_iter().zip(operands.iter().cloned()).collect();
    let call = format!(
        "einsum(equation = string(\"{equation}\"), values = ({}))",
        NAMES[..operands.len()].join(", ")
    );
    call_on(&inputs, &call).unwrap()
}

#[test]
fn equations_transpose_sum_and_take_diagonals() {
    let x = floats(&[2, 3], &SIX);
    let square = floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    assert_close(&einsum("ij->ji", std::slice::from_ref(&x)), &[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_close(&einsum("ij->", std::slice::from_ref(&x)), &[], &[21.0]);
    assert_close(&einsum("ii->i", std::slice::from_ref(&square)), &[2], &[1.0, 4.0]);
    assert_close(&einsum("ij,kj->ik", &[x.clone(), x.clone()]), &[2, 2], &[14.0, 32.0, 32.0, 77.0]);
    assert_close(
        &einsum("ij,ik->kj", &[x.clone(), square.clone()]),
        &[2, 3],
        &[13.0, 17.0, 21.0, 18.0, 24.0, 30.0],
    );
    assert_close(
        &einsum("i,j->ij", &[floats(&[2], &[1.0, 2.0]), floats(&[2], &[3.0, 4.0])]),
        &[2, 2],
        &[3.0, 4.0, 6.0, 8.0],
    );
    let chain = einsum("ij,jk,kl->il", &[square.clone(), x.clone(), floats(&[3, 1], &[1.0, 0.0, 1.0])]);
    assert_close(&chain, &[2, 1], &[24.0, 52.0]);
    assert_close(&einsum("...j,j->...", &[x, floats(&[3], &[1.0, 1.0, 0.0])]), &[2], &[3.0, 9.0]);
}

#[test]
fn extents_of_one_stretch_in_equations() {
    let x = floats(&[1, 1, 2], &[1.0, 2.0]);
    let y = floats(&[2, 2, 1], &[1.0, 3.0, 10.0, 30.0]);
    assert_close(&einsum("chw,whr->chr", &[x, y]), &[1, 2, 1], &[21.0, 63.0]);
}

#[test]
fn integers_follow_equations_too() {
    let x = ints(&[2, 2], &[1, 2, 3, 4]);
    assert_ints(&einsum("ij,jk->ki", &[x.clone(), x]), DType::Int32, &[7, 15, 10, 22]);
}

#[test]
fn masks_hide_keys_from_queries() {
    let inputs = [
        ("q", floats(&[1, 2, 1], &[0.0, 0.0])),
        ("k", floats(&[1, 3, 1], &[1.0, 2.0, 3.0])),
        ("v", floats(&[1, 3, 1], &[1.0, 2.0, 6.0])),
        ("m", Tensor::bools(vec![2, 3], vec![true, true, true, true, true, false]).unwrap()),
        ("f", floats(&[1, 1, 3], &[0.0, f32::NEG_INFINITY, 0.0])),
    ];
    let call = |rest: &str| {
        call_on(&inputs, &format!("scaled_dot_product_attention(key = k, query = q, value = v{rest})"))
            .unwrap()
    };
    assert_close(&call(""), &[1, 2, 1], &[3.0, 3.0]);
    assert_close(&call(", attn_mask = m"), &[1, 2, 1], &[3.0, 1.5]);
    assert_close(&call(", attn_mask = f"), &[1, 2, 1], &[3.5, 3.5]);
}

#[test]
fn scores_are_scaled_by_the_root_of_the_features() {
    let inputs = [
        ("q", floats(&[2, 1, 4], &[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])),
        ("k", floats(&[2, 2, 4], &[[1.0].as_slice(), &[0.0; 15]].concat())),
        ("v", floats(&[2, 2, 1], &[1.0, 0.0, 1.0, 0.0])),
    ];
    let found = call_on(&inputs, "scaled_dot_product_attention(key = k, query = q, value = v)").unwrap();
    // e^½/(e^½ + 1), and one half where the query is zero.
    assert_close(&found, &[2, 1, 1], &[0.622_459_35, 0.5]);
}
