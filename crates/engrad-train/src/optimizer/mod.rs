//! Optimisation: AdamW, the learning-rate schedule and loss scaling. Host only, f32 master weights.

mod adamw;
mod loss_scale;
mod schedule;

pub use adamw::{AdamW, AdamWSettings};
pub(crate) use adamw::{Placement, row_length};
pub use loss_scale::LossScale;
pub use schedule::Schedule;
