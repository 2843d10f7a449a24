//! Training transformers through MIL stages.
//!
//! A model description becomes [`stages`] (MIL programs), stages compiled on an engine and bound for every layer
//! become a [`Network`], and a [`trainer::Trainer`] runs it: batches in, typed events out. Which engine runs the
//! programs is the caller's choice; this crate sees only the traits of `engrad-engine`.
//!
//! It does no terminal output, parses no arguments, and knows no back end.
#![forbid(unsafe_code)]

#[cfg(feature = "benchmarks")]
pub mod benchmarks;
mod error;
pub mod evaluate;
pub mod generate;
mod gradients;
mod host;
mod initialize;
mod network;
pub mod optimizer;
pub mod stages;
pub mod trace;
pub mod trainer;

pub use error::TrainError;
pub use gradients::{Gradient, Gradients};
pub use host::Buffer;
pub use initialize::initialize;
pub use network::{GradientPrecision, Network, NetworkOptions, Recompute, Timing, Vocabulary};
