//! Operations that order elements or look for them.

use super::{Types, one};
use crate::ops::Operands;
use crate::{DType, Dim, ShapedType};

pub(crate) fn argsort(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    operands.axis("axis", x.rank())?;
    one(ShapedType { dtype: DType::Int32, ..x })
}

/// Values, and their indices unless they are not wanted; k of −1 means all.
pub(crate) fn topk(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let axis = operands.axis("axis", x.rank())?;
    let k = operands.int("k")?;
    let mut dims = x.dims.clone();
    dims[axis] = match (k, dims[axis].fixed()) {
        (-1, _) => dims[axis].clone(),
        (0.., Some(extent)) if k as usize > extent => {
            return Err(format!("k is {k}, but axis {axis} has {extent} elements"));
        }
        (0.., _) => Dim::Fixed(k as usize),
        _ => return Err(format!("k must be positive, or −1 for all, not {k}")),
    };
    let values = x.with(dims);
    if !operands.bool("return_indices")? {
        return one(values);
    }
    let dtype = operands.dtype("output_indices_dtype")?;
    if !matches!(dtype, DType::Int32 | DType::UInt16) {
        return Err(format!("output_indices_dtype must be int32 or uint16, not {dtype}"));
    }
    let indices = ShapedType { dtype, ..values.clone() };
    Ok(vec![values.into(), indices.into()])
}

pub(crate) fn non_zero(operands: &Operands<'_>) -> Types {
    let rank = operands.shaped("x")?.rank();
    one(ShapedType::new(DType::Int32, [Dim::Any, Dim::Fixed(rank)]))
}
