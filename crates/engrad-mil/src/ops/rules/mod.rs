//! Shape and type rules: the result types of each operation from its operands. Extents may be unknown; a rule then gives
//! what is known.

pub(crate) mod activation;
#[cfg(test)]
mod arithmetic_tests;
pub(crate) mod compression;
pub(crate) mod construction;
pub(crate) mod control;
pub(crate) mod convolution;
pub(crate) mod einsum;
pub(crate) mod elementwise;
pub(crate) mod image;
pub(crate) mod indexing;
pub(crate) mod joining;
pub(crate) mod linear;
pub(crate) mod movement;
pub(crate) mod normalization;
pub(crate) mod pooling;
pub(crate) mod quantization;
pub(crate) mod random;
pub(crate) mod recurrent;
pub(crate) mod reduction;
pub(crate) mod slicing;
pub(crate) mod sorting;
#[cfg(test)]
mod spatial_tests;

use super::Operands;
use crate::{Dim, ShapedType, Type};

/// What a rule returns.
pub(crate) type Types = Result<Vec<Type>, String>;

/// One result.
pub(crate) fn one(ty: ShapedType) -> Types {
    Ok(vec![ty.into()])
}

/// The type of `x`.
pub(crate) fn same(operands: &Operands<'_>) -> Types {
    Ok(vec![operands.type_given("x")?])
}

/// Extents as they stand in a message.
pub(crate) fn list(dims: &[Dim]) -> String {
    format!("[{}]", dims.iter().map(Dim::to_string).collect::<Vec<_>>().join(", "))
}

/// Extents aligned at the last dimension; an extent of one stretches. Where one side is unknown, the other says: an
/// extent above one is the result, an extent of one leaves it open.
pub(crate) fn broadcast_dims(x: &[Dim], y: &[Dim]) -> Result<Vec<Dim>, String> {
    let rank = x.len().max(y.len());
    let dim = |dims: &[Dim], i: usize| {
        (i + dims.len()).checked_sub(rank).map_or(Dim::Fixed(1), |position| dims[position].clone())
    };
    (0..rank)
        .map(|i| match (dim(x, i), dim(y, i)) {
            (a, b) if a == b => Ok(a),
            (Dim::Fixed(1), other) | (other, Dim::Fixed(1)) => Ok(other),
            (Dim::Fixed(_), Dim::Fixed(_)) => {
                Err(format!("shapes {} and {} do not broadcast", list(x), list(y)))
            }
            (Dim::Fixed(extent), _) | (_, Dim::Fixed(extent)) => Ok(Dim::Fixed(extent)),
            _ => Ok(Dim::Any),
        })
        .collect()
}

/// Sum of extents, if both are known.
pub(crate) fn add_dims(a: &Dim, b: &Dim) -> Dim {
    match (a.fixed(), b.fixed()) {
        (Some(a), Some(b)) => Dim::Fixed(a.saturating_add(b)),
        _ => Dim::Any,
    }
}

/// Sum of extents, if all are known.
pub(crate) fn sum(dims: &[Dim]) -> Dim {
    dims.iter().fold(Dim::Fixed(0), |sum, dim| add_dims(&sum, dim))
}

/// An extent times a number.
pub(crate) fn times(dim: &Dim, factor: usize) -> Dim {
    match (dim, factor) {
        (_, 1) => dim.clone(),
        (Dim::Fixed(extent), _) => Dim::Fixed(extent.saturating_mul(factor)),
        _ => Dim::Any,
    }
}

/// Product of extents, if all are known.
pub(crate) fn product(dims: &[Dim]) -> Dim {
    let product = dims.iter().try_fold(1usize, |n, dim| Some(n.saturating_mul(dim.fixed()?)));
    product.map_or(Dim::Any, Dim::Fixed)
}

/// Whichever of two extents that must be equal is known.
pub(crate) fn unify(a: &Dim, b: &Dim) -> Option<Dim> {
    match (a, b) {
        _ if a == b => Some(a.clone()),
        (Dim::Fixed(_), Dim::Fixed(_)) => None,
        (Dim::Fixed(_), _) => Some(a.clone()),
        _ => Some(b.clone()),
    }
}
