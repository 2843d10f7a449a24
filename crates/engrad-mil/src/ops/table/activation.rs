//! Activations. Their parameters may be of another floating-point type than x.

use crate::differentiate::rules as vjp;
use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Rule, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::FLOAT);
const ALPHA: ArgumentSpec = arg("alpha", ArgumentKind::Float);
const BETA: ArgumentSpec = arg("beta", ArgumentKind::Float);
const ONE: &[ArgumentSpec] = &[ALPHA, X];
const TWO: &[ArgumentSpec] = &[ALPHA, BETA, X];

const UNARY: Option<Rule> = Some(rules::elementwise::unary);
const CHANNELS: Option<Rule> = Some(rules::activation::by_channel);

pub(super) const ROWS: &[OpInfo] = &[
    row(Op::ClampedRelu, TWO, UNARY, "min(x, beta) where x ≥ 0, min(alpha·x, beta) elsewhere."),
    row(Op::Elu, ONE, UNARY, "x where x > 0, alpha·(e^x − 1) elsewhere.").derivative(vjp::activation::elu),
    row(
        Op::Gelu,
        args![arg("mode", ArgumentKind::String).or(Default::Text("EXACT")), X],
        Some(rules::activation::gelu),
        "x·Φ(x), Φ the normal distribution: `EXACT`, x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2 as \
         `TANH_APPROXIMATION`, or x·sigmoid(1.702·x) as `SIGMOID_APPROXIMATION`.",
    )
    .derivative(vjp::activation::gelu),
    row(Op::LeakyRelu, ONE, UNARY, "x where x ≥ 0, alpha·x elsewhere.")
        .derivative(vjp::activation::leaky_relu),
    row(Op::LinearActivation, TWO, UNARY, "alpha·x + beta.").derivative(vjp::activation::linear_activation),
    row(
        Op::Prelu,
        args![tensor("alpha", DTypes::FLOAT), X],
        CHANNELS,
        "x where x > 0, alpha·x elsewhere, with one alpha for each channel (dimension 1).",
    ),
    row(Op::Relu, args![X], UNARY, "max(x, 0).").derivative(vjp::activation::relu),
    row(Op::Relu6, args![X], UNARY, "min(max(x, 0), 6).").derivative(vjp::activation::relu6),
    row(Op::ScaledTanh, TWO, UNARY, "alpha·tanh(beta·x).").derivative(vjp::activation::scaled_tanh),
    row(Op::Sigmoid, args![X], UNARY, "1/(1 + e^−x).").derivative(vjp::sigmoid),
    row(Op::SigmoidHard, TWO, UNARY, "min(max(alpha·x + beta, 0), 1).")
        .derivative(vjp::activation::sigmoid_hard),
    row(Op::Silu, args![X], UNARY, "x · sigmoid(x).").derivative(vjp::silu),
    row(
        Op::Softmax,
        args![arg("axis", ArgumentKind::Int).or(Default::Int(-1)), X],
        Some(rules::reduction::along_axis),
        "e^x normalised to sum one along an axis.",
    )
    .derivative(vjp::softmax),
    row(Op::Softplus, args![X], UNARY, "ln(1 + e^x).").derivative(vjp::activation::softplus),
    row(
        Op::SoftplusParametric,
        args![tensor("alpha", DTypes::FLOAT), tensor("beta", DTypes::FLOAT), X],
        CHANNELS,
        "alpha·ln(1 + e^(beta·x)), with one alpha and beta for each channel (dimension 1).",
    ),
    row(Op::Softsign, args![X], UNARY, "x/(1 + |x|).").derivative(vjp::activation::softsign),
    row(Op::ThresholdedRelu, ONE, UNARY, "x where x ≥ alpha, 0 elsewhere."),
];
