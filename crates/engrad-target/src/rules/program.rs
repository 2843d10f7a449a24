//! T00xx: the program as a text and as a whole.

use engrad_mil::verify::Place;

use super::Report;
use crate::chip::Chip;
use crate::finding::Severity;
use crate::support::Support;
use crate::view::{FunctionView, OpView, Operand, View};

/// The first program version with the operation sets of [`FIRST_LATE_OPSET`] and later.
const LATE_VERSION: (u32, u32) = (1, 3);
/// The first operation set that older program versions do not have.
const FIRST_LATE_OPSET: u32 = 18;

pub(super) fn version(view: &View<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    let version = format!("{}.{}", view.version.0, view.version.1);
    match chip.text.versions.get(&version) {
        Some(Support::Native) => {}
        Some(Support::Limited) => {
            report
                .program(format!("program({version}) is taken by newer systems only"))
                .fact("C44")
                .severity(Severity::Note);
        }
        Some(Support::Unknown) => {
            report
                .program(format!("program({version}) has not been seen to compile for {}", chip.family))
                .severity(Severity::Note);
        }
        Some(Support::Refused) | None => {
            report.program(format!("program({version}) is no version that any system takes"));
        }
    }
}

pub(super) fn opset_of_version(view: &View<'_>, _: &'static Chip, report: &mut Report<'_>) {
    for function in &view.functions {
        if opset_number(function.opset).is_some_and(|n| n >= FIRST_LATE_OPSET) && view.version < LATE_VERSION
        {
            report.function(
                function,
                format!(
                    "{} does not belong to program({}.{})",
                    function.opset, view.version.0, view.version.1
                ),
            );
        }
    }
}

pub(super) fn opset(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    match chip.text.opsets.get(function.opset) {
        Some(Support::Native) => {}
        Some(Support::Limited) => {
            report
                .function(function, format!("{} is taken by newer systems only", function.opset))
                .place(Place::Opset(function.index))
                .fact("C44")
                .severity(Severity::Note);
        }
        Some(Support::Refused) => {
            report
                .function(function, format!("{} is refused", function.opset))
                .place(Place::Opset(function.index));
        }
        Some(Support::Unknown) | None => {
            let known: Vec<&str> = chip.text.opsets.keys().map(String::as_str).collect();
            report
                .function(
                    function,
                    format!(
                        "{} has not been seen to compile; known are {}",
                        function.opset,
                        known.join(", ")
                    ),
                )
                .severity(Severity::Note)
                .place(Place::Opset(function.index))
                .advice("Name one of the known operation sets.");
        }
    }
}

/// One finding for a program: a text of the wrong form has it everywhere. Before 1.3 short scalars are refused; from 1.3
/// on, only a mixture is, since some builds want the long form there too.
pub(super) fn scalar_form(view: &View<'_>, _: &'static Chip, report: &mut Report<'_>) {
    let wants_short = view.version >= LATE_VERSION;
    let wrong = view.scalars.iter().filter(|scalar| scalar.is_short != wants_short).collect::<Vec<_>>();
    let Some(first) = wrong.first() else { return };
    let Some(function) = view.functions.get(first.function) else { return };
    let (major, minor) = view.version;
    let (count, all) = (wrong.len(), view.scalars.len());
    let form = if first.is_short { "short" } else { "long" };
    let message =
        format!("{count} of {all} scalars are written in the {form} form under program({major}.{minor})");
    let draft = report.value(function, first.value, message);
    if wants_short && count == all {
        draft.severity(Severity::Note);
    }
}

fn opset_number(opset: &str) -> Option<u32> {
    opset.strip_prefix("ios")?.parse().ok()
}

pub(super) fn empty_body(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    if function.computing().next().is_none() {
        report.function(function, "nothing is computed");
    }
}

pub(super) fn constant_output(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    for &output in &function.outputs {
        if function.values.get(output).is_some_and(|v| v.constant.is_some()) {
            report.value(function, output, "the output is a constant");
        }
    }
}

pub(super) fn state_under_ios19(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    if opset_number(function.opset) != Some(19) {
        return;
    }
    for &input in &function.inputs {
        if function.values.get(input).is_some_and(|v| v.is_state) {
            report.value(function, input, "a state parameter under ios19");
        }
    }
}

/// Inputs, and results that are the first to have an unknown extent: everything behind them follows.
pub(super) fn static_shapes(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    let is_open = |value: usize| function.values.get(value).is_some_and(|v| v.dims.contains(&None));
    let introduced = |value: &usize| function.producer(*value).is_none_or(|op| !op.operands().any(is_open));
    for value in (0..function.values.len()).filter(|&v| is_open(v)).filter(introduced) {
        let ty = function.values.get(value).map(|v| v.ty()).unwrap_or_default();
        report.value(function, value, format!("its shape is open: {ty}"));
    }
}

pub(super) fn float_outputs(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    if function.outputs.len() < 2 {
        return;
    }
    for &output in &function.outputs {
        if let Some(value) = function.values.get(output).filter(|v| !v.dtype.starts_with("fp")) {
            let count = function.outputs.len();
            report.value(function, output, format!("one of {count} outputs is {}", value.dtype));
        }
    }
}

pub(super) fn procedures(view: &View<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    let (count, limit) = (view.functions.len() as u64, chip.limits.procedures);
    if count > limit {
        report.program(format!("{count} functions, at most {limit} load"));
    }
}

pub(super) fn operations(view: &View<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    let count = view.functions.iter().map(|f| f.computing().count() as u64).sum::<u64>();
    let limit = chip.limits.operations;
    if count > limit {
        report.program(format!("{count} operations without constants, plans fail from {limit}"));
    }
}

pub(super) fn size(view: &View<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    let (bytes, limit) = (weight_bytes(view), chip.limits.program_bytes);
    if bytes > limit {
        report.program(format!("{bytes} bytes of weights, at most {limit} load"));
    }
}

pub(super) fn weights(view: &View<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    let (bytes, limit) = (weight_bytes(view), chip.memory.program_weight_bytes);
    if bytes > limit {
        report.program(format!("{bytes} bytes of weights, somebody's program failed from {limit}"));
    }
}

fn weight_bytes(view: &View<'_>) -> u64 {
    view.functions.iter().fold(0, |n: u64, function| n.saturating_add(function.weight_bytes()))
}

pub(super) fn branches(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    for op in function.computing() {
        let mut makers: Vec<usize> = op
            .operands()
            .filter(|&v| function.values.get(v).is_some_and(|v| !v.is_static))
            .filter_map(|v| function.producer(v).map(|op| op.index))
            .collect();
        makers.sort_unstable();
        makers.dedup();
        let (count, limit) = (makers.len() as u64, chip.limits.parallel_branches);
        if count > limit {
            report.op(function, op, format!("{count} branches join, compilation is quick up to {limit}"));
        }
    }
}

pub(super) fn port_order(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    for (what, ports) in [("inputs", &function.inputs), ("outputs", &function.outputs)] {
        let declared = function.names(ports);
        if declared.is_sorted() {
            continue;
        }
        let mut sorted = declared.clone();
        sorted.sort_unstable();
        let (declared, sorted) = (listed(&declared), listed(&sorted));
        report.function(function, format!("{what} are declared as {declared} and may be bound as {sorted}"));
    }
}

/// A few names; more are counted.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

/// One note for a function: compilers write literals by the hundred.
pub(super) fn literal_arguments(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    let is_literal = |operands: &[Operand<'_>]| operands.iter().any(|operand| operand.value().is_none());
    let with_literals = |op: &&OpView<'_>| op.arguments.iter().any(|(_, operands)| is_literal(operands));
    let mut ops = function.computing().filter(with_literals);
    let Some(first) = ops.next() else { return };
    let names: Vec<&str> =
        first.arguments.iter().filter(|(_, operands)| is_literal(operands)).map(|(name, _)| *name).collect();
    let count = 1 + ops.count();
    report.op(
        function,
        first,
        format!("{count} operations take literals as arguments; the first for {}", listed(&names)),
    );
}
