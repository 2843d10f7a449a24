//! The same seed gives the same bits, however a run is cut into parts.

use crate::place::{Place, TRAIN};

/// Flags under which a run's arithmetic or its files differ.
const VARIANTS: [&str; 7] = [
    "",
    "--accumulation 2",
    "--batch 2 --recompute layer",
    "--layout packed",
    "--numerics f32",
    "--full-vocabulary",
    "--deepnet-residual --loss-scale 512",
];

#[test]
fn half_and_resume_give_the_bits_of_the_whole() {
    let place = Place::with_stories();
    for variant in VARIANTS {
        let (whole, parts) = (format!("whole {variant}"), format!("parts {variant}"));
        let (whole, parts) = (whole.replace([' ', '-'], "_"), parts.replace([' ', '-'], "_"));
        place.run(&format!("{TRAIN} {variant} --out {whole} --steps 12")).ok();
        place.run(&format!("{TRAIN} {variant} --out {parts} --steps 6")).ok();
        place.run(&format!("train --resume --out {parts} --steps 12")).ok();
        place.assert_same_bits(&whole, &parts, 12);
    }
}

#[test]
fn stopping_between_validations_samples_and_checkpoints_leaves_no_trace() {
    let place = Place::with_stories();
    let train = "train --model model.toml --data stories --steps 14 --validation-every 4 --validation-windows 3 \
                 --sample-every 3 --checkpoint-every 5";
    place.run(&format!("{train} --out whole")).ok();
    place.run(&format!("{train} --out parts --stop-at 1")).ok();
    for stop in ["--stop-at 4", "--stop-at 6", "--stop-at 11", ""] {
        let outcome = place.run(&format!("train --resume --out parts {stop}")).ok();
        assert_eq!(outcome.stdout.contains("continue with"), !stop.is_empty(), "{}", outcome.stdout);
    }
    place.assert_same_bits("whole", "parts", 14);
}

#[test]
fn the_seed_decides_every_bit() {
    let place = Place::with_stories();
    for (run, seed) in [("first", 7), ("second", 7), ("other", 8)] {
        place.run(&format!("{TRAIN} --steps 5 --seed {seed} --out {run}")).ok();
    }
    place.assert_same_bits("first", "second", 5);
    assert_ne!(place.saved("first", 5), place.saved("other", 5));
}

#[test]
fn threads_and_layouts_do_not_change_a_bit() {
    let place = Place::with_stories();
    let train = TRAIN.replace("--threads 2", "");
    for (run, flags) in
        [("one", "--threads 1"), ("two", "--threads 2"), ("packed", "--threads 3 --layout packed")]
    {
        place.run(&format!("{train} --steps 8 --accumulation 2 --out {run} {flags}")).ok();
    }
    place.assert_same_bits("one", "two", 8);
    place.assert_same_bits("one", "packed", 8);
}

#[test]
fn a_resumption_that_would_ignore_a_flag_is_refused() {
    let place = Place::with_stories();
    place.run(&format!("{TRAIN} --steps 3 --out run")).ok();
    let before = place.text("run/config.toml");
    for (flags, expect) in [
        ("--steps 9 --model tiny", "another model"),
        ("--steps 9 --seed 2", "another seed"),
        ("--steps 9 --deepnet-residual", "another deepnet_residual"),
        ("--steps 9 --sequence 16", "sequence length"),
    ] {
        let outcome = place.run(&format!("train --resume --out run {flags}"));
        assert!(outcome.refused().contains(expect), "{flags}: {}", outcome.stderr);
    }
    let complete = place.run("train --resume --out run --steps 3").ok();
    assert!(complete.stdout.contains("already has 3 of 3 steps"), "{}", complete.stdout);
    assert_eq!(place.text("run/config.toml"), before, "a refused command changed the run");
    place.run("train --resume --out run --steps 4 --model ./model.toml --seed 1").ok();
}

#[test]
fn a_damaged_newest_checkpoint_is_passed_over_with_a_warning() {
    let place = Place::with_stories();
    place.run(&format!("{TRAIN} --steps 6 --out whole")).ok();
    place.run(&format!("{TRAIN} --steps 4 --checkpoint-every 2 --out run")).ok();
    let weights = "run/checkpoints/step-00000004/weights.safetensors";
    let mut bytes = place.read(weights);
    *bytes.last_mut().unwrap() ^= 1;
    place.write(weights, bytes);
    let outcome = place.run("train --resume --out run --steps 6").ok();
    assert!(outcome.stderr.starts_with("warning: checkpoint run/checkpoints/step-00000004 is left out"));
    assert!(outcome.stdout.contains("resumed after step 2"));
    place.assert_same_bits("whole", "run", 6);
}

#[test]
fn recomputation_leaves_no_trace() {
    let place = Place::with_stories();
    for policy in ["none", "attention", "layer"] {
        place.run(&format!("{TRAIN} --out {policy} --steps 6 --batch 2 --recompute {policy}")).ok();
    }
    place.assert_same_bits("none", "attention", 6);
    place.assert_same_bits("none", "layer", 6);
}
