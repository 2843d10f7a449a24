//! The output head: the classifier stage, once for each tile of the vocabulary, and the loss over all tiles.
//!
//! The head works on a block of positions at a time, whatever the batch and sequence length: logits never exist for more.

use std::ops::Range;

use super::Vocabulary;
use super::gradient_worker::{Job, Ticket};
use super::unit::{CompiledStage, SharedSurfaces, Sharing, Unit, WrittenAgain};
use crate::TrainError;
use crate::host::Window;
use crate::host::cross_entropy::Partition;
use crate::optimizer::Placement;

/// Most positions whose logits exist at a time. Fewer would make the head's products slower: each block reads all of
/// its weights and adds to all of their gradients.
const MOST_POSITIONS: usize = 256;
/// Most logits that exist at a time, where that leaves [`LEAST_POSITIONS`]: 80 MB in fp16, 256 positions of the largest
/// vocabularies in use. Fewer would pack the head's large matrix more often, which shows with Qwen3-0.6B.
const MOST_LOGITS: usize = 40 << 20;
/// Positions of a block with the largest vocabularies.
const LEAST_POSITIONS: usize = 64;

/// Positions of each block when `positions` are cut in as few blocks as possible, of nearly equal size.
pub(super) fn block_positions(positions: usize, classes: usize) -> usize {
    let most = (MOST_LOGITS / classes.max(1)).clamp(LEAST_POSITIONS, MOST_POSITIONS);
    positions.div_ceil(positions.div_ceil(most).max(1))
}

#[derive(Debug)]
pub(super) struct Head {
    units: Vec<Unit>,
    tile: usize,
    classes: usize,
    /// Positions of a block.
    positions: usize,
    partition: Partition,
}

impl Head {
    pub(super) fn new(
        stage: &CompiledStage,
        vocabulary: &Vocabulary,
        tile: usize,
        positions: usize,
        parameter: usize,
        training: bool,
    ) -> Result<Self, TrainError> {
        let classes = vocabulary.len();
        let (mut forward, mut backward) = (SharedSurfaces::new(), SharedSurfaces::new());
        let mut none = SharedSurfaces::new();
        let units = (0..classes.div_ceil(tile)).map(|_| {
            Unit::new(
                stage,
                |_| parameter,
                &mut Sharing {
                    passing: (&["x"], &mut forward),
                    written_again: (WrittenAgain::Nothing, &mut none),
                    backward: &mut backward,
                    gradient_over_result: training,
                },
            )
        });
        let units = units.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { units, tile, classes, positions, partition: Partition::new(&[]) })
    }

    pub(super) fn tiles(&self) -> usize {
        self.units.len()
    }

    /// The blocks of `positions` positions.
    pub(super) fn blocks(&self, positions: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let block = self.positions;
        (0..positions.div_ceil(block)).map(move |n| n * block..positions.min((n + 1) * block))
    }

    /// The block that a position lies in.
    pub(super) fn block_of(&self, position: usize, positions: usize) -> Range<usize> {
        let start = position / self.positions * self.positions;
        start..positions.min(start + self.positions)
    }

    /// First class of a tile and how many of its rows are classes.
    fn range(&self, tile: usize) -> (usize, usize) {
        let first = tile * self.tile;
        (first, self.tile.min(self.classes - first))
    }

    /// Where the tiles read the head's matrix, if they read its rows as they are.
    pub(super) fn placements(&self) -> Option<Vec<Placement>> {
        let place = |(tile, unit): (usize, &Unit)| match unit.weights.as_slice() {
            [weight] => weight.row_major().map(|window| Placement { first: self.range(tile).0, window }),
            _ => None,
        };
        self.units.iter().enumerate().map(place).collect()
    }

    /// Writes the head's matrix, `[vocab, dim]`, to the tiles; rows beyond the last class stay zero.
    pub(super) fn load(&self, matrix: &[f32], dim: usize, vocabulary: &Vocabulary) {
        for (tile, unit) in self.units.iter().enumerate() {
            let (first, rows) = self.range(tile);
            let row = |class: usize| {
                let id = vocabulary.id(first + class);
                &matrix[id * dim..(id + 1) * dim]
            };
            for weight in &unit.weights {
                for window in &weight.windows {
                    window.write_rows(|line_number, line| {
                        if weight.transposed {
                            for (class, value) in line.iter_mut().enumerate() {
                                *value = if class < rows { row(class)[line_number] } else { 0.0 };
                            }
                        } else if line_number < rows {
                            line.copy_from_slice(row(line_number));
                        } else {
                            line.fill(0.0);
                        }
                    });
                }
            }
        }
    }

    /// The activation windows of all tiles, those on one surface once.
    pub(super) fn inputs(&self) -> Vec<&Window> {
        let mut windows: Vec<&Window> = Vec::new();
        for unit in &self.units {
            if !windows.iter().any(|w| w.shares_surface(&unit.x)) {
                windows.push(&unit.x);
            }
        }
        windows
    }

    /// The last job that reads any tile's surfaces.
    pub(super) fn pending(&self) -> Ticket {
        self.units.iter().map(|u| u.pending).max().unwrap_or_default()
    }

    pub(super) fn set_pending(&mut self, tile: usize, ticket: Ticket) {
        self.units[tile].pending = ticket;
    }

    pub(super) fn evaluate(&self) -> Result<(), TrainError> {
        self.units.iter().try_for_each(|unit| Ok(unit.forward.evaluate()?))
    }

    /// Sum of −log p over the targets of the block just evaluated; keeps what the gradient needs.
    pub(super) fn loss_sum(&mut self, targets: &[Option<usize>]) -> f64 {
        let mut of_block = targets.to_vec();
        of_block.resize(self.positions, None);
        let mut partition = Partition::new(&of_block);
        for (tile, unit) in self.units.iter().enumerate() {
            let (first, rows) = self.range(tile);
            partition.add_tile(&unit.y, first, rows);
        }
        self.partition = partition;
        self.partition.loss_sum()
    }

    /// Puts a tile's scaled gradient of the loss where its backward program reads it.
    pub(super) fn write_gradient(&self, tile: usize, factor: f32) {
        let unit = &self.units[tile];
        let (first, rows) = self.range(tile);
        if let Some(backward) = &unit.backward {
            self.partition.gradient_tile(&unit.y, &backward.d_y, first, rows, factor);
        }
    }

    /// Runs a tile backward; returns its share of the activation's cotangent and the weight-gradient jobs.
    pub(super) fn tile_backward(&self, tile: usize) -> Result<(Window, Vec<Job>), TrainError> {
        let unit = &self.units[tile];
        let Some(backward) = &unit.backward else {
            return Err(TrainError::setting("training", "this network was built for inference"));
        };
        backward.evaluate()?;
        let (first, rows) = self.range(tile);
        let mut jobs = backward.jobs();
        for job in &mut jobs {
            if let Job::Products { weights, .. } = job {
                weights.iter_mut().for_each(|weight| (weight.start, weight.rows) = (first, rows));
            }
        }
        Ok((backward.d_x.clone(), jobs))
    }

    /// Logits `[count, classes]` of some positions of the block just evaluated.
    pub(super) fn logits(&self, positions: Range<usize>, out: &mut [f32]) {
        let classes = self.classes;
        for (tile, unit) in self.units.iter().enumerate() {
            let (first, rows) = self.range(tile);
            let blocks = unit.y.map_blocks(64, |start, block| {
                let lines = block.chunks(self.positions).take(rows.saturating_sub(start));
                (start, lines.map(|line| line[positions.clone()].to_vec()).collect::<Vec<_>>())
            });
            for (start, lines) in blocks {
                for (row, line) in lines.into_iter().enumerate() {
                    for (p, value) in line.into_iter().enumerate() {
                        out[p * classes + first + start + row] = value;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::block_positions;

    #[test]
    fn positions_are_cut_in_few_and_even_blocks() {
        let positions = [1, 256, 257, 512, 1000];
        assert_eq!(positions.map(|p| block_positions(p, 32_000)), [1, 256, 129, 256, 250]);
        assert_eq!(positions.map(|p| block_positions(p, 151_936)), [1, 256, 129, 256, 250]);
        assert_eq!(positions.map(|p| block_positions(p, 400_000)), [1, 86, 86, 103, 100]);
        assert_eq!(block_positions(256, 10_000_000), 64);
    }
}
