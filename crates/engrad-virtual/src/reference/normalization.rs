//! Normalisations.

use engrad_mil::{Op, Operands};

use super::{broadcast, unravel};

type Dense<'a> = (&'a [f64], &'a [usize]);

/// gamma·(x − mean)/√(variance + epsilon) + beta, with statistics and parameters as the operation has them.
pub(super) fn normalised<'a>(
    op: Op,
    operands: &Operands<'_>,
    (x, shape): Dense<'_>,
    named: impl Fn(&str) -> Option<Dense<'a>>,
) -> Result<Vec<f64>, String> {
    let rank = shape.len();
    let epsilon = operands.float("epsilon")?;
    let axes: Vec<usize> = match op {
        Op::LayerNorm => operands.axes("axes", rank)?,
        Op::InstanceNorm => (2..rank).collect(),
        Op::L2Norm => (rank.saturating_sub(3)..rank).collect(),
        _ => Vec::new(),
    };
    let only = |dims: &[usize]| -> Vec<usize> {
        (0..rank).map(|i| if dims.contains(&i) { shape[i] } else { 1 }).collect()
    };
    let others: Vec<usize> = (0..rank).filter(|i| !axes.contains(i)).collect();
    let groups = only(&others);
    let parameters = if op == Op::LayerNorm { only(&axes) } else { only(&[1]) };
    let group = |position: usize| broadcast(&unravel(position, shape), &groups);
    let mut rows = vec![Vec::new(); groups.iter().product()];
    x.iter().enumerate().for_each(|(position, &v)| rows[group(position)].push(v));
    let moments: Vec<(f64, f64)> = rows.iter().map(|row| statistics(op, row)).collect();
    let value = |(position, v): (usize, &f64)| {
        let at = broadcast(&unravel(position, shape), &parameters);
        let parameter = |name: &str, default: f64| named(name).map_or(default, |(data, _)| data[at]);
        let (mean, variance) = match op {
            Op::BatchNorm => (parameter("mean", 0.0), parameter("variance", 1.0)),
            _ => moments[group(position)],
        };
        parameter("gamma", 1.0) * (v - mean) / (variance + epsilon).sqrt() + parameter("beta", 0.0)
    };
    Ok(x.iter().enumerate().map(value).collect())
}

/// Mean and variance; for l2_norm none and the sum of squares.
fn statistics(op: Op, row: &[f64]) -> (f64, f64) {
    if op == Op::L2Norm {
        return (0.0, row.iter().map(|v| v * v).sum());
    }
    let count = row.len() as f64;
    let mean = row.iter().sum::<f64>() / count;
    (mean, row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count)
}
