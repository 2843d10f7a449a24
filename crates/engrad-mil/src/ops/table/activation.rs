//! Activations.

use crate::differentiate::rules as vjp;
use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::FLOAT);

pub(super) const ROWS: &[OpInfo] = &[
    row(Op::Relu, args![X], Some(rules::elementwise::unary), "max(x, 0)."),
    row(Op::Sigmoid, args![X], Some(rules::elementwise::unary), "1/(1 + e^−x).").derivative(vjp::sigmoid),
    row(Op::Silu, args![X], Some(rules::elementwise::unary), "x · sigmoid(x).").derivative(vjp::silu),
    row(
        Op::Softmax,
        args![arg("axis", ArgumentKind::Int).or(Default::Int(-1)), X],
        Some(rules::reduction::along_axis),
        "e^x normalised to sum one along an axis.",
    )
    .derivative(vjp::softmax),
];
