//! Operations along axes.

use super::{Types, one};
use crate::ops::Operands;
use crate::{Dim, ShapedType};

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

/// Index of an extreme along one axis. Compilers keep at least one dimension: the result of a vector is `[1]`.
pub(crate) fn argument(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let axis = operands.axis("axis", x.rank())?;
    let mut dims = reduced(&x, &[axis], operands.bool("keep_dims")?);
    if dims.is_empty() {
        dims.push(Dim::Fixed(1));
    }
    one(ShapedType { dtype: operands.dtype("output_dtype")?, dims })
}

/// The type of x, which must have the axis.
pub(crate) fn along_axis(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    operands.axis("axis", x.rank())?;
    one(x)
}
