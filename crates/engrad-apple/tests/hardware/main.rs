//! The hardware suite: what the Neural Engine does, against what `expectations.toml` says it does.
//!
//! With `ENGRAD_HARDWARE=1` it runs on the machine's own engine, which must be there. Otherwise it runs on the stand-in,
//! so that the checks themselves and the comparison are exercised everywhere.

mod checks;
mod expectations;

use std::sync::Arc;

use engrad_apple::{AppleEngine, Options, Source};
use engrad_virtual::VirtualEngine;

use checks::CHECKS;
use expectations::{Expectations, Outcome};

pub(crate) fn options(source: Source) -> Options {
    let cpu = engrad_virtual::Options { threads: Some(1), ..engrad_virtual::Options::default() };
    let reference = Arc::new(VirtualEngine::new(cpu).unwrap());
    Options { source, reference: Some(reference), ..Options::default() }
}

fn source() -> Source {
    if std::env::var_os("ENGRAD_HARDWARE").is_some_and(|v| v == "1") {
        return Source::System;
    }
    let name = libloading::library_filename("engrad_apple_standin");
    Source::Library(std::env::current_exe().unwrap().parent().unwrap().join(name))
}

#[test]
fn the_device_does_what_is_expected_of_it() {
    let mut settings = options(source());
    if settings.source != Source::System {
        settings.pause_after_failure = std::time::Duration::ZERO;
    }
    let device = AppleEngine::new(settings.clone()).unwrap().device().unwrap();
    let chip = device.architecture.unwrap_or_else(|| "unknown".to_owned());
    let os = device.build.unwrap_or_else(|| "unknown".to_owned());
    let expectations = Expectations::read(include_str!("expectations.toml"));
    let mut surprises = Vec::new();
    for (name, check) in CHECKS {
        let expected = expectations.find(name, &chip, &os);
        let (outcome, detail) = match check(&settings) {
            Ok(()) => (Outcome::Pass, String::new()),
            Err(reason) => (Outcome::Fail, reason),
        };
        println!("{name}: {outcome:?}, expected {:?} on {chip}, {os}. {detail}", expected.outcome);
        if outcome != expected.outcome {
            surprises.push(format!("{name}: {outcome:?} {detail}; expected because {}", expected.because));
        }
    }
    assert!(surprises.is_empty(), "{chip}, {os}:\n{}", surprises.join("\n"));
}

#[test]
fn every_expectation_is_of_a_check() {
    let expectations = Expectations::read(include_str!("expectations.toml"));
    for name in expectations.checks() {
        assert!(CHECKS.iter().any(|(check, _)| *check == name), "there is no check `{name}`");
    }
}
