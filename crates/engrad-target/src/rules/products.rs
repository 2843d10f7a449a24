//! T04xx: convolutions, pools and the factors by which tensors shrink or grow.

use super::Report;
use crate::chip::Chip;
use crate::view::{FunctionView, OpView};

pub(super) const CONVOLUTIONS: &[&str] = &["conv", "conv_transpose"];
const POOLS: &[&str] = &["avg_pool", "l2_pool", "max_pool"];
/// Arguments that scale extents, by operation.
const FACTORS: &[(&str, &str)] = &[
    ("conv", "strides"),
    ("conv_transpose", "strides"),
    ("avg_pool", "strides"),
    ("l2_pool", "strides"),
    ("max_pool", "strides"),
    ("tile", "reps"),
    ("depth_to_space", "block_size"),
    ("space_to_depth", "block_size"),
    ("pixel_shuffle", "upscale_factor"),
    ("pixel_unshuffle", "downscale_factor"),
    ("batch_to_space", "block_shape"),
    ("space_to_batch", "block_shape"),
];
/// From how many convolutions in a row a chain was reported as refused.
const LONG_CHAIN: u32 = 20;

fn groups_of(function: &FunctionView<'_>, op: &OpView<'_>) -> u64 {
    function.int(op, "groups").and_then(|g| u64::try_from(g).ok()).unwrap_or(1)
}

pub(super) fn kernel_width(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    if !op.is(CONVOLUTIONS) {
        return;
    }
    let Some(weight) = function.operand(op, "weight").filter(|w| w.rank() > 2) else { return };
    let is_packed = function.source(op, "weight").is_some_and(OpView::is_constexpr);
    let (format, limit) = match is_packed {
        true => ("decompressed", chip.limits.conv_kernel_width_other),
        false => ("fp16", chip.limits.conv_kernel_width),
    };
    if let Some(width) = weight.dim(-1).filter(|&width| width > limit) {
        report.op(function, op, format!("its kernel is {width} wide, at most {limit} for {format} weights"));
    }
}

pub(super) fn groups(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if !op.is(CONVOLUTIONS) {
        return;
    }
    let groups = groups_of(function, op);
    let (Some(x), Some(weight)) = (function.operand(op, "x"), function.operand(op, "weight")) else { return };
    let (Some(channels), Some(first), Some(second)) = (x.dim(1), weight.dim(0), weight.dim(1)) else {
        return;
    };
    let is_transposed = op.name == "conv_transpose";
    let outputs = if is_transposed { second.saturating_mul(groups) } else { first };
    if groups == 0 || channels % groups != 0 || outputs % groups != 0 {
        report.op(
            function,
            op,
            format!("{groups} groups do not divide {channels} input and {outputs} output channels"),
        );
        return;
    }
    let (wanted, dimension, found) =
        if is_transposed { (channels, "first", first) } else { (channels / groups, "second", second) };
    if found != wanted {
        let message = format!(
            "{channels} input channels in {groups} groups want {wanted} as the weight's {dimension} dimension, not {found}"
        );
        report.op(function, op, message);
    }
}

pub(super) fn volumetric(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    _: &'static Chip,
    report: &mut Report<'_>,
) {
    if op.is(CONVOLUTIONS)
        && let Some(x) = function.operand(op, "x").filter(|x| x.rank() > 4)
    {
        report.op(function, op, format!("its operand is {} with three spatial dimensions", x.ty()));
    }
}

pub(super) fn input_channels(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    let limit = chip.limits.conv_input_channels;
    if op.name == "conv"
        && let Some(channels) =
            function.operand(op, "x").and_then(|x| x.dim(1)).filter(|&channels| channels > limit)
    {
        report.op(function, op, format!("it reads {channels} channels; 32000 are refused"));
    }
}

pub(super) fn dynamic_weight(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    if !op.is(CONVOLUTIONS) {
        return;
    }
    let Some(weight) = function.operand(op, "weight").filter(|w| !w.is_static) else { return };
    let limits = &chip.limits;
    let batch = function.operand(op, "x").and_then(|x| x.dim(0)).unwrap_or(1);
    if batch > limits.dynamic_conv_batch {
        let message = format!(
            "weight `{}` is computed at run time and the batch is {batch}: the compiler crashes",
            weight.name
        );
        report.op(function, op, message);
    }
    let groups = groups_of(function, op);
    if groups > limits.dynamic_conv_groups {
        let message =
            format!("weight `{}` is computed at run time and there are {groups} groups", weight.name);
        report.op(function, op, message);
    }
}

pub(super) fn pool_window(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    if !op.is(POOLS) {
        return;
    }
    let limit = chip.limits.pool_window;
    let sizes = function.ints(op, "kernel_sizes").unwrap_or_default();
    if sizes.iter().any(|&size| u64::try_from(size).is_ok_and(|size| size > limit)) {
        report.op(function, op, format!("its window is {sizes:?}, at most {limit} on a side"));
    }
}

pub(super) fn factors(
    function: &FunctionView<'_>,
    op: &OpView<'_>,
    chip: &'static Chip,
    report: &mut Report<'_>,
) {
    for (_, argument) in FACTORS.iter().filter(|(name, _)| *name == op.name) {
        let factors = function.ints(op, argument).unwrap_or_default();
        let is_odd = |factor: &i64| {
            u64::try_from(*factor).is_ok_and(|factor| !is_product_of(factor, &chip.limits.factor_primes))
        };
        if let Some(factor) = factors.iter().find(|factor| is_odd(factor)) {
            report.op(
                function,
                op,
                format!("`{argument}` has the factor {factor}, which is no product of 2 and 3"),
            );
        }
    }
}

fn is_product_of(factor: u64, primes: &[u64]) -> bool {
    let mut rest = factor;
    for &prime in primes.iter().filter(|&&prime| prime > 1) {
        while rest > 1 && rest.is_multiple_of(prime) {
            rest /= prime;
        }
    }
    rest <= 1
}

pub(super) fn bias(function: &FunctionView<'_>, op: &OpView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    if op.is(CONVOLUTIONS) && op.argument("bias").is_some() {
        report.op(function, op, "it takes its bias as an argument");
    }
}

pub(super) fn batch(function: &FunctionView<'_>, op: &OpView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    if !op.is(CONVOLUTIONS) && op.name != "matmul" {
        return;
    }
    let x = function.operand(op, "x").filter(|x| x.rank() > 2);
    if let Some(batch) = x.and_then(|x| x.dim(0)).filter(|&batch| batch > 1) {
        report.op(function, op, format!("its batch is {batch}"));
    }
}

pub(super) fn chain(function: &FunctionView<'_>, _: &'static Chip, report: &mut Report<'_>) {
    // Convolutions on the longest way to each value.
    let mut depth = vec![0u32; function.values.len()];
    let mut longest = None;
    for op in function.computing() {
        let before = op.operands().filter_map(|v| depth.get(v).copied()).max().unwrap_or(0);
        let after = before + u32::from(op.is(CONVOLUTIONS));
        for &result in &op.results {
            if let Some(entry) = depth.get_mut(result) {
                *entry = after;
            }
        }
        if after >= LONG_CHAIN && longest.is_none_or(|(most, _)| after > most) {
            longest = Some((after, op));
        }
    }
    if let Some((count, op)) = longest {
        report.op(function, op, format!("{count} convolutions follow each other"));
    }
}
