//! T0408 to T0412, T0416: compressed and large weights.

use super::Report;
use super::products::CONVOLUTIONS;
use crate::chip::Chip;
use crate::view::{FunctionView, OpView};

/// Operations that only rename the places of elements.
const RESHAPES: &[&str] = &["expand_dims", "reshape", "squeeze", "transpose"];

/// The arguments of a product that may be weights.
pub(super) fn weight_arguments(op: &OpView<'_>) -> &'static [&'static str] {
    match op.name {
        "matmul" => &["x", "y"],
        "linear" => &["weight"],
        _ if op.is(CONVOLUTIONS) => &["weight"],
        _ => &[],
    }
}

fn is_blockwise(op: &OpView<'_>) -> bool {
    op.is_constexpr() && op.name.contains("blockwise")
}

pub(super) fn blockwise_operand(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    for name in weight_arguments(op) {
        if let Some(source) = function.source(op, name).filter(|source| is_blockwise(source)) {
            report.op(function, op, format!("`{name}` is the result of `{}`", source.name));
        }
    }
}

pub(super) fn blockwise(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    for op in function.ops.iter().filter(|op| is_blockwise(op)) {
        // Scales that vary along one dimension only are per channel, which is right.
        if function.operand_dims(op, "scale").iter().filter(|&&d| d != Some(1)).count() < 2 {
            continue;
        }
        let (data, scale) = (function.operand_ty(op, "data"), function.operand_ty(op, "scale"));
        report.op(function, op, format!("{data} with scales {scale} is dequantized wrongly"));
    }
}

pub(super) fn reshaped_constexpr(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    for name in weight_arguments(op) {
        let Some(between) = function.source(op, name).filter(|source| source.is(RESHAPES)) else { continue };
        if let Some(source) = function.source(between, "x").filter(|source| source.is_constexpr()) {
            report.op(
                function,
                op,
                format!("`{name}` is the result of `{}` after `{}`", source.name, between.name),
            );
        }
    }
}

pub(super) fn zero_point(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    for op in function.ops.iter().filter(|op| op.name == "constexpr_affine_dequantize") {
        let zero_points = function.ints(op, "zero_point").unwrap_or_default();
        if let Some(zero_point) = zero_points.iter().find(|&&z| z != 0) {
            report.op(function, op, format!("its zero point is {zero_point}"));
        }
    }
}

pub(super) fn streamed(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let limit = chip.memory.streamed_weight_bytes;
    for name in weight_arguments(op) {
        let Some(weight) = function.operand(op, name).filter(|w| w.is_static) else { continue };
        let bytes = chip.value_bytes(weight);
        if bytes > limit {
            report.op(
                function,
                op,
                format!("`{name}` holds {bytes} bytes; beyond {limit} the layer is split"),
            );
        }
    }
}

pub(super) fn int8(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    for op in function.ops.iter().filter(|op| op.name == "constexpr_affine_dequantize") {
        report.op(function, op, format!("its data are {}", function.operand_ty(op, "quantized_data")));
    }
}
