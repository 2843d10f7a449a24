use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use engrad_mil::Program;
use engrad_mil::reduce::reduce;

use super::source::Source;
use crate::display::{print_line, progress_bar};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Text file, .mlmodelc or .mlpackage
    file: PathBuf,
    /// Shell command that fails on the program; {} stands for the file's path, or the path comes last
    #[arg(long, value_name = "COMMAND")]
    command: String,
    /// Keep what makes the command print this text instead of what makes it fail
    #[arg(long, value_name = "TEXT")]
    expect: Option<String>,
    /// Most times to run the command
    #[arg(long, value_name = "N", default_value_t = 2000)]
    budget: usize,
    /// Where to write the smallest program [default: beside the file, named …-reduced.mil]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = Source::open(&arguments.file)?.program()?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let file = folder.path().join("model.mil");
    let bar = progress_bar(arguments.budget as u64, "reducing");
    let mut trouble = None;
    let mut ask = |candidate: &Program| {
        bar.inc(1);
        fails(candidate, &file, arguments).unwrap_or_else(|error| {
            trouble.get_or_insert(error);
            false
        })
    };
    if !ask(&program) {
        bar.finish_and_clear();
        if let Some(error) = trouble {
            return Err(error);
        }
        match &arguments.expect {
            Some(text) => bail!("the command does not print `{text}` for the whole program"),
            None => bail!("the command does not fail on the whole program"),
        }
    }
    let reduced = reduce(&program, arguments.budget, &mut ask);
    bar.finish_and_clear();
    if let Some(error) = trouble {
        return Err(error);
    }
    let out = arguments.out.clone().unwrap_or_else(|| beside(&arguments.file));
    std::fs::write(&out, reduced.program.to_text())
        .with_context(|| format!("cannot write {}", out.display()))?;
    let count = |program: &Program| program.functions.iter().map(|f| f.ops().len()).sum::<usize>();
    print_line(&format!(
        "{}: {} of {} operations, after {} runs of the command",
        out.display(),
        count(&reduced.program),
        count(&program),
        reduced.questions
    ));
    Ok(ExitCode::SUCCESS)
}

fn beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    file.with_file_name(format!("{stem}-reduced.mil"))
}

/// Whether the command still fails, or still prints what is expected.
fn fails(program: &Program, file: &Path, arguments: &Arguments) -> Result<bool> {
    std::fs::write(file, program.to_text()).with_context(|| format!("cannot write {}", file.display()))?;
    let path = file.display().to_string();
    let line = if arguments.command.contains("{}") {
        arguments.command.replace("{}", &path)
    } else {
        format!("{} {path}", arguments.command)
    };
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let output = Command::new(shell)
        .args([flag, &line])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{line}`"))?;
    Ok(match &arguments.expect {
        None => !output.status.success(),
        Some(text) => {
            [&output.stdout, &output.stderr].iter().any(|s| String::from_utf8_lossy(s).contains(text))
        }
    })
}
