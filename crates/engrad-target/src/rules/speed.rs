//! T06xx: surfaces and what costs time.

use super::Report;
use super::products::CONVOLUTIONS;
use crate::chip::Chip;
use crate::support::{Support, op_support};
use crate::view::{FunctionView, OpView, ValueView};

/// A width that is slower than its neighbours.
const SLOW_EXTENT: u64 = 5120;

/// Every port once, with its element's bits.
fn ports<'f, 'p>(
    function: &'f FunctionView<'p>,
    chip: &'static Chip,
) -> impl Iterator<Item = (usize, &'f ValueView<'p>, u64)> {
    let mut indices: Vec<usize> = function.inputs.iter().chain(&function.outputs).copied().collect();
    let mut seen = vec![false; function.values.len()];
    indices.retain(|&v| seen.get_mut(v).is_some_and(|seen| !std::mem::replace(seen, true)));
    indices.into_iter().filter_map(move |index| {
        let value = function.values.get(index)?;
        Some((index, value, chip.type_rule(value.dtype)?.bits))
    })
}

pub(super) fn padded_rows(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    for (index, value, bits) in ports(function, chip) {
        let (Some(width), Some(elements)) = (value.dim(-1), value.elements()) else { continue };
        let row = width.saturating_mul(bits).div_ceil(8);
        let stride = chip.surface.row_stride(width, bits);
        // A single row has no neighbour to be shifted into.
        if row != stride && elements > width {
            report.value(
                function,
                index,
                format!("rows of {} take {row} bytes and begin every {stride}", value.ty()),
            );
        }
    }
}

pub(super) fn small_surfaces(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    let minimum = chip.surface.minimum_bytes;
    for (index, value, bits) in ports(function, chip) {
        let Some(elements) = value.elements() else { continue };
        let width = value.dim(-1).unwrap_or(1);
        let bytes = (elements / width.max(1)).saturating_mul(chip.surface.row_stride(width, bits));
        if bytes < minimum {
            report.value(
                function,
                index,
                format!("{} fills {bytes} bytes of a surface of {minimum}", value.ty()),
            );
        }
    }
}

pub(super) fn fp32_ports(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    for (index, value, _) in ports(function, chip) {
        let is_taken = chip.type_rule(value.dtype).is_some_and(|rule| rule.input != Support::Refused);
        if value.dtype == "fp32" && is_taken {
            report.value(
                function,
                index,
                format!("{} is twice the traffic of fp16, and the engine casts it", value.ty()),
            );
        }
    }
}

pub(super) fn resident_operand(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let name = match op.name {
        "matmul" => "y",
        "linear" => "weight",
        _ if op.is(CONVOLUTIONS) => "weight",
        _ => return,
    };
    let limit = chip.memory.resident_operand_bytes;
    let bytes = function.operand(op, name).map_or(0, |v| chip.value_bytes(v));
    if bytes > limit {
        report.op(function, op, format!("`{name}` holds {bytes} bytes; {limit} stay resident"));
    }
}

pub(super) fn working_set(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let limit = chip.memory.working_set_bytes;
    let mut values: Vec<usize> = op.operands().chain(op.results.iter().copied()).collect();
    values.sort_unstable();
    values.dedup();
    let bytes = values
        .iter()
        .filter_map(|&v| function.values.get(v))
        .fold(0u64, |n, v| n.saturating_add(chip.value_bytes(v)));
    let works = op_support(op.name).is_some_and(|row| row.work.is_some());
    if works && bytes > limit {
        report.op(
            function,
            op,
            format!("its operands and results hold {bytes} bytes; {limit} run at full speed"),
        );
    }
}

pub(super) fn slow_extent(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if !op.is(CONVOLUTIONS) && !op.is(&["matmul", "linear"]) {
        return;
    }
    let operands = ["x", "y", "weight"].iter().filter_map(|name| function.operand(op, name));
    if let Some(value) = operands.into_iter().find(|v| v.dims.contains(&Some(SLOW_EXTENT))) {
        report.op(function, op, format!("`{}` is {}", value.name, value.ty()));
    }
}
