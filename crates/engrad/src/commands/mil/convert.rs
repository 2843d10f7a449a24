use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use engrad_package::Format;

use super::source::open_model;
use crate::display::print_line;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Target {
    /// A text file, with its weights in a folder beside it.
    Mil,
    /// A compiled model's folder.
    Mlmodelc,
    /// A package, as Core ML Tools and Xcode open it.
    Mlpackage,
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Text file, .mlmodelc or .mlpackage
    file: PathBuf,
    /// What to write
    #[arg(long, value_enum)]
    to: Target,
    /// Where to write it [default: beside the file, with the new ending]
    #[arg(long, short, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Replace what is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let model = open_model(&arguments.file)?;
    let (format, ending) = match arguments.to {
        Target::Mil => (Format::Text, "mil"),
        Target::Mlmodelc => (Format::Compiled, "mlmodelc"),
        Target::Mlpackage => (Format::Package, "mlpackage"),
    };
    let out = arguments.out.clone().unwrap_or_else(|| arguments.file.with_extension(ending));
    model.save(&out, format, arguments.force).with_context(|| format!("cannot write {}", out.display()))?;
    print_line(&out.display().to_string());
    Ok(ExitCode::SUCCESS)
}
