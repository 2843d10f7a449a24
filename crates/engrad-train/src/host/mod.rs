//! What the host computes between engine evaluations: embedding, RMSNorm, cross-entropy, and staging to surfaces.
//!
//! Activations are `[features, positions]` in f32, positions contiguous: the engine's own order, so nothing is transposed
//! on the way. Loops are written so that they vectorise ([`simd`]). Work is split over fixed blocks and joined in order:
//! results do not depend on the number of threads.

pub(crate) mod cross_entropy;
pub(crate) mod embedding;
mod memory;
mod products;
#[cfg(test)]
mod properties;
pub(crate) mod rms_norm;
pub(crate) mod simd;
mod window;

pub use memory::Buffer;
pub(crate) use products::{Products, WithActivation};
pub(crate) use window::{Rows, Window};
