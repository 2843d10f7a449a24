//! Kernels of the operations that order elements or look for them.
//!
//! Equal elements keep their order, whichever way is sorted; a NaN comes after every number.

use std::cmp::Ordering;

use engrad_mil::{DType, Op};

use super::call::{Call, Kernel};
use super::tensor::{Data, Tensor, elements};

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Argsort => argsort,
        Op::Topk => topk,
        Op::NonZero => non_zero,
        _ => return None,
    })
}

type Results = Result<Vec<Tensor>, String>;

/// Along an axis, the indices of the first `count` elements in sorted order, and their positions in the tensor.
fn sorted(x: &Tensor, axis: usize, count: usize, ascending: bool) -> Result<(Vec<i32>, Vec<usize>), String> {
    match &x.data {
        Data::Floats(values) => {
            sorted_by(&x.shape, axis, count, |a, b| number_order(values[a], values[b], ascending))
        }
        _ => {
            let values = x.as_ints()?;
            let unsigned = x.dtype == DType::UInt32;
            let key = |position: usize| {
                let value = values[position];
                if unsigned { i64::from(value.cast_unsigned()) } else { i64::from(value) }
            };
            sorted_by(&x.shape, axis, count, |a, b| {
                if ascending { key(a).cmp(&key(b)) } else { key(b).cmp(&key(a)) }
            })
        }
    }
}

fn number_order(a: f32, b: f32, ascending: bool) -> Ordering {
    let order = a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
    if ascending || a.is_nan() || b.is_nan() { order } else { order.reverse() }
}

fn sorted_by(
    shape: &[usize],
    axis: usize,
    count: usize,
    order: impl Fn(usize, usize) -> Ordering,
) -> Result<(Vec<i32>, Vec<usize>), String> {
    let (outer, extent, inner) = (elements(&shape[..axis])?, shape[axis], elements(&shape[axis + 1..])?);
    i32::try_from(extent).map_err(|_| format!("{extent} elements are too many to sort"))?;
    let total = outer * count * inner;
    let (mut indices, mut positions) = (vec![0; total], vec![0; total]);
    let mut line: Vec<usize> = Vec::with_capacity(extent);
    for o in 0..outer {
        for i in 0..inner {
            let position = |index: usize| (o * extent + index) * inner + i;
            line.clear();
            line.extend(0..extent);
            line.sort_by(|&a, &b| order(position(a), position(b)));
            for (rank, &index) in line.iter().take(count).enumerate() {
                let to = (o * count + rank) * inner + i;
                indices[to] = index as i32;
                positions[to] = position(index);
            }
        }
    }
    Ok((indices, positions))
}

fn argsort(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let axis = call.axis("axis", x.rank())?;
    let (indices, _) = sorted(x, axis, x.shape[axis], call.bool("ascending")?)?;
    Ok(vec![Tensor::ints(DType::Int32, x.shape.clone(), indices)?])
}

fn topk(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let axis = call.axis("axis", x.rank())?;
    let extent = x.shape[axis];
    let k = match call.int("k")? {
        -1 => extent,
        k => usize::try_from(k)
            .ok()
            .filter(|&k| k <= extent)
            .ok_or_else(|| format!("k is {k}, but axis {axis} has {extent} elements"))?,
    };
    let (indices, positions) = sorted(x, axis, k, call.bool("ascending")?)?;
    let mut shape = x.shape.clone();
    shape[axis] = k;
    let mut results = vec![x.pick(shape.clone(), &positions)?];
    if call.bool("return_indices")? {
        results.push(Tensor::ints(call.dtype("output_indices_dtype")?, shape, indices)?);
    }
    Ok(results)
}

fn non_zero(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let found: Vec<usize> = match &x.data {
        Data::Floats(v) => v.iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(i, _)| i).collect(),
        _ => x.as_ints()?.iter().enumerate().filter(|(_, v)| **v != 0).map(|(i, _)| i).collect(),
    };
    let shape = vec![found.len(), x.rank()];
    let mut indices = Vec::with_capacity(elements(&shape)?);
    for position in found {
        let mut rest = x.len();
        for &extent in &x.shape {
            rest /= extent;
            indices.push((position / rest % extent) as i32);
        }
    }
    Ok(vec![Tensor::ints(DType::Int32, shape, indices)?])
}
