//! Normalisations. Their parameters may be of another floating-point type than x.

use crate::differentiate::rules as vjp;
use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::FLOAT);
const BETA: ArgumentSpec = tensor("beta", DTypes::FLOAT).optional();
const GAMMA: ArgumentSpec = tensor("gamma", DTypes::FLOAT).optional();

const fn float(name: &'static str, default: f64) -> ArgumentSpec {
    arg(name, ArgumentKind::Float).or(Default::Float(default))
}

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::BatchNorm,
        args![
            BETA,
            float("epsilon", 1e-5),
            GAMMA,
            tensor("mean", DTypes::FLOAT),
            tensor("variance", DTypes::FLOAT),
            X
        ],
        Some(rules::normalization::batch_norm),
        "gamma·(x − mean)/√(variance + epsilon) + beta, all of one element for each channel (dimension 1).",
    ).derivative(vjp::normalization::batch_norm),
    row(
        Op::InstanceNorm,
        args![BETA, float("epsilon", 1e-5), GAMMA, X],
        Some(rules::normalization::instance_norm),
        "As batch_norm, with mean and variance of each channel of each example.",
    ).derivative(vjp::normalization::instance_norm),
    row(
        Op::L2Norm,
        args![float("epsilon", 1e-6), X],
        Some(rules::normalization::l2_norm),
        "x/√(Σx² + epsilon) over the last three dimensions.",
    ).derivative(vjp::normalization::l2_norm),
    row(
        Op::LayerNorm,
        args![arg("axes", ArgumentKind::Ints).optional(), BETA, float("epsilon", 1e-5), GAMMA, X],
        Some(rules::normalization::layer_norm),
        "gamma·(x − mean)/√(variance + epsilon) + beta with mean and variance over axes, all of them by default; gamma \
         and beta have the extents of these axes.",
    ).derivative(vjp::normalization::layer_norm),
    row(
        Op::LocalResponseNorm,
        args![float("alpha", 1e-4), float("beta", 0.75), float("k", 1.0), arg("size", ArgumentKind::Int), X],
        Some(rules::normalization::local_response_norm),
        "x/(k + alpha/size·Σx²)^beta, summed over `size` neighbouring channels (dimension 1).",
    ),
];
