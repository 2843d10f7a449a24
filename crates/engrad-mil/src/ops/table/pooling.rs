//! Pooling.

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::FLOAT);
const CEIL: ArgumentSpec = arg("ceil_mode", ArgumentKind::Bool).or(Default::Bool(false));
const KERNEL: ArgumentSpec = arg("kernel_sizes", ArgumentKind::Ints);
const PAD: ArgumentSpec = arg("pad", ArgumentKind::Ints).or(Default::SpatialPairs(0));
const PAD_TYPE: ArgumentSpec = arg("pad_type", ArgumentKind::String).or(Default::Text("valid"));
const STRIDES: ArgumentSpec = arg("strides", ArgumentKind::Ints).or(Default::Spatial(1));
const POOL: &[ArgumentSpec] = &[CEIL, KERNEL, PAD, PAD_TYPE, STRIDES, X];

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::AvgPool,
        args![
            CEIL,
            arg("exclude_padding_from_average", ArgumentKind::Bool).or(Default::Bool(false)),
            KERNEL,
            PAD,
            PAD_TYPE,
            STRIDES,
            X,
        ],
        Some(rules::pooling::pool),
        "Mean over windows of one to three spatial dimensions.",
    ),
    row(Op::L2Pool, POOL, Some(rules::pooling::pool), "Square root of the sum of squares over windows."),
    row(Op::MaxPool, POOL, Some(rules::pooling::pool), "Maximum over windows; padding never wins."),
];
