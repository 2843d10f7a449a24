//! Products: matmul, linear, attention. Einsum has a file of its own.

use std::borrow::Cow;

use engrad_kernels::{Matmul, Matrix, MatrixMut, Threads};
use engrad_mil::{Op, TensorType};
use rayon::prelude::*;

use super::activation::softmax_in_place;
use super::call::{Call, Kernel};
use super::integers::{integers, wrapped};
use super::tensor::{Data, Tensor, elements};
use super::walk::{broadcast, product, stretched};

#[cfg(test)]
mod tests;

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Matmul => matmul,
        Op::Linear => linear,
        Op::ScaledDotProductAttention => attention,
        Op::Einsum => super::einsum::einsum,
        _ => return None,
    })
}

/// Extents of a product of matrices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extents {
    pub(super) rows: usize,
    pub(super) inner: usize,
    pub(super) columns: usize,
}

/// A stack of matrices: elements, where each matrix begins, and whether they are stored transposed.
pub(super) struct Stack<'a, T> {
    pub(super) data: &'a [T],
    pub(super) starts: Vec<usize>,
    pub(super) transposed: bool,
}

impl<T> Stack<'_, T> {
    fn matrix(&self, index: usize, len: usize) -> &[T] {
        &self.data[self.starts[index]..self.starts[index] + len]
    }
}

/// The product of each pair of matrices, one after the other. Elements of both must lie within their data.
pub(super) fn products(x: &Stack<'_, f32>, y: &Stack<'_, f32>, extents: Extents) -> Result<Vec<f32>, String> {
    let Extents { rows, inner, columns } = extents;
    let count = x.starts.len();
    let mut result = vec![0.0; elements(&[count, rows, columns])?];
    if result.is_empty() || inner == 0 {
        return Ok(result);
    }
    let multiply = |i: usize, out: &mut [f32], threads: Threads| {
        let view = |data, rows, columns, transposed: bool| match transposed {
            true => Matrix::new(data, columns, rows, rows).transposed(),
            false => Matrix::new(data, rows, columns, columns),
        };
        let a = view(x.matrix(i, rows * inner), rows, inner, x.transposed);
        let b = view(y.matrix(i, inner * columns), inner, columns, y.transposed);
        Matmul::new(a, b).threads(threads).write(MatrixMut::new(out, rows, columns, columns));
    };
    if count > 1 {
        let parts = result.par_chunks_mut(rows * columns).enumerate();
        parts.for_each(|(i, out)| multiply(i, out, Threads::One));
    } else {
        multiply(0, &mut result, Threads::Pool);
    }
    Ok(result)
}

/// The same of integers, modulo 2^64.
fn integer_products(x: &Stack<'_, i64>, y: &Stack<'_, i64>, extents: Extents) -> Result<Vec<i64>, String> {
    let Extents { rows, inner, columns } = extents;
    let count = x.starts.len();
    let mut result = vec![0i64; elements(&[count, rows, columns])?];
    if result.is_empty() || inner == 0 {
        return Ok(result);
    }
    for (i, out) in result.chunks_mut(rows * columns).enumerate() {
        let (a, b) = (x.matrix(i, rows * inner), y.matrix(i, inner * columns));
        for (position, value) in out.iter_mut().enumerate() {
            let (row, column) = (position / columns, position % columns);
            for k in 0..inner {
                let left = a[if x.transposed { k * rows + row } else { row * inner + k }];
                let right = b[if y.transposed { column * inner + k } else { k * columns + column }];
                *value = value.wrapping_add(left.wrapping_mul(right));
            }
        }
    }
    Ok(result)
}

/// Where the matrices of a stack begin that stretches to these leading extents.
pub(super) fn starts(leading: &[usize], to: &[usize], matrix: usize) -> Vec<usize> {
    let strides = stretched(leading, to);
    let mut starts = vec![0];
    for (&extent, &stride) in to.iter().zip(&strides) {
        starts = starts.iter().flat_map(|&at| (0..extent).map(move |i| at + i * stride * matrix)).collect();
    }
    starts
}

fn matmul(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, y) = (call.tensor("x")?, call.tensor("y")?);
    let (transpose_x, transpose_y) = (call.bool("transpose_x")?, call.bool("transpose_y")?);
    let split = |shape: &[usize], vector: fn(usize) -> [usize; 2]| match *shape {
        [] => Err("needs matrices or vectors, not a scalar".to_owned()),
        [only] => Ok((Vec::new(), vector(only))),
        [ref leading @ .., a, b] => Ok((leading.to_vec(), [a, b])),
    };
    let (x_leading, x_matrix) = split(&x.shape, |n| [1, n])?;
    let (y_leading, y_matrix) = split(&y.shape, |n| [n, 1])?;
    let turned = |[a, b]: [usize; 2], transposed: bool| if transposed { [b, a] } else { [a, b] };
    let [rows, inner] = turned(x_matrix, transpose_x);
    let [other, columns] = turned(y_matrix, transpose_y);
    if inner != other {
        return Err(format!("inner extents {inner} and {other} of {:?} and {:?} differ", x.shape, y.shape));
    }
    let leading = broadcast(&x_leading, &y_leading)?;
    let mut shape = leading.clone();
    if x.rank() > 1 {
        shape.push(rows);
    }
    if y.rank() > 1 {
        shape.push(columns);
    }
    // Of operands of different types, the constant one follows the other: the declared type is the result's.
    let dtype = call.result_dtype(0)?;
    if elements(&shape)? == 0 {
        return Ok(vec![Tensor::zeros(&TensorType::new(dtype, shape))?]);
    }
    let mut extents = Extents { rows, inner, columns };
    let mut x_starts = starts(&x_leading, &leading, product(x_matrix));
    let mut y_starts = starts(&y_leading, &leading, product(y_matrix));
    if y_leading.iter().all(|&extent| extent == 1) && !transpose_x && !x_starts.is_empty() {
        // One matrix for all: the stack is a single tall one.
        extents.rows = product([rows, x_starts.len()]);
        (x_starts, y_starts) = (vec![0], vec![0]);
    }
    let result = if let (Data::Floats(a), Data::Floats(b)) = (&x.data, &y.data) {
        let a = Stack { data: a, starts: x_starts, transposed: transpose_x };
        let b = Stack { data: b, starts: y_starts, transposed: transpose_y };
        Tensor::floats(dtype, shape, products(&a, &b, extents)?)
    } else {
        let (a, b) = (integers(x)?, integers(y)?);
        let a = Stack { data: &a, starts: x_starts, transposed: transpose_x };
        let b = Stack { data: &b, starts: y_starts, transposed: transpose_y };
        wrapped(dtype, shape, integer_products(&a, &b, extents)?)
    };
    Ok(vec![result?])
}

fn linear(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, weight, bias) = (call.tensor("x")?, call.tensor("weight")?, call.optional("bias")?);
    let ([.., features], [columns, inner]) = (&x.shape[..], &weight.shape[..]) else {
        return Err(format!("cannot multiply {:?} with a weight of {:?}", x.shape, weight.shape));
    };
    let (features, columns, inner) = (*features, *columns, *inner);
    if features != inner {
        return Err(format!("x has {features} features, the weight takes {inner}"));
    }
    if let Some(bias) = bias.filter(|bias| bias.shape != [columns]) {
        return Err(format!("bias is {:?}, not [{columns}]", bias.shape));
    }
    let leading = &x.shape[..x.rank() - 1];
    let extents = Extents { rows: elements(leading)?, inner, columns };
    let mut shape = leading.to_vec();
    shape.push(columns);
    elements(&shape)?;
    let result = if let (Data::Floats(a), Data::Floats(b)) = (&x.data, &weight.data) {
        let a = Stack { data: &a[..], starts: vec![0], transposed: false };
        let b = Stack { data: &b[..], starts: vec![0], transposed: true };
        let mut values = products(&a, &b, extents)?;
        if let Some(bias) = bias {
            let bias = bias.to_f32()?;
            for row in values.chunks_mut(columns.max(1)) {
                row.iter_mut().zip(bias.iter()).for_each(|(v, b)| *v += b);
            }
        }
        Tensor::floats(x.dtype, shape, values)
    } else {
        let (a, b) = (integers(x)?, integers(weight)?);
        let a = Stack { data: &a[..], starts: vec![0], transposed: false };
        let b = Stack { data: &b[..], starts: vec![0], transposed: true };
        let mut values = integer_products(&a, &b, extents)?;
        if let Some(bias) = bias {
            let bias = integers(bias)?;
            for row in values.chunks_mut(columns.max(1)) {
                row.iter_mut().zip(&bias).for_each(|(v, b)| *v = v.wrapping_add(*b));
            }
        }
        wrapped(x.dtype, shape, values)
    };
    Ok(vec![result?])
}

/// What is added to the scores: numbers, and how they stretch.
struct Mask<'a> {
    values: Cow<'a, [f32]>,
    starts: Vec<usize>,
    row: usize,
    column: usize,
}

impl<'a> Mask<'a> {
    /// A mask for scores of these leading extents, `length` queries and `positions` keys.
    fn new(mask: &'a Tensor, leading: &[usize], length: usize, positions: usize) -> Result<Self, String> {
        let mut scores = leading.to_vec();
        scores.extend([length, positions]);
        if broadcast(&mask.shape, &scores)? != scores {
            return Err(format!("attn_mask {:?} does not stretch to {scores:?}", mask.shape));
        }
        let values = match &mask.data {
            Data::Floats(values) => Cow::Borrowed(&values[..]),
            _ => mask.as_bools()?.iter().map(|&keep| if keep { 0.0 } else { f32::NEG_INFINITY }).collect(),
        };
        let strides = stretched(&mask.shape, &scores);
        let (outer, last) = strides.split_at(leading.len());
        let mut starts = vec![0];
        for (&extent, &stride) in leading.iter().zip(outer) {
            starts = starts.iter().flat_map(|&at| (0..extent).map(move |i| at + i * stride)).collect();
        }
        Ok(Self { values, starts, row: last[0], column: last[1] })
    }

    fn add(&self, index: usize, scores: &mut [f32], positions: usize) {
        for (row, scores) in scores.chunks_mut(positions).enumerate() {
            let start = self.starts[index] + row * self.row;
            for (column, score) in scores.iter_mut().enumerate() {
                *score += self.values[start + column * self.column];
            }
        }
    }
}

fn attention(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let [query, key, value] = [call.tensor("query")?, call.tensor("key")?, call.tensor("value")?];
    let ([leading @ .., length, features], [_, ..]) = (&query.shape[..], &key.shape[..]) else {
        return Err(format!("a query of {:?} has no features", query.shape));
    };
    let (length, features) = (*length, *features);
    let ([key_leading @ .., positions, key_features], [value_leading @ .., value_positions, columns]) =
        (&key.shape[..], &value.shape[..])
    else {
        return Err(format!("key and value are {:?} and {:?}", key.shape, value.shape));
    };
    let (positions, columns) = (*positions, *columns);
    if key_leading != leading
        || value_leading != leading
        || *key_features != features
        || *value_positions != positions
    {
        return Err(format!(
            "query, key and value are {:?}, {:?} and {:?}",
            query.shape, key.shape, value.shape
        ));
    }
    let mut shape = leading.to_vec();
    shape.extend([length, columns]);
    let mut result = vec![0.0; elements(&shape)?];
    elements(&[length, positions])?;
    if result.is_empty() || positions == 0 {
        return Ok(vec![Tensor::floats(query.dtype, shape, result)?]);
    }
    let mask = call.optional("attn_mask")?;
    let mask = mask.map(|mask| Mask::new(mask, leading, length, positions)).transpose()?;
    let (q, k, v) = (query.as_floats()?, key.as_floats()?, value.as_floats()?);
    let scale = 1.0 / (features.max(1) as f32).sqrt();
    let one = |i: usize, out: &mut [f32], threads: Threads| {
        let mut scores = vec![0.0; length * positions];
        if features > 0 {
            let q = Matrix::new(&q[i * length * features..], length, features, features);
            let k = Matrix::new(&k[i * positions * features..], positions, features, features);
            let scores = MatrixMut::new(&mut scores, length, positions, positions);
            Matmul::new(q, k.transposed()).scale(scale).threads(threads).write(scores);
        }
        if let Some(mask) = &mask {
            mask.add(i, &mut scores, positions);
        }
        scores.chunks_mut(positions).for_each(softmax_in_place);
        let weights = Matrix::new(&scores, length, positions, positions);
        let v = Matrix::new(&v[i * positions * columns..], positions, columns, columns);
        Matmul::new(weights, v).threads(threads).write(MatrixMut::new(out, length, columns, columns));
    };
    if result.len() == length * columns {
        one(0, &mut result, Threads::Pool);
    } else {
        let heads = result.par_chunks_mut(length * columns).enumerate();
        heads.for_each(|(i, out)| one(i, out, Threads::One));
    }
    Ok(vec![Tensor::floats(query.dtype, shape, result)?])
}
