use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;

use engrad_data::Tokenizer;
use serde::Serialize;

use super::{Event, Trainer};
use crate::TrainError;
use crate::generate::{GenerateOptions, Generator, Sampling, TokenSampler};

/// A sample of text at intervals.
#[derive(Debug, Clone, Copy)]
pub struct SamplePlan<'a> {
    /// Turns ids into text.
    pub tokenizer: &'a Tokenizer,
}

/// What surrounds the steps of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunPlan<'a> {
    /// Where checkpoints go; `None` writes none.
    pub checkpoints: Option<&'a Path>,
    /// The resolved configuration, kept in every checkpoint.
    pub config_toml: &'a str,
    /// Samples of text, if there is a tokenizer.
    pub sample: Option<SamplePlan<'a>>,
    /// End, with a checkpoint, once this many steps are done.
    pub stop_at: Option<u64>,
    /// Name of the engine and number format, for the log.
    pub engine: &'a str,
}

/// A run in a few numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Steps done in all.
    pub step: u64,
    /// Ended because it was asked to, before its last step.
    pub stopped: bool,
    /// Loss of the first step of this run.
    pub first_loss: Option<f64>,
    /// Loss of the last step of this run.
    pub last_loss: Option<f64>,
    /// Loss of the best validation and its step.
    pub best_validation: Option<(u64, f64)>,
    /// Updates left out.
    pub skipped: u64,
    /// Tokens trained on in this run.
    pub tokens: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Throughput over the whole run, validation and checkpoints included.
    pub tokens_per_second: f64,
}

/// Steps until the settings' number is reached or `stop` is set, with validations, checkpoints and samples at their
/// intervals. Events go to `events`; if nobody listens any more the run goes on.
///
/// A stop is honoured between steps, and saves.
///
/// # Errors
/// The first error of a step, validation or checkpoint.
pub fn run(
    trainer: &mut Trainer<'_>,
    plan: &RunPlan<'_>,
    events: &Sender<Event>,
    stop: &AtomicBool,
) -> Result<Summary, TrainError> {
    // A listener that is gone must not end the run, so failures to send are ignored throughout.
    let send = |event: Event| drop(events.send(event));
    let settings = trainer.settings.clone();
    let last = plan.stop_at.unwrap_or(settings.steps).min(settings.steps);
    let started = Instant::now();
    let start_step = trainer.step;
    send(Event::Started {
        parameters: trainer.model.config.parameter_count(),
        step: trainer.step,
        steps: settings.steps,
        sequence: trainer.sequence(),
        batch: settings.batch,
        accumulation: settings.accumulation,
        classes: trainer.vocabulary().len(),
        engine: plan.engine.to_owned(),
    });
    let (mut first_loss, mut last_loss, mut skipped, mut tokens) = (None, None, 0, 0);
    let mut saved_step = None;
    while trainer.step < last && !stop.load(Ordering::Relaxed) {
        let report = trainer.step()?;
        send(Event::of_step(&report));
        first_loss = first_loss.or(Some(report.loss));
        last_loss = Some(report.loss);
        skipped += u64::from(report.skipped);
        tokens += report.tokens;
        if report.skipped {
            let message = format!(
                "step {}: gradients not finite at loss scale {}, update skipped",
                report.step, report.loss_scale
            );
            send(Event::Warning { message });
        }
        let done = trainer.step;
        let due = |every: u64| every > 0 && done.is_multiple_of(every);
        let ends = trainer.step >= last;
        let mut save = due(settings.checkpoint_every) || ends;
        // A validation outside the interval, at the end, is shown but not remembered: whether a run was interrupted
        // must not show in its state.
        let scheduled = due(settings.validation_every);
        if (scheduled || (ends && settings.validation_every > 0))
            && let Some(loss) = trainer.validate()?
        {
            let best = scheduled && trainer.remember_best(loss);
            save |= best && settings.keep_best;
            send(Event::Validation { step: trainer.step, loss, best });
        }
        let sample = due(settings.sample_every) || (ends && settings.sample_every > 0);
        if sample && let Some(plan) = &plan.sample {
            let text = sample_text(trainer, plan)?;
            send(Event::Sample { step: trainer.step, text });
        }
        if save && let Some(root) = plan.checkpoints {
            let path = trainer.save(root, plan.config_toml)?;
            saved_step = Some(trainer.step);
            send(Event::Checkpoint { step: trainer.step, path: path.display().to_string() });
        }
    }
    if let Some(root) = plan.checkpoints
        && saved_step != Some(trainer.step)
        && trainer.step > start_step
    {
        let path = trainer.save(root, plan.config_toml)?;
        send(Event::Checkpoint { step: trainer.step, path: path.display().to_string() });
    }
    let seconds = started.elapsed().as_secs_f64();
    let summary = Summary {
        step: trainer.step,
        stopped: trainer.step < settings.steps,
        first_loss,
        last_loss,
        best_validation: trainer.best.map(|b| (b.step, b.loss)),
        skipped,
        tokens,
        seconds,
        tokens_per_second: tokens as f64 / seconds.max(1e-9),
    };
    send(Event::Finished(summary.clone()));
    Ok(summary)
}

fn sample_text(trainer: &Trainer<'_>, plan: &SamplePlan<'_>) -> Result<String, TrainError> {
    let (execution, model) = (trainer.execution(), trainer.model());
    let options =
        GenerateOptions { dtype: execution.dtype, layout: execution.layout, context: model.config.sequence };
    let tokenizer = plan.tokenizer;
    let mut prompt: Vec<u32> = tokenizer.bos().into_iter().collect();
    prompt.extend(tokenizer.encode(&trainer.settings.sample_prompt)?);
    if prompt.is_empty() {
        return Ok(String::new());
    }
    let mut ids = prompt.clone();
    let mut generator = Generator::new(
        execution.engine,
        Arc::clone(&execution.pool),
        model,
        trainer.vocabulary().clone(),
        options,
    );
    let mut sampler = TokenSampler::new(Sampling { temperature: 0.8, top_p: 0.9, ..Sampling::GREEDY })?;
    let ends = [tokenizer.bos(), tokenizer.eos()];
    generator.generate(&prompt, trainer.settings.sample_tokens, &mut sampler, |id| {
        let end = ends.contains(&Some(id));
        if !end && id < tokenizer.vocab_size() {
            ids.push(id);
        }
        !end
    })?;
    Ok(tokenizer.decode(&ids)?)
}
