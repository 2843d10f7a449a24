//! Measurements. Each prints what it measured, under which conditions, beside what this machine can do at most; a
//! figure above that is an error, not a result.

mod attention;
mod decode;
mod dispatch;
mod gemm;
mod machine;
mod spread;
mod train;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use engrad_model::ModelConfig;
use serde_json::{Value, json};

use crate::display::print_line;
use crate::environment::{Environment, ExecutionFlags};
use crate::host_products::HostProductsChoice;
use crate::sources::{ModelSource, model_source};
use machine::Machine;
use spread::Spread;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forward and backward, and whole training steps, of a random model with its full vocabulary.
    Train(train::Arguments),
    /// Matrix products of the host's and engine's kernels, in every precision.
    Gemm(gemm::Arguments),
    /// The attention stage, forward and backward, by sequence length.
    Attention(attention::Arguments),
    /// Text generation: tokens per second.
    Decode(decode::Arguments),
    /// Overheads: compiling a model's programs, evaluating a trivial one.
    Dispatch(dispatch::Arguments),
}

/// Flags of every measurement.
#[derive(Debug, Args)]
struct Common {
    /// Counted repetitions
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,
    /// Repetitions before, which do not count
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=1000))]
    warmup: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Who forms weight gradients [default: auto]
    #[arg(long, value_enum)]
    host_products: Option<HostProductsChoice>,
    #[command(flatten)]
    execution: ExecutionFlags,
}

impl Common {
    fn environment(&self) -> Result<Environment> {
        Environment::new(&self.execution)?.with_host_products(self.host_products)
    }

    /// Times `work`, warm-up excluded.
    fn measure(&self, mut work: impl FnMut() -> Result<()>) -> Result<Spread> {
        for _ in 0..self.warmup {
            work()?;
        }
        let mut spread = Spread::default();
        for _ in 0..self.runs {
            spread.time(&mut work)?;
        }
        Ok(spread)
    }

    /// Prints a result, with the conditions it holds under.
    fn report(&self, name: &str, environment: &Environment, machine: &Machine, result: Value) {
        let mut all = json!({
            "benchmark": name,
            "engine": environment.describe(),
            "numerics": environment.numerics().name(),
            "threads": environment.pool().current_num_threads(),
            "host_products": environment.host_products().name(),
            "affinity": environment.affinity().map(ToString::to_string),
            "machine": machine.to_json(),
            "runs": self.runs,
            "warmup": self.warmup,
        });
        if let (Some(all), Value::Object(result)) = (all.as_object_mut(), result) {
            all.extend(result);
        }
        if self.json {
            print_line(&all.to_string());
        } else {
            print_tree(&all, 0);
        }
    }
}

/// An object as indented lines.
fn print_tree(value: &Value, depth: usize) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let indented = format!("{:1$}{key}", "", 2 * depth);
        match value {
            Value::Object(_) => {
                print_line(&indented);
                print_tree(value, depth + 1);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                print_line(&indented);
                for item in items {
                    print_tree(item, depth + 1);
                    print_line("");
                }
            }
            Value::Number(number) if number.is_f64() => {
                print_line(&format!("{indented:<34} {:.3}", number.as_f64().unwrap_or(f64::NAN)));
            }
            _ => print_line(&format!("{indented:<34} {value}")),
        }
    }
}

/// The description of a model to fill with random weights.
fn description(name: &str) -> Result<ModelConfig> {
    match model_source(name)? {
        ModelSource::Description(config) => Ok(config),
        ModelSource::Weights(_) => {
            bail!("bench makes random weights; give a preset, a TOML description or a config.json")
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Train(arguments) => train::run(arguments),
        Command::Gemm(arguments) => gemm::run(arguments),
        Command::Attention(arguments) => attention::run(arguments),
        Command::Decode(arguments) => decode::run(arguments),
        Command::Dispatch(arguments) => dispatch::run(arguments),
    }
}
