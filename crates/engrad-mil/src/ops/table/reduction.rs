//! Operations along axes.

use crate::differentiate::rules as vjp;
use crate::ops::row::{
    ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Opset, Rule, arg, args, row, tensor,
};
use crate::ops::{Op, rules};

/// Without `axes`, all axes.
const REDUCE: &[ArgumentSpec] = &[
    arg("axes", ArgumentKind::Ints).optional(),
    arg("keep_dims", ArgumentKind::Bool).or(Default::Bool(false)),
    tensor("x", DTypes::NUMBER),
];
const POSITION: &[ArgumentSpec] = &[
    arg("axis", ArgumentKind::Int).or(Default::Int(-1)),
    arg("keep_dims", ArgumentKind::Bool).or(Default::Bool(false)),
    arg("output_dtype", ArgumentKind::String).or(Default::Text("int32")).since(Opset::Ios17),
    tensor("x", DTypes::NUMBER),
];

const OVER_AXES: Option<Rule> = Some(rules::reduction::reduce);
const EXTREME: Option<Rule> = Some(rules::reduction::argument);

pub(super) const ROWS: &[OpInfo] = &[
    row(Op::ReduceArgmax, POSITION, EXTREME, "Position of the first largest element along an axis."),
    row(Op::ReduceArgmin, POSITION, EXTREME, "Position of the first smallest element along an axis."),
    row(Op::ReduceL1Norm, REDUCE, OVER_AXES, "Σ|x| over axes.").derivative(vjp::reduction::reduce_l1_norm),
    row(Op::ReduceL2Norm, REDUCE, OVER_AXES, "√Σx² over axes.").derivative(vjp::reduction::reduce_l2_norm),
    row(Op::ReduceLogSum, REDUCE, OVER_AXES, "ln Σx over axes.").derivative(vjp::reduction::reduce_log_sum),
    row(Op::ReduceLogSumExp, REDUCE, OVER_AXES, "ln Σe^x over axes.")
        .derivative(vjp::reduction::reduce_log_sum_exp),
    row(Op::ReduceMax, REDUCE, OVER_AXES, "Maximum over axes; NaN if one element is."),
    row(Op::ReduceMean, REDUCE, OVER_AXES, "Mean over axes; of integers, truncated toward zero.")
        .derivative(vjp::reduce_mean),
    row(Op::ReduceMin, REDUCE, OVER_AXES, "Minimum over axes; NaN if one element is."),
    row(Op::ReduceProd, REDUCE, OVER_AXES, "Product over axes; integers wrap."),
    row(Op::ReduceSum, REDUCE, OVER_AXES, "Sum over axes; integers wrap.").derivative(vjp::reduce_sum),
    row(Op::ReduceSumSquare, REDUCE, OVER_AXES, "Σx² over axes.")
        .derivative(vjp::reduction::reduce_sum_square),
    row(
        Op::Cumsum,
        args![
            arg("axis", ArgumentKind::Int).or(Default::Int(0)),
            arg("exclusive", ArgumentKind::Bool).or(Default::Bool(false)),
            arg("reverse", ArgumentKind::Bool).or(Default::Bool(false)),
            tensor("x", DTypes::NUMBER),
        ],
        Some(rules::reduction::along_axis),
        "Running sums along an axis: without the element itself if `exclusive`, from the end if `reverse`.",
    )
    .derivative(vjp::reduction::cumsum),
];
