//! Affine quantisation of values at run time.

use engrad_mil::Op;

use super::call::{Call, Kernel};
use super::tensor::Tensor;
use super::walk::zip3;

#[cfg(test)]
mod tests;

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Quantize => quantize,
        Op::Dequantize => dequantize,
        _ => return None,
    })
}

/// A parameter's numbers, and the shape in which they broadcast to the input: a scalar, or a vector along the axis.
fn parameter(call: &Call<'_>, name: &str, input: &Tensor) -> Result<(Vec<f32>, Vec<usize>), String> {
    let Some(parameter) = call.optional(name)? else {
        return Ok((vec![0.0], Vec::new()));
    };
    let values = parameter.to_f32()?.into_owned();
    if values.len() == 1 && parameter.rank() <= 1 {
        return Ok((values, Vec::new()));
    }
    let axis = call.axis("axis", input.rank())?;
    if parameter.shape != [input.shape[axis]] {
        return Err(format!("{name} is {:?}, the axis {}", parameter.shape, input.shape[axis]));
    }
    let mut shape = vec![1; input.rank()];
    shape[axis] = values.len();
    Ok((values, shape))
}

fn quantize(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (input, dtype) = (call.tensor("input")?, call.dtype("output_dtype")?);
    let (low, high) = dtype.integer_range().ok_or_else(|| format!("output_dtype is {dtype}"))?;
    let (low, high) = (low as f32, high as f32);
    let (scale, zero) = (parameter(call, "scale", input)?, parameter(call, "zero_point", input)?);
    let (shape, values) = zip3(
        (input.as_floats()?, &input.shape),
        (&scale.0[..], &scale.1),
        (&zero.0[..], &zero.1),
        |x: f32, scale: f32, zero: f32| ((x / scale).round_ties_even() + zero).clamp(low, high) as i32,
    )?;
    Ok(vec![Tensor::ints(dtype, shape, values)?])
}

fn dequantize(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let input = call.tensor("input")?;
    let dtype = call.tensor("scale")?.dtype;
    let (scale, zero) = (parameter(call, "scale", input)?, parameter(call, "zero_point", input)?);
    let (shape, values) = zip3(
        (&input.to_f32()?[..], &input.shape),
        (&scale.0[..], &scale.1),
        (&zero.0[..], &zero.1),
        |x: f32, scale: f32, zero: f32| (x - zero) * scale,
    )?;
    Ok(vec![Tensor::floats(dtype, shape, values)?])
}
