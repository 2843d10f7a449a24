//! Activations.

use engrad_mil::Op;

use super::call::{Call, Kernel};
use super::elementwise::mapped;
use super::tensor::Tensor;
use super::walk::{Rows, zip, zip3};
use crate::kernels::math::{self, larger, relu, smaller};

#[cfg(test)]
mod tests;

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::ClampedRelu
        | Op::Elu
        | Op::LeakyRelu
        | Op::LinearActivation
        | Op::Relu
        | Op::Relu6
        | Op::ScaledTanh
        | Op::Sigmoid
        | Op::SigmoidHard
        | Op::Silu
        | Op::Softplus
        | Op::Softsign
        | Op::ThresholdedRelu => unary,
        Op::Gelu => gelu,
        Op::Prelu => prelu,
        Op::SoftplusParametric => softplus_parametric,
        Op::Softmax => softmax,
        _ => return None,
    })
}

fn softplus(x: f32) -> f32 {
    // Neither e^x nor the sum leaves the range.
    math::exp(-x.abs()).ln_1p() + relu(x)
}

fn unary(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let parameter = |name: &str| if call.has(name) { call.float(name) } else { Ok(0.0) };
    let (alpha, beta) = (parameter("alpha")?, parameter("beta")?);
    match call.op {
        Op::ClampedRelu => mapped(call, |x| smaller(if x < 0.0 { alpha * x } else { x }, beta)),
        Op::Elu => mapped(call, |x| if x < 0.0 { alpha * x.exp_m1() } else { x }),
        Op::LeakyRelu => mapped(call, |x| if x < 0.0 { alpha * x } else { x }),
        Op::LinearActivation => mapped(call, |x| alpha * x + beta),
        Op::Relu => mapped(call, relu),
        Op::Relu6 => mapped(call, |x| smaller(relu(x), 6.0)),
        Op::ScaledTanh => mapped(call, |x| alpha * math::tanh(beta * x)),
        Op::Sigmoid => mapped(call, math::sigmoid),
        Op::SigmoidHard => mapped(call, |x| smaller(larger(alpha * x + beta, 0.0), 1.0)),
        Op::Silu => mapped(call, math::silu),
        Op::Softplus => mapped(call, softplus),
        Op::Softsign => mapped(call, |x| x / (1.0 + x.abs())),
        Op::ThresholdedRelu => mapped(call, |x| if x < alpha { 0.0 } else { x }),
        other => Err(format!("{} is no activation of one operand", other.name())),
    }
}

fn gelu(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    const ROOT_2_BY_PI: f32 = 0.797_884_6;
    match call.string("mode")? {
        // Φ(x) = erfc(−x/√2)/2: as exact in the left tail as in the right one.
        "EXACT" => mapped(call, |x| 0.5 * x * libm::erfcf(-x * std::f32::consts::FRAC_1_SQRT_2)),
        // (1 + tanh(a))/2 = sigmoid(2a), which does not cancel where tanh is near −1.
        "TANH_APPROXIMATION" => {
            mapped(call, |x| x * math::sigmoid(2.0 * ROOT_2_BY_PI * (x + 0.044_715 * x * x * x)))
        }
        "SIGMOID_APPROXIMATION" => mapped(call, |x| x * math::sigmoid(1.702 * x)),
        other => Err(format!("gelu has no mode `{}`", other.escape_debug())),
    }
}

/// The shape in which a parameter of one element for each channel, or of one for all, broadcasts to x.
pub(super) fn channel_shape(x: &Tensor, name: &str, parameter: &Tensor) -> Result<Vec<usize>, String> {
    let channels = x.shape.get(1).copied().ok_or("x has no channels")?;
    match parameter.shape[..] {
        [] => Ok(Vec::new()),
        [extent] if extent == 1 || extent == channels => {
            let mut shape = vec![1; x.rank() - 1];
            shape[0] = extent;
            Ok(shape)
        }
        ref other => Err(format!("{name} is {other:?} for {channels} channels")),
    }
}

fn prelu(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, alpha) = (call.tensor("x")?, call.tensor("alpha")?);
    let by_channel = channel_shape(x, "alpha", alpha)?;
    let (shape, values) = zip((x.as_floats()?, &x.shape), (&alpha.to_f32()?, &by_channel), |x, alpha| {
        if x < 0.0 { alpha * x } else { x }
    })?;
    Ok(vec![Tensor::floats(x.dtype, shape, values)?])
}

fn softplus_parametric(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, alpha, beta) = (call.tensor("x")?, call.tensor("alpha")?, call.tensor("beta")?);
    let shapes = (channel_shape(x, "alpha", alpha)?, channel_shape(x, "beta", beta)?);
    let (shape, values) = zip3(
        (x.as_floats()?, &x.shape),
        (&alpha.to_f32()?[..], &shapes.0),
        (&beta.to_f32()?[..], &shapes.1),
        |x: f32, alpha: f32, beta: f32| alpha * softplus(beta * x),
    )?;
    Ok(vec![Tensor::floats(x.dtype, shape, values)?])
}

fn softmax(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor("x")?;
    let axis = call.axis("axis", x.rank())?;
    let rows = Rows::new(x.as_floats()?, &x.shape, &[axis]);
    let values = rows.transform(|row, out| {
        out.copy_from_slice(row);
        softmax_in_place(out);
    });
    Ok(vec![Tensor::floats(x.dtype, x.shape.clone(), values)?])
}

/// e^(x − max) over its sum. A row without a finite largest element is NaN.
pub(super) fn softmax_in_place(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, larger);
    row.iter_mut().for_each(|x| *x = math::exp(*x - largest));
    let scale = (1.0 / super::walk::sum(row, |x| x)) as f32;
    row.iter_mut().for_each(|x| *x *= scale);
}
