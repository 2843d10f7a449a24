//! Operations along axes.

use super::{Types, one};
use crate::ops::Operands;
use crate::{DType, Dim, ShapedType};

/// Extents without the axes, or with ones in their place.
fn reduced(x: &ShapedType, axes: &[usize], keep: bool) -> Vec<Dim> {
    let dims = x.dims.iter().enumerate().filter_map(|(i, dim)| match (axes.contains(&i), keep) {
        (false, _) => Some(dim.clone()),
        (true, true) => Some(Dim::Fixed(1)),
        (true, false) => None,
    });
    dims.collect()
}

pub(crate) fn reduce(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let axes = operands.axes("axes", x.rank())?;
    one(x.with(reduced(&x, &axes, operands.bool("keep_dims")?)))
}

/// Index of an extreme along one axis.
pub(crate) fn argument(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let axis = operands.axis("axis", x.rank())?;
    let dims = reduced(&x, &[axis], operands.bool("keep_dims")?);
    match operands.dtype("output_dtype")? {
        dtype @ (DType::Int32 | DType::UInt16) => one(ShapedType { dtype, dims }),
        other => Err(format!("output_dtype is int32 or uint16, not {other}")),
    }
}

/// The type of x, which must have the axis.
pub(crate) fn along_axis(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    operands.axis("axis", x.rank())?;
    one(x)
}
