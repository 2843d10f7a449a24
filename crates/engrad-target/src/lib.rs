//! What each Neural Engine takes, and what it costs.
//!
//! Chips, facts and the support of every operation are data files of this crate (`data/*.toml`), compiled in and read
//! once. On top of them stand
//!
//! * [`check()`]: every place where a program breaks a rule of a chip, with the fact behind the rule and what to do
//!   instead. The rules are a table, [`rules()`]; `docs/targets.md` is generated from it.
//! * [`cost()`]: floating-point operations, bytes, a roofline time above the dispatch floor, and the placement that the
//!   system would choose.
//!
//! The check speaks of the in-memory route (MIL text compiled whole for the engine), the one this project takes: what
//! Core ML would quietly move to the CPU is refused here. It knows nothing of how a program was made or how it runs,
//! assumes that the program is correct as a program (see [`engrad_mil::verify()`]), opens no files and never panics on
//! one.
#![forbid(unsafe_code)]

mod check;
mod chip;
mod cost;
mod data;
mod error;
mod fact;
mod finding;
mod rules;
mod support;
mod view;

pub use check::{check, check_text};
pub use chip::{
    Accumulator, Chip, CostTable, Family, Limits, Memory, Numerics, PlacementTable, Rounding, SurfaceRules,
    TextRules, TypeRule, chips,
};
pub use cost::{Bound, Cost, FunctionCost, OpCost, Placement, cost};
pub use error::TargetError;
pub use fact::{Evidence, Fact, Route, Source, facts, routes, sources};
pub use finding::{Finding, Severity};
pub use rules::{Elsewhere, Rule, rules};
pub use support::{OpSupport, Support, Work, WorkKind, op_support, op_table};
