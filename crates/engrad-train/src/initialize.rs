use engrad_model::{ModelConfig, Parameter};
use engrad_store::Model;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Standard deviation of projections and embeddings.
const DEVIATION: f64 = 0.02;

/// A model with random weights: normal with deviation 0.02, those that join the residual stream smaller by 1/√(2L)
/// (GPT-2), norms one. Each tensor has a random stream of its own, so the result depends on the seed alone.
pub fn initialize(config: &ModelConfig, seed: u64) -> Model {
    let parameters = config.parameters();
    let tensors = parameters.par_iter().enumerate().map(|(i, p)| tensor(config, p, seed, i as u64)).collect();
    Model { config: config.clone(), tensors }
}

fn tensor(config: &ModelConfig, parameter: &Parameter, seed: u64, stream: u64) -> Vec<f32> {
    if parameter.role.is_norm() {
        return vec![1.0; parameter.len()];
    }
    let residual =
        if parameter.role.joins_residual() { 1.0 / (2.0 * config.layers as f64).sqrt() } else { 1.0 };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let mut values = Vec::with_capacity(parameter.len() + 1);
    while values.len() < parameter.len() {
        // Box and Muller's transform: two uniform numbers give two normal ones.
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        let (radius, angle) = ((-2.0 * u.ln()).sqrt() * DEVIATION * residual, std::f64::consts::TAU * v);
        values.push((radius * angle.cos()) as f32);
        values.push((radius * angle.sin()) as f32);
    }
    values.truncate(parameter.len());
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_model::preset;

    #[test]
    fn the_seed_alone_decides_and_the_deviation_is_right() {
        let config = preset("tiny").unwrap();
        let (a, b) = (initialize(&config, 1), initialize(&config, 1));
        assert_eq!(a.tensors, b.tensors);
        assert_ne!(a.tensors, initialize(&config, 2).tensors);
        let values = &a.tensors[0];
        let variance = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((variance.sqrt() / DEVIATION - 1.0).abs() < 0.02);
    }
}
