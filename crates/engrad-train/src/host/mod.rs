//! The host's share of a model, in f32: embedding, RMSNorm, cross-entropy, and the views through which surfaces are
//! read and written.
//!
//! Activations are `[features, positions]`, positions contiguous: the engine's own order, so nothing is transposed
//! on the way. Work is split over fixed blocks and joined in order: results do not depend on the number of threads.

pub(crate) mod cross_entropy;
pub(crate) mod embedding;
pub(crate) mod rms_norm;
mod window;

pub(crate) use window::Window;

use rayon::prelude::*;

/// Rows summed in one piece by [`column_sums`].
const BLOCK: usize = 64;

/// For each position, the sum over features of what `term` adds for that feature's row.
fn column_sums(features: usize, positions: usize, term: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let blocks: Vec<Vec<f32>> = (0..features.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let mut sums = vec![0.0; positions];
            for feature in block * BLOCK..features.min((block + 1) * BLOCK) {
                term(feature, &mut sums);
            }
            sums
        })
        .collect();
    let mut total = vec![0.0; positions];
    for block in blocks {
        for (sum, part) in total.iter_mut().zip(block) {
            *sum += part;
        }
    }
    total
}
