use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::TrainError;

/// How a token is chosen from logits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 always takes the most likely token.
    pub temperature: f32,
    /// Only the `top_k` most likely tokens; 0 for all.
    pub top_k: usize,
    /// Only the most likely tokens that together reach this probability; 1 for all.
    pub top_p: f32,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl Sampling {
    /// Always the most likely token.
    pub const GREEDY: Self = Self { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 };

    /// # Errors
    /// [`TrainError::Setting`] naming the first value out of range.
    pub fn validate(&self) -> Result<(), TrainError> {
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Err(TrainError::setting("temperature", format!("{} is not 0 or more", self.temperature)));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(TrainError::setting("top-p", format!("{} is not in (0, 1]", self.top_p)));
        }
        Ok(())
    }
}

/// Chooses tokens, with its own random numbers.
#[derive(Debug, Clone)]
pub struct TokenSampler {
    sampling: Sampling,
    rng: ChaCha8Rng,
}

impl TokenSampler {
    /// # Errors
    /// As [`Sampling::validate`].
    pub fn new(sampling: Sampling) -> Result<Self, TrainError> {
        sampling.validate()?;
        Ok(Self { sampling, rng: ChaCha8Rng::seed_from_u64(sampling.seed) })
    }

    /// The position of the chosen logit. Among equal ones the first comes first.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] if a logit is NaN or infinite.
    pub fn choose(&mut self, logits: &[f32]) -> Result<usize, TrainError> {
        if logits.is_empty() || logits.iter().any(|l| !l.is_finite()) {
            return Err(TrainError::NotFinite("the model's logits are not finite".into()));
        }
        let Sampling { temperature, top_k, top_p, .. } = self.sampling;
        if temperature == 0.0 {
            let best = (0..logits.len()).reduce(|best, i| if logits[i] > logits[best] { i } else { best });
            return Ok(best.unwrap_or(0));
        }
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
        if top_k > 0 {
            order.truncate(top_k);
        }
        let peak = logits[order[0]];
        let weights: Vec<f64> =
            order.iter().map(|&i| (f64::from(logits[i] - peak) / f64::from(temperature)).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut reached = 0.0;
        let nucleus = weights.iter().position(|w| {
            reached += w / total;
            reached >= f64::from(top_p)
        });
        let kept = nucleus.map_or(weights.len(), |last| last + 1);
        let mut draw = self.rng.random::<f64>() * weights[..kept].iter().sum::<f64>();
        let chosen = weights[..kept].iter().position(|w| {
            draw -= w;
            draw < 0.0
        });
        Ok(order[chosen.unwrap_or(kept - 1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(sampling: Sampling, logits: &[f32]) -> Vec<usize> {
        let mut sampler = TokenSampler::new(sampling).unwrap();
        let mut all: Vec<usize> = (0..200).map(|_| sampler.choose(logits).unwrap()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    #[test]
    fn greedy_takes_the_lowest_of_equals() {
        assert_eq!(chosen(Sampling::GREEDY, &[0.0, 2.0, 2.0]), [1]);
    }

    #[test]
    fn top_k_and_top_p_leave_out_the_unlikely() {
        let base = Sampling { temperature: 1.0, ..Sampling::GREEDY };
        let logits = [1.0, 0.9, 0.8, -20.0];
        assert_eq!(chosen(base, &logits), [0, 1, 2]);
        assert_eq!(chosen(Sampling { top_k: 2, ..base }, &logits), [0, 1]);
        assert_eq!(chosen(Sampling { top_p: 0.2, ..base }, &logits), [0]);
    }

    #[test]
    fn logits_that_are_not_finite_are_an_error() {
        assert!(TokenSampler::new(Sampling::GREEDY).unwrap().choose(&[0.0, f32::NAN]).is_err());
    }
}
