use super::*;
use crate::interpret::testing::{assert_close, call_on, floats};

fn of(values: &[f32], call: &str) -> Tensor {
    call_on(&[("x", floats(&[values.len()], values))], call).unwrap()
}

#[test]
fn both_tails_of_gelu_are_exact() {
    // x·Φ(x) to twelve digits.
    let exact = of(&[-5.0, -1.0, 0.0, 1.0, 5.0], "gelu(mode = string(\"EXACT\"), x = x)");
    let values = exact.as_floats().unwrap();
    for (found, expected) in
        values.iter().zip([-1.433_257_9e-6, -0.158_655_25, 0.0, 0.841_344_8, 4.999_998_6])
    {
        assert!((found - expected).abs() <= 1e-6 * f32::abs(expected), "{found}, expected {expected}");
    }
    let tanh = of(&[-1.0, 2.0], "gelu(mode = string(\"TANH_APPROXIMATION\"), x = x)");
    assert_close(&tanh, &[2], &[-0.158_808, 1.954_597_7]);
    let sigmoid = of(&[-1.0, 2.0], "gelu(mode = string(\"SIGMOID_APPROXIMATION\"), x = x)");
    assert_close(&sigmoid, &[2], &[-0.154_204_23, 1.935_658_6]);
}

#[test]
fn negative_branches_use_their_parameters() {
    let x = [-2.0, -0.0, 3.0, f32::NAN];
    assert_close(&of(&x, "leaky_relu(alpha = fp32(0.5), x = x)"), &[4], &[-1.0, 0.0, 3.0, f32::NAN]);
    assert_close(&of(&x, "elu(alpha = fp32(2), x = x)"), &[4], &[-1.729_329_4, 0.0, 3.0, f32::NAN]);
    let clamped = of(&x, "clamped_relu(alpha = fp32(-2), beta = fp32(2.5), x = x)");
    assert_close(&clamped, &[4], &[2.5, 0.0, 2.5, f32::NAN]);
    assert_close(&of(&x, "thresholded_relu(alpha = fp32(3), x = x)"), &[4], &[0.0, 0.0, 3.0, f32::NAN]);
    assert_close(&of(&x, "relu6(x = x)"), &[4], &[0.0, 0.0, 3.0, f32::NAN]);
    let hard = of(&x, "sigmoid_hard(alpha = fp32(0.25), beta = fp32(0.5), x = x)");
    assert_close(&hard, &[4], &[0.0, 0.5, 1.0, f32::NAN]);
    assert_close(
        &of(&x, "linear_activation(alpha = fp32(2), beta = fp32(1), x = x)"),
        &[4],
        &[-3.0, 1.0, 7.0, f32::NAN],
    );
}

#[test]
fn softplus_and_softmax_do_not_overflow() {
    assert_close(&of(&[200.0, -200.0, 0.0], "softplus(x = x)"), &[3], &[200.0, 0.0, std::f32::consts::LN_2]);
    let large = of(&[3e38, 3e38, -3e38], "softmax(x = x)");
    assert_close(&large, &[3], &[0.5, 0.5, 0.0]);
}

#[test]
fn softmax_runs_along_an_inner_axis() {
    let x = floats(&[2, 2, 2], &[0.0, 1.0, 0.0, 3.0, 5.0, 5.0, 5.0, 5.0]);
    let found = call_on(&[("x", x)], "softmax(axis = int32(1), x = x)").unwrap();
    let (low, high) = (0.119_202_92, 0.880_797_1);
    assert_close(&found, &[2, 2, 2], &[0.5, low, 0.5, high, 0.5, 0.5, 0.5, 0.5]);
}

#[test]
fn parameters_follow_the_channels() {
    let x = floats(&[1, 2, 2], &[-1.0, 1.0, -1.0, 1.0]);
    let inputs = [("x", x), ("a", floats(&[2], &[0.5, 2.0])), ("b", floats(&[2], &[1.0, 0.0]))];
    let prelu = call_on(&inputs, "prelu(alpha = a, x = x)").unwrap();
    assert_close(&prelu, &[1, 2, 2], &[-0.5, 1.0, -2.0, 1.0]);
    let softplus = call_on(&inputs, "softplus_parametric(alpha = a, beta = b, x = x)").unwrap();
    assert_close(&softplus, &[1, 2, 2], &[0.156_630_84, 0.656_630_8, 1.386_294_4, 1.386_294_4]);
}
