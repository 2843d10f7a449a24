//! `convert IN OUT`: a model from one form to another, by the endings of the names; reports what the verifier says.
//!
//! The comparison with coremltools (`tools/coremltools/compare_packages.py`) uses it.

use std::path::Path;
use std::process::ExitCode;

use engrad_mil::{Severity, verify};
use engrad_package::{Format, Model};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &arguments[..] else {
        eprintln!("usage: convert IN OUT");
        return ExitCode::from(2);
    };
    match convert(Path::new(from), Path::new(to)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether the program is valid.
fn convert(from: &Path, to: &Path) -> Result<bool, Box<dyn std::error::Error>> {
    let model = Model::open(from)?;
    let format = Format::of(to).ok_or("OUT ends in none of .mil, .mlmodelc, .mlpackage")?;
    model.save(to, format, true)?;
    let program = model.resolved()?;
    let again = Model::open(to)?.resolved()?;
    if again.functions != program.functions {
        println!("the program changed on the way");
    }
    let found = verify::check(&program);
    for violation in &found {
        println!("{violation}");
    }
    Ok(found.iter().all(|violation| violation.severity() != Severity::Error))
}
