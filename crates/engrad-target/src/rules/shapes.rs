//! T02xx: ranks and extents.

use super::Report;
use crate::chip::Chip;
use crate::view::{FunctionView, OpView, ValueView};

/// Inputs and whatever operations make; constants are judged by the operations that read them.
fn tensors<'f>(function: &'f FunctionView<'_>) -> impl Iterator<Item = (usize, &'f ValueView<'f>)> {
    let is_computed = |index: usize| function.producer(index).is_none_or(|op| op.computes());
    function.values.iter().enumerate().filter(move |(index, _)| is_computed(*index))
}

pub(super) fn rank(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    let limit = chip.limits.rank;
    for (index, value) in function.values.iter().enumerate().filter(|(_, v)| v.rank() > limit) {
        report.value(
            function,
            index,
            format!("{} has {} dimensions, at most {limit}", value.ty(), value.rank()),
        );
    }
}

pub(super) fn extents(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    for (index, value) in tensors(function) {
        for (position, dim) in value.dims.iter().enumerate() {
            let (name, limit) = role(position, value.rank(), chip);
            if let Some(extent) = dim.filter(|&extent| extent > limit) {
                report.value(
                    function,
                    index,
                    format!("{name} of {} is {extent}, at most {limit}", value.ty()),
                );
            }
        }
    }
}

/// What a dimension is to the engine, and its maximum. The last one is the width; the channels stand behind the batch.
fn role(position: usize, rank: usize, chip: &Chip) -> (&'static str, u64) {
    let limits = &chip.limits;
    match (rank, rank - position) {
        (_, 1) => ("width", limits.width),
        (4 | 5, 2) => ("height", limits.height),
        (5, 3) => ("depth", limits.height),
        (3.., _) if position == 1 => ("channels", limits.channels),
        _ => ("batch", limits.batch),
    }
}

pub(super) fn contraction(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let limit = chip.limits.contraction;
    if let Some(inner) = inner_dimension(function, op).filter(|&inner| inner > limit) {
        report.op(function, op, format!("the product contracts over {inner}, at most {limit}"));
    }
}

/// What a matrix product sums over.
pub(super) fn inner_dimension(function: &FunctionView<'_>, op: &OpView<'_>) -> Option<u64> {
    let x = function.operand(op, "x")?;
    match op.name {
        "linear" => x.dim(-1),
        "matmul" if x.rank() == 1 => x.dim(-1),
        "matmul" => x.dim(if function.int(op, "transpose_x") == Some(1) { -2 } else { -1 }),
        _ => None,
    }
}

pub(super) fn matmul_rank(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name != "matmul" {
        return;
    }
    let limit = chip.limits.matmul_rank;
    for name in ["x", "y"] {
        if let Some(value) = function.operand(op, name).filter(|v| v.rank() > limit) {
            let (ty, rank) = (value.ty(), value.rank());
            report.op(
                function,
                op,
                format!("operand {name} is {ty} with {rank} dimensions, at most {limit}"),
            );
            return;
        }
    }
}

pub(super) fn empty_slice(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if !op.is(&["slice_by_size", "slice_by_index"]) {
        return;
    }
    let by_result = function.result(op).and_then(|r| r.dims.iter().position(|&d| d == Some(0)));
    let by_size = || function.ints(op, "size").and_then(|sizes| sizes.iter().position(|&s| s == 0));
    if let Some(axis) = by_result.or_else(by_size).or_else(|| empty_range(function, op)) {
        report.op(function, op, format!("it takes no element along axis {axis}"));
    }
}

/// The first axis on which slice_by_index begins where it ends.
fn empty_range(function: &FunctionView<'_>, op: &OpView<'_>) -> Option<usize> {
    if op.name != "slice_by_index" {
        return None;
    }
    let begin = function.ints(op, "begin")?;
    let end = function.ints(op, "end")?;
    let flags = |name: &str| function.ints(op, name).unwrap_or_default();
    let masks = [flags("begin_mask"), flags("end_mask"), flags("squeeze_mask")];
    let is_free = |axis: &usize| masks.iter().any(|mask| mask.get(*axis).is_some_and(|&m| m != 0));
    (0..begin.len().min(end.len()))
        .filter(|axis| !is_free(axis))
        .find(|&axis| begin.get(axis) == end.get(axis))
}
