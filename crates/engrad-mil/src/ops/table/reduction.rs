//! Operations along axes.

use crate::differentiate::rules as vjp;
use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, arg, row, tensor};
use crate::ops::{Op, rules};

/// Without `axes`, all axes.
const REDUCE: &[ArgumentSpec] = &[
    arg("axes", ArgumentKind::Ints).optional(),
    arg("keep_dims", ArgumentKind::Bool).or(Default::Bool(false)),
    tensor("x", DTypes::NUMBER),
];

pub(super) const ROWS: &[OpInfo] = &[
    row(Op::ReduceSum, REDUCE, Some(rules::reduction::reduce), "Sum over axes.").derivative(vjp::reduce_sum),
    row(Op::ReduceMean, REDUCE, Some(rules::reduction::reduce), "Mean over axes.")
        .derivative(vjp::reduce_mean),
    row(Op::ReduceMax, REDUCE, Some(rules::reduction::reduce), "Maximum over axes."),
];
