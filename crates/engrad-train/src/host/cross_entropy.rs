//! Cross-entropy over logits that arrive as tiles of the vocabulary, `[rows, positions]` each.
//!
//! Two passes: [`Partition`] gathers, tile by tile, what the softmax denominator of each position needs; then the
//! gradient replaces the logits. No more than one row per thread is ever held in f32.

use super::Window;

const BLOCK: usize = 256;

/// Running log-sum-exp of each position, and the logit of its target.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    max: Vec<f32>,
    sum: Vec<f32>,
    target: Vec<f32>,
}

impl Partition {
    pub(crate) fn new(positions: usize) -> Self {
        Self {
            max: vec![f32::NEG_INFINITY; positions],
            sum: vec![0.0; positions],
            target: vec![0.0; positions],
        }
    }

    /// Takes in one tile: its first `rows` rows are the classes `first…first + rows`. `targets` are class numbers.
    pub(crate) fn add_tile(&mut self, logits: &Window, first: usize, rows: usize, targets: &[usize]) {
        let positions = self.max.len();
        let blocks = logits.read_blocks(
            BLOCK,
            || Self::new(positions),
            |state, row, line| {
                if row >= rows {
                    return;
                }
                for ((max, sum), &logit) in state.max.iter_mut().zip(&mut state.sum).zip(line) {
                    if logit > *max {
                        *sum = *sum * (*max - logit).exp() + 1.0;
                        *max = logit;
                    } else {
                        // A NaN logit lands here and makes the loss NaN, as it should.
                        *sum += (logit - *max).exp();
                    }
                }
                for (position, &target) in targets.iter().enumerate() {
                    if target == first + row {
                        state.target[position] = line[position];
                    }
                }
            },
        );
        for block in blocks {
            for p in 0..positions {
                let max = self.max[p].max(block.max[p]);
                if max > f32::NEG_INFINITY {
                    self.sum[p] =
                        self.sum[p] * (self.max[p] - max).exp() + block.sum[p] * (block.max[p] - max).exp();
                }
                self.max[p] = max;
                self.target[p] += block.target[p];
            }
        }
    }

    /// Sum over positions of −log p(target).
    pub(crate) fn loss_sum(&self, count: usize) -> f64 {
        (0..count).map(|p| self.log_z(p) - f64::from(self.target[p])).sum()
    }

    fn log_z(&self, position: usize) -> f64 {
        f64::from(self.max[position]) + f64::from(self.sum[position]).ln()
    }

    /// Replaces a tile's logits by `factor · (softmax − target)`; zero beyond `rows` and beyond the targets.
    /// `logits` and `gradient` may be the same window.
    pub(crate) fn gradient_tile(
        &self,
        logits: &Window,
        gradient: &Window,
        first: usize,
        rows: usize,
        targets: &[usize],
        factor: f32,
    ) {
        let log_z: Vec<f32> = (0..targets.len()).map(|p| self.log_z(p) as f32).collect();
        if !logits.shares_surface(gradient) {
            logits.copy_to(gradient);
        }
        gradient.update_rows(|row, line| {
            let (used, padding) = line.split_at_mut(targets.len());
            padding.fill(0.0);
            if row >= rows {
                used.fill(0.0);
                return;
            }
            for ((value, &target), log_z) in used.iter_mut().zip(targets).zip(&log_z) {
                let hit = if target == first + row { 1.0 } else { 0.0 };
                *value = factor * ((*value - log_z).exp() - hit);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_engine::{Port, Surface};
    use engrad_mil::{DType, TensorType};

    #[test]
    fn tiles_give_the_loss_and_gradient_of_the_whole() {
        let (classes, positions, tile) = (7usize, 3usize, 4usize);
        let logit = |c: usize, p: usize| ((c * 5 + p * 3) % 7) as f32 / 2.0 - 1.0;
        let targets = [2usize, 6];
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
        let mut partition = Partition::new(positions);
        partition.add_tile(&tiles[0], 0, 4, &targets);
        partition.add_tile(&tiles[1], 4, 3, &targets);
        let z = |p: usize| (0..classes).map(|c| f64::from(logit(c, p)).exp()).sum::<f64>();
        let expect: f64 = (0..2).map(|p| z(p).ln() - f64::from(logit(targets[p], p))).sum();
        assert!((partition.loss_sum(2) - expect).abs() < 1e-6);

        partition.gradient_tile(&tiles[1], &tiles[1], 4, 3, &targets, 2.0);
        let mut gradient = Vec::new();
        tiles[1].read_into(&mut gradient);
        for row in 0..tile {
            for p in 0..positions {
                let class = 4 + row;
                let expect = if row < 3 && p < 2 {
                    2.0 * (f64::from(logit(class, p)).exp() / z(p) - f64::from(u8::from(targets[p] == class)))
                } else {
                    0.0
                };
                assert!((f64::from(gradient[row * positions + p]) - expect).abs() < 1e-6);
            }
        }
    }
}
