//! Operations along axes.

use engrad_mil::Op;

use super::{broadcast, unravel};

pub(super) fn softmax(x: &[f64], shape: &[usize], axis: usize) -> Vec<f64> {
    let inner: usize = shape[axis + 1..].iter().product();
    let extent = shape[axis];
    let mut out = vec![0.0; x.len()];
    for start in (0..x.len()).filter(|p| (p / inner).is_multiple_of(extent)) {
        let row = || (0..extent).map(|i| start + i * inner);
        let largest = row().map(|p| x[p]).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = row().map(|p| (x[p] - largest).exp()).sum();
        row().for_each(|p| out[p] = (x[p] - largest).exp() / total);
    }
    out
}

/// Over axes, extents kept as one.
pub(super) fn reduce(op: Op, x: &[f64], shape: &[usize], axes: &[usize]) -> Vec<f64> {
    let kept: Vec<usize> =
        shape.iter().enumerate().map(|(i, &d)| if axes.contains(&i) { 1 } else { d }).collect();
    let mut rows = vec![Vec::new(); kept.iter().product()];
    for (position, &v) in x.iter().enumerate() {
        rows[broadcast(&unravel(position, shape), &kept)].push(v);
    }
    rows.iter().map(|row| reduced(op, row)).collect()
}

fn reduced(op: Op, row: &[f64]) -> f64 {
    let sum = |f: fn(f64) -> f64| row.iter().map(|&v| f(v)).sum::<f64>();
    let larger = |a: f64, b: f64| if a > b || a.is_nan() { a } else { b };
    let largest = || row.iter().copied().fold(f64::NEG_INFINITY, larger);
    match op {
        Op::ReduceMax => largest(),
        Op::ReduceMean => sum(|v| v) / row.len() as f64,
        Op::ReduceL1Norm => sum(f64::abs),
        Op::ReduceL2Norm => sum(|v| v * v).sqrt(),
        Op::ReduceSumSquare => sum(|v| v * v),
        Op::ReduceLogSum => sum(|v| v).ln(),
        Op::ReduceLogSumExp => {
            let largest = largest();
            largest + row.iter().map(|v| (v - largest).exp()).sum::<f64>().ln()
        }
        _ => sum(|v| v),
    }
}

/// Running sums along an axis, each element's own left out if `exclusive`, from the end if `reverse`.
pub(super) fn cumsum(
    x: &[f64],
    shape: &[usize],
    axis: usize,
    (exclusive, reverse): (bool, bool),
) -> Vec<f64> {
    let inner: usize = shape[axis + 1..].iter().product();
    let extent = shape[axis];
    let sum = |position: usize| {
        let own = position / inner % extent;
        let at = |i: usize| x[position - own * inner + i * inner];
        let counts = |i: usize| if reverse { i > own } else { i < own };
        let others: f64 = (0..extent).filter(|&i| counts(i)).map(at).sum();
        if exclusive { others } else { others + x[position] }
    };
    (0..x.len()).map(sum).collect()
}
