//! Every probe on the virtual engine and on the stand-in for Apple's framework.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engrad_apple::{AppleEngine, Options, Source};
use engrad_engine::Engine;
use engrad_probe::{Apple, Outcome, PROBES, Report, Subject, find};
use engrad_virtual::VirtualEngine;

fn on_virtual() -> Vec<Report> {
    let engine = VirtualEngine::new(engrad_virtual::Options::default()).unwrap();
    let subject = Subject { engine: &engine, apple: None };
    PROBES.iter().map(|probe| probe.run(&subject)).collect()
}

fn list(reports: &[Report]) -> String {
    let line =
        |r: &Report| format!("{:<24} {:<12} {}\n", r.probe, r.verdict.outcome.name(), r.verdict.reason);
    reports.iter().map(line).collect()
}

#[test]
fn on_the_virtual_engine_private_questions_are_unsupported_and_all_others_answered() {
    let reports = on_virtual();
    let text = list(&reports);
    for report in &reports {
        let probe = find(report.probe).unwrap();
        let (outcome, name) = (report.verdict.outcome, report.probe);
        match name {
            _ if probe.private => {
                assert_eq!(outcome, Outcome::Unsupported, "{text}");
                assert!(report.verdict.reason.contains("the virtual engine has none"), "{text}");
            }
            // fp16 storage of intermediate values is what the engine models.
            "rms-norm-backward" => assert_eq!(outcome, Outcome::Fail, "{text}"),
            _ => assert_eq!(outcome, Outcome::Pass, "{name}\n{text}"),
        }
    }
}

#[test]
fn reports_are_json_with_names_facts_and_measurements() {
    let engine = VirtualEngine::new(engrad_virtual::Options::default()).unwrap();
    let report = find("cliff-32768").unwrap().run(&Subject { engine: &engine, apple: None });
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    assert_eq!(json["probe"], "cliff-32768");
    assert_eq!(json["engine"], "virtual");
    assert_eq!(json["outcome"], "pass");
    assert_eq!(json["facts"][0]["id"], "C66");
    assert_eq!(json["facts"][0]["holds"], false);
    assert_eq!(json["measurements"]["lost"], serde_json::json!([]));
}

#[test]
fn on_the_stand_in_every_probe_gives_the_documented_answer() {
    let name =
        format!("{}engrad_apple_standin{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let path: PathBuf = std::env::current_exe().unwrap().parent().unwrap().join(name);
    let reference = VirtualEngine::new(engrad_virtual::Options::default()).unwrap();
    let options = Options {
        source: Source::Library(path),
        pause_after_failure: Duration::ZERO,
        pause_before_reload: Duration::ZERO,
        reference: Some(Arc::new(reference)),
        ..Options::default()
    };
    let engine = AppleEngine::new(options.clone()).unwrap();
    let subject =
        Subject { engine: &engine as &dyn Engine, apple: Some(Apple { engine: &engine, options: &options }) };
    let reports: Vec<Report> = PROBES.iter().map(|probe| probe.run(&subject)).collect();
    let text = list(&reports);
    for report in &reports {
        let wanted = match report.probe {
            "weight-patch-disk" | "weight-reload" | "weight-patch-buffer" | "weights-buffer-override" => {
                Outcome::Fail
            }
            "weight-instance" | "chaining" | "compile-limit" | "rms-norm-backward" => Outcome::Fail,
            _ => Outcome::Pass,
        };
        assert_eq!(report.verdict.outcome, wanted, "{}\n{text}", report.probe);
    }
}

#[test]
fn the_page_of_probes_is_that_of_the_table() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/probes.md");
    let wanted = engrad_probe::markdown();
    if std::env::var_os("ENGRAD_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/probes.md is not that of the table; run with ENGRAD_BLESS=1");
}
