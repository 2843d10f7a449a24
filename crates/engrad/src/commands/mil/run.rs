use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use engrad_mil::{Constant, ConstantData, Type};
use engrad_virtual::{Interpreter, Options, VirtualEngine};

use super::arrays;
use super::source::open_model;
use crate::display::print_line;
use crate::environment::NumericsChoice;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Text file, .mlmodelc or .mlpackage
    file: PathBuf,
    /// An input and the .npy file that holds it, as name=file.npy; once for each input
    #[arg(long = "input", short, value_name = "NAME=FILE", value_parser = assignment)]
    inputs: Vec<(String, PathBuf)>,
    /// Folder for the outputs, one .npy file each; texts as .txt [default: only their types are shown]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Numbers inside the program
    #[arg(long, value_enum, default_value_t)]
    numerics: NumericsChoice,
    /// Function to run [default: main]
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Evaluate this many times; states go on from one to the next
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

fn assignment(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("expected name=file.npy".to_owned()),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let model = open_model(&arguments.file)?;
    let program = model
        .resolved()
        .with_context(|| format!("cannot load the weights of {}", arguments.file.display()))?;
    let options = Options {
        numerics: arguments.numerics.numerics(),
        threads: arguments.threads.map(usize::from),
        ..Options::default()
    };
    let engine = VirtualEngine::new(options)?;
    let mut interpreter = engine.interpreter(&program, arguments.function.as_deref())?;
    drop(program);
    let inputs = inputs(arguments, &interpreter)?;
    let mut outputs = Vec::new();
    let start = Instant::now();
    for _ in 0..arguments.repeat {
        outputs = interpreter.run(&inputs)?;
    }
    let each = start.elapsed() / arguments.repeat;
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for (name, array) in &outputs {
        match &arguments.out {
            None => print_line(&format!("{name}: {}", array.ty)),
            Some(folder) => {
                let file = match &array.data {
                    // NumPy's arrays have no texts of any length.
                    ConstantData::String(texts) => {
                        let file = folder.join(format!("{name}.txt"));
                        std::fs::write(&file, texts.join("\n"))
                            .with_context(|| format!("cannot write {}", file.display()))?;
                        file
                    }
                    _ => {
                        let file = folder.join(format!("{name}.npy"));
                        arrays::write(&file, array)?;
                        file
                    }
                };
                print_line(&format!("{name}: {} in {}", array.ty, file.display()));
            }
        }
    }
    print_line(&format!("{:.3} ms for each evaluation", each.as_secs_f64() * 1e3));
    Ok(ExitCode::SUCCESS)
}

fn inputs(arguments: &Arguments, interpreter: &Interpreter) -> Result<Vec<(String, Constant)>> {
    let declared: Vec<(&str, &Type)> = interpreter.inputs().collect();
    let listed = || declared.iter().map(|(name, ty)| format!("{name}: {ty}")).collect::<Vec<_>>().join(", ");
    if let Some((name, _)) =
        declared.iter().find(|(name, _)| !arguments.inputs.iter().any(|(n, _)| n == name))
    {
        bail!("no --input {name}=… is given; the program takes {}", listed());
    }
    let mut inputs = Vec::new();
    for (name, file) in &arguments.inputs {
        let Some((_, ty)) = declared.iter().find(|(n, _)| n == name) else {
            bail!("the program has no input `{name}`; it takes {}", listed());
        };
        inputs.push((name.clone(), arrays::read(file, ty)?));
    }
    Ok(inputs)
}
