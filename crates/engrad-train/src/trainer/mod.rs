//! The training loop as a state machine: one [`Trainer::step`] is one update, everything it needs to go on exactly
//! is in [`TrainingState`], and [`run`] drives it, sending [`Event`]s to whoever listens on another thread.

mod event;
mod run;
mod settings;
mod state;

pub use event::{Event, Milliseconds};
pub use run::{RunPlan, SamplePlan, Summary, run};
pub use settings::{LossScaleSetting, TrainSettings};
pub use state::{Best, TrainingState};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engrad_data::{Dataset, Sampler};
use engrad_model::Parameter;
use engrad_store::{Checkpoint, Contents, Model, ModelView, NamedTensor, NamedTensorMut, StoreError};

use crate::evaluate::Execution;
use crate::optimizer::{AdamW, LossScale, Schedule};
use crate::trace::Trace;
use crate::{Network, NetworkOptions, TrainError, Vocabulary};

/// File of a checkpoint with the token ids that training used, little-endian u32; absent if it used all.
pub const USED_IDS_FILE: &str = "used-ids.u32";

/// Steps in a row that may be skipped for gradients that are not finite before training gives up.
const MAX_SKIPPED: u32 = 20;

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// Mean loss over the step's sequences.
    pub loss: f64,
    /// Learning rate used.
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Loss scale used.
    pub loss_scale: f32,
    /// The update was left out because gradients were not finite.
    pub skipped: bool,
    /// Tokens of this step.
    pub tokens: u64,
    /// Floating-point operations of this step.
    pub flops: f64,
    /// Wall time.
    pub elapsed: Duration,
    /// Time in the engine.
    pub engine: Duration,
    /// Time in host arithmetic, optimiser included.
    pub host: Duration,
    /// Time reading data.
    pub data: Duration,
    /// Time waiting for weight gradients.
    pub waiting: Duration,
    /// Time in the optimiser, a part of the host's.
    pub optimizer: Duration,
}

/// Model, optimiser and data position of a run.
#[derive(Debug)]
pub struct Trainer<'a> {
    settings: TrainSettings,
    execution: Execution<'a>,
    model: Model,
    parameters: Vec<Parameter>,
    network: Network,
    optimizer: AdamW,
    loss_scale: LossScale,
    dataset: Arc<Dataset>,
    sampler: Sampler,
    step: u64,
    tokens_seen: u64,
    skipped_in_a_row: u32,
    best: Option<Best>,
}

impl<'a> Trainer<'a> {
    /// A run from step zero with those weights.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for settings out of range, [`TrainError::Data`] for data too short for one sequence,
    /// and the engine's errors.
    pub fn new(
        execution: Execution<'a>,
        settings: TrainSettings,
        model: Model,
        dataset: Arc<Dataset>,
    ) -> Result<Self, TrainError> {
        settings.validate()?;
        let sequence = settings.sequence.unwrap_or(model.config.sequence);
        let sampler = Sampler::new(Arc::clone(&dataset), sequence, settings.seed)?;
        let vocabulary = if settings.compact_vocabulary {
            Vocabulary::compact(model.config.vocab, dataset.used_ids())?
        } else {
            Vocabulary::full(model.config.vocab)
        };
        let options = NetworkOptions {
            sequence,
            batch: settings.batch,
            dtype: execution.dtype,
            layout: execution.layout,
            training: true,
            recompute: settings.recompute,
            gradient_precision: settings.gradient_precision,
            products: execution.products.clone(),
            vocabulary,
        };
        let mut network =
            Network::new(execution.engine, Arc::clone(&execution.pool), &model.config, options)?;
        network.load(&model)?;
        let parameters = model.config.parameters();
        let optimizer = AdamW::new(settings.adamw, &parameters).map_err(TrainError::Engine)?;
        let loss_scale = settings.initial_loss_scale(execution.dtype);
        Ok(Self {
            settings,
            execution,
            model,
            parameters,
            network,
            optimizer,
            loss_scale,
            dataset,
            sampler,
            step: 0,
            tokens_seen: 0,
            skipped_in_a_row: 0,
            best: None,
        })
    }

    /// Continues from a checkpoint: the same settings give the same bits as a run that was never interrupted.
    ///
    /// # Errors
    /// As [`Trainer::new`]; [`TrainError::Store`] for a damaged checkpoint; [`TrainError::Data`] for other data.
    pub fn resume(
        execution: Execution<'a>,
        settings: TrainSettings,
        checkpoint: &mut Checkpoint,
        dataset: Arc<Dataset>,
    ) -> Result<Self, TrainError> {
        let state: TrainingState = checkpoint.state()?;
        if let Some(message) = state.fault(checkpoint.step()) {
            let path = checkpoint.path().to_owned();
            return Err(StoreError::Syntax { path, message: format!("training state: {message}") }.into());
        }
        let model = checkpoint.load_model()?;
        let mut trainer = Self::new(execution, settings, model, dataset)?;
        let names = moment_names(&trainer.parameters);
        let moments = trainer.optimizer.first.iter_mut().chain(&mut trainer.optimizer.second);
        let mut tensors: Vec<NamedTensorMut<'_>> = names
            .into_iter()
            .zip(moments)
            .map(|(name, data)| NamedTensorMut { name: name.into(), data: &mut *data })
            .collect();
        checkpoint.load_optimizer(&mut tensors)?;
        drop(tensors);
        trainer.optimizer.updates = state.updates;
        trainer.sampler =
            Sampler::resume(Arc::clone(&trainer.dataset), trainer.network.sequence(), state.cursor)?;
        // A scale set by hand on resumption wins over the saved one, and that of fp32 programs is none for fp16.
        if let (LossScale::Dynamic { .. }, LossScale::Dynamic { .. }) = (trainer.loss_scale, state.loss_scale)
        {
            trainer.loss_scale = state.loss_scale;
        }
        trainer.step = state.step;
        trainer.tokens_seen = state.tokens_seen;
        trainer.best = state.best;
        Ok(trainer)
    }

    /// One update: `accumulation` batches forward and backward, then clipping and AdamW.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] when many steps in a row gave no finite gradient; data and engine errors.
    pub fn step(&mut self) -> Result<StepReport, TrainError> {
        let started = Instant::now();
        let mut data = Duration::ZERO;
        let mut loss = 0.0;
        let scale = self.loss_scale.factor();
        let (batch, accumulation) = (self.settings.batch, self.settings.accumulation);
        let mut windows = vec![vec![0; self.network.sequence() + 1]; batch];
        for _ in 0..accumulation {
            let reading = Instant::now();
            for window in &mut windows {
                self.sampler.next_window(window)?;
            }
            data += reading.elapsed();
            let tokens: Vec<&[u32]> = windows.iter().map(|w| &w[..w.len() - 1]).collect();
            let targets: Vec<&[u32]> = windows.iter().map(|w| &w[1..]).collect();
            self.network.forward(&self.model, &tokens)?;
            loss += self.network.backward(&self.model, &targets, scale)? / accumulation as f64;
        }
        let learning_rate = self.schedule().rate(self.step);
        let (gradient_norm, skipped) = self.update(scale * accumulation as f32, learning_rate)?;
        self.step += 1;
        let tokens = (self.network.sequence() * batch * accumulation) as u64;
        self.tokens_seen += tokens;
        let timing = self.network.take_timing();
        Ok(StepReport {
            step: self.step,
            loss,
            learning_rate,
            gradient_norm,
            loss_scale: scale,
            skipped,
            tokens,
            flops: self.flops(tokens),
            elapsed: started.elapsed(),
            engine: timing.engine,
            host: timing.host,
            data,
            waiting: timing.waiting,
            optimizer: timing.optimizer,
        })
    }

    /// Clips and updates the weights; returns the norm and whether the update was skipped.
    fn update(&mut self, divisor: f32, learning_rate: f64) -> Result<(f64, bool), TrainError> {
        let norm = self.network.gradients()?.norm() / f64::from(divisor);
        let finite = norm.is_finite();
        self.loss_scale.observe(finite);
        if finite {
            self.skipped_in_a_row = 0;
            let clip = (self.settings.clip_norm / (norm + 1e-6)).min(1.0);
            let factor = (clip / f64::from(divisor)) as f32;
            self.network.update(&mut self.model, &mut self.optimizer, learning_rate, factor)?;
        } else {
            self.network.clear_gradients()?;
            self.skipped_in_a_row += 1;
            if self.skipped_in_a_row >= MAX_SKIPPED {
                return Err(TrainError::NotFinite(format!(
                    "{MAX_SKIPPED} steps in a row gave gradients that are not finite; lower the learning rate or \
                     the loss scale, or train with --numerics f32"
                )));
            }
        }
        Ok((norm, !finite))
    }

    /// Mean loss over the validation windows. `None` if the data has no validation split.
    ///
    /// # Errors
    /// Data and engine errors.
    pub fn validate(&mut self) -> Result<Option<f64>, TrainError> {
        let sequence = self.network.sequence();
        if self.dataset.validation_windows(sequence) == 0 {
            return Ok(None);
        }
        let dataset = Arc::clone(&self.dataset);
        let (mut sum, mut count) = (0.0, 0.0);
        for window in dataset.validation(sequence, self.settings.validation_windows)? {
            sum += self.network.window_loss(&self.model, &window?)?;
            count += 1.0;
        }
        self.network.take_timing();
        Ok(Some(sum / count))
    }

    /// Takes note of a validation loss; whether it is the best so far.
    fn remember_best(&mut self, loss: f64) -> bool {
        let better = loss.is_finite() && self.best.is_none_or(|best| loss < best.loss);
        if better {
            self.best = Some(Best { step: self.step, loss });
        }
        better
    }

    /// Writes a checkpoint under `root` and removes those no longer to be kept. Returns its folder.
    ///
    /// # Errors
    /// [`TrainError::Store`]; the checkpoints before are whole in any case.
    pub fn save(&self, root: &Path, config_toml: &str) -> Result<PathBuf, TrainError> {
        let names = moment_names(&self.parameters);
        let shapes = self.parameters.iter().chain(&self.parameters).map(|p| p.shape.clone());
        let moments = self.optimizer.first.iter().chain(&self.optimizer.second).map(|moment| &**moment);
        let optimizer: Vec<NamedTensor<'_>> = names
            .into_iter()
            .zip(shapes)
            .zip(moments)
            .map(|((name, shape), data)| NamedTensor { name: name.into(), shape: shape.into(), data })
            .collect();
        let model = ModelView {
            config: &self.model.config,
            tensors: self.model.tensors.iter().map(Vec::as_slice).collect(),
        };
        // Ids that never occurred have untrained rows; whoever generates from this model must know.
        let used = self
            .network
            .vocabulary()
            .used()
            .map(|ids| ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>());
        let extra: Vec<(&str, &[u8])> = used.iter().map(|ids| (USED_IDS_FILE, ids.as_slice())).collect();
        let contents =
            Contents { model, optimizer: &optimizer, state: &self.state(), config_toml, extra: &extra };
        let path = engrad_store::save(root, self.step, &contents)?;
        let best = self.best.filter(|_| self.settings.keep_best).map(|b| b.step);
        engrad_store::retain(root, self.settings.keep_last, best)?;
        Ok(path)
    }

    /// Everything beyond weights and moments that resumption needs.
    pub fn state(&self) -> TrainingState {
        TrainingState {
            step: self.step,
            tokens_seen: self.tokens_seen,
            updates: self.optimizer.updates,
            loss_scale: self.loss_scale,
            cursor: self.sampler.cursor().clone(),
            best: self.best,
        }
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// The weights as they are.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Where the programs run.
    pub fn execution(&self) -> &Execution<'a> {
        &self.execution
    }

    /// Records every evaluation and piece of host work from now on.
    pub fn trace_to(&mut self, trace: Arc<Trace>) {
        self.network.trace_to(trace);
    }

    /// Token ids this run updates.
    pub fn vocabulary(&self) -> &Vocabulary {
        self.network.vocabulary()
    }

    /// Positions of one sequence.
    pub fn sequence(&self) -> usize {
        self.network.sequence()
    }

    /// Best validation so far.
    pub fn best(&self) -> Option<Best> {
        self.best
    }

    fn schedule(&self) -> Schedule {
        Schedule {
            peak: self.settings.learning_rate,
            warmup: self.settings.warmup_steps,
            end: self.settings.decay_end(),
            floor: self.settings.final_rate,
        }
    }

    fn flops(&self, tokens: u64) -> f64 {
        // The head's cost is that of the classes it computes, not of the whole vocabulary.
        let config =
            engrad_model::ModelConfig { vocab: self.network.vocabulary().len(), ..self.model.config.clone() };
        config.training_flops(tokens as usize, self.network.sequence())
    }
}

fn moment_names(parameters: &[Parameter]) -> Vec<String> {
    let named = |prefix: &'static str| parameters.iter().map(move |p| format!("{prefix}.{}", p.name));
    named("first").chain(named("second")).collect()
}
