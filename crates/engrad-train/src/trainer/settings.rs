use engrad_mil::DType;
use serde::{Deserialize, Serialize};

use crate::optimizer::{AdamWSettings, LossScale};
use crate::{GradientPrecision, Recompute, TrainError};

/// Shortest default span of the learning-rate schedule.
const SHORTEST_DECAY: u64 = 2000;

/// Most of anything counted per step or run; a bound on slips of the keyboard.
const MOST: usize = 1 << 20;

/// How the loss is scaled before the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LossScaleSetting {
    /// Always this factor.
    Fixed(f32),
    /// Adapted to the gradients; written `"dynamic"`.
    Dynamic(DynamicWord),
}

/// The word `dynamic`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DynamicWord {
    /// The word itself.
    Dynamic,
}

impl std::str::FromStr for LossScaleSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "dynamic" {
            return Ok(Self::Dynamic(DynamicWord::Dynamic));
        }
        text.parse().map(Self::Fixed).map_err(|_| format!("`{text}` is neither `dynamic` nor a number"))
    }
}

/// Settings of a run that shape its numbers. Names are those of the configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// Updates in all.
    pub steps: u64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Step at which the cosine ends; unset, the number of steps but at least 2000, so that a short run and the
    /// first part of a longer one are the same.
    pub decay_steps: Option<u64>,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Fraction of the peak at the end of the schedule.
    pub final_rate: f64,
    /// AdamW constants.
    pub adamw: AdamWSettings,
    /// Gradients with a larger global norm are scaled down to it.
    pub clip_norm: f64,
    /// Sequences evaluated at once.
    pub batch: usize,
    /// Batches for each update.
    pub accumulation: usize,
    /// Tokens of a sequence; unset, the model's.
    pub sequence: Option<usize>,
    /// What the backward pass computes again instead of keeping it in memory.
    pub recompute: Recompute,
    /// What the factors of weight gradients are rounded to. Follows from the run's numerics, so no file has it.
    #[serde(skip)]
    pub gradient_precision: GradientPrecision,
    /// Seed of initial weights and data order.
    pub seed: u64,
    /// Loss scaling; fp32 programs use none unless it is fixed here.
    pub loss_scale: LossScaleSetting,
    /// Leave out of the output head what does not occur in the data.
    pub compact_vocabulary: bool,
    /// Steps between validations; 0 for none.
    pub validation_every: u64,
    /// Windows of a validation.
    pub validation_windows: usize,
    /// Steps between checkpoints; 0 for one at the end only.
    pub checkpoint_every: u64,
    /// Checkpoints kept, newest first.
    pub keep_last: usize,
    /// Also keep the checkpoint with the best validation loss.
    pub keep_best: bool,
    /// Steps between samples of text; 0 for none.
    pub sample_every: u64,
    /// What samples begin with.
    pub sample_prompt: String,
    /// Tokens of a sample.
    pub sample_tokens: usize,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            steps: 200,
            warmup_steps: 10,
            decay_steps: None,
            learning_rate: 5e-4,
            final_rate: 0.1,
            adamw: AdamWSettings::default(),
            clip_norm: 1.0,
            batch: 1,
            accumulation: 1,
            sequence: None,
            recompute: Recompute::None,
            gradient_precision: GradientPrecision::F32,
            seed: 1,
            loss_scale: LossScaleSetting::Dynamic(DynamicWord::Dynamic),
            compact_vocabulary: true,
            validation_every: 100,
            validation_windows: 8,
            checkpoint_every: 100,
            keep_last: 2,
            keep_best: true,
            sample_every: 100,
            sample_prompt: "Once upon a time".into(),
            sample_tokens: 48,
        }
    }
}

impl TrainSettings {
    /// # Errors
    /// [`TrainError::Setting`] naming the first value out of range.
    pub fn validate(&self) -> Result<(), TrainError> {
        let positive = |setting, value: f64| {
            let fine = value.is_finite() && value > 0.0;
            fine.then_some(()).ok_or_else(|| TrainError::setting(setting, format!("{value} is not above 0")))
        };
        let fraction = |setting, value: f64| {
            let fine = (0.0..1.0).contains(&value);
            fine.then_some(())
                .ok_or_else(|| TrainError::setting(setting, format!("{value} is not in [0, 1)")))
        };
        positive("learning_rate", self.learning_rate)?;
        positive("clip_norm", self.clip_norm)?;
        positive("adamw.epsilon", self.adamw.epsilon)?;
        fraction("adamw.beta1", self.adamw.beta1)?;
        fraction("adamw.beta2", self.adamw.beta2)?;
        fraction("adamw.weight_decay", self.adamw.weight_decay)?;
        if !(0.0..=1.0).contains(&self.final_rate) {
            return Err(TrainError::setting("final_rate", format!("{} is not in [0, 1]", self.final_rate)));
        }
        if let LossScaleSetting::Fixed(scale) = self.loss_scale {
            positive("loss_scale", f64::from(scale))?;
        }
        for (setting, value) in [
            ("batch", self.batch),
            ("accumulation", self.accumulation),
            ("validation_windows", self.validation_windows),
            ("keep_last", self.keep_last),
            ("sequence", self.sequence.unwrap_or(1)),
        ] {
            if value == 0 || value > MOST {
                return Err(TrainError::setting(setting, format!("{value} is not in 1…{MOST}")));
            }
        }
        Ok(())
    }

    /// Step at which the cosine ends.
    pub fn decay_end(&self) -> u64 {
        self.decay_steps.unwrap_or(self.steps.max(SHORTEST_DECAY))
    }

    pub(super) fn initial_loss_scale(&self, dtype: DType) -> LossScale {
        match self.loss_scale {
            LossScaleSetting::Fixed(scale) => LossScale::Fixed { scale },
            LossScaleSetting::Dynamic(_) if dtype == DType::Fp32 => LossScale::Fixed { scale: 1.0 },
            LossScaleSetting::Dynamic(_) => LossScale::dynamic(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_of_a_short_run_does_not_depend_on_its_length() {
        let of = |steps| TrainSettings { steps, ..TrainSettings::default() }.decay_end();
        assert_eq!((of(10), of(20), of(5000)), (2000, 2000, 5000));
    }

    #[test]
    fn values_out_of_range_are_named() {
        let bad = TrainSettings { clip_norm: f64::NAN, ..TrainSettings::default() };
        assert_eq!(bad.validate().unwrap_err().to_string(), "setting `clip_norm`: NaN is not above 0");
    }
}
