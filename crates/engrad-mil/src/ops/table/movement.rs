//! Shapes, slices and joins.

use crate::differentiate::rules as vjp;
use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::ANY);
/// Extents and positions may be computed at run time.
const fn list(name: &'static str) -> ArgumentSpec {
    tensor(name, DTypes::INTEGER)
}

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::Reshape,
        args![list("shape"), X],
        Some(rules::movement::reshape),
        "The same elements in another shape; one extent may be −1, for what is left.",
    )
    .derivative(vjp::reshape_like),
    row(
        Op::ExpandDims,
        args![arg("axes", ArgumentKind::Ints), X],
        Some(rules::movement::expand_dims),
        "Inserts dimensions of extent one.",
    )
    .derivative(vjp::reshape_like),
    row(
        Op::Squeeze,
        args![arg("axes", ArgumentKind::Ints).optional(), X],
        Some(rules::movement::squeeze),
        "Removes dimensions of extent one: those named, or all.",
    )
    .derivative(vjp::reshape_like),
    row(
        Op::Transpose,
        args![arg("perm", ArgumentKind::Ints), X],
        Some(rules::movement::transpose),
        "Dimensions in another order: result dimension `i` is dimension `perm[i]` of x.",
    )
    .derivative(vjp::transpose),
    row(
        Op::SliceBySize,
        args![list("begin"), list("size"), X],
        Some(rules::movement::slice_by_size),
        "The block of `size` elements from `begin`; size −1 means to the end.",
    )
    .derivative(vjp::slice_by_size),
    row(
        Op::Concat,
        args![
            arg("axis", ArgumentKind::Int),
            arg("interleave", ArgumentKind::Bool).or(Default::Bool(false)),
            arg("values", ArgumentKind::Tensors),
        ],
        Some(rules::movement::concat),
        "Tensors joined along an axis; interleaved if asked for: one element of each in turn.",
    )
    .derivative(vjp::concat),
];
