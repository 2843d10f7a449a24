//! Random numbers.

use super::{Types, one};
use crate::ops::Operands;
use crate::{DType, Dim, ShapedType};

/// A tensor of the extents that `shape` lists, of the element type that its parameters have; fp32 without any.
fn of_shape(operands: &Operands<'_>, parameters: &[&str]) -> Types {
    let mut dtype = None;
    for &name in parameters.iter().filter(|name| operands.has(name)) {
        let given = operands.shaped(name)?.dtype;
        if *dtype.get_or_insert(given) != given {
            return Err(format!("{} are of different types", parameters.join(" and ")));
        }
    }
    one(ShapedType::new(dtype.unwrap_or(DType::Fp32), operands.extents("shape")?))
}

pub(crate) fn bernoulli(operands: &Operands<'_>) -> Types {
    of_shape(operands, &["prob"])
}

pub(crate) fn normal(operands: &Operands<'_>) -> Types {
    of_shape(operands, &["mean", "stddev"])
}

pub(crate) fn uniform(operands: &Operands<'_>) -> Types {
    of_shape(operands, &["low", "high"])
}

pub(crate) fn categorical(operands: &Operands<'_>) -> Types {
    let mut x = operands.shaped("x")?;
    let mode = operands.string("mode")?;
    if !["logits", "probs"].contains(&mode) {
        return Err(format!("mode is `logits` or `probs`, not `{}`", mode.escape_debug()));
    }
    let size = operands.int("size")?;
    let size = usize::try_from(size).map_err(|_| format!("size must not be negative, as {size} is"))?;
    match x.dims.last_mut() {
        Some(last) => *last = Dim::Fixed(size),
        None => return Err("x must have a dimension".to_owned()),
    }
    one(x)
}
