//! T03xx: operations a family lacks, and quirks of single operations.

use super::Report;
use crate::chip::{Chip, Family};
use crate::support::{Support, op_support};
use crate::view::{FunctionView, OpView, ValueView};

/// From how many operations a function counts as large; the source gives no number.
const LARGE_FUNCTION: usize = 200;
/// Operations that move elements without computing.
const MOVEMENT: &[&str] = &["reshape", "slice_by_index", "tile"];
/// Operations that the engine computes from a table.
const NONLINEAR: &[&str] = &[
    "elu", "erf", "exp", "exp2", "gelu", "inverse", "log", "rsqrt", "sigmoid", "silu", "softmax", "softplus",
    "softsign", "sqrt", "tanh",
];

pub(super) fn refused(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let Some(row) = op_support(op.name).filter(|row| row.on(chip.family) == Support::Refused) else { return };
    let since = Family::ALL.iter().find(|&&family| row.on(family) == Support::Native);
    let message = match since {
        Some(family) => format!("`{}` is refused; {family} is the first to have it", op.name),
        None => format!("`{}` is refused on every family", op.name),
    };
    let draft = report.op(function, op, message).fact(&row.fact);
    if let Some(advice) = &row.advice {
        draft.advice(advice);
    }
}

pub(super) fn limited(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let Some(row) = op_support(op.name).filter(|row| row.on(chip.family) == Support::Limited) else { return };
    let note = row.note.as_deref().unwrap_or("its limits are not documented");
    report.op(function, op, format!("`{}` has limits: {note}", op.name)).fact(&row.fact);
}

pub(super) fn unknown(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let row = op_support(op.name);
    if row.is_some_and(|row| row.on(chip.family) != Support::Unknown) {
        return;
    }
    let draft = report.op(function, op, format!("nothing is known of `{}` on {}", op.name, chip.family));
    if let Some(advice) = row.and_then(|row| row.advice.as_deref()) {
        draft.advice(advice);
    }
}

pub(super) fn state_contract(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    // Whether a value comes from read_state, by position; operations only use what stands before them.
    let mut from_state = vec![false; function.values.len()];
    for op in &function.ops {
        let derives = op.name == "read_state" || op.operands().any(|v| from_state.get(v) == Some(&true));
        for &result in &op.results {
            if let Some(flag) = from_state.get_mut(result) {
                *flag = derives;
            }
        }
        let stored = ["data", "value"].iter().find_map(|name| op.value(name));
        if op.name == "write_state" && stored.is_some_and(|v| from_state.get(v) != Some(&true)) {
            report.op(function, op, "what is written does not come from read_state");
        }
        let updated = op.value("x");
        let is_chained =
            updated.and_then(|v| function.producer(v)).is_some_and(|source| source.name == "slice_update");
        if op.name == "slice_update"
            && is_chained
            && updated.is_some_and(|v| from_state.get(v) == Some(&true))
        {
            report.op(function, op, "it updates what another slice_update of the state made");
        }
    }
}

pub(super) fn only_movement(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    if let Some(first) = function.computing().next()
        && function.computing().all(|op| op.is(MOVEMENT))
    {
        report.op(function, first, format!("the function holds nothing but {}", MOVEMENT.join(", ")));
    }
}

pub(super) fn merged_heads(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    let [output] = function.outputs[..] else { return };
    let Some(reshape) = function.producer(output).filter(|op| op.name == "reshape") else { return };
    if function.source(reshape, "x").is_none_or(|op| op.name != "matmul") {
        return;
    }
    let (Some(from), Some(to)) = (function.operand(reshape, "x"), function.result(reshape)) else { return };
    let merges = match (&from.dims[..], &to.dims[..]) {
        ([_, Some(heads), Some(rows), columns], [_, Some(merged), Some(1), kept]) => {
            heads.saturating_mul(*rows) == *merged && columns == kept && *heads > 1
        }
        _ => false,
    };
    if merges {
        report.op(
            function,
            reshape,
            format!("the only output merges the heads of a product: {} to {}", from.ty(), to.ty()),
        );
    }
}

pub(super) fn split_matmul_softmax_tile(
    function: &FunctionView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    let counts = function.histogram();
    let names = ["split", "matmul", "softmax", "tile"];
    if names.iter().all(|name| counts.contains_key(name)) {
        let counted: Vec<String> =
            names.iter().map(|name| format!("{} {name}", counts.get(name).copied().unwrap_or(0))).collect();
        report.function(function, format!("it holds {}", counted.join(", ")));
    }
}

pub(super) fn slice_of_input(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    let count = function.computing().count();
    if count < LARGE_FUNCTION {
        return;
    }
    for op in function.computing().filter(|op| op.name == "slice_by_index") {
        if let Some(input) = op.value("x").filter(|v| function.inputs.contains(v)) {
            let name = function.names(&[input]).join("");
            report.op(
                function,
                op,
                format!("it slices the input `{name}` in a function of {count} operations"),
            );
        }
    }
}

pub(super) fn pad_mode(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name == "pad"
        && let Some(mode) = function.text(op, "mode").filter(|&mode| mode != "constant")
    {
        report
            .op(function, op, format!("mode \"{mode}\" needs a texture engine"))
            .advice("Pad with a constant, or join slices of the border by a concat.");
    }
}

pub(super) fn gelu(function: &FunctionView<'_>, op: &OpView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    if op.name == "gelu" {
        let mode = function.text(op, "mode").unwrap_or("none");
        report.op(function, op, format!("gelu with mode {mode}"));
    }
}

pub(super) fn softmax_extent(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name != "softmax" {
        return;
    }
    let axis = function.int(op, "axis").unwrap_or(-1);
    let extent = isize::try_from(axis).ok().and_then(|axis| function.operand(op, "x")?.dim(axis));
    if let Some(extent) = extent.filter(|extent| !extent.is_power_of_two()) {
        let next = extent.checked_next_power_of_two().unwrap_or(extent);
        report.op(
            function,
            op,
            format!("axis {axis} has {extent} elements; the next power of two is {next}"),
        );
    }
}

pub(super) fn attention_mask(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name == "scaled_dot_product_attention" && op.argument("attn_mask").is_some() {
        let what = match function.operand(op, "attn_mask") {
            Some(mask) if mask.is_static => "a constant attn_mask",
            Some(_) => "an attn_mask from the run time",
            None => "a literal attn_mask",
        };
        report.op(function, op, format!("{what} is not applied"));
    }
}

pub(super) fn attention_length(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name != "scaled_dot_product_attention" {
        return;
    }
    let length = |name: &str| function.operand(op, name).and_then(|v| v.dim(-2));
    let (Some(query), Some(key)) = (length("query"), length("key")) else { return };
    let (most, shorter) = (chip.limits.attention_length, chip.limits.attention_shorter_length);
    if query.max(key) > most || query.min(key) > shorter {
        report.op(
            function,
            op,
            format!(
                "{query} queries over {key} keys; the native form takes {most}, the shorter of both {shorter}"
            ),
        );
    }
}

pub(super) fn prelu_rank(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name == "prelu"
        && let Some(x) = function.operand(op, "x").filter(|x| x.rank() < 3)
    {
        report.op(
            function,
            op,
            format!("its operand is {} with {} dimensions, at least 3", x.ty(), x.rank()),
        );
    }
}

pub(super) fn reduction_times_zero(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name != "mul" {
        return;
    }
    for (factor, other) in [("x", "y"), ("y", "x")] {
        let numbers = function.literal(op, factor).and_then(|c| c.floats());
        let is_zero = numbers.is_some_and(|n| !n.is_empty() && n.iter().all(|&x| x == 0.0));
        if let Some(source) =
            function.source(op, other).filter(|source| is_zero && source.name.starts_with("reduce_"))
        {
            report.op(function, op, format!("the result of `{}` is multiplied by zero", source.name));
        }
    }
}

pub(super) fn square_then_activation(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if !op.is(NONLINEAR) || !function.source(op, "x").is_some_and(|source| is_square(function, source)) {
        return;
    }
    if let Some(width) = function.operand(op, "x").and_then(|x| x.dim(-1)).filter(|width| width % 128 > 64) {
        report.op(
            function,
            op,
            format!("it follows a square of width {width}, which is {} modulo 128", width % 128),
        );
    }
}

/// Whether an operation squares its operand, in any spelling.
pub(super) fn is_square(function: &FunctionView<'_>, op: &OpView<'_>) -> bool {
    match op.name {
        "square" => true,
        "mul" => op.value("x").is_some() && op.value("x") == op.value("y"),
        "pow" => function.float(op, "y") == Some(2.0),
        _ => false,
    }
}

pub(super) fn wide_concat(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let limit = chip.limits.concat_row;
    if op.name == "concat"
        && let Some(width) = function.result(op).and_then(|r| r.dim(-1)).filter(|&width| width > limit)
    {
        report.op(function, op, format!("it makes rows of {width} elements; {limit} are known to work"));
    }
}

pub(super) fn norm_channels(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let limit = chip.limits.norm_channels;
    if op.name == "local_response_norm"
        && let Some(size) =
            function.int(op, "size").filter(|&size| u64::try_from(size).is_ok_and(|size| size > limit))
    {
        let ty = function.operand(op, "x").map(ValueView::ty).unwrap_or_default();
        report.op(function, op, format!("it spans {size} channels of {ty}; {limit} are known to work"));
    }
}
