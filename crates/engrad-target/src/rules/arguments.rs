//! T0304, T0305: arguments that must be written out, and arguments that must be constants.

use super::Report;
use crate::chip::Chip;
use crate::support::op_support;
use crate::view::{FunctionView, OpView};

pub(super) fn required(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    let Some(row) = op_support(op.name) else { return };
    let missing: Vec<&str> =
        row.required.iter().map(String::as_str).filter(|name| op.argument(name).is_none()).collect();
    if !missing.is_empty() {
        let them = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        report.op(function, op, format!("{them} left out"));
    }
}

pub(super) fn constant(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    let Some(row) = op_support(op.name) else { return };
    for name in &row.constant {
        let operands = op.argument(name).unwrap_or_default();
        let computed =
            operands.iter().filter_map(|operand| operand.value()).filter_map(|v| function.values.get(v));
        if let Some(value) = computed.into_iter().find(|v| !v.is_static) {
            report.op(function, op, format!("`{name}` is `{}`, which depends on an input", value.name));
        }
    }
}
