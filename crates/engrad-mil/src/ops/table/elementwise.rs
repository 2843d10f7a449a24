//! Operations on single elements, and constants.

use crate::differentiate::rules as vjp;
use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Rule, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::NUMBER);
const XY: &[ArgumentSpec] = &[X, tensor("y", DTypes::NUMBER)];
const COMPARED: &[ArgumentSpec] = &[tensor("x", DTypes::ANY), tensor("y", DTypes::ANY)];
const TRUTHS: &[ArgumentSpec] = &[tensor("x", DTypes::BOOL), tensor("y", DTypes::BOOL)];
const FLOAT: &[ArgumentSpec] = &[tensor("x", DTypes::FLOAT)];
const NUMBER: &[ArgumentSpec] = &[X];
/// Compilers leave `epsilon` out where it is the default.
const fn epsilon(default: f64) -> ArgumentSpec {
    arg("epsilon", ArgumentKind::Float).or(Default::Float(default))
}

const BINARY: Option<Rule> = Some(rules::elementwise::binary);
const COMPARISON: Option<Rule> = Some(rules::elementwise::comparison);
const UNARY: Option<Rule> = Some(rules::elementwise::unary);

pub(super) const ROWS: &[OpInfo] = &[
    row(Op::Const, &[], None, "A named constant; its payload is the attribute `val`."),
    row(Op::Add, XY, BINARY, "x + y, broadcast; integers wrap.").derivative(vjp::add),
    row(Op::Sub, XY, BINARY, "x − y, broadcast; integers wrap.").derivative(vjp::sub),
    row(Op::Mul, XY, BINARY, "x · y elementwise, broadcast; integers wrap.").derivative(vjp::mul),
    row(Op::RealDiv, XY, BINARY, "x / y, broadcast; of integers, truncated toward zero.")
        .derivative(vjp::real_div),
    row(Op::FloorDiv, XY, BINARY, "x / y, broadcast, rounded toward negative infinity."),
    row(Op::Mod, XY, BINARY, "The remainder of floor_div, broadcast: it has the sign of y."),
    row(Op::Pow, XY, BINARY, "x to the power y, broadcast.").derivative(vjp::elementwise::pow),
    row(Op::Maximum, XY, BINARY, "The larger of x and y, broadcast; NaN if either is.")
        .derivative(vjp::elementwise::maximum),
    row(Op::Minimum, XY, BINARY, "The smaller of x and y, broadcast; NaN if either is.")
        .derivative(vjp::elementwise::minimum),
    row(Op::Equal, COMPARED, COMPARISON, "Whether x = y, broadcast."),
    row(Op::NotEqual, COMPARED, COMPARISON, "Whether x ≠ y, broadcast."),
    row(Op::Less, COMPARED, COMPARISON, "Whether x < y, broadcast."),
    row(Op::LessEqual, COMPARED, COMPARISON, "Whether x ≤ y, broadcast."),
    row(Op::Greater, COMPARED, COMPARISON, "Whether x > y, broadcast."),
    row(Op::GreaterEqual, COMPARED, COMPARISON, "Whether x ≥ y, broadcast."),
    row(Op::LogicalAnd, TRUTHS, COMPARISON, "x and y, broadcast."),
    row(Op::LogicalOr, TRUTHS, COMPARISON, "x or y, broadcast."),
    row(Op::LogicalXor, TRUTHS, COMPARISON, "Either x or y, broadcast."),
    row(Op::LogicalNot, args![tensor("x", DTypes::BOOL)], UNARY, "Not x."),
    row(
        Op::Select,
        args![tensor("a", DTypes::ANY), tensor("b", DTypes::ANY), tensor("cond", DTypes::BOOL)],
        Some(rules::elementwise::select),
        "a where cond holds, b elsewhere, all three broadcast.",
    )
    .derivative(vjp::elementwise::select),
    row(Op::Abs, NUMBER, UNARY, "|x|.").derivative(vjp::elementwise::abs),
    row(Op::Acos, FLOAT, UNARY, "Inverse cosine.").derivative(vjp::elementwise::acos),
    row(Op::Asin, FLOAT, UNARY, "Inverse sine.").derivative(vjp::elementwise::asin),
    row(Op::Atan, FLOAT, UNARY, "Inverse tangent.").derivative(vjp::elementwise::atan),
    row(Op::Atanh, FLOAT, UNARY, "Inverse hyperbolic tangent.").derivative(vjp::elementwise::atanh),
    row(Op::Ceil, FLOAT, UNARY, "The least integer not below x."),
    row(
        Op::Clip,
        args![arg("alpha", ArgumentKind::Float), arg("beta", ArgumentKind::Float), FLOAT[0]],
        UNARY,
        "min(max(x, alpha), beta).",
    )
    .derivative(vjp::elementwise::clip),
    row(Op::Cos, FLOAT, UNARY, "Cosine.").derivative(vjp::elementwise::cos),
    row(Op::Cosh, FLOAT, UNARY, "Hyperbolic cosine.").derivative(vjp::elementwise::cosh),
    row(Op::Erf, FLOAT, UNARY, "The Gauss error function.").derivative(vjp::elementwise::erf),
    row(Op::Exp, FLOAT, UNARY, "e^x.").derivative(vjp::exp),
    row(Op::Exp2, NUMBER, UNARY, "2^x.").derivative(vjp::elementwise::exp2),
    row(Op::Floor, FLOAT, UNARY, "The largest integer not above x."),
    row(Op::Inverse, args![epsilon(1e-4), FLOAT[0]], UNARY, "1/(x + epsilon).").derivative(vjp::inverse),
    row(Op::Log, args![epsilon(1e-45), FLOAT[0]], UNARY, "ln(x + epsilon).").derivative(vjp::log),
    row(Op::Round, FLOAT, UNARY, "x rounded to the nearest integer, halves to the even one."),
    row(Op::Rsqrt, args![epsilon(1e-12), FLOAT[0]], UNARY, "1/√(x + epsilon).").derivative(vjp::rsqrt),
    row(Op::Sign, NUMBER, UNARY, "−1, 0 or 1, as x is negative, zero or positive."),
    row(Op::Sin, FLOAT, UNARY, "Sine.").derivative(vjp::elementwise::sin),
    row(Op::Sinh, FLOAT, UNARY, "Hyperbolic sine.").derivative(vjp::elementwise::sinh),
    row(Op::Sqrt, FLOAT, UNARY, "√x.").derivative(vjp::sqrt),
    row(Op::Square, NUMBER, UNARY, "x².").derivative(vjp::square),
    row(Op::Tan, FLOAT, UNARY, "Tangent.").derivative(vjp::elementwise::tan),
    row(Op::Tanh, FLOAT, UNARY, "Hyperbolic tangent.").derivative(vjp::tanh),
    row(
        Op::Threshold,
        args![tensor("alpha", DTypes::NUMBER), X],
        Some(rules::elementwise::threshold),
        "max(x, alpha).",
    )
    .derivative(vjp::elementwise::threshold),
    row(Op::Identity, args![arg("x", ArgumentKind::Any)], Some(rules::same), "x.").derivative(vjp::identity),
    row(
        Op::Cast,
        args![arg("dtype", ArgumentKind::String), tensor("x", DTypes::ANY)],
        Some(rules::elementwise::cast),
        "x converted to the element type named by `dtype`; to integers, truncated toward zero.",
    )
    .derivative(vjp::cast),
];
