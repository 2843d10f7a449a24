use engrad_data::Cursor;
use serde::{Deserialize, Serialize};

use crate::optimizer::LossScale;

/// The best validation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Steps done then.
    pub step: u64,
    /// Its loss.
    pub loss: f64,
}

/// What a checkpoint holds beyond weights and moments. The run draws no random numbers after initialisation but
/// those of the data order, which the cursor holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// Steps done.
    pub step: u64,
    /// Tokens trained on.
    pub tokens_seen: u64,
    /// Updates made; fewer than steps if some were skipped.
    pub updates: u64,
    /// Loss scale and its history.
    pub loss_scale: LossScale,
    /// Position in the data.
    pub cursor: Cursor,
    /// Best validation so far.
    pub best: Option<Best>,
}
