//! Training lowers losses: from scratch, and of given weights.

use serde_json::Value;

use crate::place::{Place, copy, shared};

/// Training losses of a run, in order.
fn losses(place: &Place, run: &str) -> Vec<f64> {
    let log = place.text(&format!("{run}/events.jsonl"));
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|e| e["event"] == "step").map(|e| e["loss"].as_f64().unwrap()).collect()
}

/// Mean of the first and of the last five losses.
fn ends(losses: &[f64]) -> (f64, f64) {
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    (mean(&losses[..5]), mean(&losses[losses.len() - 5..]))
}

fn evaluate(place: &Place, words: &str) -> f64 {
    let outcome = place.run(&format!("eval --json {words}")).ok();
    serde_json::from_str::<Value>(&outcome.stdout).unwrap()["loss"].as_f64().unwrap()
}

#[test]
fn thirty_steps_on_stories_lower_the_loss() {
    let place = Place::with_stories();
    for numerics in ["fast", "f32"] {
        let words = "train --model tiny --data stories --steps 30 --lr 3e-3";
        place.run(&format!("{words} --numerics {numerics} --out {numerics}")).ok();
        let (first, last) = ends(&losses(&place, numerics));
        assert!(last < first - 0.3, "{numerics}: {first} to {last}");
        let validation = evaluate(&place, &format!("--model {numerics} --data stories --windows 8"));
        assert!(validation < first - 0.3, "{numerics}: {validation}");
    }
}

#[test]
fn given_weights_of_every_format_are_fine_tuned() {
    let place = Place::new();
    let pattern: Vec<u8> = (0..4000u32).flat_map(|i| ((i * i % 23) as u16).to_le_bytes()).collect();
    place.write("pattern.u16", &pattern);
    for (case, weights) in
        [("llama-gqa-tied", "model"), ("qwen3-untied", "model"), ("llama2c-tiny", "model.bin")]
    {
        place.add_fixture(case);
        let tune =
            format!("train --model {case}/{weights} --data pattern.u16 --sequence 23 --lr 1e-2 --steps 30");
        place.run(&format!("{tune} --out tuned-{case}")).ok();
        let (first, last) = ends(&losses(&place, &format!("tuned-{case}")));
        assert!(last < first - 0.5, "{case}: {first} to {last}");
    }
}

#[test]
fn stories260k_knows_its_stories_and_learns_more() {
    let Some(folder) = shared("llama2c") else { return };
    let Some(text) = shared("text/tinystories-valid-sample.txt") else { return };
    let place = Place::new();
    for file in ["stories260K.bin", "tok512.bin"] {
        copy(&folder.join(file), &place.path(file));
    }
    copy(&text, &place.path("stories.txt"));
    place.run("data prepare stories.txt --tokenizer tok512.bin --out real").ok();
    let how = "--data real --sequence 256 --windows 24";
    let before = evaluate(&place, &format!("--model stories260K.bin {how}"));
    assert!((1.2..1.5).contains(&before), "{before}");
    let tune = "train --model stories260K.bin --data real --sequence 256 --steps 40 --accumulation 2 --lr 3e-5 \
                --warmup-steps 4 --weight-decay 0 --validation-every 0 --sample-every 0";
    place.run(&format!("{tune} --out tuned")).ok();
    let after = evaluate(&place, &format!("--model tuned {how}"));
    assert!(after < before - 5e-4, "{before} to {after}");
}

#[test]
fn stories260k_writes_what_it_wrote_elsewhere() {
    let Some(folder) = shared("llama2c") else { return };
    let place = Place::new();
    for file in ["stories260K.bin", "tok512.bin"] {
        copy(&folder.join(file), &place.path(file));
    }
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let texts = expected.as_object().unwrap();
    let (_, expected) = texts.iter().find(|(name, _)| name.contains("stories260K.bin")).unwrap();
    let words = "generate --model stories260K.bin --steps 200 --temperature 0 --numerics f32";
    let outcome = place.run(words).ok();
    assert_eq!(outcome.stdout.trim_end(), expected.as_str().unwrap().trim_end());
}
