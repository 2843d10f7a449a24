//! Where the system would run each operation (facts P05, P06).
//!
//! Each operation costs its roofline time on the device that runs it; entering the engine costs a launch and a change
//! of device, leaving it a change, and an output left on the engine costs its fee. The cheapest way through the
//! operations in program order is the placement. The real planner sees the graph, not the order, so this is a simple
//! model of it.

use serde::Serialize;

use super::OpCost;
use crate::chip::Chip;
use crate::support::Support;
use crate::view::FunctionView;

/// The cheapest placement of a function's operations on engine and CPU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Placement {
    /// Operations on the engine.
    pub engine_ops: usize,
    /// Operations on the CPU because the engine refuses them.
    pub refused_ops: usize,
    /// Operations on the CPU because that is cheaper.
    pub host_ops: usize,
    /// Runs of operations on the engine.
    pub segments: usize,
    /// Changes of device.
    pub changes: usize,
    /// Cost in the model's own milliseconds.
    pub milliseconds: f64,
}

const HOST: usize = 0;
const ENGINE: usize = 1;

pub(super) fn place(function: &FunctionView<'_>, chip: &Chip, ops: &[OpCost]) -> Placement {
    let table = &chip.cost.placement;
    let time = |op: &OpCost, gflops: f64, gb_s: f64| {
        (op.flops as f64 / (gflops * 1e6)).max(op.bytes as f64 / (gb_s * 1e6))
    };
    let enter = table.launch_ms + table.change_ms;
    // best[d]: cheapest cost with the last operation on device d; work begins on the CPU.
    let mut best = [0.0, f64::INFINITY];
    let mut came_from: Vec<[usize; 2]> = Vec::with_capacity(ops.len());
    for op in ops {
        let makes_output =
            function.ops.get(op.op).is_some_and(|op| op.results.iter().any(|r| function.outputs.contains(r)));
        let fee = if makes_output { table.output_ms } else { 0.0 };
        let on_host = time(op, table.host_gflops, table.host_gb_s);
        let on_engine = match chip.support(&op.name) {
            Support::Refused => f64::INFINITY,
            _ => time(op, table.engine_gflops, table.engine_gb_s) + fee,
        };
        let (to_host, host_from) = cheaper(best[HOST], best[ENGINE] + table.change_ms);
        let (to_engine, engine_from) = cheaper(best[HOST] + enter, best[ENGINE]);
        best = [to_host + on_host, to_engine + on_engine];
        came_from.push([host_from, engine_from]);
    }
    let (milliseconds, mut device) = cheaper(best[HOST], best[ENGINE]);
    let mut placement =
        Placement { engine_ops: 0, refused_ops: 0, host_ops: 0, segments: 0, changes: 0, milliseconds };
    for (op, from) in ops.iter().zip(&came_from).rev() {
        let before = if device == ENGINE { from[ENGINE] } else { from[HOST] };
        match device {
            ENGINE => placement.engine_ops += 1,
            _ if chip.support(&op.name) == Support::Refused => placement.refused_ops += 1,
            _ => placement.host_ops += 1,
        }
        if before != device {
            placement.changes += 1;
            placement.segments += usize::from(device == ENGINE);
        }
        device = before;
    }
    placement
}

fn cheaper(host: f64, engine: f64) -> (f64, usize) {
    if engine < host { (engine, ENGINE) } else { (host, HOST) }
}
