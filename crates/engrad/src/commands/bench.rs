use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use engrad_data::Dataset;
use engrad_train::trainer::{TrainSettings, Trainer};
use engrad_train::{Network, NetworkOptions, Vocabulary, initialize};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::display::print_line;
use crate::environment::{Environment, ExecutionFlags, reserve};
use crate::sources::{ModelSource, model_source};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forward and backward of one sequence, and whole training steps, of a random model with its full vocabulary.
    Train(TrainArguments),
}

#[derive(Debug, Args)]
struct TrainArguments {
    /// Preset, TOML description or config.json
    #[arg(long, value_name = "MODEL", default_value = "stories110m")]
    model: String,
    /// Tokens of the sequence [default: the model's]
    #[arg(long, value_name = "N")]
    sequence: Option<usize>,
    /// Counted repetitions of forward and backward, after two that are not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Whole training steps on one repeated sequence, after forward and backward
    #[arg(long, value_name = "N", default_value_t = 3)]
    steps: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    execution: ExecutionFlags,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Train(arguments) => train(arguments),
    }
}

fn train(arguments: &TrainArguments) -> Result<()> {
    let ModelSource::Description(config) = model_source(&arguments.model)? else {
        bail!("bench makes random weights; give a preset, a TOML description or a config.json");
    };
    let environment = Environment::new(&arguments.execution)?;
    let sequence = arguments.sequence.unwrap_or(config.sequence);
    reserve(config.parameter_count())?;
    let model = environment.pool().install(|| initialize(&config, 1));

    let compiling = Instant::now();
    let execution = environment.execution();
    let options = NetworkOptions {
        sequence,
        batch: 1,
        dtype: execution.dtype,
        layout: execution.layout,
        training: true,
        recompute: engrad_train::Recompute::None,
        gradient_precision: engrad_train::GradientPrecision::F32,
        vocabulary: Vocabulary::full(config.vocab),
    };
    let mut network = Network::new(execution.engine, environment.pool(), &config, options)?;
    let compile_ms = milliseconds(compiling);
    // After the network, which refuses sequences out of range.
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let window: Vec<u32> = (0..=sequence).map(|_| rng.random_range(0..config.vocab as u32)).collect();
    network.load(&model)?;
    let mut passes = Vec::new();
    for _ in 0..arguments.runs + 2 {
        let started = Instant::now();
        network.forward(&model, &[&window[..sequence]])?;
        network.backward(&model, &[&window[1..]], 1024.0)?;
        network.clear_gradients()?;
        passes.push(milliseconds(started));
    }
    let passes = spread(&passes[2..]);
    let pass_rss = peak_resident_bytes();
    let flops = config.training_flops(sequence, sequence);
    drop(network);

    let mut steps = Vec::new();
    let mut split = Value::Null;
    let mut losses = Vec::new();
    if arguments.steps > 0 {
        let settings = TrainSettings {
            sequence: Some(sequence),
            compact_vocabulary: false,
            warmup_steps: 0,
            learning_rate: 3e-4,
            ..TrainSettings::default()
        };
        // One window of data: the loss of the very tokens trained on must fall.
        let data = Dataset::from_ids(window, Vec::new(), config.vocab as u32)?;
        let mut trainer = Trainer::new(execution, settings, model, data.into())?;
        for _ in 0..arguments.steps {
            let report = trainer.step()?;
            steps.push(report.elapsed.as_secs_f64() * 1e3);
            losses.push(report.loss);
            let ms = |d: Duration| d.as_secs_f64() * 1e3;
            split = json!({
                "engine": ms(report.engine), "host": ms(report.host), "waiting": ms(report.waiting),
            });
        }
    }
    let result = json!({
        "model": arguments.model,
        "parameters": config.parameter_count(),
        "sequence": sequence,
        "engine": environment.describe(),
        "compile_ms": compile_ms,
        "forward_backward_ms": passes,
        "gflops": flops / passes["median"].as_f64().unwrap_or(f64::INFINITY) / 1e6,
        "step_ms": if steps.is_empty() { Value::Null } else { spread(&steps) },
        "last_step_split_ms": split,
        "losses": losses,
        "forward_backward_peak_resident_bytes": pass_rss,
        "peak_resident_bytes": peak_resident_bytes(),
    });
    if arguments.json {
        print_line(&result.to_string());
    } else {
        for (key, value) in result.as_object().into_iter().flatten() {
            print_line(&format!("{key:<37} {value}"));
        }
    }
    Ok(())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn spread(runs: &[f64]) -> Value {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else {
        return Value::Null;
    };
    json!({"median": sorted[sorted.len() / 2], "min": min, "max": max, "runs": runs})
}

/// The process's largest resident memory so far, where the system tells (Linux).
fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
