//! Products.

use crate::differentiate::rules as vjp;
use crate::ops::row::{ArgumentKind, DTypes, Default, OpInfo, arg, args, row, tensor};
use crate::ops::{Op, rules};

pub(super) const ROWS: &[OpInfo] = &[row(
    Op::Matmul,
    args![
        arg("transpose_x", ArgumentKind::Bool).or(Default::Bool(false)),
        arg("transpose_y", ArgumentKind::Bool).or(Default::Bool(false)),
        tensor("x", DTypes::NUMBER),
        tensor("y", DTypes::NUMBER),
    ],
    Some(rules::linear::matmul),
    "Matrix product over the last two dimensions, leading ones broadcast.",
)
.derivative(vjp::matmul)];
