//! Operations on single elements.

use super::{Types, broadcast_dims, one};
use crate::ops::Operands;
use crate::{DType, ShapedType};

/// x and y of one element type, broadcast.
fn pair(operands: &Operands<'_>) -> Result<ShapedType, String> {
    let (x, y) = (operands.shaped("x")?, operands.shaped("y")?);
    if x.dtype != y.dtype {
        return Err(format!("x is {} but y is {}; cast one", x.dtype, y.dtype));
    }
    Ok(x.with(broadcast_dims(&x.dims, &y.dims)?))
}

pub(crate) fn binary(operands: &Operands<'_>) -> Types {
    one(pair(operands)?)
}

pub(crate) fn comparison(operands: &Operands<'_>) -> Types {
    one(ShapedType { dtype: DType::Bool, ..pair(operands)? })
}

pub(crate) fn unary(operands: &Operands<'_>) -> Types {
    one(operands.shaped("x")?)
}

/// A bound of the kind of number that x is; its exact type may differ.
pub(crate) fn threshold(operands: &Operands<'_>) -> Types {
    let (x, alpha) = (operands.shaped("x")?, operands.shaped("alpha")?);
    if alpha.elements() != Some(1) || alpha.rank() > 1 {
        return Err(format!("alpha must be a scalar, not {alpha}"));
    }
    if x.dtype.is_float() != alpha.dtype.is_float() {
        return Err(format!("x is {} but alpha is {}", x.dtype, alpha.dtype));
    }
    one(x)
}

pub(crate) fn select(operands: &Operands<'_>) -> Types {
    let (cond, a, b) = (operands.shaped("cond")?, operands.shaped("a")?, operands.shaped("b")?);
    if a.dtype != b.dtype {
        return Err(format!("a is {} but b is {}; cast one", a.dtype, b.dtype));
    }
    let dims = broadcast_dims(&broadcast_dims(&a.dims, &b.dims)?, &cond.dims)?;
    one(a.with(dims))
}

pub(crate) fn cast(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    match operands.dtype("dtype")? {
        DType::String => Err("cannot cast to string".to_owned()),
        dtype => one(ShapedType { dtype, ..x }),
    }
}
