use engrad_data::Cursor;
use serde::{Deserialize, Serialize};

use crate::optimizer::LossScale;

/// Counts above this are no run's; below it sums with them cannot overflow.
const LARGEST_COUNT: u64 = 1 << 62;

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

impl TrainingState {
    /// What contradicts itself, or the step that the checkpoint says it holds.
    pub(super) fn fault(&self, checkpoint_step: u64) -> Option<String> {
        let counts =
            [("step", self.step), ("tokens_seen", self.tokens_seen), ("cursor.epoch", self.cursor.epoch)];
        if let Some((name, count)) = counts.into_iter().find(|(_, count)| *count > LARGEST_COUNT) {
            return Some(format!("`{name}` of {count} is out of any sensible range"));
        }
        if self.step != checkpoint_step {
            return Some(format!("`step` is {}, the checkpoint is of step {checkpoint_step}", self.step));
        }
        if self.updates > self.step {
            return Some(format!("{} updates in {} steps", self.updates, self.step));
        }
        let scale = self.loss_scale.factor();
        let fine = scale.is_finite() && scale > 0.0;
        (!fine).then(|| format!("a loss scale of {scale} is not above 0"))
    }
}
