//! The forward pass: embedding, blocks, and the head where its logits are wanted.

use std::ops::Range;
use std::time::Instant;

use engrad_store::Model;

use super::{Layer, Network, Unit};
use crate::TrainError;
use crate::host::{embedding, rms_norm};
use crate::stages::StageKind;
use crate::trace::Lane;

impl Layer {
    pub(super) fn unit(&self, kind: StageKind) -> &Unit {
        match kind {
            StageKind::Attention => &self.attention,
            _ => &self.feed_forward,
        }
    }

    pub(super) fn norm(&self, kind: StageKind) -> usize {
        match kind {
            StageKind::Attention => self.attention_norm,
            _ => self.feed_forward_norm,
        }
    }
}

/// The point of the residual stream that a block reads.
pub(super) fn point(layer: usize, kind: StageKind) -> usize {
    2 * layer + usize::from(kind != StageKind::Attention)
}

impl Network {
    /// Runs sequences of tokens through all layers; [`Network::loss`], [`Network::logits`] and [`Network::backward`]
    /// go on from there.
    ///
    /// # Errors
    /// [`TrainError::Token`] for an unknown id, [`TrainError::Setting`] for none or too many tokens or sequences, and
    /// the engine's errors.
    pub fn forward(&mut self, model: &Model, sequences: &[&[u32]]) -> Result<(), TrainError> {
        self.in_pool(|network| network.run_blocks(model, sequences))
    }

    fn run_blocks(&mut self, model: &Model, sequences: &[&[u32]]) -> Result<(), TrainError> {
        let vocab = self.config.vocab;
        let table_rows = self.by_position(sequences, |tokens| {
            if let Some((position, &id)) = tokens.iter().enumerate().find(|(_, id)| **id as usize >= vocab) {
                return Err(TrainError::Token { id, position, vocab });
            }
            Ok(tokens.iter().map(|&id| id as usize).collect())
        })?;
        if self.options.training {
            self.rows = self.by_position(sequences, |tokens| self.options.vocabulary.classes(tokens))?;
        }
        let started = Instant::now();
        let (table, dim) = (&model.tensors[self.embedding], self.config.dim);
        self.streams.begin(|stream| {
            embedding::gather(table, dim, &table_rows, stream);
            rms_norm::scale(stream, table_rows.len(), self.config.norm_eps)
        });
        self.clock.spent(Lane::Host, "embedding", started);
        for number in 0..self.layers.len() {
            for kind in [StageKind::Attention, StageKind::FeedForward] {
                self.evaluate_block(model, number, kind)?;
                self.add_block(number, kind);
            }
        }
        Ok(())
    }

    /// Something for each token, at its position; `None` at positions without a token.
    pub(super) fn by_position(
        &self,
        sequences: &[&[u32]],
        each: impl Fn(&[u32]) -> Result<Vec<usize>, TrainError>,
    ) -> Result<Vec<Option<usize>>, TrainError> {
        let (batch, length) = (self.options.batch, self.options.sequence);
        if sequences.is_empty() || sequences.len() > batch {
            let reason = format!("{} sequences for programs of {batch}", sequences.len());
            return Err(TrainError::setting("batch", reason));
        }
        let mut all = vec![None; batch * length];
        for (tokens, places) in sequences.iter().zip(all.chunks_mut(length)) {
            if tokens.is_empty() || tokens.len() > length {
                let reason = format!("{} tokens for programs of 1…{length} positions", tokens.len());
                return Err(TrainError::setting("sequence", reason));
            }
            for (place, value) in places.iter_mut().zip(each(tokens)?) {
                *place = Some(value);
            }
        }
        Ok(all)
    }

    /// Norms the stream for a block and evaluates it.
    pub(super) fn evaluate_block(
        &mut self,
        model: &Model,
        number: usize,
        kind: StageKind,
    ) -> Result<(), TrainError> {
        self.write_norm(model, number, kind)?;
        let engine = Instant::now();
        self.layers[number].unit(kind).forward.evaluate()?;
        self.clock.spent(Lane::Engine, kind.name(), engine);
        Ok(())
    }

    /// Writes a block's input, the normed stream.
    pub(super) fn write_norm(
        &mut self,
        model: &Model,
        number: usize,
        kind: StageKind,
    ) -> Result<(), TrainError> {
        // Weight gradients of the last pass may still be reading what this one is about to overwrite.
        self.wait(self.set_pending[number % 2].max(self.layers[number].unit(kind).pending))?;
        let layer = &self.layers[number];
        let host = Instant::now();
        let (stream, scale) = self.streams.at(point(number, kind));
        let weight = &model.tensors[layer.norm(kind)];
        rms_norm::write(stream, 0..scale.len(), scale, weight, &[&layer.unit(kind).x]);
        self.clock.spent(Lane::Host, "norm", host);
        Ok(())
    }

    /// Adds a block's result to the stream.
    pub(super) fn add_block(&mut self, number: usize, kind: StageKind) {
        let host = Instant::now();
        let (factor, epsilon) = (self.config.residual_factor(), self.config.norm_eps);
        let y = &self.layers[number].unit(kind).y;
        let point = point(number, kind);
        self.streams.advance(point, |stream, next| rms_norm::add(stream, y, factor, next, epsilon));
        self.clock.spent(Lane::Host, "residual", host);
    }

    /// Computes the logits of a block of positions.
    pub(super) fn evaluate_head(&mut self, model: &Model, block: Range<usize>) -> Result<(), TrainError> {
        self.wait(self.head.pending())?;
        let host = Instant::now();
        let (stream, scale) = self.streams.at(2 * self.layers.len());
        let weight = &model.tensors[self.final_norm];
        rms_norm::write(stream, block, scale, weight, &self.head.inputs());
        self.clock.spent(Lane::Host, "norm", host);
        let engine = Instant::now();
        self.head.evaluate()?;
        self.clock.spent(Lane::Engine, StageKind::Classifier.name(), engine);
        Ok(())
    }

    /// Mean cross-entropy of the last forward pass against the next tokens.
    ///
    /// # Errors
    /// [`TrainError::Token`] for an unknown target, [`TrainError::Setting`] for too many, and the engine's errors.
    pub fn loss(&mut self, model: &Model, targets: &[&[u32]]) -> Result<f64, TrainError> {
        self.in_pool(|network| network.mean_loss(model, targets))
    }

    fn mean_loss(&mut self, model: &Model, targets: &[&[u32]]) -> Result<f64, TrainError> {
        let targets = self.by_position(targets, |ids| self.options.vocabulary.classes(ids))?;
        let mut sum = 0.0;
        for block in self.head.blocks(targets.len()) {
            // A block of padding has no loss.
            if targets[block.clone()].iter().any(Option::is_some) {
                self.evaluate_head(model, block.clone())?;
                sum += self.block_loss(&targets[block]);
            }
        }
        Ok(sum / targets.iter().flatten().count() as f64)
    }

    pub(super) fn block_loss(&mut self, targets: &[Option<usize>]) -> f64 {
        let host = Instant::now();
        let sum = self.head.loss_sum(targets);
        self.clock.spent(Lane::Host, "loss", host);
        sum
    }

    /// Logits of the first `count` positions of the last forward pass, `[count, classes]`.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for more positions than there are, and the engine's errors.
    pub fn logits(&mut self, model: &Model, count: usize) -> Result<Vec<f32>, TrainError> {
        self.in_pool(|network| network.logits_of(model, 0..count))
    }

    /// Logits of one position of the last forward pass.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn logits_at(&mut self, model: &Model, position: usize) -> Result<Vec<f32>, TrainError> {
        self.in_pool(|network| network.logits_of(model, position..position + 1))
    }

    fn logits_of(&mut self, model: &Model, wanted: Range<usize>) -> Result<Vec<f32>, TrainError> {
        let (positions, classes) = (self.positions(), self.options.vocabulary.len());
        if wanted.end > positions {
            let reason = format!("position {} of {positions}", wanted.end);
            return Err(TrainError::setting("sequence", reason));
        }
        let mut out = vec![0.0; wanted.len() * classes];
        let mut at = wanted.start;
        while at < wanted.end {
            let block = self.head.block_of(at, positions);
            let end = wanted.end.min(block.end);
            self.evaluate_head(model, block.clone())?;
            let place = (at - wanted.start) * classes..(end - wanted.start) * classes;
            let within = at - block.start..end - block.start;
            self.head.logits(within, &mut out[place]);
            at = end;
        }
        Ok(out)
    }
}
