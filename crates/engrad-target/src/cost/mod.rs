//! What a program costs on a chip: work, bytes, a time above the dispatch floor, and where the system would run it.
//!
//! The time is that of fact P04: the larger of work over peak and bytes over bandwidth, plus the dispatch floor. It
//! orders programs; it is no clock. Values between operations are taken to stay on the chip, weights and ports to cross
//! its edge once.

mod placement;
mod work;

use engrad_mil::Program;
use serde::Serialize;

pub use placement::Placement;

use crate::chip::Chip;
use crate::view::{FunctionView, View};

/// What limits a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Arithmetic.
    Compute,
    /// Weights and ports.
    Memory,
    /// The floor of an evaluation: there is more of it than of the work.
    Dispatch,
}

/// Cost of one operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpCost {
    /// Position among the function's operations.
    pub op: usize,
    /// Name in program text.
    pub name: String,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes of operands and results.
    pub bytes: u64,
}

/// Cost of one function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionCost {
    /// Its name.
    pub function: String,
    /// Every operation that computes, in order.
    pub ops: Vec<OpCost>,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes of weights that operations read.
    pub weight_bytes: u64,
    /// Bytes of inputs and outputs, with the padding of their rows.
    pub port_bytes: u64,
    /// Bytes of values between operations.
    pub intermediate_bytes: u64,
    /// Time of the arithmetic, in seconds.
    pub compute_s: f64,
    /// Time of weights and ports, in seconds.
    pub memory_s: f64,
    /// Dispatch floor, in seconds.
    pub floor_s: f64,
    /// What limits it.
    pub bound: Bound,
    /// Where the system would run it.
    pub placement: Placement,
    /// Whether an extent is unknown; unknown extents count as 1.
    pub is_open: bool,
}

impl FunctionCost {
    /// Time of one evaluation, in seconds.
    pub fn total_s(&self) -> f64 {
        self.compute_s.max(self.memory_s) + self.floor_s
    }

    /// Floating-point operations for each byte that crosses the chip's edge.
    pub fn intensity(&self) -> f64 {
        self.flops as f64 / self.weight_bytes.saturating_add(self.port_bytes).max(1) as f64
    }
}

/// Cost of a program on a chip.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Architecture name.
    pub chip: &'static str,
    /// Each function.
    pub functions: Vec<FunctionCost>,
}

/// What `program` costs on `chip`.
pub fn cost(program: &Program, chip: &'static Chip) -> Cost {
    let view = View::new(program);
    Cost { chip: &chip.name, functions: view.functions.iter().map(|f| function_cost(f, chip)).collect() }
}

fn function_cost(function: &FunctionView<'_>, chip: &'static Chip) -> FunctionCost {
    let ops: Vec<OpCost> = function
        .computing()
        .map(|op| {
            let values =
                op.operands().chain(op.results.iter().copied()).filter_map(|v| function.values.get(v));
            let bytes = values.fold(0u64, |n, v| n.saturating_add(chip.value_bytes(v)));
            OpCost { op: op.index, name: op.name.to_owned(), flops: work::flops(function, op), bytes }
        })
        .collect();
    let flops = ops.iter().fold(0u64, |n, op| n.saturating_add(op.flops));
    let sum = |is_counted: &dyn Fn(usize) -> bool, bytes: &dyn Fn(usize) -> u64| {
        (0..function.values.len()).filter(|&v| is_counted(v)).fold(0u64, |n, v| n.saturating_add(bytes(v)))
    };
    let plain = |v: usize| function.values.get(v).map_or(0, |value| chip.value_bytes(value));
    let is_port = |v: usize| function.inputs.contains(&v) || function.outputs.contains(&v);
    let is_between = |v: usize| function.producer(v).is_some_and(|op| op.computes()) && !is_port(v);
    let padded = |v: usize| function.values.get(v).map_or(0, |value| work::padded_bytes(value, chip));
    let (weight_bytes, port_bytes) = (function.weight_bytes(), sum(&is_port, &padded));
    let table = &chip.cost;
    let compute_s = flops as f64 / (table.peak_tflops * 1e12);
    let memory_s =
        weight_bytes as f64 / (table.weight_gb_s * 1e9) + port_bytes as f64 / (table.stream_gb_s * 1e9);
    let floor_s = table.floor_us * 1e-6;
    let bound = match compute_s.max(memory_s) {
        longest if longest < floor_s => Bound::Dispatch,
        _ if compute_s >= memory_s => Bound::Compute,
        _ => Bound::Memory,
    };
    FunctionCost {
        function: function.name.to_owned(),
        placement: placement::place(function, chip, &ops),
        ops,
        flops,
        weight_bytes,
        port_bytes,
        intermediate_bytes: sum(&is_between, &plain),
        compute_s,
        memory_s,
        floor_s,
        bound,
        is_open: function.values.iter().any(|v| v.dims.contains(&None)),
    }
}
