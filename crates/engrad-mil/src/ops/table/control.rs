//! Control flow, lists and states.

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Opset, arg, args, row, tensor};
use crate::ops::{Op, rules};

const LIST: ArgumentSpec = arg("ls", ArgumentKind::List);
const INDEX: ArgumentSpec = tensor("index", DTypes::INTEGER);
const INDICES: ArgumentSpec = tensor("indices", DTypes::INTEGER);
const VALUE: ArgumentSpec = tensor("value", DTypes::ANY);

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::Cond,
        args![tensor("pred", DTypes::BOOL)],
        Some(rules::control::nested_blocks),
        "The results of one of two nested blocks; not represented here.",
    ),
    row(
        Op::WhileLoop,
        args![arg("loop_vars", ArgumentKind::Any)],
        Some(rules::control::nested_blocks),
        "Values carried through a nested block as long as another one says so; not represented here.",
    ),
    row(
        Op::MakeList,
        args![
            arg("dtype", ArgumentKind::String).or(Default::Text("fp32")),
            arg("dynamic_length", ArgumentKind::Bool).or(Default::Bool(true)),
            arg("elem_shape", ArgumentKind::Any),
            tensor("init_length", DTypes::INTEGER).or(Default::Int(1)),
        ],
        Some(rules::control::make_list),
        "A list of tensors of one shape, which grows if `dynamic_length`.",
    ),
    row(Op::ListLength, args![LIST], Some(rules::control::list_length), "The number of items."),
    row(Op::ListRead, args![INDEX, LIST], Some(rules::control::list_read), "The item at `index`."),
    row(
        Op::ListWrite,
        args![INDEX, LIST, VALUE],
        Some(rules::control::list_write),
        "The list with `value` as its item at `index`.",
    ),
    row(
        Op::ListGather,
        args![INDICES, LIST],
        Some(rules::control::list_gather),
        "The items at `indices`, stacked along a new first axis.",
    ),
    row(
        Op::ListScatter,
        args![INDICES, LIST, VALUE],
        Some(rules::control::list_scatter),
        "The list with the slices of `value` along its first axis as items at `indices`.",
    ),
    row(
        Op::ReadState,
        args![arg("input", ArgumentKind::State)],
        Some(rules::control::read_state),
        "A copy of what a state holds.",
    )
    .since(Opset::Ios18),
    row(
        Op::WriteState,
        args![tensor("data", DTypes::ANY), arg("input", ArgumentKind::State)],
        Some(rules::control::write_state),
        "Puts `data` into a state; has no result.",
    )
    .since(Opset::Ios18)
    .with_effect(),
    row(
        Op::CoremlUpdateState,
        args![arg("state", ArgumentKind::State), VALUE],
        Some(rules::control::update_state),
        "Puts `value` into a state and is that value: `write_state` and `read_state` in one, in programs that are not lowered yet.",
    )
    .since(Opset::Ios18)
    .with_effect(),
];
