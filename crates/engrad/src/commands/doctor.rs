use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};

use super::engine::{Asked, print_facts};
use crate::display::print_line;
use crate::environment::EngineChoice;
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
    let report = json!({
        "engrad": env!("CARGO_PKG_VERSION"),
        "machine": serde_json::to_value(Machine::find())?,
        "engines": engines,
        "healthy": healthy,
    });
    match arguments.json {
        true => print_line(&report.to_string()),
        false => print_facts(&for_people(report), 0),
    }
    Ok(ExitCode::from(u8::from(!healthy)))
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
