//! The virtual engine: MIL programs on any CPU.
//!
//! [`VirtualEngine`] compiles a program to a plan and runs the plan as often as asked. Planning turns reshapes,
//! transposes, slices and concatenations into strides, folds constants, fuses chains of elementwise operations,
//! and shares one arena between all values; evaluation follows the plan on all cores and allocates nothing itself.
//!
//! Programs that no plan can express (integers, recurrences, flexible shapes, compressed weights …) run operation by
//! operation instead, with the same numerics: behind the same contract if their shapes are known, and in an
//! [`Interpreter`] in any case.
//!
//! Numbers: values are held as f32. Under [`Numerics::Fast`] every fp16 value is rounded to fp16 once, by the
//! operation that makes it; under [`Numerics::F32`] rounding happens at fp16 ports only. Results depend neither on
//! the number of threads nor on timing: the same inputs give the same bytes.
//!
//! [`mod@reference`] is the oracle beside it: the same language in f64, slow and plain.
//!
//! This crate knows nothing of Apple's hardware, of training, or of files.

mod engine;
mod interpret;
mod interpreter;
mod kernels;
mod layout;
mod options;
mod plan;
pub mod reference;

use kernels::execute;

pub use engine::VirtualEngine;
pub use interpreter::Interpreter;
pub use options::{Limits, Numerics, Options};
