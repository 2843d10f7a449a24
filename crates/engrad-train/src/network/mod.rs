//! A model on an engine: stages compiled once, bound for every layer, run forward and backward.
//!
//! The host keeps the residual stream in f32 and does embedding, RMSNorm and loss; every product of activations and
//! weights is a MIL program on the engine. Weights enter as inputs, so a step never recompiles. Weight gradients are
//! formed by other threads while the engine goes on ([`gradient_worker`]).

mod backward;
mod forward;
mod gradient_worker;
mod head;
mod in_turn;
mod recompute;
mod unit;
mod vocabulary;

pub use recompute::Recompute;
pub use vocabulary::Vocabulary;

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use engrad_engine::Engine;
use engrad_kernels::{Precision, ProductLibrary};
use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_model::{ModelConfig, Parameter, ParameterRole};
use engrad_store::Model;
use rayon::ThreadPool;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::gradient_worker::{GradientWorker, Job, Ticket};
use self::head::{Head, block_positions};
use self::in_turn::InTurn;
use self::recompute::Streams;
use self::unit::{CompiledStage, SharedSurfaces, Sharing, Unit, WrittenAgain};
use crate::host::Products;
use crate::optimizer::{AdamW, Placement, row_length};
use crate::stages::{MAX_SEQUENCE, Stage, StageKind, StageOptions, StageWeight, tile_rows};
use crate::trace::{Lane, Trace};
use crate::{Gradients, TrainError};

/// How a network is built.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// Positions of a sequence; shorter inputs are padded.
    pub sequence: usize,
    /// Sequences in one evaluation.
    pub batch: usize,
    /// Element type of the programs.
    pub dtype: DType,
    /// Input layout of the programs.
    pub layout: InputLayout,
    /// Compile and keep what the backward pass needs.
    pub training: bool,
    /// What the backward pass computes again instead of keeping it.
    pub recompute: Recompute,
    /// What the factors of weight gradients are rounded to; sums are f32.
    pub gradient_precision: GradientPrecision,
    /// Forms those weight gradients that it takes, where factors are not rounded; our own kernels form the others.
    pub products: Option<Arc<dyn ProductLibrary>>,
    /// Token ids that can occur.
    pub vocabulary: Vocabulary,
}

/// Precision of the products that form weight gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GradientPrecision {
    /// Activations and cotangents as they are.
    #[default]
    F32,
    /// Rounded to bf16, which processors with instructions for it multiply twice as fast.
    Bf16,
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
    /// The optimiser: clipping, update, new weights on the surfaces. Also counted as host work.
    pub optimizer: Duration,
}

/// Sums up a step's time, and draws its timeline if one is wanted.
#[derive(Debug, Default)]
struct Clock {
    timing: Timing,
    trace: Option<Arc<Trace>>,
}

impl Clock {
    fn spent(&mut self, lane: Lane, name: &'static str, since: Instant) {
        let sum = match lane {
            Lane::Engine => &mut self.timing.engine,
            Lane::Waiting => &mut self.timing.waiting,
            _ => &mut self.timing.host,
        };
        *sum += since.elapsed();
        if let Some(trace) = &self.trace {
            trace.record(lane, name, since);
        }
    }
}

#[derive(Debug)]
struct Layer {
    attention: Unit,
    feed_forward: Unit,
    /// Positions of its norms in the canonical parameter list.
    attention_norm: usize,
    feed_forward_norm: usize,
}

/// A model on an engine.
#[derive(Debug)]
pub struct Network {
    config: ModelConfig,
    options: NetworkOptions,
    pool: Arc<ThreadPool>,
    parameters: Vec<Parameter>,
    layers: Vec<Layer>,
    head: Head,
    /// Gradient rows of the embedding that the last forward pass read, by position.
    rows: Vec<Option<usize>>,
    streams: Streams,
    worker: Option<GradientWorker>,
    /// Surfaces of the backward pass come in two sets used in turn; the last job reading each.
    set_pending: [Ticket; 2],
    in_turn: InTurn,
    clock: Clock,
    /// Positions in the canonical parameter list.
    final_norm: usize,
    embedding: usize,
    head_parameter: usize,
}

impl Network {
    /// Compiles the stages and binds them for every layer. Weights are zero until [`Network::load`].
    ///
    /// # Errors
    /// What the engine refuses, or [`TrainError::Setting`] for a sequence or batch of zero or, together, beyond
    /// [`MAX_SEQUENCE`] positions.
    pub fn new(
        engine: &dyn Engine,
        pool: Arc<ThreadPool>,
        config: &ModelConfig,
        options: NetworkOptions,
    ) -> Result<Self, TrainError> {
        let positions = checked_positions(&options)?;
        let tile = tile_rows(options.vocabulary.len());
        let stage_options = StageOptions {
            sequence: options.sequence,
            batch: options.batch,
            dtype: options.dtype,
            layout: options.layout,
            tile,
        };
        let compile = |kind, options: StageOptions, training| -> Result<CompiledStage, TrainError> {
            CompiledStage::new(engine, &Stage::new(kind, config, &options)?, training)
        };
        let attention = compile(StageKind::Attention, stage_options, options.training)?;
        let feed_forward = compile(StageKind::FeedForward, stage_options, options.training)?;
        let head_positions = block_positions(positions, options.vocabulary.len());
        let head_options = StageOptions { sequence: head_positions, batch: 1, ..stage_options };
        let classifier = compile(StageKind::Classifier, head_options, options.training)?;

        let parameters = config.parameters();
        // The nth parameter of a role within a layer; the table holds one for every stage weight.
        let position = |role: ParameterRole, layer: Option<usize>, nth: usize| {
            let matching = |p: &Parameter| p.role == role && p.layer == layer;
            parameters.iter().enumerate().filter(|(_, p)| matching(p)).map(|(i, _)| i).nth(nth).unwrap_or(0)
        };
        let (embedding, final_norm) =
            (position(ParameterRole::Embedding, None, 0), position(ParameterRole::Norm, None, 0));
        let head_parameter = if config.tied { embedding } else { position(ParameterRole::Head, None, 0) };
        let mut results = SharedSurfaces::new();
        let mut sets: [StageSets; 2] = Default::default();
        let passing: &[&str] = if options.training { &["y"] } else { &["x", "y"] };
        let mut layers = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let mut bind = |kind, stage: &CompiledStage| {
                let [forward, backward] = match kind {
                    StageKind::Attention => &mut sets[layer % 2].attention,
                    _ => &mut sets[layer % 2].feed_forward,
                };
                let again = match options.training {
                    true if options.recompute.covers(kind) => WrittenAgain::All,
                    true => WrittenAgain::Input,
                    false => WrittenAgain::Nothing,
                };
                let sharing = &mut Sharing {
                    passing: (passing, &mut results),
                    written_again: (again, forward),
                    backward,
                    gradient_over_result: false,
                };
                let parameter = |w: &StageWeight| position(w.role, Some(layer), usize::from(w.is_key));
                Unit::new(stage, parameter, sharing)
            };
            layers.push(Layer {
                attention: bind(StageKind::Attention, &attention)?,
                feed_forward: bind(StageKind::FeedForward, &feed_forward)?,
                attention_norm: position(ParameterRole::Norm, Some(layer), 0),
                feed_forward_norm: position(ParameterRole::Norm, Some(layer), 1),
            });
        }
        let vocabulary = &options.vocabulary;
        let head =
            Head::new(&classifier, vocabulary, tile, head_positions, head_parameter, options.training)?;
        let size = |p: &Parameter| match p.role {
            ParameterRole::Embedding | ParameterRole::Head => (vocabulary.len(), config.dim),
            _ => (p.len() / row_length(p), row_length(p)),
        };
        let sizes: Vec<(usize, usize)> = parameters.iter().map(size).collect();
        let precision = match options.gradient_precision {
            GradientPrecision::F32 => Precision::F32,
            GradientPrecision::Bf16 => Precision::Bf16,
        };
        let products = Products::new(precision, options.products.clone());
        let worker = options.training.then(|| GradientWorker::new(&sizes, Arc::clone(&pool), products));
        let worker = worker.transpose()?;
        let streams = Streams::new(config.layers, config.dim * positions, &options)?;
        let mut network = Self {
            streams,
            rows: Vec::new(),
            set_pending: [Ticket::default(); 2],
            in_turn: InTurn::new(config, &parameters, options.training),
            clock: Clock::default(),
            final_norm,
            embedding,
            head_parameter,
            config: config.clone(),
            parameters,
            options,
            pool,
            layers,
            head,
            worker,
        };
        if network.options.training {
            network.return_memory()?;
        }
        Ok(network)
    }

    /// Positions of a sequence.
    pub fn sequence(&self) -> usize {
        self.options.sequence
    }

    /// Sequences in one evaluation.
    pub fn batch(&self) -> usize {
        self.options.batch
    }

    /// The ids this network knows.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.options.vocabulary
    }

    /// Records every evaluation and piece of host work from now on.
    pub fn trace_to(&mut self, trace: Arc<Trace>) {
        if let Some(worker) = &self.worker {
            worker.trace_to(Arc::clone(&trace));
        }
        self.clock.trace = Some(trace);
    }

    /// Positions of one evaluation.
    fn positions(&self) -> usize {
        self.options.batch * self.options.sequence
    }

    /// Writes the weights to the surfaces the programs read them from. To be called after every change but those of
    /// `Network::update`.
    ///
    /// # Errors
    /// If a weight-gradient job failed.
    pub fn load(&mut self, model: &Model) -> Result<(), TrainError> {
        let started = Instant::now();
        let pool = Arc::clone(&self.pool);
        pool.install(|| {
            self.layers.par_iter().for_each(|layer| {
                for weight in layer.attention.weights.iter().chain(&layer.feed_forward.weights) {
                    weight.write(&model.tensors[weight.parameter]);
                }
            });
            self.load_head(model);
        });
        self.clock.spent(Lane::Host, "load weights", started);
        Ok(())
    }

    fn load_head(&self, model: &Model) {
        let matrix = &model.tensors[self.head_parameter];
        self.head.load(matrix, self.config.dim, &self.options.vocabulary);
    }

    /// One update of the weights, here and on the surfaces, with the gradient sums times `factor`; they are zero
    /// afterwards.
    ///
    /// # Errors
    /// As [`Network::gradients`].
    pub(crate) fn update(
        &mut self,
        model: &mut Model,
        optimizer: &mut AdamW,
        learning_rate: f64,
        factor: f32,
    ) -> Result<(), TrainError> {
        let (placements, elsewhere) = self.placements();
        let pool = Arc::clone(&self.pool);
        let (parameters, vocabulary) = (self.parameters.clone(), self.options.vocabulary.clone());
        let mut gradients = self.gradients()?;
        let started = Instant::now();
        pool.install(|| {
            let values = &mut model.tensors;
            optimizer.update(
                &parameters,
                values,
                &gradients,
                &placements,
                &vocabulary,
                learning_rate,
                factor,
            );
        });
        gradients.clear();
        drop(gradients);
        self.return_memory()?;
        pool.install(|| {
            for layer in &self.layers {
                let weights = layer.attention.weights.iter().chain(&layer.feed_forward.weights);
                for weight in weights.filter(|w| elsewhere.contains(&w.parameter)) {
                    weight.write(&model.tensors[weight.parameter]);
                }
            }
            if elsewhere.contains(&self.head_parameter) {
                self.load_head(model);
            }
        });
        self.clock.spent(Lane::Host, "optimizer", started);
        self.clock.timing.optimizer += started.elapsed();
        Ok(())
    }

    /// Where each parameter's rows lie on surfaces in their own order, and the parameters on surfaces that are laid out
    /// in another way.
    fn placements(&self) -> (Vec<Vec<Placement>>, Vec<usize>) {
        let mut places = vec![Vec::new(); self.parameters.len()];
        let mut elsewhere = Vec::new();
        for layer in &self.layers {
            for weight in layer.attention.weights.iter().chain(&layer.feed_forward.weights) {
                let length = row_length(&self.parameters[weight.parameter]);
                match weight.row_major().filter(|window| window.columns() == length) {
                    Some(window) => places[weight.parameter] = vec![Placement { first: 0, window }],
                    None => elsewhere.push(weight.parameter),
                }
            }
        }
        match self.head.placements() {
            Some(tiles) => places[self.head_parameter] = tiles,
            None => elsewhere.push(self.head_parameter),
        }
        (places, elsewhere)
    }

    fn submit(&mut self, job: Job) -> Result<Ticket, TrainError> {
        match &mut self.worker {
            Some(worker) => worker.submit(job),
            None => Err(TrainError::setting("training", "this network was built for inference")),
        }
    }

    /// Runs a whole pass as a task of the pool: entering and leaving it for each step would cost two changes of threads
    /// every time. An engine that is another device keeps the thread waiting meanwhile.
    ///
    /// No job may be under way then: its thread, waiting for a part of it, might take the pass on top of the job, and the
    /// pass would wait for what is below it.
    fn in_pool<R: Send>(
        &mut self,
        pass: impl FnOnce(&mut Self) -> Result<R, TrainError> + Send,
    ) -> Result<R, TrainError> {
        if let Some(worker) = &self.worker {
            let last = worker.last();
            self.wait(last)?;
        }
        let pool = Arc::clone(&self.pool);
        pool.install(|| pass(self))
    }

    fn wait(&mut self, ticket: Ticket) -> Result<(), TrainError> {
        if let Some(worker) = &self.worker
            && !worker.is_finished(ticket)
        {
            let started = Instant::now();
            worker.wait(ticket)?;
            self.clock.spent(Lane::Waiting, "waiting", started);
        }
        Ok(())
    }

    /// The gradient sums, once all are formed. Those of the embedding and the head have one row for each class of the
    /// [`Vocabulary`].
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a network not built for training; [`TrainError::Worker`] if the thread is gone.
    pub fn gradients(&mut self) -> Result<MutexGuard<'_, Gradients>, TrainError> {
        let started = Instant::now();
        let Some(worker) = &self.worker else {
            return Err(TrainError::setting("training", "this network was built for inference"));
        };
        let gradients = worker.gradients();
        self.clock.spent(Lane::Waiting, "waiting", started);
        gradients
    }

    /// Forgets the gradient sums.
    ///
    /// # Errors
    /// As [`Network::gradients`].
    pub fn clear_gradients(&mut self) -> Result<(), TrainError> {
        self.gradients()?.clear();
        self.return_memory()
    }

    /// Time spent since the last call.
    pub fn take_timing(&mut self) -> Timing {
        std::mem::take(&mut self.clock.timing)
    }
}

/// Forward and backward surfaces of a set, by stage.
#[derive(Debug, Default)]
struct StageSets {
    attention: [SharedSurfaces; 2],
    feed_forward: [SharedSurfaces; 2],
}

fn checked_positions(options: &NetworkOptions) -> Result<usize, TrainError> {
    for (setting, value) in [("sequence", options.sequence), ("batch", options.batch)] {
        if value == 0 || value > MAX_SEQUENCE {
            return Err(TrainError::setting(setting, format!("{value} is not in 1…{MAX_SEQUENCE}")));
        }
    }
    let positions = options.sequence * options.batch;
    if positions > MAX_SEQUENCE {
        let reason = format!(
            "{} sequences of {} are {positions} positions, programs take {MAX_SEQUENCE}; accumulate instead",
            options.batch, options.sequence
        );
        return Err(TrainError::setting("batch", reason));
    }
    Ok(positions)
}
