//! Optimisation: AdamW, the learning-rate schedule, gradient norm and loss scaling. Host only, f32 master weights.

mod adamw;
mod loss_scale;
mod schedule;

pub use adamw::{AdamW, AdamWSettings};
pub use loss_scale::LossScale;
pub use schedule::Schedule;

use rayon::prelude::*;

/// Elements summed in one piece, so that the norm does not depend on the number of threads.
const BLOCK: usize = 1 << 16;

/// Euclidean norm over all gradients; not finite if any element is not.
pub fn global_norm(gradients: &[Vec<f32>]) -> f64 {
    let sum = |gradient: &Vec<f32>| -> f64 {
        let blocks: Vec<f64> = gradient
            .par_chunks(BLOCK)
            .map(|block| {
                // Sixteen running sums: one f64 accumulator would be a chain of dependent additions.
                let mut lanes = [0f64; 16];
                let chunks = block.chunks_exact(16);
                let rest: f64 = chunks.remainder().iter().map(|&g| f64::from(g) * f64::from(g)).sum();
                for chunk in chunks {
                    for (lane, &g) in lanes.iter_mut().zip(chunk) {
                        *lane += f64::from(g) * f64::from(g);
                    }
                }
                lanes.iter().sum::<f64>() + rest
            })
            .collect();
        blocks.iter().sum()
    };
    gradients.iter().map(sum).sum::<f64>().sqrt()
}
