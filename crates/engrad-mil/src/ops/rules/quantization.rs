//! Affine quantisation of values at run time.

use super::{Types, list, one, unify};
use crate::ops::Operands;
use crate::{DType, Dim, ShapedType};

/// Scale and zero point are scalars, or vectors along the axis of the input.
fn check_parameters(operands: &Operands<'_>, input: &ShapedType) -> Result<(), String> {
    for name in ["scale", "zero_point"].into_iter().filter(|name| operands.has(name)) {
        let dims = operands.shaped(name)?.dims;
        match &dims[..] {
            [] | [Dim::Fixed(1)] => {}
            [extent] => {
                let along = &input.dims[operands.axis("axis", input.rank())?];
                if unify(extent, along).is_none() {
                    return Err(format!("{name} has {extent} elements for {along} along the axis"));
                }
            }
            _ => return Err(format!("{name} must be a scalar or a vector, not {}", list(&dims))),
        }
    }
    Ok(())
}

pub(crate) fn quantize(operands: &Operands<'_>) -> Types {
    let input = operands.shaped("input")?;
    check_parameters(operands, &input)?;
    let dtype = operands.dtype("output_dtype")?;
    if !matches!(dtype, DType::Int8 | DType::UInt8) {
        return Err(format!("output_dtype is int8 or uint8, not {dtype}"));
    }
    if operands.has("zero_point") {
        let given = operands.shaped("zero_point")?.dtype;
        if given != dtype {
            return Err(format!("zero_point is {given}, but the output is {dtype}"));
        }
    }
    one(ShapedType { dtype, ..input })
}

pub(crate) fn dequantize(operands: &Operands<'_>) -> Types {
    let input = operands.shaped("input")?;
    check_parameters(operands, &input)?;
    if operands.has("zero_point") {
        let given = operands.shaped("zero_point")?.dtype;
        if given != input.dtype {
            return Err(format!("zero_point is {given}, but the input is {}", input.dtype));
        }
    }
    one(ShapedType { dtype: operands.shaped("scale")?.dtype, ..input })
}
