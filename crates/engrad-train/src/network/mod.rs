//! A model on an engine: stages compiled once, bound for every layer, run forward and backward.
//!
//! The host keeps the residual stream in f32 and does embedding, RMSNorm and loss; every product of activations and
//! weights is a MIL program on the engine. Weights enter as inputs, so a step never recompiles. Weight gradients are
//! formed on another thread while the engine goes on ([`gradient_worker`]).

mod gradient_worker;
mod head;
mod unit;
mod vocabulary;

pub use vocabulary::Vocabulary;

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use engrad_engine::Engine;
use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_model::{ModelConfig, ParameterRole};
use engrad_store::Model;
use rayon::ThreadPool;
use rayon::prelude::*;

use self::gradient_worker::{GradientWorker, Job, Ticket};
use self::head::Head;
use self::unit::{CompiledStage, SharedSurfaces, Sharing, Unit};
use crate::TrainError;
use crate::host::{embedding, rms_norm};
use crate::stages::{MAX_SEQUENCE, Stage, StageKind, StageOptions, StageWeight, tile_rows};

/// How a network is built.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// Positions per evaluation; shorter inputs are padded.
    pub sequence: usize,
    /// Element type of the programs.
    pub dtype: DType,
    /// Input layout of the programs.
    pub layout: InputLayout,
    /// Compile and keep what the backward pass needs.
    pub training: bool,
    /// Token ids that can occur.
    pub vocabulary: Vocabulary,
}

/// Where the time of a step went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// Inside the engine.
    pub engine: Duration,
    /// Host arithmetic and staging.
    pub host: Duration,
    /// Waiting for weight gradients.
    pub waiting: Duration,
}

/// Positions of the canonical parameter list that the host needs by themselves.
#[derive(Debug)]
struct LayerParameters {
    attention_norm: usize,
    feed_forward_norm: usize,
}

#[derive(Debug)]
struct Layer {
    attention: Unit,
    feed_forward: Unit,
    parameters: LayerParameters,
}

/// The residual stream before a block and its norm's scale, kept for the backward pass.
#[derive(Debug, Default)]
struct SavedNorm {
    x: Vec<f32>,
    scale: Vec<f32>,
}

/// A model on an engine.
#[derive(Debug)]
pub struct Network {
    config: ModelConfig,
    options: NetworkOptions,
    pool: Arc<ThreadPool>,
    layers: Vec<Layer>,
    head: Head,
    /// Class rows of the embedding that the last forward pass read.
    rows: Vec<usize>,
    /// Two for each layer, one for the head.
    saved: Vec<SavedNorm>,
    /// Residual stream, `[dim, sequence]`.
    stream: Vec<f32>,
    worker: Option<GradientWorker>,
    /// Backward surfaces come in two sets used in turn; the last job reading each.
    set_pending: [Ticket; 2],
    timing: Timing,
    /// Positions in the canonical parameter list.
    final_norm: usize,
    embedding: usize,
    head_parameter: usize,
}

impl Network {
    /// Compiles the stages and binds them for every layer. Weights are zero until [`Network::load`].
    ///
    /// # Errors
    /// What the engine refuses, or [`TrainError::Setting`] for a sequence of zero or beyond [`MAX_SEQUENCE`].
    pub fn new(
        engine: &dyn Engine,
        pool: Arc<ThreadPool>,
        config: &ModelConfig,
        options: NetworkOptions,
    ) -> Result<Self, TrainError> {
        if options.sequence == 0 || options.sequence > MAX_SEQUENCE {
            let reason = format!("{} is not in 1…{MAX_SEQUENCE}", options.sequence);
            return Err(TrainError::setting("sequence", reason));
        }
        let tile = tile_rows(options.vocabulary.len());
        let stage_options =
            StageOptions { sequence: options.sequence, dtype: options.dtype, layout: options.layout, tile };
        let compile = |kind| -> Result<CompiledStage, TrainError> {
            CompiledStage::new(engine, &Stage::new(kind, config, &stage_options)?, options.training)
        };
        let attention = compile(StageKind::Attention)?;
        let feed_forward = compile(StageKind::FeedForward)?;
        let classifier = compile(StageKind::Classifier)?;

        let parameters = config.parameters();
        // The nth parameter of a role within a layer; the table holds one for every stage weight.
        let position = |role: ParameterRole, layer: Option<usize>, nth: usize| {
            let matching = |p: &engrad_model::Parameter| p.role == role && p.layer == layer;
            parameters.iter().enumerate().filter(|(_, p)| matching(p)).map(|(i, _)| i).nth(nth).unwrap_or(0)
        };
        let embedding = position(ParameterRole::Embedding, None, 0);
        let head_parameter = if config.tied { embedding } else { position(ParameterRole::Head, None, 0) };
        let mut results = SharedSurfaces::new();
        let mut sets = [SharedSurfaces::new(), SharedSurfaces::new()];
        let mut sets_feed_forward = [SharedSurfaces::new(), SharedSurfaces::new()];
        let shared_ports: &[&str] = if options.training { &["y"] } else { &["x", "y"] };
        let mut layers = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let mut bind = |stage: &CompiledStage, set: &mut SharedSurfaces| {
                let sharing = &mut Sharing {
                    forward_ports: shared_ports,
                    forward: &mut results,
                    backward: set,
                    gradient_over_result: false,
                };
                let parameter = |w: &StageWeight| position(w.role, Some(layer), usize::from(w.is_key));
                Unit::new(stage, parameter, sharing)
            };
            layers.push(Layer {
                attention: bind(&attention, &mut sets[layer % 2])?,
                feed_forward: bind(&feed_forward, &mut sets_feed_forward[layer % 2])?,
                parameters: LayerParameters {
                    attention_norm: position(ParameterRole::Norm, Some(layer), 0),
                    feed_forward_norm: position(ParameterRole::Norm, Some(layer), 1),
                },
            });
        }
        let head = Head::new(&classifier, &options.vocabulary, tile, head_parameter, options.training)?;
        let worker = if options.training {
            let length = |p: &engrad_model::Parameter| match p.role {
                ParameterRole::Embedding | ParameterRole::Head => options.vocabulary.len() * config.dim,
                _ => p.len(),
            };
            let lengths: Vec<usize> = parameters.iter().map(length).collect();
            Some(GradientWorker::new(&lengths, Arc::clone(&pool))?)
        } else {
            None
        };
        Ok(Self {
            stream: vec![0.0; config.dim * options.sequence],
            saved: (0..2 * config.layers + 1).map(|_| SavedNorm::default()).collect(),
            rows: Vec::new(),
            set_pending: [Ticket::default(); 2],
            timing: Timing::default(),
            final_norm: position(ParameterRole::Norm, None, 0),
            embedding,
            head_parameter,
            config: config.clone(),
            options,
            pool,
            layers,
            head,
            worker,
        })
    }

    /// Positions per evaluation.
    pub fn sequence(&self) -> usize {
        self.options.sequence
    }

    /// The ids this network knows.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.options.vocabulary
    }

    /// Writes the weights to the surfaces the programs read them from. To be called after every change.
    ///
    /// # Errors
    /// If a weight-gradient job failed.
    pub fn load(&mut self, model: &Model) -> Result<(), TrainError> {
        let started = Instant::now();
        let head_weight = &model.tensors[self.head_parameter];
        let pool = Arc::clone(&self.pool);
        pool.install(|| {
            self.layers.par_iter().for_each(|layer| {
                for weight in layer.attention.weights.iter().chain(&layer.feed_forward.weights) {
                    let values = &model.tensors[weight.parameter];
                    for window in &weight.windows {
                        if weight.transposed {
                            window.write_transposed(values);
                        } else {
                            window.write(values);
                        }
                    }
                }
            });
            self.head.load(head_weight, self.config.dim, &self.options.vocabulary);
        });
        self.timing.host += started.elapsed();
        Ok(())
    }

    /// Runs the tokens through the model; logits stay on the surfaces of the head.
    ///
    /// # Errors
    /// [`TrainError::Token`] for an unknown id, [`TrainError::Setting`] for none or too many tokens, and the
    /// engine's errors.
    pub fn forward(&mut self, model: &Model, tokens: &[u32]) -> Result<(), TrainError> {
        if tokens.is_empty() || tokens.len() > self.options.sequence {
            let reason =
                format!("{} tokens for programs of 1…{} positions", tokens.len(), self.options.sequence);
            return Err(TrainError::setting("sequence", reason));
        }
        let vocab = self.config.vocab;
        if let Some((position, &id)) = tokens.iter().enumerate().find(|(_, id)| **id as usize >= vocab) {
            return Err(TrainError::Token { id, position, vocab });
        }
        if self.options.training {
            self.rows = self.options.vocabulary.classes(tokens)?;
        }
        let table_rows: Vec<usize> = tokens.iter().map(|&id| id as usize).collect();
        let pool = Arc::clone(&self.pool);
        pool.install(|| {
            let (dim, positions) = (self.config.dim, self.options.sequence);
            let table = &model.tensors[self.embedding];
            embedding::gather(table, dim, &table_rows, positions, &mut self.stream);
        });
        for number in 0..self.layers.len() {
            self.block_forward(model, number, StageKind::Attention)?;
            self.block_forward(model, number, StageKind::FeedForward)?;
        }
        self.wait(self.head.pending())?;
        let host = Instant::now();
        let saved = &mut self.saved[2 * self.config.layers];
        let (weight, epsilon) = (&model.tensors[self.final_norm], self.config.norm_eps);
        let windows = self.head.inputs();
        pool.install(|| {
            saved.scale = rms_norm::forward(&self.stream, weight, epsilon, &windows);
            saved.x.clone_from(&self.stream);
        });
        self.timing.host += host.elapsed();
        let engine = Instant::now();
        self.head.evaluate()?;
        self.timing.engine += engine.elapsed();
        Ok(())
    }

    fn block_forward(&mut self, model: &Model, number: usize, kind: StageKind) -> Result<(), TrainError> {
        let layer = &self.layers[number];
        let (unit, norm, slot) = match kind {
            StageKind::Attention => (&layer.attention, layer.parameters.attention_norm, 2 * number),
            _ => (&layer.feed_forward, layer.parameters.feed_forward_norm, 2 * number + 1),
        };
        // Weight gradients of the last pass may still be reading what this one is about to overwrite.
        let (pending, forward, x, y) = (unit.pending, unit.forward.clone(), unit.x.clone(), unit.y.clone());
        self.wait(pending)?;
        let host = Instant::now();
        let pool = Arc::clone(&self.pool);
        let saved = &mut self.saved[slot];
        pool.install(|| {
            saved.scale = rms_norm::forward(&self.stream, &model.tensors[norm], self.config.norm_eps, &[&x]);
            if self.options.training {
                saved.x.clone_from(&self.stream);
            }
        });
        let engine = Instant::now();
        self.timing.host += engine - host;
        forward.evaluate()?;
        let host = Instant::now();
        self.timing.engine += host - engine;
        let factor = self.config.residual_factor();
        pool.install(|| {
            y.for_each_dense(&mut self.stream, |stream, y| {
                for (stream, y) in stream.iter_mut().zip(y) {
                    *stream += factor * y;
                }
            });
        });
        self.timing.host += host.elapsed();
        Ok(())
    }

    /// Mean cross-entropy of the last forward pass against the next tokens.
    ///
    /// # Errors
    /// [`TrainError::Token`] for an unknown target.
    pub fn loss(&mut self, targets: &[u32]) -> Result<f64, TrainError> {
        let classes = self.options.vocabulary.classes(targets)?;
        let host = Instant::now();
        let pool = Arc::clone(&self.pool);
        let sum = pool.install(|| self.head.loss_sum(&classes, self.options.sequence));
        self.timing.host += host.elapsed();
        Ok(sum / targets.len() as f64)
    }

    /// Adds the gradient of `scale ·` (mean cross-entropy of the last forward pass) to the gradient sums.
    /// [`Network::loss`] must have been called with the same targets; logits are gone afterwards.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a network not built for training, and the engine's errors.
    pub fn backward(&mut self, model: &Model, targets: &[u32], scale: f32) -> Result<(), TrainError> {
        if self.worker.is_none() {
            return Err(TrainError::setting("training", "this network was built for inference"));
        }
        let classes = self.options.vocabulary.classes(targets)?;
        let (dim, positions) = (self.config.dim, self.options.sequence);

        let mut d_normed = vec![0.0; dim * positions];
        let factor = scale / targets.len() as f32;
        self.head_backward(&classes, factor, &mut d_normed)?;
        let mut d_stream = vec![0.0; dim * positions];
        self.norm_backward(model, 2 * self.config.layers, self.final_norm, &d_normed, &mut d_stream)?;
        for number in (0..self.layers.len()).rev() {
            self.block_backward(model, number, StageKind::FeedForward, &mut d_stream, &mut d_normed)?;
            self.block_backward(model, number, StageKind::Attention, &mut d_stream, &mut d_normed)?;
        }
        let rows = std::mem::take(&mut self.rows);
        let job = Job::Scatter { parameter: self.embedding, dim, rows, d_x: d_stream };
        self.submit(job)?;
        Ok(())
    }

    fn head_backward(
        &mut self,
        classes: &[usize],
        factor: f32,
        d_normed: &mut [f32],
    ) -> Result<(), TrainError> {
        let pool = Arc::clone(&self.pool);
        let dim = self.config.dim;
        for tile in 0..self.head.tiles() {
            let host = Instant::now();
            pool.install(|| self.head.write_gradient(tile, classes, factor));
            let engine = Instant::now();
            self.timing.host += engine - host;
            let (d_x, jobs) = self.head.tile_backward(tile, dim)?;
            let host = Instant::now();
            self.timing.engine += host - engine;
            let mut last = Ticket::default();
            for job in jobs {
                last = self.submit(job)?;
            }
            self.head.set_pending(tile, last);
            pool.install(|| {
                d_x.for_each_dense(d_normed, |sum, part| {
                    for (sum, part) in sum.iter_mut().zip(part) {
                        *sum += part;
                    }
                });
            });
            self.timing.host += host.elapsed();
        }
        Ok(())
    }

    fn norm_backward(
        &mut self,
        model: &Model,
        slot: usize,
        parameter: usize,
        d_normed: &[f32],
        d_stream: &mut [f32],
    ) -> Result<(), TrainError> {
        let host = Instant::now();
        let (saved, weight) = (&self.saved[slot], &model.tensors[parameter]);
        let mut d_weight = vec![0.0; weight.len()];
        self.pool.install(|| {
            rms_norm::backward(d_normed, &saved.x, &saved.scale, weight, d_stream, &mut d_weight);
        });
        self.timing.host += host.elapsed();
        self.submit(Job::Add { parameter, values: d_weight })?;
        Ok(())
    }

    fn block_backward(
        &mut self,
        model: &Model,
        number: usize,
        kind: StageKind,
        d_stream: &mut [f32],
        d_normed: &mut Vec<f32>,
    ) -> Result<(), TrainError> {
        // The set's cotangents are still wanted by the weight gradients of the layer that used it last.
        self.wait(self.set_pending[number % 2])?;
        let pool = Arc::clone(&self.pool);
        let layer = &self.layers[number];
        let (unit, norm, slot) = match kind {
            StageKind::Attention => (&layer.attention, layer.parameters.attention_norm, 2 * number),
            _ => (&layer.feed_forward, layer.parameters.feed_forward_norm, 2 * number + 1),
        };
        let Some(backward) = &unit.backward else {
            return Err(TrainError::setting("training", "this network was built for inference"));
        };
        let host = Instant::now();
        let (factor, positions) = (self.config.residual_factor(), self.options.sequence);
        pool.install(|| {
            backward.d_y.write_rows(|row, line| {
                for (d_y, d) in line.iter_mut().zip(&d_stream[row * positions..]) {
                    *d_y = factor * d;
                }
            });
        });
        let engine = Instant::now();
        self.timing.host += engine - host;
        backward.evaluate()?;
        let host = Instant::now();
        self.timing.engine += host - engine;
        let jobs = backward.jobs();
        pool.install(|| backward.d_x.read_into(d_normed));
        self.timing.host += host.elapsed();
        let mut last = Ticket::default();
        for job in jobs {
            last = self.submit(job)?;
        }
        let layer = &mut self.layers[number];
        match kind {
            StageKind::Attention => layer.attention.pending = last,
            _ => layer.feed_forward.pending = last,
        }
        // The two stages of a layer have surfaces of their own; a set is free when its later stage is done.
        if kind == StageKind::Attention {
            self.set_pending[number % 2] = last;
        }
        self.norm_backward(model, slot, norm, d_normed, d_stream)
    }

    fn submit(&mut self, job: Job) -> Result<Ticket, TrainError> {
        match &mut self.worker {
            Some(worker) => worker.submit(job),
            None => Err(TrainError::setting("training", "this network was built for inference")),
        }
    }

    fn wait(&mut self, ticket: Ticket) -> Result<(), TrainError> {
        if let Some(worker) = &self.worker {
            let started = Instant::now();
            worker.wait(ticket)?;
            self.timing.waiting += started.elapsed();
        }
        Ok(())
    }

    /// The gradient sums, in canonical parameter order, once all are formed. Those of the embedding and the head
    /// have one row for each class of the [`Vocabulary`].
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a network not built for training; [`TrainError::Worker`] if the thread is gone.
    pub fn gradients(&mut self) -> Result<MutexGuard<'_, Vec<Vec<f32>>>, TrainError> {
        let started = Instant::now();
        let Some(worker) = &self.worker else {
            return Err(TrainError::setting("training", "this network was built for inference"));
        };
        let gradients = worker.gradients();
        self.timing.waiting += started.elapsed();
        gradients
    }

    /// Logits of the first `count` positions of the last forward pass, `[count, classes]`.
    pub fn logits(&self, count: usize) -> Vec<f32> {
        self.pool.install(|| self.head.logits(0, count, self.options.vocabulary.len()))
    }

    /// Logits of one position of the last forward pass.
    pub fn logits_at(&self, position: usize) -> Vec<f32> {
        self.pool.install(|| self.head.logits(position, 1, self.options.vocabulary.len()))
    }

    /// Time spent since the last call.
    pub fn take_timing(&mut self) -> Timing {
        std::mem::take(&mut self.timing)
    }
}
