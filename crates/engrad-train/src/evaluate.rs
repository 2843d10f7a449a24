//! One-off questions to a model: logits, gradients, mean loss.

use std::sync::Arc;

use engrad_engine::Engine;
use engrad_kernels::ProductLibrary;
use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_store::Model;
use rayon::ThreadPool;

use crate::optimizer::LossScale;
use crate::{Gradient, GradientPrecision, Network, NetworkOptions, Recompute, TrainError, Vocabulary};

/// Where and how programs run.
#[derive(Debug, Clone)]
pub struct Execution<'a> {
    /// The engine.
    pub engine: &'a dyn Engine,
    /// Threads for the host's work.
    pub pool: Arc<ThreadPool>,
    /// Element type of the programs.
    pub dtype: DType,
    /// Input layout of the programs.
    pub layout: InputLayout,
    /// A library that forms the weight gradients it takes.
    pub products: Option<Arc<dyn ProductLibrary>>,
}

impl Execution<'_> {
    fn network(
        &self,
        model: &Model,
        sequence: usize,
        training: bool,
        vocabulary: Vocabulary,
    ) -> Result<Network, TrainError> {
        let options = NetworkOptions {
            sequence,
            batch: 1,
            dtype: self.dtype,
            layout: self.layout,
            training,
            recompute: Recompute::None,
            gradient_precision: GradientPrecision::F32,
            products: self.products.clone(),
            vocabulary,
        };
        let mut network = Network::new(self.engine, Arc::clone(&self.pool), &model.config, options)?;
        network.load(model)?;
        Ok(network)
    }

    /// Logits `[tokens, vocab]` after each of the tokens.
    ///
    /// # Errors
    /// [`TrainError::Token`] for an unknown id, and the engine's errors.
    pub fn logits(&self, model: &Model, tokens: &[u32]) -> Result<Vec<f32>, TrainError> {
        let vocabulary = Vocabulary::full(model.config.vocab);
        let mut network = self.network(model, tokens.len(), false, vocabulary)?;
        network.forward(model, &[tokens])?;
        network.logits(model, tokens.len())
    }

    /// Mean cross-entropy of `targets` after `tokens`, and its gradient for every parameter in canonical order.
    ///
    /// # Errors
    /// As [`Execution::logits`]; [`TrainError::NotFinite`] if no loss scale gives finite gradients.
    pub fn gradients(
        &self,
        model: &Model,
        tokens: &[u32],
        targets: &[u32],
    ) -> Result<(f64, Vec<Vec<f32>>), TrainError> {
        if tokens.len() != targets.len() {
            return Err(TrainError::setting(
                "targets",
                format!("{} for {} tokens", targets.len(), tokens.len()),
            ));
        }
        let vocabulary = Vocabulary::full(model.config.vocab);
        let mut network = self.network(model, tokens.len(), true, vocabulary)?;
        // fp16 programs need their cotangents lifted into range; fp32 ones do not.
        let mut scale = match self.dtype {
            DType::Fp32 => LossScale::Fixed { scale: 1.0 },
            _ => LossScale::dynamic(),
        };
        loop {
            network.forward(model, &[tokens])?;
            let loss = network.backward(model, &[targets], scale.factor())?;
            let sums = network.gradients()?;
            if sums.norm().is_finite() {
                let factor = 1.0 / scale.factor();
                let scaled = sums.iter().map(Gradient::to_vec).map(|mut gradient| {
                    gradient.iter_mut().for_each(|v| *v *= factor);
                    gradient
                });
                return Ok((loss, scaled.collect()));
            }
            drop(sums);
            if !scale.can_shrink() {
                return Err(TrainError::NotFinite("gradients are not finite at any loss scale".into()));
            }
            scale.observe(false);
            network.clear_gradients()?;
        }
    }

    /// Mean loss per token over windows of `sequence + 1` tokens, among the ids of `vocabulary`. `progress` is told after each window.
    ///
    /// # Errors
    /// Those of the windows, [`TrainError::Token`], and the engine's.
    pub fn mean_loss(
        &self,
        model: &Model,
        vocabulary: Vocabulary,
        sequence: usize,
        windows: impl Iterator<Item = engrad_data::Result<Vec<u32>>>,
        mut progress: impl FnMut(usize, f64),
    ) -> Result<f64, TrainError> {
        let mut network = self.network(model, sequence, false, vocabulary)?;
        let (mut sum, mut count) = (0.0, 0);
        for window in windows {
            sum += network.window_loss(model, &window?)?;
            count += 1;
            progress(count, sum / count as f64);
        }
        if count == 0 {
            return Err(TrainError::setting("data", "no window to evaluate"));
        }
        Ok(sum / count as f64)
    }
}

impl Network {
    /// Mean loss of one window: all tokens but the last are inputs, all but the first targets.
    pub(crate) fn window_loss(&mut self, model: &Model, window: &[u32]) -> Result<f64, TrainError> {
        let [tokens @ .., _] = window else {
            return Err(TrainError::setting("sequence", "an empty window has no loss"));
        };
        self.forward(model, &[tokens])?;
        self.loss(model, &[&window[1..]])
    }
}
