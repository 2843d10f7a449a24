//! Weight gradients by Accelerate, from outside, on the stand-in.

use serde_json::Value;

use crate::place::{Outcome, Place, TRAIN};

/// Products of its feed-forward part are just large enough for Accelerate, others are not.
const MODEL: &str = "dim = 256\nhidden = 512\nlayers = 1\nheads = 4\nkv_heads = 2\nhead_dim = 16\nvocab = 300\n\
                     sequence = 64\n";

fn place() -> Place {
    let place = Place::with_stories();
    place.write("model.toml", MODEL);
    place
}

/// Runs a command with a library in Accelerate's place.
fn run_with(place: &Place, words: &str, library: &str) -> Outcome {
    let output = place.command(words).env("ENGRAD_ACCELERATE", library).output().unwrap();
    Outcome {
        command: words.to_owned(),
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(place: &Place, words: &str) -> Outcome {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library =
        std::env::current_exe().unwrap().with_file_name(format!("{prefix}engrad_apple_standin{suffix}"));
    run_with(place, words, library.to_str().unwrap())
}

#[test]
fn runs_repeat_and_resume_bit_for_bit() {
    let place = place();
    let train = format!("{TRAIN} --host-products accelerate --steps 4 --out");
    for whole in ["first", "second"] {
        let outcome = run(&place, &format!("{train} {whole}")).ok();
        assert!(outcome.stdout.contains("weight gradients by accelerate"), "{}", outcome.stdout);
    }
    place.assert_same_bits("first", "second", 4);
    run(&place, &format!("{train} parts --stop-at 2")).ok();
    // The choice is the run's.
    run(&place, "train --resume --out parts").ok();
    place.assert_same_bits("first", "parts", 4);

    place.run(&format!("{TRAIN} --host-products own --steps 4 --out own")).ok();
    assert_ne!(place.saved("first", 4)[0], place.saved("own", 4)[0], "Accelerate had no part in it");
}

#[test]
fn the_choice_that_auto_came_to_is_the_runs() {
    let place = place();
    run(&place, &format!("{TRAIN} --steps 4 --stop-at 2 --out run")).ok();
    assert!(place.text("run/config.toml").contains("host_products = \"accelerate\""));
    let outcome = run_with(&place, "train --resume --out run", "nowhere.so");
    let line = outcome.refused();
    assert!(line.starts_with("error: Accelerate is not available: cannot load nowhere.so"), "{line}");
    assert!(line.ends_with("; use --host-products own"), "{line}");
    place.run("train --resume --out run --host-products own").ok();
    assert!(place.text("run/config.toml").contains("host_products = \"own\""));
}

#[test]
fn bf16_is_not_left_to_a_library_of_f32() {
    let place = place();
    let words = format!("{TRAIN} --steps 1 --numerics bf16 --host-products accelerate --out run");
    assert_eq!(
        run(&place, &words).refused(),
        "error: Accelerate multiplies no bf16, as --numerics bf16 asks for; use --host-products own"
    );
    assert!(!place.path("run").exists());
}

#[cfg(not(target_os = "macos"))]
#[test]
fn systems_without_accelerate_say_so_and_use_their_own_kernels() {
    let place = place();
    let refused = place.run(&format!("{TRAIN} --steps 1 --host-products accelerate --out run"));
    assert_eq!(
        refused.refused(),
        "error: Accelerate is not available: it is a part of macOS; use --host-products own"
    );
    let doctor: Value = serde_json::from_str(&place.run("doctor --json").ok().stdout).unwrap();
    assert_eq!(doctor["accelerate"]["not_available"], "Accelerate is not available: it is a part of macOS");
    place.run(&format!("{TRAIN} --steps 2 --out auto")).ok();
    place.run(&format!("{TRAIN} --steps 2 --host-products own --out own")).ok();
    place.assert_same_bits("auto", "own", 2);
}

#[test]
fn benchmarks_time_it_and_the_doctor_tries_it() {
    let place = place();
    let quick = "--runs 1 --warmup 0 --threads 2 --json";
    let report =
        run(&place, &format!("bench gemm --shape 33,70,65 --shape 256,512,64 --precision f32 {quick}"));
    let report: Value = serde_json::from_str(&report.ok().stdout).unwrap();
    assert_eq!(report["host_products"], "accelerate");
    for (product, takes) in report["products"].as_array().unwrap().iter().zip([false, true]) {
        assert!(product["accelerate"]["gflops"].as_f64().unwrap() > 0.0);
        assert_eq!(product["accelerate"]["takes_such_weight_gradients"], takes);
    }
    let report = run(&place, &format!("bench train --model model.toml --steps 1 {quick}")).ok();
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert!(report["share_of_peak"].is_null(), "there is no peak for what Accelerate uses");
    let doctor: Value = serde_json::from_str(&run(&place, "doctor --json").ok().stdout).unwrap();
    assert_eq!(doctor["accelerate"]["works"], true);
}
