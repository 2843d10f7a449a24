use serde::{Deserialize, Serialize};

use crate::{ModelConfig, ModelError};

/// How rotary frequencies are changed to reach longer contexts; names follow Hugging Face `rope_type`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum RotaryScaling {
    /// Unchanged frequencies.
    #[default]
    Default,
    /// Every frequency divided by `factor`.
    Linear {
        /// At least 1.
        factor: f64,
    },
    /// Low frequencies divided, high ones kept, a ramp between (Llama 3.1).
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Wavelengths above `original / low` count as low frequency.
        low_freq_factor: f64,
        /// Wavelengths below `original / high` count as high frequency.
        high_freq_factor: f64,
        /// Context length the model was trained with.
        original_max_position_embeddings: f64,
    },
}

impl RotaryScaling {
    pub(crate) fn validate(&self) -> Result<(), ModelError> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let fine = match *self {
            Self::Default => true,
            Self::Linear { factor } => positive(factor),
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                [factor, low_freq_factor, high_freq_factor, original_max_position_embeddings]
                    .into_iter()
                    .all(positive)
                    && high_freq_factor > low_freq_factor
            }
        };
        fine.then_some(()).ok_or_else(|| {
            ModelError::invalid(
                "rope_scaling",
                "factors must be positive, and high_freq_factor above low_freq_factor",
            )
        })
    }

    fn apply(&self, frequency: f64) -> f64 {
        match *self {
            Self::Default => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                let turns = original_max_position_embeddings * frequency / std::f64::consts::TAU;
                let keep = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
                frequency * (keep + (1.0 - keep) / factor)
            }
        }
    }
}

/// Cosines and sines of the rotary angles, each `[head_dim/2, sequence]` row-major: row = pair, column = position.
///
/// Component `i` of a head is rotated with component `i + head_dim/2` by the angle of row `i` (RoFormer,
/// arXiv 2104.09864, in the half-split order of Hugging Face).
#[derive(Debug, Clone, PartialEq)]
pub struct RotaryTables {
    /// Cosine of each angle.
    pub cos: Vec<f32>,
    /// Sine of each angle.
    pub sin: Vec<f32>,
}

impl ModelConfig {
    /// Tables for positions `0…sequence-1`.
    pub fn rotary_tables(&self, sequence: usize) -> RotaryTables {
        let half = self.head_dim / 2;
        let angle = |pair: usize, position: usize| {
            let frequency = self.rope_base.powf(-(2.0 * pair as f64) / self.head_dim as f64);
            position as f64 * self.rope_scaling.apply(frequency)
        };
        let table = |f: fn(f64) -> f64| {
            (0..half).flat_map(|i| (0..sequence).map(move |p| f(angle(i, p)) as f32)).collect()
        };
        RotaryTables { cos: table(f64::cos), sin: table(f64::sin) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;

    #[test]
    fn position_zero_is_not_rotated_and_pair_zero_turns_one_radian() {
        let tables = preset("tiny").unwrap().rotary_tables(4);
        assert_eq!((tables.cos[0], tables.sin[0]), (1.0, 0.0));
        assert_eq!((tables.cos[1], tables.sin[1]), (1f64.cos() as f32, 1f64.sin() as f32));
        assert_eq!(tables.cos.len(), 8 * 4);
    }

    #[test]
    fn llama3_scaling_keeps_high_frequencies_and_divides_low_ones() {
        let scaling = RotaryScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192.0,
        };
        assert_eq!(scaling.apply(1.0), 1.0);
        assert_eq!(scaling.apply(1e-6), 1e-6 / 8.0);
    }
}
