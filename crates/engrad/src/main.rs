//! The command line: parses arguments, chooses an engine, shows events. No algorithm lives here.
//!
//! Exit codes: 0 fine; 1 a check said no; 2 usage, unreadable input or environment. Errors are one line on stderr.
#![forbid(unsafe_code)]

mod affinity;
mod commands;
mod config;
mod display;
mod environment;
mod host_products;
mod machine;
mod sources;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Train, fine-tune, generate and inspect transformers through MIL programs: on the Apple Neural Engine's own
/// terms, on any CPU.
#[derive(Parser)]
#[command(name = "engrad", version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a model, from scratch or from given weights.
    Train(Box<commands::train::Arguments>),
    /// Mean loss and perplexity of a model on a dataset's validation split.
    Eval(commands::eval::Arguments),
    /// Continue a prompt with text from a model.
    Generate(commands::generate::Arguments),
    /// Write the logits of a token file to a safetensors file.
    Logits(commands::numbers::LogitsArguments),
    /// Write the loss gradient of every parameter to a safetensors file.
    Grads(commands::numbers::GradsArguments),
    /// Print the MIL programs of a model's stage, forward and derived.
    Program(commands::program::Arguments),
    /// Make, fetch and inspect training data.
    Data(commands::data::Arguments),
    /// Write a model's weights in another format.
    Export(commands::export::Arguments),
    /// Measure speed and memory.
    Bench(commands::bench::Arguments),
    /// Check, run, compare, convert, draw and shrink MIL programs.
    #[command(subcommand)]
    Mil(commands::mil::Command),
    /// What an engine is, and small questions to it.
    #[command(subcommand)]
    Engine(commands::engine::Command),
    /// Describe this machine and its engines, to paste into an issue; no names, no serial numbers.
    Doctor(commands::doctor::Arguments),
    /// List the model presets.
    Models,
}

fn main() -> ExitCode {
    // clap itself exits with code 2 on usage errors and 0 for --help.
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Train(arguments) => commands::train::run(*arguments),
        Command::Eval(arguments) => commands::eval::run(&arguments),
        Command::Generate(arguments) => commands::generate::run(&arguments),
        Command::Logits(arguments) => commands::numbers::logits(&arguments),
        Command::Grads(arguments) => commands::numbers::grads(&arguments),
        Command::Program(arguments) => commands::program::run(&arguments),
        Command::Data(arguments) => commands::data::run(arguments),
        Command::Export(arguments) => commands::export::run(&arguments),
        Command::Bench(arguments) => commands::bench::run(&arguments),
        Command::Mil(command) => return finish(commands::mil::run(command)),
        Command::Engine(command) => return finish(commands::engine::run(command)),
        Command::Doctor(arguments) => return finish(commands::doctor::run(&arguments)),
        Command::Models => commands::models(),
    };
    finish(result.map(|()| ExitCode::SUCCESS))
}

/// The exit code; errors are shown.
fn finish(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", display::one_line(&error));
            ExitCode::from(2)
        }
    }
}
