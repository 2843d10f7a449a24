//! Random numbers. The same seed gives the same numbers in every run; −1, the default, is a seed like any other.

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, arg, args, row, tensor};
use crate::ops::{Op, rules};

const SEED: ArgumentSpec = arg("seed", ArgumentKind::Int).or(Default::Int(-1));
const SHAPE: ArgumentSpec = tensor("shape", DTypes::INTEGER);

const fn float(name: &'static str, default: f64) -> ArgumentSpec {
    arg(name, ArgumentKind::Float).or(Default::Float(default))
}

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::RandomBernoulli,
        args![float("prob", 0.5), SEED, SHAPE],
        Some(rules::random::bernoulli),
        "A tensor of that shape: 1 with probability `prob`, else 0.",
    ),
    row(
        Op::RandomCategorical,
        args![
            arg("mode", ArgumentKind::String).or(Default::Text("logits")),
            SEED,
            arg("size", ArgumentKind::Int).or(Default::Int(1)),
            tensor("x", DTypes::FLOAT),
        ],
        Some(rules::random::categorical),
        "`size` positions drawn along the last dimension of x, with replacement, from its `logits` or `probs`.",
    ),
    row(
        Op::RandomNormal,
        args![float("mean", 0.0), SEED, SHAPE, float("stddev", 1.0)],
        Some(rules::random::normal),
        "A tensor of that shape of normally distributed numbers.",
    ),
    row(
        Op::RandomUniform,
        args![float("high", 1.0), float("low", 0.0), SEED, SHAPE],
        Some(rules::random::uniform),
        "A tensor of that shape of numbers between `low`, inclusive, and `high`, exclusive.",
    ),
];
