//! `engrad mil`: the MIL toolchain. Each subcommand is a file; what they do is in the libraries.

mod arrays;
mod check;
mod compare;
mod convert;
mod draw;
mod explain;
mod format;
mod reduce;
mod run;
mod source;
mod statistics;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Exit code of a check that says no.
const NO: u8 = 1;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check a program against the language rules, and a chip's.
    Check(check::Arguments),
    /// Print a program in canonical form.
    Fmt(format::Arguments),
    /// Run a program on the virtual engine.
    Run(run::Arguments),
    /// Compare two programs by structure. Exit code 1 if they differ.
    Diff(compare::Arguments),
    /// Count operations, arithmetic, traffic and weights.
    Stat(statistics::Arguments),
    /// Explain the code of a finding, such as E0009 or T0101.
    Explain(explain::Arguments),
    /// Write a program in another form, with its weights.
    Convert(convert::Arguments),
    /// Draw a program.
    Graph(draw::Arguments),
    /// Shrink a program while a command keeps failing on it.
    Reduce(reduce::Arguments),
}

pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Fmt(arguments) => format::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Diff(arguments) => compare::run(&arguments),
        Command::Stat(arguments) => statistics::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Graph(arguments) => draw::run(&arguments),
        Command::Reduce(arguments) => reduce::run(&arguments),
    }
}
