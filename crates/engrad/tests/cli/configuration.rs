//! Settings from a file and from flags, and what `--help` says of them.

use crate::place::{Place, TRAIN};

fn resolved(place: &Place, run: &str) -> toml::Table {
    place.text(&format!("{run}/config.toml")).parse().unwrap()
}

const FILE: &str = "model = \"model.toml\"\ndata = \"stories\"\nlayout = \"packed\"\n[train]\nsteps = 6\n\
                    learning_rate = 0.002\nvalidation_every = 0\nsample_every = 0\n[train.adamw]\nweight_decay = 0.2\n";

#[test]
fn flags_override_the_file_and_the_result_is_saved() {
    let place = Place::with_stories();
    place.write("run.toml", FILE);
    place.run("train --config run.toml --steps 3 --layout ports --seed 9 --out run").ok();
    let config = resolved(&place, "run");
    let train = config["train"].as_table().unwrap();
    assert_eq!(config["layout"].as_str(), Some("ports"));
    assert_eq!(train["steps"].as_integer(), Some(3));
    assert_eq!(train["seed"].as_integer(), Some(9));
    assert_eq!(train["learning_rate"].as_float(), Some(0.002));
    assert_eq!(train["adamw"]["weight_decay"].as_float(), Some(0.2));
    assert_eq!(train["adamw"]["beta2"].as_float(), Some(0.95));
    assert_eq!(place.text("run/config.toml"), place.text("run/checkpoints/step-00000003/config.toml"));
}

#[test]
fn the_resolved_file_repeats_the_run() {
    let place = Place::with_stories();
    place.write("run.toml", FILE);
    place.run("train --config run.toml --accumulation 2 --loss-scale 256 --out first").ok();
    place.run("train --config first/config.toml --out second").ok();
    assert_eq!(place.text("first/config.toml"), place.text("second/config.toml"));
    place.assert_same_bits("first", "second", 6);
}

#[test]
fn files_with_faults_are_refused_by_name() {
    let place = Place::with_stories();
    for (text, expect) in [
        ("modle = \"tiny\"", "modle"),
        ("[train]\nlearnin_rate = 1.0", "learnin_rate"),
        ("[train]\nsteps = \"many\"", "steps"),
        ("[train]\nsteps = -1", "-1"),
        ("[train]\nlearning_rate = nan", "learning_rate"),
        ("[train]\nfinal_rate = 2.0", "final_rate"),
        ("[train]\naccumulation = 0", "accumulation"),
        ("[train]\nloss_scale = \"large\"", "loss_scale"),
        ("[train.adamw]\nbeta1 = 1.0", "beta1"),
        ("[train.adamw]\nweight_decay = inf", "weight_decay"),
        ("numerics = \"f64\"", "f64"),
        ("threads = 70000", "70000"),
        ("model", "run.toml"),
        ("[[[[", "run.toml"),
        ("\u{0}", "run.toml"),
    ] {
        place.write("run.toml", text);
        let outcome = place.run(&format!("{} --steps 1 --config run.toml --out x", "train --data stories"));
        assert!(outcome.refused().contains(expect), "{text}: {}", outcome.stderr);
        assert!(!place.path("x").exists(), "{text}: a refused command left a folder");
    }
}

#[test]
fn a_folder_with_a_run_is_not_overwritten() {
    let place = Place::with_stories();
    place.run(&format!("{TRAIN} --steps 2 --out run")).ok();
    let outcome = place.run(&format!("{TRAIN} --steps 2 --out run"));
    assert!(outcome.refused().contains("already holds a run"));
}

#[test]
fn runs_without_a_folder_are_numbered_and_the_newest_resumes() {
    let place = Place::with_stories();
    for _ in 0..2 {
        place.run(&format!("{TRAIN} --steps 2")).ok();
    }
    place.run("train --resume --model model.toml --steps 3").ok();
    assert!(place.path("runs/model/checkpoints/step-00000002").exists());
    assert!(place.path("runs/model-2/checkpoints/step-00000003").exists());
}

#[test]
fn every_command_explains_itself() {
    let place = Place::new();
    for command in [
        "",
        "train",
        "eval",
        "generate",
        "logits",
        "grads",
        "program",
        "data",
        "data synth",
        "data prepare",
        "data fetch",
        "data inspect",
        "export",
        "bench",
        "bench train",
        "bench gemm",
        "bench attention",
        "bench decode",
        "bench dispatch",
        "models",
    ] {
        let outcome = place.run(&format!("{command} --help")).ok();
        assert!(outcome.stdout.contains("Usage: engrad"), "{command}");
        assert!(outcome.stderr.is_empty(), "{command}");
    }
    assert!(place.run("--version").ok().stdout.starts_with("engrad "));
    assert!(place.run("models").ok().stdout.contains("stories110m"));
}
