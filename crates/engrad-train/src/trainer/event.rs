use std::time::Duration;

use serde::Serialize;

use super::{StepReport, Summary};

/// Something that happened in a run. Serialised, one event is one line of the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run is set up.
    Started {
        /// Parameters of the model.
        parameters: usize,
        /// Steps already done (above 0 after resumption).
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Tokens of one sequence.
        sequence: usize,
        /// Sequences evaluated at once.
        batch: usize,
        /// Batches of one update.
        accumulation: usize,
        /// Token ids computed by the output head.
        classes: usize,
        /// Engine and number format.
        engine: String,
    },
    /// One update.
    Step {
        /// Steps done.
        step: u64,
        /// Mean loss.
        loss: f64,
        /// Learning rate.
        learning_rate: f64,
        /// Gradient norm before clipping.
        gradient_norm: Option<f64>,
        /// Loss scale.
        loss_scale: f32,
        /// Whether the update was left out.
        skipped: bool,
        /// Throughput.
        tokens_per_second: f64,
        /// Throughput in 10⁹ floating-point operations per second.
        gflops: f64,
        /// Where the time went.
        milliseconds: Milliseconds,
    },
    /// A validation.
    Validation {
        /// Steps done.
        step: u64,
        /// Mean loss.
        loss: f64,
        /// Whether it is the best so far.
        best: bool,
    },
    /// A sample of text.
    Sample {
        /// Steps done.
        step: u64,
        /// Prompt and continuation.
        text: String,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps done.
        step: u64,
        /// Its folder.
        path: String,
    },
    /// Something to know that does not stop the run.
    Warning {
        /// What and what to do.
        message: String,
    },
    /// The run ended.
    Finished(Summary),
}

/// Where the time of a step went, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Milliseconds {
    /// Wall time.
    pub total: f64,
    /// Inside the engine.
    pub engine: f64,
    /// Host arithmetic, staging and optimiser.
    pub host: f64,
    /// Reading data.
    pub data: f64,
    /// Waiting for weight gradients.
    pub waiting: f64,
    /// The optimiser, a part of the host's work.
    pub optimizer: f64,
}

impl Event {
    pub(super) fn of_step(report: &StepReport) -> Self {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let seconds = report.elapsed.as_secs_f64().max(1e-9);
        Self::Step {
            step: report.step,
            loss: report.loss,
            learning_rate: report.learning_rate,
            gradient_norm: report.gradient_norm.is_finite().then_some(report.gradient_norm),
            loss_scale: report.loss_scale,
            skipped: report.skipped,
            tokens_per_second: report.tokens as f64 / seconds,
            gflops: report.flops / seconds / 1e9,
            milliseconds: Milliseconds {
                total: ms(report.elapsed),
                engine: ms(report.engine),
                host: ms(report.host),
                data: ms(report.data),
                waiting: ms(report.waiting),
                optimizer: ms(report.optimizer),
            },
        }
    }
}
