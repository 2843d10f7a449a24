//! Operations along axes. Sums are formed in double precision, of integers in 64 bits.

use engrad_mil::Op;

use super::call::{Call, Kernel};
use super::integers::{integers, wrapped};
use super::tensor::{Data, Tensor, elements};
use super::walk::{Rows, sum};
use crate::kernels::math::{self, larger, smaller};

#[cfg(test)]
mod tests;

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::ReduceL1Norm
        | Op::ReduceL2Norm
        | Op::ReduceLogSum
        | Op::ReduceLogSumExp
        | Op::ReduceMax
        | Op::ReduceMean
        | Op::ReduceMin
        | Op::ReduceProd
        | Op::ReduceSum
        | Op::ReduceSumSquare => reduce,
        Op::ReduceArgmax | Op::ReduceArgmin => argument,
        Op::Cumsum => cumsum,
        _ => return None,
    })
}

/// Extents without the axes, or with ones in their place.
fn reduced(shape: &[usize], axes: &[usize], keep: bool) -> Vec<usize> {
    let dims = shape.iter().enumerate().filter_map(|(i, &extent)| match (axes.contains(&i), keep) {
        (false, _) => Some(extent),
        (true, true) => Some(1),
        (true, false) => None,
    });
    dims.collect()
}

fn reduce(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor("x")?;
    let axes = call.axes("axes", x.rank())?;
    let shape = reduced(&x.shape, &axes, call.bool("keep_dims")?);
    elements(&shape)?;
    let needs_elements = matches!(call.op, Op::ReduceMax | Op::ReduceMin | Op::ReduceLogSumExp);
    if needs_elements && x.len() == 0 && shape.iter().all(|&extent| extent > 0) {
        return Err("there is no extreme of no elements".to_owned());
    }
    let result = match &x.data {
        Data::Floats(values) => {
            let rows = Rows::new(values, &x.shape, &axes);
            Tensor::floats(x.dtype, shape, rows.reduce(|row| reduce_floats(call.op, row)))
        }
        _ => {
            let values = integers(x)?;
            let rows = Rows::new(&values, &x.shape, &axes);
            wrapped(x.dtype, shape, rows.reduce(|row| reduce_integers(call.op, row)))
        }
    };
    Ok(vec![result?])
}

fn reduce_floats(op: Op, row: &[f32]) -> f32 {
    match op {
        Op::ReduceL1Norm => sum(row, f64::abs) as f32,
        Op::ReduceL2Norm => sum(row, |v| v * v).sqrt() as f32,
        Op::ReduceLogSum => sum(row, |v| v).ln() as f32,
        Op::ReduceLogSumExp => {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, larger);
            let total: f64 = row.iter().map(|&v| f64::from(math::exp(v - largest))).sum();
            (total.ln() + f64::from(largest)) as f32
        }
        Op::ReduceMax => row.iter().copied().fold(f32::NEG_INFINITY, larger),
        Op::ReduceMin => row.iter().copied().fold(f32::INFINITY, smaller),
        Op::ReduceMean => (sum(row, |v| v) / row.len() as f64) as f32,
        Op::ReduceProd => row.iter().map(|&v| f64::from(v)).product::<f64>() as f32,
        Op::ReduceSumSquare => sum(row, |v| v * v) as f32,
        _ => sum(row, |v| v) as f32,
    }
}

fn reduce_integers(op: Op, row: &[i64]) -> i64 {
    let sum = |f: fn(i64) -> i64| row.iter().fold(0i64, |total, &v| total.wrapping_add(f(v)));
    match op {
        Op::ReduceL1Norm => sum(i64::wrapping_abs),
        Op::ReduceL2Norm => (sum(|v| v.wrapping_mul(v)) as f64).sqrt() as i64,
        Op::ReduceLogSum => (sum(|v| v) as f64).ln() as i64,
        Op::ReduceLogSumExp => {
            let largest = row.iter().copied().max().unwrap_or(0);
            let total: f64 = row.iter().map(|&v| (v.wrapping_sub(largest) as f64).exp()).sum();
            (total.ln() + largest as f64) as i64
        }
        Op::ReduceMax => row.iter().copied().max().unwrap_or(0),
        Op::ReduceMin => row.iter().copied().min().unwrap_or(0),
        Op::ReduceMean => (sum(|v| v) as f64 / row.len() as f64) as i64,
        Op::ReduceProd => row.iter().fold(1i64, |total, &v| total.wrapping_mul(v)),
        Op::ReduceSumSquare => sum(|v| v.wrapping_mul(v)),
        _ => sum(|v| v),
    }
}

fn argument(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    /// Position of the first element that none beats; of the first NaN, if there is one.
    fn first<T: PartialOrd + Copy>(row: &[T], beats: impl Fn(T, T) -> bool) -> i64 {
        let mut best = 0;
        for (i, &v) in row.iter().enumerate() {
            let undefined = |v: T| v.partial_cmp(&v).is_none();
            if undefined(row[best]) {
                break;
            }
            if undefined(v) || beats(v, row[best]) {
                best = i;
            }
        }
        best as i64
    }
    let x = call.tensor("x")?;
    let axis = call.axis("axis", x.rank())?;
    if x.shape[axis] == 0 {
        return Err("there is no extreme of no elements".to_owned());
    }
    let shape = reduced(&x.shape, &[axis], call.bool("keep_dims")?);
    elements(&shape)?;
    let largest = call.op == Op::ReduceArgmax;
    let positions = match &x.data {
        Data::Floats(values) => Rows::new(values, &x.shape, &[axis])
            .reduce(|row| first(row, |a, b| if largest { a > b } else { a < b })),
        _ => Rows::new(&integers(x)?, &x.shape, &[axis])
            .reduce(|row| first(row, |a, b| if largest { a > b } else { a < b })),
    };
    Ok(vec![wrapped(call.dtype("output_dtype")?, shape, positions)?])
}

fn cumsum(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    /// Running sums of one row.
    fn run<T: Copy, S: Copy>(
        row: &[T],
        out: &mut [T],
        (exclusive, reverse): (bool, bool),
        (zero, add, round): (S, impl Fn(S, T) -> S, impl Fn(S) -> T),
    ) {
        let mut total = zero;
        for step in 0..row.len() {
            let i = if reverse { row.len() - 1 - step } else { step };
            let before = total;
            total = add(total, row[i]);
            out[i] = round(if exclusive { before } else { total });
        }
    }
    let x = call.tensor("x")?;
    let axis = call.axis("axis", x.rank())?;
    let order = (call.bool("exclusive")?, call.bool("reverse")?);
    let result = match &x.data {
        Data::Floats(values) => {
            let add = |total: f64, v: f32| total + f64::from(v);
            let sums = Rows::new(values, &x.shape, &[axis])
                .transform(|row, out| run(row, out, order, (0.0, add, |total| total as f32)));
            Tensor::floats(x.dtype, x.shape.clone(), sums)
        }
        _ => {
            let sums = Rows::new(&integers(x)?, &x.shape, &[axis])
                .transform(|row, out| run(row, out, order, (0, i64::wrapping_add, |total| total)));
            wrapped(x.dtype, x.shape.clone(), sums)
        }
    };
    Ok(vec![result?])
}
