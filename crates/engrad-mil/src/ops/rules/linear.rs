//! Products.

use super::{Types, broadcast_dims, list, one, unify};
use crate::ops::Operands;
use crate::{Dim, ShapedType};

pub(crate) fn matmul(operands: &Operands<'_>) -> Types {
    let (x, y) = (operands.shaped("x")?, operands.shaped("y")?);
    if x.dtype != y.dtype {
        return Err(format!("x is {} but y is {}; cast one", x.dtype, y.dtype));
    }
    if x.rank() < 2 || y.rank() < 2 {
        return Err(format!("needs matrices, not {x} and {y}"));
    }
    let matrix = |ty: &ShapedType, transposed: bool| {
        let [rows, columns] = [ty.dims[ty.rank() - 2].clone(), ty.dims[ty.rank() - 1].clone()];
        if transposed { (columns, rows) } else { (rows, columns) }
    };
    let (rows, inner) = matrix(&x, operands.bool("transpose_x")?);
    let (other, columns) = matrix(&y, operands.bool("transpose_y")?);
    if unify(&inner, &other).is_none() {
        return Err(format!(
            "inner extents {inner} and {other} of {} and {} differ",
            list(&x.dims),
            list(&y.dims)
        ));
    }
    let mut dims: Vec<Dim> = broadcast_dims(&x.dims[..x.rank() - 2], &y.dims[..y.rank() - 2])?;
    dims.extend([rows, columns]);
    one(x.with(dims))
}
