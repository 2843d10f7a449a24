//! Operations on single elements, and constants.

use crate::differentiate::rules as vjp;
use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::NUMBER);
const XY: &[ArgumentSpec] = &[X, tensor("y", DTypes::NUMBER)];
const FLOAT: &[ArgumentSpec] = &[tensor("x", DTypes::FLOAT)];
const NUMBER: &[ArgumentSpec] = &[X];
/// Compilers leave `epsilon` out where it is the default.
const fn epsilon(default: f64) -> ArgumentSpec {
    arg("epsilon", ArgumentKind::Float).or(Default::Float(default))
}

pub(super) const ROWS: &[OpInfo] = &[
    row(Op::Const, &[], None, "A named constant; its payload is the attribute `val`."),
    row(Op::Add, XY, Some(rules::elementwise::binary), "x + y, broadcast.").derivative(vjp::add),
    row(Op::Sub, XY, Some(rules::elementwise::binary), "x − y, broadcast.").derivative(vjp::sub),
    row(Op::Mul, XY, Some(rules::elementwise::binary), "x · y elementwise, broadcast.").derivative(vjp::mul),
    row(Op::RealDiv, XY, Some(rules::elementwise::binary), "x / y, broadcast.").derivative(vjp::real_div),
    row(Op::Maximum, XY, Some(rules::elementwise::binary), "The larger of x and y, broadcast."),
    row(Op::Minimum, XY, Some(rules::elementwise::binary), "The smaller of x and y, broadcast."),
    row(Op::Exp, FLOAT, Some(rules::elementwise::unary), "e^x.").derivative(vjp::exp),
    row(Op::Log, args![epsilon(1e-45), FLOAT[0]], Some(rules::elementwise::unary), "ln(x + epsilon).")
        .derivative(vjp::log),
    row(Op::Sqrt, FLOAT, Some(rules::elementwise::unary), "√x.").derivative(vjp::sqrt),
    row(Op::Rsqrt, args![epsilon(1e-12), FLOAT[0]], Some(rules::elementwise::unary), "1/√(x + epsilon).")
        .derivative(vjp::rsqrt),
    row(Op::Inverse, args![epsilon(1e-4), FLOAT[0]], Some(rules::elementwise::unary), "1/(x + epsilon).")
        .derivative(vjp::inverse),
    row(Op::Square, NUMBER, Some(rules::elementwise::unary), "x².").derivative(vjp::square),
    row(Op::Tanh, FLOAT, Some(rules::elementwise::unary), "Hyperbolic tangent.").derivative(vjp::tanh),
    row(Op::Identity, args![arg("x", ArgumentKind::Any)], Some(rules::same), "x.").derivative(vjp::identity),
    row(
        Op::Cast,
        args![arg("dtype", ArgumentKind::String), tensor("x", DTypes::ANY)],
        Some(rules::elementwise::cast),
        "x converted to the element type named by `dtype`.",
    )
    .derivative(vjp::cast),
];
