//! Sums of products by equation.

use std::collections::HashMap;

use super::{Types, broadcast_dims, list, one};
use crate::ops::{EinsumEquation, Operands};
use crate::{Dim, ShapedType};

pub(crate) fn einsum(operands: &Operands<'_>) -> Types {
    let values = operands.tensors("values")?;
    let values = values.iter().map(|&id| operands.shaped_of(id)).collect::<Result<Vec<_>, _>>()?;
    let dtype = values[0].dtype;
    if let Some(other) = values.iter().find(|value| value.dtype != dtype) {
        return Err(format!("operands are {dtype} and {}; cast one", other.dtype));
    }
    let ranks: Vec<usize> = values.iter().map(ShapedType::rank).collect();
    let equation = EinsumEquation::parse(operands.string("equation")?, &ranks)?;
    let mut extents: HashMap<char, Dim> = HashMap::new();
    for (letters, value) in equation.operands.iter().zip(&values) {
        for (&letter, dim) in letters.iter().zip(&value.dims) {
            let joined = match extents.get(&letter) {
                None => vec![dim.clone()],
                Some(known) => broadcast_dims(std::slice::from_ref(known), std::slice::from_ref(dim))
                    .map_err(|_| format!("`{letter}` is {known} and, in {}, {dim}", list(&value.dims)))?,
            };
            extents.extend(joined.into_iter().map(|dim| (letter, dim)));
        }
    }
    let dims = equation.result.iter().map(|letter| extents.get(letter).cloned().unwrap_or(Dim::Any));
    one(ShapedType { dtype, dims: dims.collect() })
}
