//! Walks over tensors by stride: broadcast operands, and dimensions in another order.

use std::borrow::Cow;

use rayon::prelude::*;

use super::tensor::{elements, strides};

/// Elements below which a second thread is not worth waking.
const PARALLEL: usize = 1 << 15;
/// Elements that one task computes.
const TASK: usize = 1 << 14;

/// Product of extents. Beside an extent of zero the others may be of any size, so it must not overflow.
pub(crate) fn product(extents: impl IntoIterator<Item = usize>) -> usize {
    extents.into_iter().fold(1, usize::saturating_mul)
}

/// A dimension of a walk: its extent, and how far each operand moves along it.
type Step<const N: usize> = (usize, [usize; N]);

/// Calls `f` for each chunk of work on `result`: position of its first element, and the elements.
pub(crate) fn in_chunks<R: Send>(result: &mut [R], f: impl Fn(usize, &mut [R]) + Sync) {
    if result.len() < PARALLEL {
        f(0, result);
    } else {
        result.par_chunks_mut(TASK).enumerate().for_each(|(i, chunk)| f(i * TASK, chunk));
    }
}

/// A function of each element.
pub(crate) fn map<T: Copy + Sync, R: Copy + Default + Send>(x: &[T], f: impl Fn(T) -> R + Sync) -> Vec<R> {
    let mut result = vec![R::default(); x.len()];
    in_chunks(&mut result, |start, out| {
        for (r, &x) in out.iter_mut().zip(&x[start..]) {
            *r = f(x);
        }
    });
    result
}

/// Joins neighbouring dimensions that every operand walks through evenly, and drops those of extent one.
fn collapse<const N: usize>(dims: &[Step<N>]) -> Vec<Step<N>> {
    let mut joined: Vec<Step<N>> = Vec::with_capacity(dims.len());
    for &(extent, strides) in dims.iter().filter(|(extent, _)| *extent != 1) {
        match joined.last_mut() {
            Some((outer, steps)) if (0..N).all(|i| steps[i] == strides[i] * extent) => {
                *outer *= extent;
                *steps = strides;
            }
            _ => joined.push((extent, strides)),
        }
    }
    joined
}

/// Fills `result` run by run: `f` gets the position in each operand of a run's first element, its strides, and the run.
fn walk<const N: usize, R: Send>(
    dims: &[Step<N>],
    result: &mut [R],
    f: impl Fn([usize; N], [usize; N], &mut [R]) + Sync,
) {
    if result.is_empty() {
        return;
    }
    let dims = collapse(dims);
    let Some((&(inner, strides), outer)) = dims.split_last() else {
        return f([0; N], [0; N], result);
    };
    in_chunks(result, |start, mut rest| {
        let (mut row, mut column) = (start / inner, start % inner);
        while !rest.is_empty() {
            let mut at: [usize; N] = strides.map(|stride| stride * column);
            let mut remaining = row;
            for &(extent, steps) in outer.iter().rev() {
                let index = remaining % extent;
                remaining /= extent;
                at.iter_mut().zip(steps).for_each(|(at, step)| *at += index * step);
            }
            let (run, behind) = rest.split_at_mut((inner - column).min(rest.len()));
            f(at, strides, run);
            rest = behind;
            (row, column) = (row + 1, 0);
        }
    });
}

/// The shape that both stretch to.
///
/// # Errors
/// If they do not.
pub(crate) fn broadcast(x: &[usize], y: &[usize]) -> Result<Vec<usize>, String> {
    let rank = x.len().max(y.len());
    let extent = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    (0..rank)
        .map(|i| match (extent(x, i), extent(y, i)) {
            (a, b) if a == b => Ok(a),
            (1, other) | (other, 1) => Ok(other),
            _ => Err(format!("shapes {x:?} and {y:?} do not broadcast")),
        })
        .collect()
}

/// Strides of a dense tensor along the dimensions of a shape that it stretches to.
pub(crate) fn stretched(shape: &[usize], to: &[usize]) -> Vec<usize> {
    let lead = to.len().saturating_sub(shape.len());
    let own = strides(shape);
    let stride = |i: usize| match i.checked_sub(lead) {
        Some(at) if shape[at] != 1 => own[at],
        _ => 0,
    };
    (0..to.len()).map(stride).collect()
}

/// A dense operand: elements and shape.
pub(crate) type Dense<'a, T> = (&'a [T], &'a [usize]);

/// A function of two broadcast operands.
///
/// # Errors
/// If they do not broadcast, or to more elements than a tensor may have.
pub(crate) fn zip<A: Copy + Sync, B: Copy + Sync, R: Copy + Default + Send>(
    (x, x_shape): Dense<'_, A>,
    (y, y_shape): Dense<'_, B>,
    f: impl Fn(A, B) -> R + Sync,
) -> Result<(Vec<usize>, Vec<R>), String> {
    let shape = broadcast(x_shape, y_shape)?;
    let mut result = vec![R::default(); elements(&shape)?];
    let (xs, ys) = (stretched(x_shape, &shape), stretched(y_shape, &shape));
    let dims: Vec<Step<2>> = (0..shape.len()).map(|i| (shape[i], [xs[i], ys[i]])).collect();
    walk(&dims, &mut result, |[a, b], strides, run| match strides {
        [1, 1] => {
            for ((r, &x), &y) in run.iter_mut().zip(&x[a..]).zip(&y[b..]) {
                *r = f(x, y);
            }
        }
        [1, 0] => {
            let y = y[b];
            for (r, &x) in run.iter_mut().zip(&x[a..]) {
                *r = f(x, y);
            }
        }
        [0, 1] => {
            let x = x[a];
            for (r, &y) in run.iter_mut().zip(&y[b..]) {
                *r = f(x, y);
            }
        }
        [s, t] => {
            for (i, r) in run.iter_mut().enumerate() {
                *r = f(x[a + i * s], y[b + i * t]);
            }
        }
    });
    Ok((shape, result))
}

/// A function of three operands, the last two of which stretch to the shape of the first with them.
///
/// # Errors
/// As [`zip`].
pub(crate) fn zip3<A: Copy + Sync, B: Copy + Sync, R: Copy + Default + Send>(
    (x, x_shape): Dense<'_, A>,
    (y, y_shape): Dense<'_, B>,
    (z, z_shape): Dense<'_, B>,
    f: impl Fn(A, B, B) -> R + Sync,
) -> Result<(Vec<usize>, Vec<R>), String> {
    let shape = broadcast(&broadcast(y_shape, z_shape)?, x_shape)?;
    let mut result = vec![R::default(); elements(&shape)?];
    let [xs, ys, zs] = [x_shape, y_shape, z_shape].map(|operand| stretched(operand, &shape));
    let dims: Vec<Step<3>> = (0..shape.len()).map(|i| (shape[i], [xs[i], ys[i], zs[i]])).collect();
    walk(&dims, &mut result, |[a, b, c], [s, t, u], run| {
        for (i, r) in run.iter_mut().enumerate() {
            *r = f(x[a + i * s], y[b + i * t], z[c + i * u]);
        }
    });
    Ok((shape, result))
}

/// The elements with dimensions in another order: dimension `i` of the result is dimension `order[i]`.
pub(crate) fn permuted<'a, T: Copy + Default + Send + Sync>(
    data: &'a [T],
    shape: &[usize],
    order: &[usize],
) -> Cow<'a, [T]> {
    let own = strides(shape);
    let moving: Vec<usize> = order.iter().copied().filter(|&d| shape[d] != 1).collect();
    if moving.is_sorted() {
        return Cow::Borrowed(data);
    }
    let dims: Vec<Step<1>> = order.iter().map(|&d| (shape[d], [own[d]])).collect();
    let mut result = vec![T::default(); data.len()];
    walk(&dims, &mut result, |[at], [stride], run| match stride {
        1 => run.copy_from_slice(&data[at..at + run.len()]),
        _ => run.iter_mut().enumerate().for_each(|(i, r)| *r = data[at + i * stride]),
    });
    Cow::Owned(result)
}

/// A tensor seen as rows along some of its axes.
#[derive(Debug)]
pub(crate) struct Rows<'a, T: Clone> {
    /// Row after row.
    pub(crate) data: Cow<'a, [T]>,
    /// Elements of a row.
    pub(crate) width: usize,
    /// Number of rows.
    pub(crate) count: usize,
    shape: Vec<usize>,
    order: Vec<usize>,
}

impl<'a, T: Copy + Default + Send + Sync> Rows<'a, T> {
    /// The rows along `axes`, which are sorted and distinct; other dimensions number the rows in their order.
    pub(crate) fn new(data: &'a [T], shape: &[usize], axes: &[usize]) -> Self {
        let kept = (0..shape.len()).filter(|i| !axes.contains(i));
        let order: Vec<usize> = kept.clone().chain(axes.iter().copied()).collect();
        let width = product(axes.iter().map(|&a| shape[a]));
        let count = product(kept.map(|i| shape[i]));
        Self { data: permuted(data, shape, &order), width, count, shape: shape.to_vec(), order }
    }

    /// One number for each row.
    pub(crate) fn reduce<R: Copy + Default + Send>(&self, f: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
        let mut result = vec![R::default(); self.count];
        let row = |i: usize| &self.data[i * self.width..(i + 1) * self.width];
        if self.data.len() < PARALLEL {
            result.iter_mut().enumerate().for_each(|(i, r)| *r = f(row(i)));
        } else {
            result.par_iter_mut().enumerate().for_each(|(i, r)| *r = f(row(i)));
        }
        result
    }

    /// A row for each row, in the order of the tensor's own dimensions again; `f` fills the second from the first.
    pub(crate) fn transform<R: Copy + Default + Send + Sync>(
        &self,
        f: impl Fn(&[T], &mut [R]) + Sync,
    ) -> Vec<R> {
        let mut result = vec![R::default(); self.data.len()];
        if result.is_empty() {
            return result;
        }
        let width = self.width;
        if result.len() < PARALLEL {
            result.chunks_mut(width).zip(self.data.chunks(width)).for_each(|(out, row)| f(row, out));
        } else {
            result.par_chunks_mut(width).zip(self.data.par_chunks(width)).for_each(|(out, row)| f(row, out));
        }
        let shape: Vec<usize> = self.order.iter().map(|&d| self.shape[d]).collect();
        let mut back = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
        match permuted(&result, &shape, &back) {
            Cow::Owned(moved) => moved,
            Cow::Borrowed(_) => result,
        }
    }
}

/// Σ f(x) of a row in double precision, in eight lanes whatever the processor.
#[inline]
pub(crate) fn sum(row: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0.0f64; LANES];
    let mut chunks = row.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(f64::from(x));
        }
    }
    let rest: f64 = chunks.remainder().iter().map(|&x| f(f64::from(x))).sum();
    lanes.iter().sum::<f64>() + rest
}
