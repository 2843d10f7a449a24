use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use engrad_mil::graph::{dot, svg};

use super::source::Source;
use crate::display::print_piece;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// The language of Graphviz.
    Dot,
    /// A drawing.
    Svg,
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Text file, .mlmodelc or .mlpackage
    file: PathBuf,
    /// What to write [default: svg for a name that ends so, otherwise dot]
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Function to draw [default: main]
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Write to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = Source::open(&arguments.file)?.program()?;
    let function = match &arguments.function {
        Some(name) => program.functions.iter().find(|f| f.name == *name),
        None => program.main(),
    };
    let Some(function) = function else {
        let names: Vec<&str> = program.functions.iter().map(|f| f.name.as_str()).collect();
        bail!("there is no such function; the program has {}", names.join(", "));
    };
    let by_name = arguments.out.as_ref().and_then(|path| path.extension()).filter(|e| *e == "svg");
    let drawn = match arguments.format.or(by_name.map(|_| Form::Svg)) {
        Some(Form::Svg) => svg(function),
        Some(Form::Dot) | None => dot(function),
    };
    match &arguments.out {
        None => print_piece(&drawn),
        Some(path) => {
            std::fs::write(path, drawn).with_context(|| format!("cannot write {}", path.display()))?
        }
    }
    Ok(ExitCode::SUCCESS)
}
