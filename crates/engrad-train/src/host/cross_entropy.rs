//! Cross-entropy over logits that arrive as tiles of the vocabulary, `[rows, positions]` each.
//!
//! Two passes: [`Partition`] gathers, tile by tile, what the softmax denominator of each position needs; then the
//! gradient replaces the logits. Logits exist only for the block of positions at hand, in the engine's own number
//! format; in f32 no more than a few rows per thread are ever held.

use super::Window;
use super::simd::{exp_nonpositive, vectorized};

/// Rows of logits held in f32 by a thread.
const BLOCK: usize = 64;

/// Running log-sum-exp of each position, and the logit of its target.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    max: Vec<f32>,
    sum: Vec<f32>,
    target: Vec<f32>,
    /// (class, position) in ascending order.
    targets: Vec<(usize, usize)>,
}

impl Partition {
    /// `targets` are class numbers; positions without one count for nothing.
    pub(crate) fn new(targets: &[Option<usize>]) -> Self {
        let positions = targets.len();
        let mut sorted: Vec<(usize, usize)> =
            targets.iter().enumerate().filter_map(|(position, class)| Some(((*class)?, position))).collect();
        sorted.sort_unstable();
        Self {
            max: vec![f32::NEG_INFINITY; positions],
            sum: vec![0.0; positions],
            target: vec![0.0; positions],
            targets: sorted,
        }
    }

    /// The targets among the classes `first…first + rows`.
    fn targets_in(&self, first: usize, rows: usize) -> &[(usize, usize)] {
        let start = self.targets.partition_point(|(class, _)| *class < first);
        let end = self.targets.partition_point(|(class, _)| *class < first + rows);
        &self.targets[start..end]
    }

    /// Takes in one tile: its first `rows` rows are the classes `first…first + rows`.
    pub(crate) fn add_tile(&mut self, logits: &Window, first: usize, rows: usize) {
        let positions = self.max.len();
        let blocks = logits.map_blocks(BLOCK, |start, block| {
            let count = rows.saturating_sub(start).min(block.len() / positions);
            let block = &block[..count * positions];
            let (mut max, mut sum) = (vec![f32::NEG_INFINITY; positions], vec![0.0; positions]);
            vectorized(
                #[inline(always)]
                || log_sum_exp(block, positions, &mut max, &mut sum),
            );
            let targets = self.targets_in(first + start, count);
            let at_target: Vec<(usize, f32)> = targets
                .iter()
                .map(|&(class, position)| (position, block[(class - first - start) * positions + position]))
                .collect();
            (max, sum, at_target)
        });
        for (max, sum, at_target) in blocks {
            for p in 0..positions {
                let larger = self.max[p].max(max[p]);
                if larger > f32::NEG_INFINITY {
                    self.sum[p] =
                        self.sum[p] * (self.max[p] - larger).exp() + sum[p] * (max[p] - larger).exp();
                }
                self.max[p] = larger;
            }
            for (position, logit) in at_target {
                self.target[position] = logit;
            }
        }
    }

    /// Sum over the targets of −log p.
    pub(crate) fn loss_sum(&self) -> f64 {
        let mut positions: Vec<usize> = self.targets.iter().map(|(_, position)| *position).collect();
        positions.sort_unstable();
        positions.into_iter().map(|p| self.log_z(p) - f64::from(self.target[p])).sum()
    }

    fn log_z(&self, position: usize) -> f64 {
        f64::from(self.max[position]) + f64::from(self.sum[position]).ln()
    }

    /// Replaces a tile's logits by `factor · (softmax − target)`; zero beyond `rows` and where there is no target.
    /// `logits` and `gradient` may be the same window.
    pub(crate) fn gradient_tile(
        &self,
        logits: &Window,
        gradient: &Window,
        first: usize,
        rows: usize,
        factor: f32,
    ) {
        // Positions that do not count have factor zero.
        let mut factors = vec![0.0; self.max.len()];
        self.targets.iter().for_each(|&(_, position)| factors[position] = factor);
        let log_z: Vec<f32> = (0..factors.len()).map(|p| self.log_z(p) as f32).collect();
        let counted = self.targets.len() == factors.len();
        if !logits.shares_surface(gradient) {
            logits.copy_to(gradient);
        }
        gradient.update_rows(|row, line| {
            if row >= rows {
                line.fill(0.0);
                return;
            }
            vectorized(
                #[inline(always)]
                || {
                    for ((value, factor), log_z) in line.iter_mut().zip(&factors).zip(&log_z) {
                        *value = factor * exp_nonpositive(*value - log_z);
                    }
                },
            );
            if !counted {
                // Zero times a logit that is not finite would be NaN.
                let unused = line.iter_mut().zip(&factors).filter(|(_, factor)| **factor == 0.0);
                unused.for_each(|(value, _)| *value = 0.0);
            }
            for &(_, position) in self.targets_in(first + row, 1) {
                line[position] -= factor;
            }
        });
    }
}

/// Largest value of each column and the sum of exponentials relative to it.
#[inline(always)]
fn log_sum_exp(block: &[f32], positions: usize, max: &mut [f32], sum: &mut [f32]) {
    for line in block.chunks_exact(positions) {
        for (max, &logit) in max.iter_mut().zip(line) {
            *max = if logit > *max { logit } else { *max };
        }
    }
    for line in block.chunks_exact(positions) {
        // A NaN logit is never the largest; here it makes the sum, and the loss, NaN, as it should.
        for ((sum, &max), &logit) in sum.iter_mut().zip(&*max).zip(line) {
            *sum += exp_nonpositive(logit - max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_engine::{Port, Surface};
    use engrad_mil::{DType, TensorType};

    #[test]
    fn tiles_give_the_loss_and_gradient_of_the_whole() {
        let (classes, positions, tile) = (131usize, 3usize, 68usize);
        let logit = |c: usize, p: usize| ((c * 5 + p * 3) % 7) as f32 / 2.0 - 1.0;
        let targets = [Some(2usize), None, Some(130)];
        let port = Port::new("y", TensorType::channels(DType::Fp32, tile, positions));
        let tiles: Vec<Window> = (0..2)
            .map(|t| {
                let window = Window::of_port(&port, &Surface::for_port(&port).unwrap());
                window.write_rows(|row, line| {
                    line.iter_mut().enumerate().for_each(|(p, v)| *v = logit(t * tile + row, p));
                });
                window
            })
            .collect();
        let mut partition = Partition::new(&targets);
        partition.add_tile(&tiles[0], 0, tile);
        partition.add_tile(&tiles[1], tile, classes - tile);
        let z = |p: usize| (0..classes).map(|c| f64::from(logit(c, p)).exp()).sum::<f64>();
        let term = |p: usize| targets[p].map(|t| z(p).ln() - f64::from(logit(t, p)));
        let expect: f64 = (0..positions).filter_map(term).sum();
        assert!((partition.loss_sum() - expect).abs() < 1e-6);

        partition.gradient_tile(&tiles[1], &tiles[1], tile, classes - tile, 2.0);
        let mut gradient = Vec::new();
        tiles[1].read_into(&mut gradient);
        for row in 0..tile {
            for p in 0..positions {
                let class = tile + row;
                let expect = if class < classes && targets[p].is_some() {
                    let hit = f64::from(u8::from(targets[p] == Some(class)));
                    2.0 * (f64::from(logit(class, p)).exp() / z(p) - hit)
                } else {
                    0.0
                };
                assert!((f64::from(gradient[row * positions + p]) - expect).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_logit_that_is_not_a_number_shows_in_the_loss() {
        let port = Port::new("y", TensorType::channels(DType::Fp32, 2, 1));
        let window = Window::of_port(&port, &Surface::for_port(&port).unwrap());
        window.write(&[1.0, f32::NAN]);
        let mut partition = Partition::new(&[Some(0)]);
        partition.add_tile(&window, 0, 2);
        assert!(partition.loss_sum().is_nan());
    }
}
