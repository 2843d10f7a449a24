//! Measurements: what they print can be read by programs, and what cannot be is not printed.

use serde_json::Value;

use crate::place::Place;

const QUICK: &str = "--runs 3 --warmup 1 --threads 2 --json";

fn json(place: &Place, words: &str) -> Value {
    let outcome = place.run(&format!("bench {words} {QUICK}")).ok();
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|e| panic!("bench {words}: {e}: {}", outcome.stdout))
}

/// A share of the register peak, or nothing where the processor's is not known.
fn check_share(value: &Value) {
    assert!(value.is_null() || value.as_f64().is_some_and(|share| share > 0.0 && share <= 1.0), "{value}");
}

#[test]
fn training_reports_passes_steps_memory_and_a_timeline() {
    let place = Place::new();
    let model = "--model model.toml --batch 2 --accumulation 2 --recompute layer";
    let report = json(&place, &format!("train {model} --steps 2 --trace trace.json"));
    assert_eq!(report["benchmark"], "train");
    assert_eq!(report["forward_backward_ms"]["runs"].as_array().unwrap().len(), 3);
    for figure in ["gflops", "flops", "compile_ms"] {
        assert!(report[figure].as_f64().unwrap() > 0.0, "{figure}");
    }
    check_share(&report["share_of_peak"]);
    assert_eq!(report["step_ms"]["runs"].as_array().unwrap().len(), 2);
    assert!(report["optimizer_ms"]["median"].as_f64().unwrap() > 0.0);
    assert!(report["optimizer_memory"]["floor_ms"].as_f64().unwrap() > 0.0);
    let losses: Vec<f64> = report["losses"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(losses.len() == 3 && losses[2] < losses[0], "{losses:?}");

    let trace: Value = serde_json::from_str(&place.text("trace.json")).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    for name in ["attention", "attention backward", "classifier", "weight gradient", "optimizer", "norm"] {
        let found = events.iter().find(|e| e["name"] == name && e["ph"] == "X");
        let event = found.unwrap_or_else(|| panic!("no `{name}` in the timeline"));
        assert!(event["ts"].is_number() && event["dur"].is_number() && event["tid"].is_number(), "{event}");
    }
}

#[test]
fn products_attention_decoding_and_overheads_are_reported() {
    let place = Place::new();
    let report = json(&place, "gemm --shape 33,70,65 --precision f32 --precision int8");
    let products = report["products"].as_array().unwrap();
    assert_eq!(products.len(), 2);
    for product in products {
        for way in ["packed_during_product", "left_factor_packed_before"] {
            assert!(product[way]["gflops"].as_f64().unwrap() > 0.0);
            check_share(&product[way]["share_of_peak"]);
        }
    }
    let report = json(&place, "attention --model model.toml --sequence 8 --sequence 16 --batch 2");
    assert_eq!(report["sequences"].as_array().unwrap().len(), 2);
    assert!(report["sequences"][1]["backward"]["gflops"].as_f64().unwrap() > 0.0);
    let report = json(&place, "decode --model model.toml --prompt 3 --tokens 4");
    assert!(report["tokens_per_second"].as_f64().unwrap() > 0.0);
    let report = json(&place, "dispatch --model model.toml");
    assert!(report["evaluate"][0]["microseconds"].as_f64().unwrap() > 0.0);
    assert!(report["compile_ms"]["median"].as_f64().unwrap() > 0.0);
}

#[test]
fn figures_are_shown_to_people_too() {
    let place = Place::new();
    let outcome = place.run("bench dispatch --model model.toml --runs 1 --warmup 0").ok();
    assert!(outcome.stdout.contains("register_peak_gflops"), "{}", outcome.stdout);
}

/// Processor 0 may be closed to this process; whichever it may use is listed.
#[cfg(target_os = "linux")]
#[test]
fn threads_stay_on_the_processors_listed() {
    let place = Place::new();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
    let first = allowed.split([',', '-']).next().unwrap();
    let flags = format!("--runs 1 --warmup 0 --json --affinity {first}");
    let outcome = place.run(&format!("bench dispatch --model model.toml {flags}")).ok();
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((report["threads"].as_u64(), report["affinity"].as_str()), (Some(1), Some(first)));
}
