//! `--engine apple`, on the stand-in for Apple's frameworks.

use crate::place::{Outcome, Place, TRAIN};

/// Runs on the Apple engine; the stand-in lies beside the test's own program.
pub(crate) fn run(place: &Place, words: &str) -> Outcome {
    let name =
        format!("{}engrad_apple_standin{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = std::env::current_exe().unwrap().parent().unwrap().join(name);
    let mut command = place.command(&format!("{words} --engine apple"));
    let output = command.env("ENGRAD_APPLE_RUNTIME", library).output().unwrap();
    Outcome {
        command: words.to_owned(),
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn training_saves_the_bytes_that_the_virtual_engine_does() {
    let place = Place::with_stories();
    for layout in ["ports", "packed"] {
        let words = format!("{TRAIN} --steps 6 --layout {layout} --out");
        place.run(&format!("{words} virtual-{layout}")).ok();
        run(&place, &format!("{words} apple-{layout}")).ok();
        place.assert_same_bits(&format!("virtual-{layout}"), &format!("apple-{layout}"), 6);
    }
}

#[test]
fn samples_and_validation_of_a_long_run_spend_no_compiles() {
    let place = Place::with_stories();
    let train =
        TRAIN.replace("--validation-every 0 --sample-every 0", "--validation-every 1 --sample-every 1");
    // Each sample makes its programs anew; 60 times three of them are beyond the budget of a process.
    let outcome = run(&place, &format!("{train} --steps 60 --sample-prompt the --out run")).ok();
    assert!(outcome.stdout.contains("apple engine"), "{}", outcome.stdout);
}

#[test]
fn logits_and_gradients_are_those_of_the_virtual_engine() {
    let place = Place::new();
    for case in ["llama-gqa-untied", "qwen3-gqa-tied"] {
        place.add_fixture(case);
        for command in ["logits", "grads"] {
            let words = format!("{command} --model {case}/model --tokens {case}/tokens.u16 --out");
            place.run(&format!("{words} virtual.safetensors")).ok();
            run(&place, &format!("{words} apple.safetensors")).ok();
            assert!(place.read("virtual.safetensors") == place.read("apple.safetensors"), "{case} {command}");
        }
    }
}

#[test]
fn a_run_goes_on_with_another_engine() {
    let place = Place::with_stories();
    place.run(&format!("{TRAIN} --steps 6 --out whole")).ok();
    place.run(&format!("{TRAIN} --steps 6 --stop-at 3 --out parts")).ok();
    run(&place, "train --resume --out parts").ok();
    place.assert_same_bits("whole", "parts", 6);
}

#[test]
fn where_there_is_no_neural_engine_one_line_says_so() {
    let place = Place::with_stories();
    let outcome = place.run(&format!("{TRAIN} --steps 1 --out run --engine apple"));
    if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
        outcome.no_panic();
        return;
    }
    assert_eq!(
        outcome.refused(),
        "error: the Neural Engine is not available: it needs a Mac with Apple silicon"
    );
    assert!(!place.path("run").exists());
}

#[test]
fn a_runtime_that_is_not_there_is_refused() {
    let place = Place::with_stories();
    let mut command = place.command(&format!("{TRAIN} --steps 1 --out run --engine apple"));
    let output = command.env("ENGRAD_APPLE_RUNTIME", "nowhere.so").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.starts_with("error: the Neural Engine is not available: cannot load nowhere.so"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}
