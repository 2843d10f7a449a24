//! Sorting and searching.

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Opset, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::NUMBER);
const ASCENDING: ArgumentSpec = arg("ascending", ArgumentKind::Bool).or(Default::Bool(false));
const AXIS: ArgumentSpec = arg("axis", ArgumentKind::Int).or(Default::Int(-1));
const fn flag(name: &'static str) -> ArgumentSpec {
    arg(name, ArgumentKind::Bool).or(Default::Bool(true)).since(Opset::Ios16)
}

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::Argsort,
        args![ASCENDING, AXIS, X],
        Some(rules::sorting::argsort),
        "Positions along an axis in the order of their elements, largest first unless `ascending`.",
    ),
    row(
        Op::Topk,
        args![
            ASCENDING,
            AXIS,
            arg("k", ArgumentKind::Int).or(Default::Int(1)),
            arg("output_indices_dtype", ArgumentKind::String).or(Default::Text("int32")).since(Opset::Ios17),
            flag("return_indices"),
            flag("sort"),
            X,
        ],
        Some(rules::sorting::topk),
        "The k largest elements along an axis (smallest if `ascending`; all for −1), and their positions if `return_indices`.",
    ),
    row(
        Op::NonZero,
        args![tensor("x", DTypes::ANY)],
        Some(rules::sorting::non_zero),
        "The position of each element other than zero, one in a row.",
    ),
];
