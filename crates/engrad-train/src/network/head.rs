//! The output head: the classifier stage, once for each tile of the vocabulary, and the loss over all tiles.

use super::Vocabulary;
use super::gradient_worker::{Job, Ticket};
use super::unit::{CompiledStage, SharedSurfaces, Sharing, Unit};
use crate::TrainError;
use crate::host::Window;
use crate::host::cross_entropy::Partition;

#[derive(Debug)]
pub(super) struct Head {
    units: Vec<Unit>,
    tile: usize,
    classes: usize,
    partition: Partition,
}

impl Head {
    pub(super) fn new(
        stage: &CompiledStage,
        vocabulary: &Vocabulary,
        tile: usize,
        parameter: usize,
        training: bool,
    ) -> Result<Self, TrainError> {
        let classes = vocabulary.len();
        let (mut forward, mut backward) = (SharedSurfaces::new(), SharedSurfaces::new());
        let units = (0..classes.div_ceil(tile)).map(|_| {
            Unit::new(
                stage,
                |_| parameter,
                &mut Sharing {
                    forward_ports: &["x"],
                    forward: &mut forward,
                    backward: &mut backward,
                    gradient_over_result: training,
                },
            )
        });
        let units = units.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { units, tile, classes, partition: Partition::new(0) })
    }

    pub(super) fn tiles(&self) -> usize {
        self.units.len()
    }

    /// First class of a tile and how many of its rows are classes.
    fn range(&self, tile: usize) -> (usize, usize) {
        let first = tile * self.tile;
        (first, self.tile.min(self.classes - first))
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

    /// Sum of −log p(target); keeps what the gradient needs.
    pub(super) fn loss_sum(&mut self, targets: &[usize], positions: usize) -> f64 {
        let mut partition = Partition::new(positions);
        for (tile, unit) in self.units.iter().enumerate() {
            let (first, rows) = self.range(tile);
            partition.add_tile(&unit.y, first, rows, targets);
        }
        self.partition = partition;
        self.partition.loss_sum(targets.len())
    }

    /// Puts a tile's scaled gradient of the loss where its backward program reads it.
    pub(super) fn write_gradient(&self, tile: usize, targets: &[usize], factor: f32) {
        let unit = &self.units[tile];
        let (first, rows) = self.range(tile);
        if let Some(backward) = &unit.backward {
            self.partition.gradient_tile(&unit.y, &backward.d_y, first, rows, targets, factor);
        }
    }

    /// Runs a tile backward; returns its share of the activation's cotangent and the weight-gradient jobs.
    pub(super) fn tile_backward(&self, tile: usize, dim: usize) -> Result<(Window, Vec<Job>), TrainError> {
        let unit = &self.units[tile];
        let Some(backward) = &unit.backward else {
            return Err(TrainError::setting("training", "this network was built for inference"));
        };
        backward.evaluate()?;
        let (first, rows) = self.range(tile);
        let mut jobs = backward.jobs();
        for job in &mut jobs {
            if let Job::Product { start, rows: count, .. } = job {
                (*start, *count) = (first * dim, rows);
            }
        }
        Ok((backward.d_x.clone(), jobs))
    }

    /// Logits `[count, classes]` of positions from `position`.
    pub(super) fn logits(&self, position: usize, count: usize, classes: usize) -> Vec<f32> {
        let mut out = vec![0.0; count * classes];
        for (tile, unit) in self.units.iter().enumerate() {
            let (first, rows) = self.range(tile);
            let blocks =
                unit.y.read_blocks(1024, Vec::new, |block: &mut Vec<(usize, Vec<f32>)>, row, line| {
                    if row < rows {
                        block.push((first + row, line[position..position + count].to_vec()));
                    }
                });
            for (class, values) in blocks.into_iter().flatten() {
                for (p, value) in values.into_iter().enumerate() {
                    out[p * classes + class] = value;
                }
            }
        }
        out
    }
}
