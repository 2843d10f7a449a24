use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use engrad_mil::diff::diff;

use super::NO;
use super::source::Source;
use crate::display::print_line;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Text file, .mlmodelc or .mlpackage
    left: PathBuf,
    /// The program to compare with
    right: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let left = Source::open(&arguments.left)?.program()?;
    let right = Source::open(&arguments.right)?.program()?;
    let differences = diff(&left, &right);
    for difference in &differences {
        print_line(&difference.to_string());
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}
