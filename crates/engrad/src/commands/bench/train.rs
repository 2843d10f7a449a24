use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use engrad_data::Dataset;
use engrad_train::trace::Trace;
use engrad_train::trainer::{TrainSettings, Trainer};
use engrad_train::{Network, NetworkOptions, Recompute, Vocabulary, initialize};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::machine::{Machine, peak_resident_bytes};
use super::{Common, Spread, description};
use crate::environment::reserve;

/// Bytes of memory that AdamW moves for each parameter: weight, two moments read and written, gradient read, and the
/// fp16 weight on the surface written, for which its cache line is read first.
const OPTIMIZER_BYTES: f64 = 3.0 * 8.0 + 4.0 + 4.0;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Preset, TOML description or config.json
    #[arg(long, value_name = "MODEL", default_value = "stories110m")]
    model: String,
    /// Tokens of a sequence [default: the model's]
    #[arg(long, value_name = "N")]
    sequence: Option<usize>,
    /// Sequences evaluated at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    /// Batches of a whole step
    #[arg(long, value_name = "N", default_value_t = 1)]
    accumulation: usize,
    /// What the backward pass computes again: none, attention, layer
    #[arg(long, value_name = "POLICY", default_value = "none")]
    recompute: Recompute,
    /// Whole training steps after one that does not count, on one repeated sequence; 0 for none
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    steps: u32,
    /// Write a timeline for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let config = description(&arguments.model)?;
    let environment = common.environment()?;
    let sequence = arguments.sequence.unwrap_or(config.sequence);
    reserve(config.parameter_count())?;
    let settings = TrainSettings {
        sequence: Some(sequence),
        batch: arguments.batch,
        accumulation: arguments.accumulation,
        recompute: arguments.recompute,
        gradient_precision: environment.numerics().gradient_precision(),
        compact_vocabulary: false,
        warmup_steps: 0,
        learning_rate: 3e-4,
        ..TrainSettings::default()
    };
    settings.validate()?;
    let precision = environment.products();
    let mut machine = Machine::measure(environment.pool());
    let model = environment.pool().install(|| initialize(&config, 1));
    let trace = Arc::new(Trace::default());

    let execution = environment.execution();
    let options = NetworkOptions {
        sequence,
        batch: arguments.batch,
        dtype: execution.dtype,
        layout: execution.layout,
        training: true,
        recompute: arguments.recompute,
        gradient_precision: settings.gradient_precision,
        products: execution.products.clone(),
        vocabulary: Vocabulary::full(config.vocab),
    };
    let mut compiling = Spread::default();
    let mut network = compiling
        .time(|| Ok(Network::new(execution.engine, environment.pool(), &config, options.clone())?))?;
    if arguments.trace.is_some() {
        network.trace_to(Arc::clone(&trace));
    }
    // After the network, which refuses sequences out of range.
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let window: Vec<u32> = (0..=sequence).map(|_| rng.random_range(0..config.vocab as u32)).collect();
    let (tokens, targets) = (vec![&window[..sequence]; arguments.batch], vec![&window[1..]; arguments.batch]);
    network.load(&model)?;
    let passes = common.measure(|| {
        network.forward(&model, &tokens)?;
        network.backward(&model, &targets, 1024.0)?;
        Ok(network.clear_gradients()?)
    })?;
    let pass_rss = peak_resident_bytes();
    drop(network);
    let flops = config.training_flops(arguments.batch * sequence, sequence);

    let mut steps = Steps::default();
    let mut floor = Value::Null;
    if arguments.steps > 0 {
        // One window of data: the loss of the very tokens trained on must fall.
        let data = Dataset::from_ids(window, Vec::new(), config.vocab as u32)?;
        let mut trainer = Trainer::new(execution, settings, model, data.into())?;
        if arguments.trace.is_some() {
            trainer.trace_to(Arc::clone(&trace));
        }
        steps = Steps::measure(&mut trainer, arguments.steps)?;
        let whole = flops * arguments.accumulation as f64;
        machine.share("the best step", precision, whole, steps.whole.best())?;
        let resident = peak_resident_bytes();
        let bandwidth = machine.measure_memory()?;
        let bytes = OPTIMIZER_BYTES * config.parameter_count() as f64;
        floor = json!({
            "bytes": bytes,
            "floor_ms": bytes / bandwidth * 1e3,
            "gb_per_second": bytes / steps.optimizer.median() / 1e6,
        });
        steps.resident = resident;
    }
    // Last, when the peak has been looked at most often.
    let best_share = machine.share("the best forward and backward", precision, flops, passes.best())?;
    let share = machine.share("forward and backward", precision, flops, passes.median())?;
    if let Some(path) = &arguments.trace {
        std::fs::write(path, trace.to_json().to_string())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let gflops = |milliseconds: f64| flops / milliseconds / 1e6;
    let result = json!({
        "model": arguments.model,
        "parameters": config.parameter_count(),
        "sequence": sequence,
        "batch": arguments.batch,
        "accumulation": arguments.accumulation,
        "recompute": arguments.recompute.name(),
        "compile_ms": compiling.median(),
        "flops": flops,
        "forward_backward_ms": passes.to_json(),
        "gflops": gflops(passes.median()),
        "gflops_best": gflops(passes.best()),
        "share_of_peak": share,
        "share_of_peak_best": best_share,
        "step_ms": steps.whole.to_json(),
        "optimizer_ms": steps.optimizer.to_json(),
        "optimizer_memory": floor,
        "last_step_split_ms": steps.split,
        "losses": steps.losses,
        "forward_backward_peak_resident_bytes": pass_rss,
        "engine_working_bytes": environment.execution().engine.statistics().working_bytes,
        "peak_resident_bytes": steps.resident.or(pass_rss),
    });
    common.report("train", &environment, &machine, result);
    Ok(())
}

/// Whole steps, without the first, which is the first to touch the memory of gradients and moments.
#[derive(Debug, Default)]
struct Steps {
    whole: Spread,
    optimizer: Spread,
    split: Value,
    losses: Vec<f64>,
    resident: Option<u64>,
}

impl Steps {
    fn measure(trainer: &mut Trainer<'_>, count: u32) -> Result<Self> {
        let mut steps = Self::default();
        for step in 0..=count {
            let report = trainer.step()?;
            steps.losses.push(report.loss);
            let ms = |d: Duration| d.as_secs_f64() * 1e3;
            if step > 0 {
                steps.whole.0.push(ms(report.elapsed));
                steps.optimizer.0.push(ms(report.optimizer));
            }
            steps.split = json!({
                "engine": ms(report.engine),
                "host": ms(report.host),
                "optimizer": ms(report.optimizer),
                "waiting": ms(report.waiting),
            });
        }
        Ok(steps)
    }
}
