//! Operations that read and write at positions given as tensors.

use super::movement::agree;
use super::{Types, list, one};
use crate::ops::Operands;
use crate::{Dim, ShapedType};

/// What becomes of an element that an update meets.
pub(crate) const MODES: [&str; 7] = ["update", "add", "sub", "mul", "div", "max", "min"];

/// A constant number of leading dimensions that `x` and `indices` share; the second must have them too.
fn batch_dims(operands: &Operands<'_>, x: &ShapedType, indices: &ShapedType) -> Result<usize, String> {
    let given = operands.int("batch_dims")?;
    let batch = usize::try_from(given).unwrap_or(usize::MAX);
    if batch >= x.rank().max(1) || batch > indices.rank() {
        return Err(format!("batch_dims {given} is out of range for {x} and {indices}"));
    }
    if agree(&x.dims[..batch], &indices.dims[..batch]).is_none() {
        return Err(format!("the first {batch} dimensions of {x} and {indices} differ"));
    }
    Ok(batch)
}

/// Constant indices, where they are to be checked, lie below the extent.
fn validate(operands: &Operands<'_>, extent: &Dim) -> Result<(), String> {
    let (Some(extent), Some(indices)) = (extent.fixed(), operands.constant("indices")) else {
        return Ok(());
    };
    let indices = indices.to_i64().filter(|_| operands.bool("validate_indices").unwrap_or(false));
    match indices.unwrap_or_default().iter().find(|&&i| i < 0 || i >= extent as i64) {
        Some(index) => Err(format!("index {index} is outside {extent}")),
        None => Ok(()),
    }
}

pub(crate) fn gather(operands: &Operands<'_>) -> Types {
    let (x, indices) = (operands.shaped("x")?, operands.shaped("indices")?);
    let axis = operands.axis("axis", x.rank())?;
    let batch = batch_dims(operands, &x, &indices)?;
    if axis < batch {
        return Err(format!("axis {axis} is one of the {batch} batch dimensions"));
    }
    validate(operands, &x.dims[axis])?;
    one(x.with([&x.dims[..axis], &indices.dims[batch..], &x.dims[axis + 1..]].concat()))
}

/// Extents other than that of the axis must agree.
fn along_axis(operands: &Operands<'_>, x: &ShapedType, indices: &ShapedType) -> Result<(), String> {
    let axis = operands.axis("axis", x.rank())?;
    let mut aligned = indices.dims.clone();
    if let Some(extent) = aligned.get_mut(axis) {
        *extent = x.dims[axis].clone();
    }
    if agree(&x.dims, &aligned).is_none() {
        return Err(format!(
            "indices {} do not fit {} along axis {axis}",
            list(&indices.dims),
            list(&x.dims)
        ));
    }
    validate(operands, &x.dims[axis])
}

pub(crate) fn gather_along_axis(operands: &Operands<'_>) -> Types {
    let (x, indices) = (operands.shaped("x")?, operands.shaped("indices")?);
    along_axis(operands, &x, &indices)?;
    one(x.with(indices.dims))
}

/// The last dimension of `indices`, which says how many dimensions an index goes through.
fn depth(indices: &ShapedType, rank: usize) -> Result<usize, String> {
    let depth = match indices.dims.last().map(Dim::fixed) {
        Some(Some(depth)) => depth,
        Some(None) => {
            return Err(format!("the last extent of indices {} must be known", list(&indices.dims)));
        }
        None => return Err("indices must have at least one dimension".to_owned()),
    };
    if depth > rank {
        return Err(format!("indices of {depth} numbers are too long for {rank} dimensions"));
    }
    Ok(depth)
}

pub(crate) fn gather_nd(operands: &Operands<'_>) -> Types {
    let (x, indices) = (operands.shaped("x")?, operands.shaped("indices")?);
    let batch = batch_dims(operands, &x, &indices)?;
    let depth = depth(&indices, x.rank() - batch)?;
    if batch == indices.rank() {
        return Err(format!("batch_dims {batch} leaves no index of {}", list(&indices.dims)));
    }
    one(x.with([&indices.dims[..indices.rank() - 1], &x.dims[batch + depth..]].concat()))
}

/// `data`, `indices` and `updates` of a known mode and one element type.
fn scattered(operands: &Operands<'_>) -> Result<[ShapedType; 3], String> {
    let mode = operands.string("mode")?;
    if !MODES.contains(&mode) {
        return Err(format!("mode must be one of {}, not {mode:?}", MODES.join(", ")));
    }
    let (data, updates) = (operands.shaped("data")?, operands.shaped("updates")?);
    if data.dtype != updates.dtype {
        return Err(format!("data is {} but updates is {}; cast one", data.dtype, updates.dtype));
    }
    Ok([data, operands.shaped("indices")?, updates])
}

fn updates_are(expected: Vec<Dim>, data: ShapedType, updates: &ShapedType) -> Types {
    match agree(&expected, &updates.dims) {
        Some(_) => one(data),
        None => Err(format!("updates must be {}, not {}", list(&expected), list(&updates.dims))),
    }
}

pub(crate) fn scatter(operands: &Operands<'_>) -> Types {
    let [data, indices, updates] = scattered(operands)?;
    let axis = operands.axis("axis", data.rank())?;
    validate(operands, &data.dims[axis])?;
    let expected = [&data.dims[..axis], &indices.dims[..], &data.dims[axis + 1..]].concat();
    updates_are(expected, data, &updates)
}

pub(crate) fn scatter_along_axis(operands: &Operands<'_>) -> Types {
    let [data, indices, updates] = scattered(operands)?;
    along_axis(operands, &data, &indices)?;
    updates_are(indices.dims, data, &updates)
}

pub(crate) fn scatter_nd(operands: &Operands<'_>) -> Types {
    let [data, indices, updates] = scattered(operands)?;
    let depth = depth(&indices, data.rank())?;
    let expected = [&indices.dims[..indices.rank() - 1], &data.dims[depth..]].concat();
    updates_are(expected, data, &updates)
}
