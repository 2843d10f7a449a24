use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Vocabulary;
use engrad_model::{Parameter, ParameterRole};

/// Elements updated in one piece.
const BLOCK: usize = 1 << 15;

/// Constants of AdamW (arXiv 1711.05101).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay; norm weights have none.
    pub weight_decay: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1 }
    }
}

/// AdamW with its moments, one pair for each parameter.
#[derive(Debug, Clone)]
pub struct AdamW {
    settings: AdamWSettings,
    /// First moments, shaped as the parameters.
    pub first: Vec<Vec<f32>>,
    /// Second moments.
    pub second: Vec<Vec<f32>>,
    /// Updates made; the bias correction's exponent.
    pub updates: u64,
}

/// One update's scalars, in f32.
#[derive(Clone, Copy)]
struct Update {
    beta1: f32,
    beta2: f32,
    /// Learning rate with the first moment's bias correction.
    rate: f32,
    /// 1/√(second moment's bias correction).
    root: f32,
    epsilon: f32,
    /// What a decayed weight keeps of itself.
    keep: f32,
    /// Factor on gradients: loss scale, accumulation and clipping.
    factor: f32,
}

impl AdamW {
    /// Zero moments for those parameters.
    pub fn new(settings: AdamWSettings, parameters: &[Parameter]) -> Self {
        let zeros = || parameters.iter().map(|p| vec![0.0; p.len()]).collect();
        Self { settings, first: zeros(), second: zeros(), updates: 0 }
    }

    /// One update with gradients times `factor`. Gradients of the embedding and the head have a row for each class
    /// of `vocabulary`; rows of other ids stay as they are. Gradients are zero afterwards: clearing them here spares
    /// a pass over memory.
    pub fn update(
        &mut self,
        parameters: &[Parameter],
        values: &mut [Vec<f32>],
        gradients: &mut [Vec<f32>],
        vocabulary: &Vocabulary,
        learning_rate: f64,
        factor: f32,
    ) {
        self.updates += 1;
        let s = &self.settings;
        let exponent = self.updates.min(i32::MAX as u64) as i32;
        let plain = Update {
            beta1: s.beta1 as f32,
            beta2: s.beta2 as f32,
            rate: (learning_rate / (1.0 - s.beta1.powi(exponent))) as f32,
            root: (1.0 / (1.0 - s.beta2.powi(exponent))).sqrt() as f32,
            epsilon: s.epsilon as f32,
            keep: 1.0,
            factor,
        };
        let decayed = Update { keep: (1.0 - learning_rate * s.weight_decay) as f32, ..plain };
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (((parameter, value), gradient), (first, second)) in
            parameters.iter().zip(values).zip(gradients).zip(moments)
        {
            let update = if parameter.role.is_norm() { plain } else { decayed };
            let by_row = matches!(parameter.role, ParameterRole::Embedding | ParameterRole::Head);
            if by_row && vocabulary.is_compact() {
                let dim = parameter.shape[1];
                for (class, gradient) in gradient.chunks_mut(dim).enumerate() {
                    let row = vocabulary.id(class) * dim..(vocabulary.id(class) + 1) * dim;
                    let (first, second) = (&mut first[row.clone()], &mut second[row.clone()]);
                    update.apply(&mut value[row], gradient, first, second);
                }
            } else {
                value
                    .par_chunks_mut(BLOCK)
                    .zip(gradient.par_chunks_mut(BLOCK))
                    .zip(first.par_chunks_mut(BLOCK).zip(second.par_chunks_mut(BLOCK)))
                    .for_each(|((value, gradient), (first, second))| {
                        update.apply(value, gradient, first, second);
                    });
            }
        }
    }
}

impl Update {
    fn apply(self, value: &mut [f32], gradient: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        let both = value.iter_mut().zip(gradient).zip(first.iter_mut().zip(second));
        for ((value, gradient), (first, second)) in both {
            let g = std::mem::take(gradient) * self.factor;
            *first = self.beta1 * *first + (1.0 - self.beta1) * g;
            *second = self.beta2 * *second + (1.0 - self.beta2) * g * g;
            *value = *value * self.keep - self.rate * *first / (second.sqrt() * self.root + self.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_model::preset;

    #[test]
    fn two_updates_agree_with_the_formula_in_f64() {
        let parameters = &preset("tiny").unwrap().parameters()[2..3];
        let mut adam = AdamW::new(AdamWSettings::default(), parameters);
        let mut values = vec![vec![0.5f32; parameters[0].len()]];
        let (mut w, mut m, mut v) = (0.5f64, 0.0f64, 0.0f64);
        for (t, gradient) in [(1, 0.25f64), (2, -1.0)] {
            let mut gradients = vec![vec![gradient as f32 * 4.0; parameters[0].len()]];
            adam.update(parameters, &mut values, &mut gradients, &Vocabulary::full(1024), 0.01, 0.25);
            m = 0.9 * m + 0.1 * gradient;
            v = 0.95 * v + 0.05 * gradient * gradient;
            let (mh, vh) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.95f64.powi(t)));
            w = w * (1.0 - 0.01 * 0.1) - 0.01 * mh / (vh.sqrt() + 1e-8);
        }
        assert!((f64::from(values[0][7]) - w).abs() < 1e-6);
    }

    #[test]
    fn rows_of_unused_ids_stay_and_norms_are_not_decayed() {
        let config = preset("tiny").unwrap();
        let parameters = config.parameters();
        let vocabulary = Vocabulary::compact(config.vocab, vec![3, 7]).unwrap();
        let mut values: Vec<Vec<f32>> = parameters.iter().map(|p| vec![1.0; p.len()]).collect();
        let mut gradients: Vec<Vec<f32>> = parameters.iter().map(|p| vec![0.0; p.len()]).collect();
        gradients[0].truncate(2 * config.dim);
        let mut adam = AdamW::new(AdamWSettings::default(), &parameters);
        adam.update(&parameters, &mut values, &mut gradients, &vocabulary, 0.1, 1.0);
        assert_eq!(values[0][2 * config.dim], 1.0);
        assert!(values[0][3 * config.dim] < 1.0);
        assert!(values[1].iter().all(|&v| v == 1.0), "norm decayed");
        assert!(values[2].iter().all(|&v| v < 1.0), "projection not decayed");
    }
}
