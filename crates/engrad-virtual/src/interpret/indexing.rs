//! Kernels of the operations that read and write at positions given as tensors.
//!
//! A negative index counts from the end, as in older operation sets; with `validate_indices` it is refused. One outside
//! the tensor is refused in any case: Core ML leaves open what happens then.

use engrad_mil::{DType, Op};

use super::call::{Call, Kernel};
use super::strided::blocks;
use super::tensor::{Data, Tensor, elements, strides};

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Gather => gather,
        Op::GatherAlongAxis => gather_along_axis,
        Op::GatherNd => gather_nd,
        Op::Scatter => scatter,
        Op::ScatterAlongAxis => scatter_along_axis,
        Op::ScatterNd => scatter_nd,
        _ => return None,
    })
}

type Results = Result<Vec<Tensor>, String>;

/// How an index becomes a position.
struct Resolve {
    negative: bool,
}

impl Resolve {
    fn new(call: &Call<'_>) -> Result<Self, String> {
        Ok(Self { negative: !call.bool("validate_indices")? })
    }

    fn position(&self, index: i32, extent: usize) -> Result<usize, String> {
        let position =
            if index < 0 && self.negative { i64::from(index) + extent as i64 } else { i64::from(index) };
        usize::try_from(position)
            .ok()
            .filter(|&position| position < extent)
            .ok_or_else(|| format!("index {index} is outside {extent}"))
    }
}

/// A constant number of leading dimensions that `x` and `indices` share.
fn batch_dims(call: &Call<'_>, x: &Tensor, indices: &Tensor) -> Result<usize, String> {
    let given = call.int("batch_dims")?;
    let batch = usize::try_from(given).unwrap_or(usize::MAX);
    match (x.shape.get(..batch), indices.shape.get(..batch)) {
        (Some(a), Some(b)) if a == b => Ok(batch),
        _ => Err(format!("batch_dims {given} does not fit {:?} and {:?}", x.shape, indices.shape)),
    }
}

fn gather(call: &Call<'_>) -> Results {
    let (x, indices, resolve) = (call.tensor("x")?, call.tensor("indices")?, Resolve::new(call)?);
    let axis = call.axis("axis", x.rank())?;
    let batch = batch_dims(call, x, indices)?;
    if axis < batch {
        return Err(format!("axis {axis} is one of the {batch} batch dimensions"));
    }
    let shape = [&x.shape[..axis], &indices.shape[batch..], &x.shape[axis + 1..]].concat();
    elements(&shape)?;
    let (extent, inner) = (x.shape[axis], elements(&x.shape[axis + 1..])?);
    let outer = elements(&x.shape[batch..axis])?;
    let per_batch = elements(&indices.shape[batch..])?;
    let positions = indices.as_ints()?;
    let positions: Vec<usize> =
        positions.iter().map(|&index| resolve.position(index, extent)).collect::<Result<_, _>>()?;
    let starts: Vec<usize> = (0..elements(&x.shape[..batch])?)
        .flat_map(|b| {
            let row = positions.get(b * per_batch..(b + 1) * per_batch).unwrap_or_default();
            (0..outer).flat_map(move |o| row.iter().map(move |p| ((b * outer + o) * extent + p) * inner))
        })
        .collect();
    Ok(vec![blocks(x, shape, inner, &starts)?])
}

/// For each of `indices` the position in a tensor of `shape` that lies as far along the axis as the index says.
fn positions_along(
    resolve: &Resolve,
    shape: &[usize],
    axis: usize,
    indices: &Tensor,
) -> Result<Vec<usize>, String> {
    let mut aligned = indices.shape.clone();
    if let Some(extent) = aligned.get_mut(axis) {
        *extent = shape[axis];
    }
    if aligned != shape {
        return Err(format!("indices {:?} do not fit {shape:?} along axis {axis}", indices.shape));
    }
    let (inner, extent, along) = (elements(&shape[axis + 1..])?, shape[axis], indices.shape[axis]);
    let position = |(i, &index): (usize, &i32)| {
        let (outer, inside) = (i / (along * inner), i % inner);
        Ok((outer * extent + resolve.position(index, extent)?) * inner + inside)
    };
    indices.as_ints()?.iter().enumerate().map(position).collect()
}

fn gather_along_axis(call: &Call<'_>) -> Results {
    let (x, indices) = (call.tensor("x")?, call.tensor("indices")?);
    let axis = call.axis("axis", x.rank())?;
    let positions = positions_along(&Resolve::new(call)?, &x.shape, axis, indices)?;
    Ok(vec![x.pick(indices.shape.clone(), &positions)?])
}

/// Where the slices that the last dimension of `indices` lists begin, and their length.
fn slices(
    resolve: &Resolve,
    shape: &[usize],
    batch: usize,
    indices: &Tensor,
) -> Result<(usize, Vec<usize>), String> {
    let depth = *indices.shape.last().ok_or("indices must have at least one dimension")?;
    if batch + depth > shape.len() || batch >= indices.rank() {
        return Err(format!("indices {:?} do not fit {shape:?}", indices.shape));
    }
    let strides = strides(shape);
    let length = elements(&shape[batch + depth..])?;
    let rows = elements(&indices.shape[..indices.rank() - 1])?;
    let per_batch = elements(&indices.shape[batch..indices.rank() - 1])?.max(1);
    let batch_stride = elements(&shape[batch..])?;
    let numbers = indices.as_ints()?;
    let start = |row: usize| {
        let mut start = row / per_batch * batch_stride;
        for (i, &index) in numbers[row * depth..(row + 1) * depth].iter().enumerate() {
            start += resolve.position(index, shape[batch + i])? * strides[batch + i];
        }
        Ok(start)
    };
    Ok((length, (0..rows).map(start).collect::<Result<_, String>>()?))
}

fn gather_nd(call: &Call<'_>) -> Results {
    let (x, indices) = (call.tensor("x")?, call.tensor("indices")?);
    let batch = batch_dims(call, x, indices)?;
    let (length, starts) = slices(&Resolve::new(call)?, &x.shape, batch, indices)?;
    let depth = indices.shape.last().copied().unwrap_or(0);
    let shape = [&indices.shape[..indices.rank() - 1], &x.shape[batch + depth..]].concat();
    Ok(vec![blocks(x, shape, length, &starts)?])
}

fn scatter(call: &Call<'_>) -> Results {
    let (data, indices, resolve) = (call.tensor("data")?, call.tensor("indices")?, Resolve::new(call)?);
    let axis = call.axis("axis", data.rank())?;
    let (extent, inner) = (data.shape[axis], elements(&data.shape[axis + 1..])?);
    let expected = [&data.shape[..axis], &indices.shape[..], &data.shape[axis + 1..]].concat();
    let positions = indices.as_ints()?;
    let positions: Vec<usize> =
        positions.iter().map(|&index| resolve.position(index, extent)).collect::<Result<_, _>>()?;
    elements(&expected)?;
    let starts: Vec<usize> = (0..elements(&data.shape[..axis])?)
        .flat_map(|outer| positions.iter().map(move |p| (outer * extent + p) * inner))
        .collect();
    combine(call, &expected, inner, &starts)
}

fn scatter_along_axis(call: &Call<'_>) -> Results {
    let (data, indices) = (call.tensor("data")?, call.tensor("indices")?);
    let axis = call.axis("axis", data.rank())?;
    let positions = positions_along(&Resolve::new(call)?, &data.shape, axis, indices)?;
    combine(call, &indices.shape, 1, &positions)
}

fn scatter_nd(call: &Call<'_>) -> Results {
    let (data, indices) = (call.tensor("data")?, call.tensor("indices")?);
    let (length, starts) = slices(&Resolve::new(call)?, &data.shape, 0, indices)?;
    let depth = indices.shape.last().copied().unwrap_or(0);
    let expected = [&indices.shape[..indices.rank() - 1], &data.shape[depth..]].concat();
    combine(call, &expected, length, &starts)
}

/// `data` with the blocks of `updates`, in order, combined by mode into those that begin at `starts`.
fn combine(call: &Call<'_>, expected: &[usize], length: usize, starts: &[usize]) -> Results {
    let (data, updates, mode) = (call.tensor("data")?, call.tensor("updates")?, call.string("mode")?);
    if updates.shape != expected || updates.dtype != data.dtype {
        return Err(format!(
            "updates are {} {:?}, not {} {expected:?}",
            updates.dtype, updates.shape, data.dtype
        ));
    }
    if starts.iter().any(|start| start.checked_add(length).is_none_or(|end| end > data.len()))
        || starts.len().checked_mul(length) != Some(updates.len())
    {
        return Err("a position is outside the tensor".to_owned());
    }
    if data.dtype == DType::Bool && mode != "update" {
        return Err(format!("truth values have no mode {mode:?}"));
    }
    let blocks = Blocks { length, starts };
    let result = match (&data.data, &updates.data) {
        _ if mode == "update" => replaced(data, updates, &blocks)?,
        (Data::Floats(old), Data::Floats(new)) => {
            Tensor::floats(data.dtype, data.shape.clone(), blocks.apply(old, new, float_mode(mode)?))?
        }
        _ => {
            let (old, new, mode) = (data.as_ints()?, updates.as_ints()?, integer_mode(mode)?);
            if call.string("mode")? == "div" && new.contains(&0) {
                return Err("an integer is divided by zero".to_owned());
            }
            Tensor::ints(data.dtype, data.shape.clone(), blocks.apply(&old, &new, mode))?
        }
    };
    Ok(vec![result])
}

/// Blocks of a tensor that are written; all lie inside it.
struct Blocks<'a> {
    length: usize,
    starts: &'a [usize],
}

impl Blocks<'_> {
    fn apply<T: Clone>(&self, old: &[T], new: &[T], mode: fn(T, T) -> T) -> Vec<T> {
        let mut result = old.to_vec();
        if self.length == 0 {
            return result;
        }
        for (&start, block) in self.starts.iter().zip(new.chunks_exact(self.length)) {
            for (old, new) in result[start..start + self.length].iter_mut().zip(block) {
                *old = mode(old.clone(), new.clone());
            }
        }
        result
    }
}

fn replaced(data: &Tensor, updates: &Tensor, blocks: &Blocks<'_>) -> Result<Tensor, String> {
    let elements = match (&data.data, &updates.data) {
        (Data::Floats(old), Data::Floats(new)) => Data::Floats(blocks.apply(old, new, |_, new| new)),
        (Data::Ints(old), Data::Ints(new)) => Data::Ints(blocks.apply(old, new, |_, new| new)),
        (Data::Bytes(old), Data::Bytes(new)) => Data::Bytes(blocks.apply(old, new, |_, new| new)),
        (Data::Texts(old), Data::Texts(new)) => Data::Texts(blocks.apply(old, new, |_, new| new)),
        _ => return Err(format!("updates are {}, not {}", updates.dtype, data.dtype)),
    };
    Tensor::of(data.dtype, data.shape.clone(), elements)
}

fn float_mode(mode: &str) -> Result<fn(f32, f32) -> f32, String> {
    Ok(match mode {
        "add" => |old, new| old + new,
        "sub" => |old, new| old - new,
        "mul" => |old, new| old * new,
        "div" => |old, new| old / new,
        "max" => f32::max,
        "min" => f32::min,
        other => return Err(format!("mode {other:?} is not known")),
    })
}

/// Division is only called with divisors other than zero.
fn integer_mode(mode: &str) -> Result<fn(i32, i32) -> i32, String> {
    Ok(match mode {
        "add" => i32::wrapping_add,
        "sub" => i32::wrapping_sub,
        "mul" => i32::wrapping_mul,
        "div" => i32::wrapping_div,
        "max" => i32::max,
        "min" => i32::min,
        other => return Err(format!("mode {other:?} is not known")),
    })
}
