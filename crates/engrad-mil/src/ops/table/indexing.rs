//! Gathering and scattering.

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Opset, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::ANY);
const AXIS: ArgumentSpec = arg("axis", ArgumentKind::Int).or(Default::Int(0));
const BATCH_DIMS: ArgumentSpec = arg("batch_dims", ArgumentKind::Int).or(Default::Int(0)).since(Opset::Ios16);
const INDICES: ArgumentSpec = tensor("indices", DTypes::INTEGER);
const VALIDATE: ArgumentSpec =
    arg("validate_indices", ArgumentKind::Bool).or(Default::Bool(false)).since(Opset::Ios17);
const DATA: ArgumentSpec = tensor("data", DTypes::ANY);
const MODE: ArgumentSpec = arg("mode", ArgumentKind::String).or(Default::Text("add"));
const UPDATES: ArgumentSpec = tensor("updates", DTypes::ANY);

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::Gather,
        args![AXIS, BATCH_DIMS, INDICES, VALIDATE, X],
        Some(rules::indexing::gather),
        "Slices of x along an axis in the order of `indices`, whose dimensions stand in place of the axis.",
    ),
    row(
        Op::GatherAlongAxis,
        args![AXIS, INDICES, VALIDATE, X],
        Some(rules::indexing::gather_along_axis),
        "At each place the element of x whose position along the axis `indices` says there.",
    ),
    row(
        Op::GatherNd,
        args![BATCH_DIMS, INDICES, VALIDATE, X],
        Some(rules::indexing::gather_nd),
        "Slices of x whose positions along the leading dimensions the last dimension of `indices` lists.",
    ),
    row(
        Op::Scatter,
        args![AXIS, DATA, INDICES, MODE, UPDATES, VALIDATE],
        Some(rules::indexing::scatter),
        "data with slices along an axis combined with `updates` at `indices`: by mode `update`, `add`, `sub`, `mul`, `div`, `max` or `min`.",
    ),
    row(
        Op::ScatterAlongAxis,
        args![AXIS, DATA, INDICES, MODE, UPDATES, VALIDATE],
        Some(rules::indexing::scatter_along_axis),
        "data with each of `updates` combined into the element whose position along the axis `indices` says, by mode.",
    ),
    row(
        Op::ScatterNd,
        args![DATA, INDICES, MODE, UPDATES, VALIDATE],
        Some(rules::indexing::scatter_nd),
        "data with `updates` combined into the slices whose positions the last dimension of `indices` lists, by mode.",
    ),
];
