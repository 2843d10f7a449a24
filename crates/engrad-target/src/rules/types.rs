//! T01xx: element types by role, and constants that fp16 cannot hold.

use super::Report;
use crate::chip::Chip;
use crate::finding::Severity;
use crate::support::Support;
use crate::view::{FunctionView, OpView};

/// The operations that may take or make types which the engine does not compute with.
const CONVERTERS: &[&str] = &["cast", "quantize", "dequantize", "read_state", "write_state"];
const FP16_MAX: f64 = 65504.0;
/// Magnitudes below half the smallest subnormal round to zero.
const FP16_VANISHES: f64 = 1.0 / 33_554_432.0;
/// The fact about types that no table names.
const UNKNOWN_TYPE: &str = "E17";

pub(super) fn ports(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    for (role, ports) in [("input", &function.inputs), ("output", &function.outputs)] {
        for &port in ports {
            let Some(value) = function.values.get(port) else { continue };
            let Some(rule) = chip.type_rule(value.dtype) else {
                report
                    .value(function, port, format!("{} as function {role}", value.dtype))
                    .fact(UNKNOWN_TYPE);
                continue;
            };
            match if role == "input" { rule.input } else { rule.output } {
                Support::Native => {}
                Support::Refused => {
                    let message = format!("{} as function {role} is refused", value.dtype);
                    report.value(function, port, message).fact(rule.port_fact());
                }
                Support::Limited | Support::Unknown => {
                    let message = format!("{} as function {role} is not taken everywhere", value.dtype);
                    report.value(function, port, message).fact(rule.port_fact()).severity(Severity::Note);
                }
            }
        }
    }
}

pub(super) fn intermediates(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.is_constexpr() {
        return;
    }
    for &result in &op.results {
        let Some(value) = function.values.get(result) else { continue };
        let rule = chip.type_rule(value.dtype);
        if rule.is_none_or(|rule| matches!(rule.intermediate, Support::Refused | Support::Unknown)) {
            let message = format!("it makes {}, which the engine does not compute with", value.dtype);
            report.value(function, result, message).fact(rule.map_or(UNKNOWN_TYPE, |rule| &rule.fact));
            return;
        }
    }
    if op.is(CONVERTERS) {
        return;
    }
    let operands = op.operands().filter(|&v| function.values.get(v).is_some_and(|v| !v.is_static));
    for value in operands.chain(op.results.iter().copied()) {
        let Some(value) = function.values.get(value) else { continue };
        let Some(rule) = chip.type_rule(value.dtype).filter(|rule| rule.intermediate == Support::Limited)
        else {
            continue;
        };
        let message = format!("`{}` is {}, which only casts and quantizers take", value.name, value.dtype);
        report.op(function, op, message).fact(&rule.fact);
        return;
    }
}

pub(super) fn constants(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    for (index, value) in function.values.iter().enumerate().filter(|(_, v)| v.constant.is_some()) {
        let rule = chip.type_rule(value.dtype);
        match rule.map_or(Support::Refused, |rule| rule.constant) {
            Support::Native => {}
            Support::Refused => {
                let message = format!("a constant of {}", value.dtype);
                report.value(function, index, message).fact(rule.map_or(UNKNOWN_TYPE, |rule| &rule.fact));
            }
            Support::Limited | Support::Unknown => {
                let message = format!("a constant of {} is not taken everywhere", value.dtype);
                let fact = rule.map_or(UNKNOWN_TYPE, |rule| rule.fact.as_str());
                report.value(function, index, message).fact(fact).severity(Severity::Note);
            }
        }
    }
}

pub(super) fn fp16_range(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    for (index, value) in function.values.iter().enumerate().filter(|(_, v)| v.dtype == "fp32") {
        let Some(numbers) = value.constant.and_then(|c| c.floats()) else { continue };
        let finite = numbers.iter().copied().filter(|x| x.is_finite());
        let largest = finite.fold(0.0, |most: f64, x| if x.abs() > most.abs() { x } else { most });
        if largest.abs() > FP16_MAX {
            report.value(function, index, format!("it holds {largest:e}, beyond fp16's {FP16_MAX}"));
        }
    }
}

/// `log` is left out: its default epsilon is far below fp16 and means none.
pub(super) fn epsilon(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name == "log" {
        return;
    }
    if let Some(epsilon) = function.float(op, "epsilon").filter(|&e| e > 0.0 && e < FP16_VANISHES) {
        report.op(function, op, format!("epsilon {:e} is 0 in fp16", epsilon as f32));
    }
}
