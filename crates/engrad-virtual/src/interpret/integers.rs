//! Integers of every width as one: computed in 64 bits, wrapped to their element type.

use engrad_mil::DType;

use super::tensor::{Data, Tensor};

/// The numbers of an integer or boolean tensor.
///
/// # Errors
/// If it is none.
pub(crate) fn integers(tensor: &Tensor) -> Result<Vec<i64>, String> {
    let values = tensor.as_ints()?;
    Ok(match tensor.dtype {
        // Kept as the same bits.
        DType::UInt32 => values.iter().map(|&v| i64::from(v.cast_unsigned())).collect(),
        _ => values.iter().map(|&v| i64::from(v)).collect(),
    })
}

/// A tensor of an integer type, each value modulo the type's range.
///
/// # Errors
/// If the number of elements is not that of the shape.
pub(crate) fn wrapped(dtype: DType, shape: Vec<usize>, values: Vec<i64>) -> Result<Tensor, String> {
    if dtype == DType::Bool {
        return Tensor::bools(shape, values.into_iter().map(|v| v != 0).collect());
    }
    let bits = dtype.bits();
    let signed = dtype.integer_range().is_some_and(|(low, _)| low < 0);
    let wrap = |v: i64| match (bits, signed) {
        (32.., _) => v as i32,
        (_, true) => ((v << (64 - bits)) >> (64 - bits)) as i32,
        (_, false) => (v & ((1 << bits) - 1)) as i32,
    };
    Tensor::ints(dtype, shape, values.into_iter().map(wrap).collect())
}

/// The numbers of any tensor as f32, unsigned 32-bit ones too.
///
/// # Errors
/// If it holds texts.
pub(crate) fn to_floats(tensor: &Tensor) -> Result<Vec<f32>, String> {
    match (&tensor.data, tensor.dtype) {
        (Data::Ints(values), DType::UInt32) => Ok(values.iter().map(|&v| v.cast_unsigned() as f32).collect()),
        _ => Ok(tensor.to_f32()?.into_owned()),
    }
}
