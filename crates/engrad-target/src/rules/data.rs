//! T05xx: values that the engine computes differently from fp32 arithmetic.

use super::Report;
use super::ops::is_square;
use super::products::CONVOLUTIONS;
use super::shapes::inner_dimension;
use crate::chip::Chip;
use crate::finding::Severity;
use crate::view::{FunctionView, OpView};

const SUMS: &[&str] = &["reduce_mean", "reduce_sum"];
const SQUARED_SUMS: &[&str] = &["reduce_l2_norm", "reduce_sum_square"];

/// One note for a function, about its longest product: a note for each would say the same many times.
pub(super) fn product_range(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    let products = function.computing().filter_map(|op| Some((op, contraction(function, op)?)));
    let (mut count, mut longest) = (0usize, None);
    for (op, inner) in products {
        count += 1;
        if longest.is_none_or(|(_, most)| inner > most) {
            longest = Some((op, inner));
        }
    }
    if let Some((op, inner)) = longest {
        let limit = chip.numerics.product_limit;
        let mean = limit / inner.max(1) as f64;
        let message = format!(
            "the longest of {count} products sums {inner} terms: it reaches {limit} where they average {mean:.3} with one sign"
        );
        report.op(function, op, message);
    }
}

/// Terms of each sum of a product.
fn contraction(function: &FunctionView<'_>, op: &OpView<'_>) -> Option<u64> {
    if op.is(CONVOLUTIONS) {
        let weight = function.operand(op, "weight")?;
        let per_result = if op.name == "conv" { weight.dim(0) } else { weight.dim(1) };
        return Some(weight.elements()? / per_result?.max(1));
    }
    inner_dimension(function, op)
}

pub(super) fn width_slice(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let Some(crop) = chip.numerics.width_crop else { return };
    let Some(x) = function.operand(op, "x") else { return };
    if op.name == "split" {
        let axis = function
            .int(op, "axis")
            .and_then(|axis| usize::try_from(axis.rem_euclid(x.rank().max(1) as i64)).ok());
        if axis.is_some_and(|axis| axis + 1 == x.rank()) {
            let message = format!(
                "parts of {} along the width begin past 0; the crop at {crop} was seen on slices",
                x.ty()
            );
            report.op(function, op, message).severity(Severity::Note);
        }
    } else if let Some(begin) = width_begin(function, op).filter(|&begin| begin != 0) {
        report.op(
            function,
            op,
            format!(
                "it begins at {begin} of the width of {}: magnitudes from {crop} become infinite",
                x.ty()
            ),
        );
    }
}

/// Where a slice begins along the last axis; `None` for anything else.
fn width_begin(function: &FunctionView<'_>, op: &OpView<'_>) -> Option<i64> {
    if !op.is(&["slice_by_size", "slice_by_index"]) {
        return None;
    }
    let is_masked =
        function.ints(op, "begin_mask").and_then(|mask| mask.last().copied()).is_some_and(|m| m != 0);
    let begin = function.ints(op, "begin")?.last().copied()?;
    Some(if is_masked { 0 } else { begin })
}

pub(super) fn concat_of_width_slices(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name != "concat" {
        return;
    }
    let is_slice = |source: &&OpView<'_>| {
        let width = |v: Option<&crate::view::ValueView<'_>>| v.and_then(|v| v.dim(-1));
        width_begin(function, source).is_some()
            && width(function.operand(source, "x")) != width(function.result(source))
    };
    let count = op.operands().filter_map(|v| function.producer(v)).filter(is_slice).count();
    if count > 1 {
        report.op(function, op, format!("{count} of its operands are slices along the width"));
    }
}

/// How many elements each result of a reduction takes.
fn reduced(function: &FunctionView<'_>, op: &OpView<'_>) -> Option<u64> {
    let (from, to) = (function.operand(op, "x")?.elements()?, function.result(op)?.elements()?);
    Some(from / to.max(1))
}

pub(super) fn long_sum(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let limit = chip.numerics.sum_exact_to;
    if op.name == "reduce_sum"
        && let Some(terms) = reduced(function, op).filter(|&terms| terms > limit)
    {
        report.op(function, op, format!("it adds {terms} elements; sums of ones are exact to {limit}"));
    }
}

pub(super) fn round(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name == "round" {
        report.op(
            function,
            op,
            format!("magnitudes from {} come out one too large", chip.numerics.round_exact_to),
        );
    }
}

/// One note for a function, with the error of each table it uses.
pub(super) fn tables(function: &FunctionView<'_>, chip: &'static Chip, report: &mut Report<'_>) {
    let counts = function.histogram();
    let numerics = &chip.numerics;
    let used: Vec<String> = numerics
        .table_error
        .iter()
        .filter(|(name, _)| counts.contains_key(name.as_str()))
        .map(|(name, error)| match name.as_str() {
            "silu" => format!("silu to {error} ({} at 0)", numerics.silu_at_zero),
            "gelu" => format!("gelu to {error} ({} at 0)", numerics.gelu_at_zero),
            _ => format!("{name} to {error}"),
        })
        .collect();
    if !used.is_empty() {
        report.function(function, format!("computed from tables: {}", used.join(", ")));
    }
}

pub(super) fn exp(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name == "exp" && function.operand(op, "x").is_some_and(|x| !x.is_static) {
        report.op(function, op, format!("it is infinite above {}", chip.numerics.exp_limit));
    }
}

pub(super) fn mean_of_squares(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    let squares = op.is(SUMS) && function.source(op, "x").is_some_and(|source| is_square(function, source));
    if squares || op.is(SQUARED_SUMS) {
        report.op(function, op, "it sums squares, which are infinite for magnitudes of 256 and more");
    }
}

pub(super) fn odd_inner_dimension(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.name == "matmul"
        && let Some(inner) = inner_dimension(function, op).filter(|inner| inner % 32 != 0)
    {
        report.op(function, op, format!("it sums {inner} terms, {} past a multiple of 32", inner % 32));
    }
}

pub(super) fn transposed_products(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    let is_transposed = |op: &&OpView<'_>| {
        let by_transpose =
            |name: &&str| function.source(op, name).is_some_and(|source| source.name == "transpose");
        op.name == "matmul" && ["x", "y"].iter().any(by_transpose)
    };
    let count = function.computing().filter(is_transposed).count();
    if count > 1 {
        report.function(function, format!("{count} products take the result of a transpose"));
    }
}
