//! What a transformer is made of, as data: configuration, presets, the table of its parameters, rotary tables.
//!
//! A model here is a decoder of the Llama-2 / Qwen3 family: RMSNorm before each block, causal attention with
//! rotary positions and optional grouped keys and values, SwiGLU feed-forward, tied or separate output head.
//!
//! This crate does no arithmetic on weights, opens no files and knows nothing of MIL, engines or training.
//! Start at [`ModelConfig`]; [`ModelConfig::parameters`] is the one list that initialisation, checkpoints,
//! optimiser and interchange formats all read.
#![forbid(unsafe_code)]

mod config;
mod error;
mod hugging_face;
mod parameters;
mod presets;
mod rotary;

pub use config::{ModelConfig, ResidualScale};
pub use error::ModelError;
pub use parameters::{Parameter, ParameterRole};
pub use presets::{PRESETS, preset};
pub use rotary::{RotaryScaling, RotaryTables};
