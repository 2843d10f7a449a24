//! Floating-point operations and bytes of single operations and values.

use crate::chip::Chip;
use crate::support::{WorkKind, op_support};
use crate::view::{FunctionView, OpView, ValueView};

/// Floating-point operations of `op`; a multiplication and an addition count as two.
pub(super) fn flops(function: &FunctionView<'_>, op: &OpView<'_>) -> u64 {
    let Some(work) = op_support(op.name).and_then(|row| row.work) else { return 0 };
    let result = function.result(op).map_or(0, ValueView::known_elements);
    let operand = |name: &str| function.operand(op, name);
    let elements = |name: &str| operand(name).map_or(0, ValueView::known_elements);
    let extent =
        |name: &str, position: isize| operand(name).and_then(|v| v.dim(position)).unwrap_or(1).max(1);
    match work.kind {
        WorkKind::Result => result.saturating_mul(work.flops),
        WorkKind::Operand => elements("x").saturating_mul(work.flops),
        WorkKind::Conv => twice(result, elements("weight") / extent("weight", 0)),
        WorkKind::ConvTranspose => twice(elements("x"), elements("weight") / extent("weight", 0)),
        WorkKind::Matmul => {
            let inner =
                if function.int(op, "transpose_x") == Some(1) { extent("x", -2) } else { extent("x", -1) };
            twice(result, inner)
        }
        WorkKind::Linear => twice(result, extent("weight", -1)),
        WorkKind::Einsum => twice(result, einsum_inner(function, op)),
        WorkKind::Attention => {
            let (queries, keys) = (elements("query"), extent("key", -2));
            let scores = (queries / extent("query", -1)).saturating_mul(keys);
            twice(queries, keys).saturating_add(twice(result, keys)).saturating_add(scores.saturating_mul(5))
        }
        WorkKind::Pool => {
            let window = function.ints(op, "kernel_sizes").unwrap_or_default();
            let taps = window.iter().fold(1u64, |n, &k| n.saturating_mul(u64::try_from(k).unwrap_or(1)));
            result.saturating_mul(taps)
        }
        WorkKind::Recurrent => {
            let weights = ["weight_ih", "weight_hh", "weight_ih_back", "weight_hh_back"];
            let weights = weights.iter().fold(0u64, |n, name| n.saturating_add(elements(name)));
            // Operands are [sequence, batch, features].
            twice(extent("x", 0).saturating_mul(extent("x", 1)), weights)
        }
    }
}

fn twice(results: u64, terms: u64) -> u64 {
    results.saturating_mul(terms).saturating_mul(2)
}

/// Product of the extents of labels that the result of an einsum does not have.
fn einsum_inner(function: &FunctionView<'_>, op: &OpView<'_>) -> u64 {
    let Some((inputs, output)) = function.text(op, "equation").and_then(|equation| equation.split_once("->"))
    else {
        return 1;
    };
    let operands = op.argument("values").unwrap_or_default();
    let mut summed = Vec::new();
    for (labels, operand) in inputs.split(',').zip(operands) {
        let Some(value) = operand.value().and_then(|v| function.values.get(v)) else { continue };
        for (label, dim) in labels.trim().chars().zip(&value.dims) {
            if !output.contains(label) && !summed.iter().any(|&(l, _)| l == label) {
                summed.push((label, dim.unwrap_or(1)));
            }
        }
    }
    summed.iter().fold(1, |n, &(_, extent)| n.saturating_mul(extent))
}

/// Bytes of a port, each row padded.
pub(super) fn padded_bytes(value: &ValueView<'_>, chip: &Chip) -> u64 {
    let bits = chip.type_rule(value.dtype).map_or(0, |rule| rule.bits);
    let width = value.dim(-1).unwrap_or(1);
    (value.known_elements() / width.max(1)).saturating_mul(chip.surface.row_stride(width, bits))
}
