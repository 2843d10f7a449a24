use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use engrad_mil::{Diagnostic, Severity, line_and_column, verify};
use engrad_target::{Chip, check_text};
use serde_json::json;

use super::NO;
use super::source::Source;
use crate::display::{print_line, print_piece};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Text file, .mlmodelc or .mlpackage
    file: PathBuf,
    /// Also check against a chip: h13 … h18 and their variants, or m1 … m6
    #[arg(long, value_name = "CHIP")]
    target: Option<String>,
    /// One JSON object for each finding, on a line of its own
    #[arg(long)]
    json: bool,
    /// Warnings and notes count as errors
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let chip = arguments.target.as_deref().map(Chip::named).transpose()?;
    let source = Source::open(&arguments.file)?;
    let mut found: Vec<Diagnostic> = source.reading.errors.clone();
    if found.is_empty() {
        let places = Some(&source.reading.source);
        found.extend(verify::check(&source.reading.program).iter().map(|v| v.diagnostic(places)));
        let errors = found.iter().any(|d| d.severity == Severity::Error);
        // A target's rules assume a program that is correct as a program.
        if let Some(chip) = chip.filter(|_| !errors) {
            let findings = check_text(&source.text, &source.reading, chip);
            found.extend(findings.iter().map(|finding| finding.diagnostic(places)));
        }
    }
    let count = |severity| found.iter().filter(|d| d.severity == severity).count();
    let (errors, warnings, notes) = (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
    for finding in &found {
        if arguments.json {
            print_line(&as_json(finding, &source).to_string());
        } else {
            print_piece(&finding.render(&source.name, &source.text));
        }
    }
    let refused = errors > 0 || (arguments.strict && !found.is_empty());
    if !arguments.json {
        let target = chip.map_or_else(String::new, |chip| format!(" for {}", chip.name));
        let summary = if found.is_empty() { "fine".to_owned() } else { tally(errors, warnings, notes) };
        print_line(&format!("{}: {summary}{target}", source.name));
    }
    Ok(if refused { ExitCode::from(NO) } else { ExitCode::SUCCESS })
}

fn tally(errors: usize, warnings: usize, notes: usize) -> String {
    let part = |count: usize, word: &str| {
        (count > 0).then(|| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
    };
    let parts = [part(errors, "error"), part(warnings, "warning"), part(notes, "note")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn as_json(finding: &Diagnostic, source: &Source) -> serde_json::Value {
    let place = finding.span.map(|span| {
        let (line, column) = line_and_column(&source.text, span.start);
        json!({ "line": line, "column": column, "start": span.start, "end": span.end })
    });
    json!({
        "code": finding.code,
        "severity": finding.severity.name(),
        "message": finding.message,
        "file": source.name,
        "place": place,
        "advice": finding.advice,
    })
}
