//! Text from a model: the forward programs over the whole context, one token at a time.

mod sampling;

pub use sampling::{Sampling, TokenSampler};

use std::sync::Arc;

use engrad_engine::Engine;
use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_store::Model;
use rayon::ThreadPool;

use crate::{GradientPrecision, Network, NetworkOptions, Recompute, TrainError, Vocabulary};

/// Shortest programs compiled; contexts grow by doubling from here.
const SHORTEST: usize = 32;

/// How text is generated, apart from sampling.
#[derive(Debug, Clone, Copy)]
pub struct GenerateOptions {
    /// Element type of the programs.
    pub dtype: DType,
    /// Input layout of the programs.
    pub layout: InputLayout,
    /// Longest context; older tokens are forgotten.
    pub context: usize,
}

/// Generates tokens one by one. Programs have static shapes, so contexts are rounded up to a power of two, and the
/// network is rebuilt when the context outgrows it; causality makes the padding harmless.
#[derive(Debug)]
pub struct Generator<'a> {
    engine: &'a dyn Engine,
    pool: Arc<ThreadPool>,
    model: &'a Model,
    vocabulary: Vocabulary,
    options: GenerateOptions,
    network: Option<Network>,
}

impl<'a> Generator<'a> {
    /// A generator over a model's weights as they are, choosing among the ids of `vocabulary`.
    pub fn new(
        engine: &'a dyn Engine,
        pool: Arc<ThreadPool>,
        model: &'a Model,
        vocabulary: Vocabulary,
        options: GenerateOptions,
    ) -> Self {
        Self { engine, pool, model, vocabulary, options, network: None }
    }

    /// Logits of the token after `tokens`, one for each id of the vocabulary.
    ///
    /// # Errors
    /// [`TrainError::Token`] for an unknown id, [`TrainError::Setting`] for no tokens, and the engine's errors.
    pub fn next_logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>, TrainError> {
        let context = self.options.context.max(1);
        let tokens = &tokens[tokens.len().saturating_sub(context)..];
        let needed = tokens.len().max(SHORTEST).next_power_of_two().min(context.max(tokens.len()));
        let mut network = match self.network.take() {
            Some(network) if network.sequence() >= needed => network,
            _ => {
                let options = NetworkOptions {
                    sequence: needed,
                    batch: 1,
                    dtype: self.options.dtype,
                    layout: self.options.layout,
                    training: false,
                    recompute: Recompute::None,
                    gradient_precision: GradientPrecision::F32,
                    products: None,
                    vocabulary: self.vocabulary.clone(),
                };
                let mut network =
                    Network::new(self.engine, Arc::clone(&self.pool), &self.model.config, options)?;
                network.load(self.model)?;
                network
            }
        };
        network.forward(self.model, &[tokens])?;
        let logits = network.logits_at(self.model, tokens.len() - 1)?;
        self.network = Some(network);
        Ok(logits)
    }

    /// Continues `tokens` by up to `count` tokens. Each goes to `take` as it is chosen; generation ends early when
    /// `take` returns false.
    ///
    /// # Errors
    /// As [`Generator::next_logits`].
    pub fn generate(
        &mut self,
        tokens: &[u32],
        count: usize,
        sampler: &mut TokenSampler,
        mut take: impl FnMut(u32) -> bool,
    ) -> Result<(), TrainError> {
        let mut tokens = tokens.to_vec();
        for _ in 0..count {
            let class = sampler.choose(&self.next_logits(&tokens)?)?;
            let next = self.vocabulary.id(class) as u32;
            if !take(next) {
                break;
            }
            tokens.push(next);
        }
        Ok(())
    }
}
