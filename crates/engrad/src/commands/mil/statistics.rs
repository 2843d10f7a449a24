use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use engrad_mil::{Function, Literal, Op};
use engrad_target::{Chip, cost};
use serde_json::json;

use super::source::Source;
use crate::display::print_line;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Text file, .mlmodelc or .mlpackage
    file: PathBuf,
    /// Chip whose cost model estimates time
    #[arg(long, value_name = "CHIP", default_value = "h16")]
    target: String,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let chip = Chip::named(&arguments.target)?;
    let source = Source::open(&arguments.file)?;
    let name = source.name.clone();
    let program = source.program()?;
    let costs = cost(&program, chip);
    let mut functions = Vec::new();
    for (function, cost) in program.functions.iter().zip(&costs.functions) {
        let (ops, weights) = (operations(function), weights(function));
        functions.push(json!({
            "function": function.name,
            "opset": function.opset,
            "inputs": function.inputs().iter().map(|&id| format!("{}: {}", function.value(id).name, function.value(id).ty)).collect::<Vec<_>>(),
            "outputs": function.outputs().iter().map(|&id| format!("{}: {}", function.value(id).name, function.value(id).ty)).collect::<Vec<_>>(),
            "operations": ops.values().sum::<usize>(),
            "by_name": ops,
            "weights": weights.values().map(|w| w.0).sum::<usize>(),
            "weight_bytes": weights.values().map(|w| w.1).sum::<usize>(),
            "weights_by_type": weights.iter().map(|(ty, (n, bytes))| json!({ "type": ty, "elements": n, "bytes": bytes })).collect::<Vec<_>>(),
            "cost": cost,
        }));
    }
    let report = json!({ "file": name, "target": chip.name, "functions": functions });
    if arguments.json {
        print_line(&report.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    for (function, cost) in program.functions.iter().zip(&costs.functions) {
        let (ops, weights) = (operations(function), weights(function));
        print_line(&format!("func {}<{}>", function.name, function.opset));
        for (what, ids) in [("input", function.inputs()), ("output", function.outputs())] {
            for &id in ids {
                print_line(&format!("  {what:<7} {}: {}", function.value(id).name, function.value(id).ty));
            }
        }
        let mut by_count: Vec<_> = ops.iter().collect();
        by_count.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let listed: Vec<String> = by_count.iter().map(|(name, n)| format!("{n} {name}")).collect();
        print_line(&format!("  operations {}: {}", ops.values().sum::<usize>(), listed.join(", ")));
        for (ty, (elements, bytes)) in &weights {
            print_line(&format!("  weights    {elements} {ty}, {bytes} bytes"));
        }
        print_line(&format!(
            "  arithmetic {:.3} GFLOP; {} bytes of weights, {} of inputs and outputs, {} between operations",
            cost.flops as f64 / 1e9,
            cost.weight_bytes,
            cost.port_bytes,
            cost.intermediate_bytes
        ));
        let total = cost.compute_s.max(cost.memory_s) + cost.floor_s;
        print_line(&format!(
            "  on {}   about {:.0} us: {:.0} arithmetic, {:.0} memory, {:.0} dispatch{}",
            chip.name,
            total * 1e6,
            cost.compute_s * 1e6,
            cost.memory_s * 1e6,
            cost.floor_s * 1e6,
            if cost.is_open { "; unknown extents count as 1" } else { "" }
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// How often each operation occurs; constants are not counted.
fn operations(function: &Function) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for op in function.ops().iter().filter(|op| op.op != Op::Const) {
        *counts.entry(op.name().to_owned()).or_default() += 1;
    }
    counts
}

/// Elements and stored bytes of constants, by element type; constants of a few elements are arguments, not weights.
fn weights(function: &Function) -> BTreeMap<&'static str, (usize, usize)> {
    const FEWEST: usize = 16;
    let mut counts: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
    let literals = function.ops().iter().flat_map(|op| op.attributes.iter().map(|(_, literal)| literal));
    for constant in literals.filter_map(Literal::tensor).filter(|c| c.ty.elements() >= FEWEST) {
        let entry = counts.entry(constant.ty.dtype.name()).or_default();
        entry.0 += constant.ty.elements();
        entry.1 += (constant.ty.elements() * constant.ty.dtype.bits()).div_ceil(8);
    }
    counts
}
