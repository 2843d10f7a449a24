//! The backward pass: the head a block of positions at a time, then the layers in reverse.

use std::time::Instant;

use engrad_store::Model;

use super::forward::point;
use super::gradient_worker::{Job, Ticket};
use super::{Network, Recompute};
use crate::TrainError;
use crate::host::rms_norm::{self, Cotangent};
use crate::stages::StageKind;
use crate::trace::Lane;

impl Network {
    /// Mean cross-entropy of the last forward pass against the next tokens; adds the gradient of `scale` times it to the
    /// gradient sums.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a network not built for training or too many targets, [`TrainError::Token`] for an
    /// unknown one, and the engine's errors.
    pub fn backward(&mut self, model: &Model, targets: &[&[u32]], scale: f32) -> Result<f64, TrainError> {
        self.in_pool(|network| network.run_backward(model, targets, scale))
    }

    fn run_backward(&mut self, model: &Model, targets: &[&[u32]], scale: f32) -> Result<f64, TrainError> {
        if self.worker.is_none() {
            return Err(TrainError::setting("training", "this network was built for inference"));
        }
        let targets = self.by_position(targets, |ids| self.options.vocabulary.classes(ids))?;
        let length = self.config.dim * self.positions();
        let mut d_normed = vec![0.0; length];
        let loss = self.head_backward(model, &targets, scale, &mut d_normed)?;
        let mut d_stream = vec![0.0; length];
        let last = 2 * self.layers.len();
        self.norm_backward(model, last, self.final_norm, None, &mut d_normed, &mut d_stream)?;
        for number in (0..self.layers.len()).rev() {
            // The set's surfaces are still wanted by the weight gradients of the layer that used it last.
            self.wait(self.set_pending[number % 2])?;
            self.borrow_memory(number)?;
            // Inputs of blocks are formed again under every policy: that costs little beside keeping them all.
            match self.options.recompute {
                Recompute::Layer => {
                    self.evaluate_block(model, number, StageKind::Attention)?;
                    self.add_block(number, StageKind::Attention);
                    self.evaluate_block(model, number, StageKind::FeedForward)?;
                }
                Recompute::None | Recompute::Attention => {
                    self.write_norm(model, number, StageKind::FeedForward)?;
                }
            }
            self.block_backward(model, number, StageKind::FeedForward, &mut d_stream, &mut d_normed)?;
            match self.options.recompute {
                Recompute::None => self.write_norm(model, number, StageKind::Attention)?,
                Recompute::Attention => self.evaluate_block(model, number, StageKind::Attention)?,
                Recompute::Layer => {}
            }
            self.block_backward(model, number, StageKind::Attention, &mut d_stream, &mut d_normed)?;
        }
        let rows = std::mem::take(&mut self.rows);
        let (parameter, dim) = (self.embedding, self.config.dim);
        self.submit(Job::Scatter { parameter, dim, rows, d_x: d_stream })?;
        Ok(loss)
    }

    /// Loss, and its cotangent of the normed stream.
    fn head_backward(
        &mut self,
        model: &Model,
        targets: &[Option<usize>],
        scale: f32,
        d_normed: &mut [f32],
    ) -> Result<f64, TrainError> {
        let count = targets.iter().flatten().count();
        let factor = scale / count as f32;
        let mut sum = 0.0;
        for block in self.head.blocks(targets.len()) {
            if targets[block.clone()].iter().all(Option::is_none) {
                continue;
            }
            self.evaluate_head(model, block.clone())?;
            sum += self.block_loss(&targets[block.clone()]);
            for tile in 0..self.head.tiles() {
                let host = Instant::now();
                self.head.write_gradient(tile, factor);
                self.clock.spent(Lane::Host, "loss gradient", host);
                let engine = Instant::now();
                let (d_x, jobs) = self.head.tile_backward(tile)?;
                self.clock.spent(Lane::Engine, "classifier backward", engine);
                let mut last = Ticket::default();
                for job in jobs {
                    last = self.submit(job)?;
                }
                self.head.set_pending(tile, last);
                let host = Instant::now();
                let columns = block.clone();
                d_x.zip_blocks(
                    d_normed,
                    16,
                    || (),
                    |(), _, line, part| {
                        line[columns.clone()].iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                    },
                );
                self.clock.spent(Lane::Host, "join tiles", host);
            }
        }
        Ok(sum / count as f64)
    }

    /// Adds to `d_stream` what flows through the norm at a point of the stream. The cotangent of its result is in
    /// `d_normed`, or on the surfaces of the block of `from`.
    fn norm_backward(
        &mut self,
        model: &Model,
        point: usize,
        parameter: usize,
        from: Option<(usize, StageKind)>,
        d_normed: &mut [f32],
        d_stream: &mut [f32],
    ) -> Result<(), TrainError> {
        let host = Instant::now();
        let (stream, scale) = self.streams.at(point);
        let weight = &model.tensors[parameter];
        let unit = from.and_then(|(number, kind)| self.layers[number].unit(kind).backward.as_ref());
        let from = unit.map_or(Cotangent::Dense, |backward| Cotangent::Surface(&backward.d_x));
        let values = rms_norm::backward(&from, d_normed, stream, scale, weight, d_stream);
        self.clock.spent(Lane::Host, "norm backward", host);
        self.submit(Job::Add { parameter, values })?;
        Ok(())
    }

    fn block_backward(
        &mut self,
        model: &Model,
        number: usize,
        kind: StageKind,
        d_stream: &mut [f32],
        d_normed: &mut [f32],
    ) -> Result<(), TrainError> {
        let unit = self.layers[number].unit(kind);
        let Some(backward) = &unit.backward else {
            return Err(TrainError::setting("training", "this network was built for inference"));
        };
        let host = Instant::now();
        let (factor, positions) = (self.config.residual_factor(), self.options.batch * self.options.sequence);
        backward.d_y.write_rows(|row, line| {
            for (d_y, d) in line.iter_mut().zip(&d_stream[row * positions..]) {
                *d_y = factor * d;
            }
        });
        self.clock.spent(Lane::Host, "stage cotangent", host);
        let engine = Instant::now();
        backward.evaluate()?;
        let name = match kind {
            StageKind::Attention => "attention backward",
            _ => "feed_forward backward",
        };
        self.clock.spent(Lane::Engine, name, engine);
        let mut last = Ticket::default();
        for job in backward.jobs() {
            last = self.submit(job)?;
        }
        let layer = &mut self.layers[number];
        match kind {
            StageKind::Attention => layer.attention.pending = last,
            _ => layer.feed_forward.pending = last,
        }
        let norm = layer.norm(kind);
        // The two stages of a layer have surfaces of their own; a set is free when its later stage is done.
        if kind == StageKind::Attention {
            self.set_pending[number % 2] = last;
        }
        self.norm_backward(model, point(number, kind), norm, Some((number, kind)), d_normed, d_stream)
    }
}
