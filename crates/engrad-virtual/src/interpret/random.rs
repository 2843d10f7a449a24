//! Random numbers, the same in every run and on every machine.
//!
//! The generator is ChaCha with 8 rounds, seeded by `seed_from_u64` of the operation's `seed` (as a 32-bit pattern; −1,
//! the default, is a seed like any other) plus 2^32 times a number of the operation: 0 uniform, 1 normal, 2 bernoulli,
//! 3 categorical. Every call begins anew. Elements are drawn in row-major order:
//!
//! * A *unit* is the upper 24 bits of one 32-bit word over 2^24; for fp16 results the upper 11 bits over 2^11, so that
//!   rounding never reaches 1.
//! * uniform: low + unit·(high − low), below high.
//! * normal: Box–Muller on two units u, v of 24 bits: mean + stddev·√(−2 ln(1 − u))·cos 2πv.
//! * bernoulli: whether a unit of 24 bits is below `prob`.
//! * categorical: the first position at which the running sum of probabilities exceeds unit·total, 53 bits of a 64-bit word
//!   being the unit.

use engrad_mil::{DType, Op};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::call::{Call, Kernel};
use super::tensor::{Tensor, elements};
use crate::kernels::math::larger;

#[cfg(test)]
mod tests;

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::RandomBernoulli => bernoulli,
        Op::RandomCategorical => categorical,
        Op::RandomNormal => normal,
        Op::RandomUniform => uniform,
        _ => return None,
    })
}

fn generator(call: &Call<'_>, operation: u64) -> Result<ChaCha8Rng, String> {
    let seed = call.int("seed")?.cast_unsigned();
    Ok(ChaCha8Rng::seed_from_u64(operation << 32 | u64::from(seed)))
}

/// A number from 0, inclusive, to 1, exclusive, in steps of 2^−bits.
fn unit(generator: &mut ChaCha8Rng, bits: u32) -> f32 {
    (generator.next_u32() >> (32 - bits)) as f32 / (1u32 << bits) as f32
}

/// A tensor of the extents that `shape` lists, of the type of the first given parameter; fp32 without any.
fn of_shape(
    call: &Call<'_>,
    parameters: &[&str],
    mut draw: impl FnMut(DType) -> f32,
) -> Result<Vec<Tensor>, String> {
    let mut dtype = DType::Fp32;
    for name in parameters.iter().rev() {
        if let Some(parameter) = call.optional(name)? {
            dtype = parameter.dtype;
        }
    }
    let shape = call.sizes("shape")?;
    let values = (0..elements(&shape)?).map(|_| draw(dtype)).collect();
    Ok(vec![Tensor::floats(dtype, shape, values)?])
}

fn uniform(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (low, high) = (call.float("low")?, call.float("high")?);
    let mut generator = generator(call, 0)?;
    of_shape(call, &["low", "high"], |dtype| {
        let unit = unit(&mut generator, if dtype == DType::Fp16 { 11 } else { 24 });
        let value = low + unit * (high - low);
        if value >= high && low < high { high.next_down() } else { value }
    })
}

fn normal(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (mean, stddev) = (call.float("mean")?, call.float("stddev")?);
    let mut generator = generator(call, 1)?;
    of_shape(call, &["mean", "stddev"], |_| {
        let [u, v] = [unit(&mut generator, 24), unit(&mut generator, 24)].map(f64::from);
        let standard = (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        (f64::from(mean) + f64::from(stddev) * standard) as f32
    })
}

fn bernoulli(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let prob = call.float("prob")?;
    let mut generator = generator(call, 2)?;
    of_shape(call, &["prob"], |_| if unit(&mut generator, 24) < prob { 1.0 } else { 0.0 })
}

fn categorical(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor("x")?;
    let logits = match call.string("mode")? {
        "logits" => true,
        "probs" => false,
        other => return Err(format!("there is no mode `{}`", other.escape_debug())),
    };
    let size = usize::try_from(call.int("size")?).map_err(|_| "size must not be negative".to_owned())?;
    let mut shape = x.shape.clone();
    let last = shape.last_mut().ok_or("x has no dimension")?;
    let width = std::mem::replace(last, size);
    let mut values = Vec::with_capacity(elements(&shape)?);
    if values.capacity() > 0 && width == 0 {
        return Err("there are no positions to draw from".to_owned());
    }
    let mut generator = generator(call, 3)?;
    for row in x.as_floats()?.chunks(width.max(1)) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, larger);
        let weight = |v: f32| if logits { f64::from(v - largest).exp() } else { f64::from(v).max(0.0) };
        let mut total = 0.0;
        let running: Vec<f64> = row
            .iter()
            .map(|&v| {
                total += weight(v);
                total
            })
            .collect();
        for _ in 0..size {
            let unit = (generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            let drawn = running.partition_point(|&sum| sum <= unit * total);
            values.push(drawn.min(width - 1) as f32);
        }
    }
    Ok(vec![Tensor::floats(x.dtype, shape, values)?])
}
