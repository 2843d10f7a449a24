use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use engrad_kernels::{Matrix, MatrixMut};
use serde_json::{Map, Value, json};

use super::engine::{Asked, print_facts};
use crate::display::print_line;
use crate::environment::EngineChoice;
use crate::host_products;
use crate::machine::Machine;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Says what is here; exit code 1 if an engine that is here computes something wrong.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut engines = Map::new();
    let mut healthy = true;
    for (name, choice) in [("virtual", EngineChoice::Virtual), ("apple", EngineChoice::Apple)] {
        // An engine that is not here is no fault; the reason is part of the report.
        let state = match Asked::new(choice).and_then(|asked| asked.describe()) {
            Ok((facts, works)) => {
                healthy &= works;
                facts
            }
            Err(error) => json!({"not_available": format!("{error:#}")}),
        };
        engines.insert(name.to_owned(), state);
    }
    let (accelerate, works) = accelerate();
    healthy &= works;
    let report = json!({
        "engrad": env!("CARGO_PKG_VERSION"),
        "machine": serde_json::to_value(Machine::find())?,
        "engines": engines,
        "accelerate": accelerate,
        "healthy": healthy,
    });
    match arguments.json {
        true => print_line(&report.to_string()),
        false => print_facts(&for_people(report), 0),
    }
    Ok(ExitCode::from(u8::from(!healthy)))
}

/// Whether Accelerate is here, and gives a product that has no rounding as it is. One that is not here is no fault.
fn accelerate() -> (Value, bool) {
    let library = match host_products::accelerate() {
        Ok(library) => library,
        Err(error) => return (json!({"not_available": error.to_string()}), true),
    };
    let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, -1.0, 0.5, 2.0, -3.0, 4.0]);
    let mut c = [0.5; 4];
    let (left, right) = (Matrix::new(&a, 2, 3, 3), Matrix::new(&b, 2, 3, 3).transposed());
    let product = library.sgemm(MatrixMut::new(&mut c, 2, 2, 2), 2.0, 1.0, left, right);
    let works = product.is_ok() && c == [1.5, 9.0, 3.0, 18.0];
    (json!({"library": library.path().display().to_string(), "works": works}), works)
}

/// Bytes in GiB; what every machine has and this one does not tell is said to be unknown.
fn for_people(mut report: Value) -> Value {
    for (key, value) in report["machine"].as_object_mut().into_iter().flatten() {
        if value.is_null() && key != "model" && key != "memory_limit" {
            *value = json!("not known");
        }
        if let Some(bytes) = value.as_u64().filter(|_| key != "threads") {
            *value = json!(format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)));
        }
    }
    report
}
