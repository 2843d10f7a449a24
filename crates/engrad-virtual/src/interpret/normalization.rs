//! Normalisations. Means and sums of squares are formed in double precision; epsilon is added in it.

use engrad_mil::Op;
use rayon::prelude::*;

use super::call::{Call, Kernel};
use super::tensor::Tensor;
use super::walk::{Rows, product, sum};

#[cfg(test)]
mod tests;

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::BatchNorm => batch_norm,
        Op::InstanceNorm => instance_norm,
        Op::L2Norm => l2_norm,
        Op::LayerNorm => layer_norm,
        Op::LocalResponseNorm => local_response_norm,
        _ => return None,
    })
}

/// Mean and 1/√(variance + epsilon) of some numbers.
fn moments(row: &[f32], epsilon: f32) -> (f64, f64) {
    let count = row.len() as f64;
    let mean = sum(row, |v| v) / count;
    let variance = sum(row, |v| (v - mean) * (v - mean)) / count;
    (mean, 1.0 / (variance + f64::from(epsilon)).sqrt())
}

/// A parameter of one element for each channel, if it is given.
fn by_channel(call: &Call<'_>, name: &str, channels: usize) -> Result<Option<Vec<f32>>, String> {
    match call.optional(name)? {
        None => Ok(None),
        Some(parameter) if parameter.shape == [channels] => Ok(Some(parameter.to_f32()?.into_owned())),
        Some(parameter) => Err(format!("{name} is {:?} for {channels} channels", parameter.shape)),
    }
}

/// The element of an optional parameter, or a default.
fn at(parameter: Option<&Vec<f32>>, index: usize, default: f32) -> f32 {
    parameter.map_or(default, |values| values[index])
}

/// Fills the result plane by plane: all elements of one channel of one example.
fn by_plane(x: &Tensor, f: impl Fn(usize, &[f32], &mut [f32]) + Sync) -> Result<Vec<Tensor>, String> {
    let [_, channels, spatial @ ..] = &x.shape[..] else {
        return Err(format!("x of {:?} has no channels", x.shape));
    };
    let (channels, plane) = (*channels, product(spatial.iter().copied()));
    let data = x.as_floats()?;
    let mut result = vec![0.0; data.len()];
    if !result.is_empty() {
        let planes = result.par_chunks_mut(plane).zip(data.par_chunks(plane)).enumerate();
        planes.for_each(|(i, (out, x))| f(i % channels, x, out));
    }
    Ok(vec![Tensor::floats(x.dtype, x.shape.clone(), result)?])
}

fn batch_norm(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, epsilon) = (call.tensor("x")?, call.float("epsilon")?);
    let channels = x.shape.get(1).copied().ok_or("x has no channels")?;
    let parameter = |name| by_channel(call, name, channels);
    let missing = |name: &str| format!("argument `{name}` is missing");
    let mean = parameter("mean")?.ok_or_else(|| missing("mean"))?;
    let variance = parameter("variance")?.ok_or_else(|| missing("variance"))?;
    let (gamma, beta) = (parameter("gamma")?, parameter("beta")?);
    by_plane(x, |c, x, out| {
        let scale = 1.0 / (f64::from(variance[c]) + f64::from(epsilon)).sqrt();
        let scale = (f64::from(at(gamma.as_ref(), c, 1.0)) * scale) as f32;
        let (mean, beta) = (mean[c], at(beta.as_ref(), c, 0.0));
        out.iter_mut().zip(x).for_each(|(out, &x)| *out = (x - mean) * scale + beta);
    })
}

fn instance_norm(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, epsilon) = (call.tensor("x")?, call.float("epsilon")?);
    let channels = x.shape.get(1).copied().ok_or("x has no channels")?;
    let (gamma, beta) = (by_channel(call, "gamma", channels)?, by_channel(call, "beta", channels)?);
    by_plane(x, |c, x, out| {
        let (mean, scale) = moments(x, epsilon);
        let scale = scale * f64::from(at(gamma.as_ref(), c, 1.0));
        let beta = f64::from(at(beta.as_ref(), c, 0.0));
        out.iter_mut().zip(x).for_each(|(out, &x)| *out = ((f64::from(x) - mean) * scale + beta) as f32);
    })
}

fn l2_norm(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, epsilon) = (call.tensor("x")?, call.float("epsilon")?);
    let Some(lead) = x.rank().checked_sub(3) else {
        return Err(format!("x of {:?} has fewer than 3 dimensions", x.shape));
    };
    let axes: Vec<usize> = (lead..x.rank()).collect();
    let values = Rows::new(x.as_floats()?, &x.shape, &axes).transform(|row, out| {
        let scale = 1.0 / (sum(row, |v| v * v) + f64::from(epsilon)).sqrt();
        out.iter_mut().zip(row).for_each(|(out, &x)| *out = (f64::from(x) * scale) as f32);
    });
    Ok(vec![Tensor::floats(x.dtype, x.shape.clone(), values)?])
}

fn layer_norm(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, epsilon) = (call.tensor("x")?, call.float("epsilon")?);
    let axes = call.axes("axes", x.rank())?;
    let normalised: Vec<usize> = axes.iter().map(|&axis| x.shape[axis]).collect();
    let parameter = |name: &str| match call.optional(name)? {
        Some(parameter) if parameter.shape != normalised => {
            Err(format!("{name} is {:?}, the axes are {normalised:?}", parameter.shape))
        }
        Some(parameter) => parameter.to_f32().map(Some),
        None => Ok(None),
    };
    let (gamma, beta) = (parameter("gamma")?, parameter("beta")?);
    let values = Rows::new(x.as_floats()?, &x.shape, &axes).transform(|row, out| {
        let (mean, scale) = moments(row, epsilon);
        out.iter_mut().zip(row).for_each(|(out, &x)| *out = ((f64::from(x) - mean) * scale) as f32);
        if let Some(gamma) = &gamma {
            out.iter_mut().zip(gamma.iter()).for_each(|(out, gamma)| *out *= gamma);
        }
        if let Some(beta) = &beta {
            out.iter_mut().zip(beta.iter()).for_each(|(out, beta)| *out += beta);
        }
    });
    Ok(vec![Tensor::floats(x.dtype, x.shape.clone(), values)?])
}

/// The window of channel c is c − size/2 … c + (size − 1)/2, rounded down.
fn local_response_norm(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor("x")?;
    let (alpha, beta, k) = (call.float("alpha")?, call.float("beta")?, call.float("k")?);
    let size = usize::try_from(call.int("size")?).unwrap_or(0);
    if size == 0 {
        return Err("size must be positive".to_owned());
    }
    let [_, channels, spatial @ ..] = &x.shape[..] else {
        return Err(format!("x of {:?} has no channels", x.shape));
    };
    let (channels, plane) = (*channels, product(spatial.iter().copied()));
    let data = x.as_floats()?;
    let mut result = vec![0.0; data.len()];
    if !result.is_empty() {
        let examples = result.par_chunks_mut(channels * plane).zip(data.par_chunks(channels * plane));
        examples.for_each(|(out, x)| {
            let mut sums = vec![0.0f64; plane];
            for (c, out) in out.chunks_mut(plane).enumerate() {
                sums.fill(0.0);
                let window = c.saturating_sub(size / 2)..=c.saturating_add((size - 1) / 2).min(channels - 1);
                for neighbour in window {
                    let neighbour = &x[neighbour * plane..][..plane];
                    sums.iter_mut().zip(neighbour).for_each(|(sum, &v)| *sum += f64::from(v) * f64::from(v));
                }
                let factor = f64::from(alpha) / size as f64;
                for ((out, &x), &sum) in out.iter_mut().zip(&x[c * plane..]).zip(&sums) {
                    let base = f64::from(k) + factor * sum;
                    *out = (f64::from(x) / base.powf(f64::from(beta))) as f32;
                }
            }
        });
    }
    Ok(vec![Tensor::floats(x.dtype, x.shape.clone(), result)?])
}
