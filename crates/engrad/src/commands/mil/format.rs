use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use engrad_mil::Dialect;

use super::NO;
use super::source::Source;
use crate::display::print_piece;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DialectChoice {
    /// `tensor<int32, []>(1)`, as versions before 1.3 have it.
    Canonical,
    /// `int32(1)`, as version 1.3 and later have it.
    Short,
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Text file, .mlmodelc or .mlpackage
    file: PathBuf,
    /// How scalars are written [default: as the program's version has it]
    #[arg(long, value_enum)]
    dialect: Option<DialectChoice>,
    /// Write to a file instead of standard output
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["in_place", "check"])]
    out: Option<PathBuf>,
    /// Rewrite the file
    #[arg(long, conflicts_with = "check")]
    in_place: bool,
    /// Only say, by exit code 1, whether the file would change
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let source = Source::open(&arguments.file)?;
    if let Some(fault) = source.reading.errors.first() {
        bail!("{}: {} (see `engrad mil check`)", source.name, fault.message);
    }
    let program = &source.reading.program;
    let dialect = match arguments.dialect {
        None => program.dialect(),
        Some(DialectChoice::Canonical) => Dialect::Canonical,
        Some(DialectChoice::Short) => Dialect::Short,
    };
    let text = program.to_text_with(dialect, Some(&source.reading.source));
    if arguments.check {
        return Ok(if text == source.text { ExitCode::SUCCESS } else { ExitCode::from(NO) });
    }
    let target = if arguments.in_place {
        if !arguments.file.is_file() {
            bail!("--in-place needs a text file, {} is none", arguments.file.display());
        }
        Some(&arguments.file)
    } else {
        arguments.out.as_ref()
    };
    match target {
        None => print_piece(&text),
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?
        }
    }
    Ok(ExitCode::SUCCESS)
}
