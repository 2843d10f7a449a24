//! Compressed weights.

use super::{Types, list, one};
use crate::ops::Operands;
use crate::{DType, Dim, ShapedType, Type};

/// The length of a vector.
fn vector<'t>(ty: &'t ShapedType, name: &str) -> Result<&'t Dim, String> {
    match &ty.dims[..] {
        [length] => Ok(length),
        _ => Err(format!("{name} must be a vector, not {ty}")),
    }
}

/// `shape` of the packed form.
fn shape(operands: &Operands<'_>) -> Result<(Vec<Dim>, usize), String> {
    let dims = operands.extents("shape")?;
    let count = dims.iter().filter_map(Dim::fixed).fold(1usize, usize::saturating_mul);
    Ok((dims, count))
}

/// The number of bytes that hold `count` elements of so many bits.
fn check_packed(bytes: &Dim, name: &str, count: usize, bits: usize) -> Result<(), String> {
    let needed = count.saturating_mul(bits).div_ceil(8);
    match bytes.fixed() {
        Some(bytes) if bytes != needed => {
            Err(format!("{name} has {bytes} bytes, {count} elements of {bits} bits need {needed}"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn affine_dequantize(operands: &Operands<'_>) -> Types {
    let data = operands.shaped("quantized_data")?;
    let axis = operands.axis("axis", data.rank())?;
    for name in ["scale", "zero_point"] {
        let given = operands.shaped(name)?;
        match &given.dims[..] {
            [] => {}
            [length] if length.may_equal(&data.dims[axis]) => {}
            _ => {
                return Err(format!(
                    "{name} {} does not fit axis {axis} of {}",
                    list(&given.dims),
                    list(&data.dims)
                ));
            }
        }
    }
    one(ShapedType { dtype: operands.shaped("scale")?.dtype, dims: data.dims })
}

pub(crate) fn cast(operands: &Operands<'_>) -> Types {
    let source = operands.shaped("source_val")?;
    match operands.dtype("output_dtype")? {
        dtype if dtype.is_float() => one(ShapedType { dtype, dims: source.dims }),
        other => Err(format!("output_dtype must be a floating-point type, not {other}")),
    }
}

/// Number of bits of an index into a table of so many entries.
fn index_bits(entries: usize) -> Result<usize, String> {
    let fits = entries.is_power_of_two() && (2..=256).contains(&entries);
    if fits {
        Ok(entries.ilog2() as usize)
    } else {
        Err(format!("a table of {entries} entries is none of 2 to 256, a power of two"))
    }
}

pub(crate) fn lut_to_dense(operands: &Operands<'_>) -> Types {
    let (indices, lut) = (operands.shaped("indices")?, operands.shaped("lut")?);
    if !operands.has("shape") {
        return one(ShapedType {
            dtype: lut.dtype,
            dims: tabled(operands, &indices.dims, indices.dtype, &lut)?,
        });
    }
    let (dims, count) = shape(operands)?;
    if let Some(entries) = vector(&lut, "lut")?.fixed() {
        check_packed(vector(&indices, "indices")?, "indices", count, index_bits(entries)?)?;
    }
    one(ShapedType { dtype: lut.dtype, dims })
}

/// Extents of what tables make of `indices`: vectors stretch their axis.
fn tabled(
    operands: &Operands<'_>,
    indices: &[Dim],
    index: DType,
    lut: &ShapedType,
) -> Result<Vec<Dim>, String> {
    let rank = indices.len();
    if rank == 0 || lut.rank() != rank + 2 {
        return Err(format!(
            "lut {} must have two dimensions more than indices {}",
            list(&lut.dims),
            list(indices)
        ));
    }
    check_blocks("lut", &lut.dims[..rank], indices)?;
    if let Some(entries) = lut.dims[rank].fixed()
        && index_bits(entries)? != index.bits()
    {
        return Err(format!("indices of type {index} do not fit a table of {entries} entries"));
    }
    let mut dims = indices.to_vec();
    match (operands.has("vector_axis"), lut.dims[rank + 1].fixed()) {
        (false, Some(2..)) => return Err(format!("lut {} needs vector_axis", list(&lut.dims))),
        (false, _) => {}
        (true, length) => {
            let axis = operands.axis("vector_axis", rank)?;
            let stretched =
                length.zip(dims[axis].fixed()).map(|(length, extent)| length.saturating_mul(extent));
            dims[axis] = stretched.map_or(Dim::Any, Dim::Fixed);
        }
    }
    Ok(dims)
}

/// Every extent of `parts` divides that of `whole`.
fn check_blocks(name: &str, parts: &[Dim], whole: &[Dim]) -> Result<(), String> {
    let divides = |(part, whole): (&Dim, &Dim)| match (part.fixed(), whole.fixed()) {
        (Some(part), Some(whole)) => part > 0 && whole.is_multiple_of(part),
        _ => true,
    };
    if parts.len() == whole.len() && parts.iter().zip(whole).all(divides) {
        return Ok(());
    }
    Err(format!("{name} {} does not divide {} into blocks", list(parts), list(whole)))
}

pub(crate) fn sparse_to_dense(operands: &Operands<'_>) -> Types {
    let (data, mask) = (operands.shaped("nonzero_data")?, operands.shaped("mask")?);
    let marked = operands.constant("mask").and_then(|constant| constant.to_i64());
    if !operands.has("shape") {
        check_marks(vector(&data, "nonzero_data")?, marked.map(|m| m.iter().filter(|&&v| v != 0).count()))?;
        return one(data.with(mask.dims));
    }
    let (dims, count) = shape(operands)?;
    check_packed(vector(&mask, "mask")?, "mask", count, 1)?;
    let bits = marked.map(|bytes| bytes.iter().map(|byte| byte.count_ones() as usize).sum());
    check_marks(vector(&data, "nonzero_data")?, bits)?;
    one(data.with(dims))
}

fn check_marks(length: &Dim, marked: Option<usize>) -> Result<(), String> {
    match (length.fixed(), marked) {
        (Some(length), Some(marked)) if length != marked => {
            Err(format!("the mask marks {marked} elements, nonzero_data has {length}"))
        }
        _ => Ok(()),
    }
}

fn check_shift_scale(operands: &Operands<'_>, data: &[Dim]) -> Result<DType, String> {
    let scale = operands.shaped("scale")?;
    check_blocks("scale", &scale.dims, data)?;
    if operands.has("offset") {
        let offset = operands.shaped("offset")?;
        let fits =
            offset.rank() == scale.rank() && offset.dims.iter().zip(&scale.dims).all(|(a, b)| a.may_equal(b));
        if !fits {
            return Err(format!("offset {} and scale {} differ", list(&offset.dims), list(&scale.dims)));
        }
    }
    Ok(scale.dtype)
}

pub(crate) fn blockwise_shift_scale(operands: &Operands<'_>) -> Types {
    let data = operands.shaped("data")?;
    let dtype = check_shift_scale(operands, &data.dims)?;
    one(ShapedType { dtype, dims: data.dims })
}

pub(crate) fn sparse_blockwise_shift_scale(operands: &Operands<'_>) -> Types {
    let (mask, data) = (operands.shaped("data_mask")?, operands.shaped("nonzero_data")?);
    let dtype = check_shift_scale(operands, &mask.dims)?;
    let length = vector(&data, "nonzero_data")?.clone();
    check_marks(&length, count_marks(operands, "data_mask"))?;
    Ok(vec![Type::from(mask), ShapedType { dtype, dims: vec![length] }.into()])
}

pub(crate) fn lut_to_sparse(operands: &Operands<'_>) -> Types {
    let (mask, data, lut) =
        (operands.shaped("indices_mask")?, operands.shaped("indices_nonzero_data")?, operands.shaped("lut")?);
    let length = vector(&data, "indices_nonzero_data")?;
    check_marks(length, count_marks(operands, "indices_mask"))?;
    let dims = tabled(operands, &mask.dims, data.dtype, &lut)?;
    let entries = length.fixed().zip(lut.dims[mask.rank() + 1].fixed()).map(|(n, m)| n.saturating_mul(m));
    let values = ShapedType { dtype: lut.dtype, dims: vec![entries.map_or(Dim::Any, Dim::Fixed)] };
    Ok(vec![mask.with(dims).into(), values.into()])
}

fn count_marks(operands: &Operands<'_>, name: &str) -> Option<usize> {
    Some(operands.constant(name)?.to_i64()?.iter().filter(|&&v| v != 0).count())
}
