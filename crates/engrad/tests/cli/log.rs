//! `events.jsonl`: one JSON object for each line, with the keys that readers of the log rely on.

use std::fs::File;
use std::io::Write;

use serde_json::Value;

use crate::place::Place;

const KEYS: [(&str, &[&str]); 6] = [
    ("started", &["parameters", "step", "steps", "sequence", "batch", "accumulation", "classes", "engine"]),
    (
        "step",
        &[
            "step",
            "loss",
            "learning_rate",
            "gradient_norm",
            "loss_scale",
            "skipped",
            "tokens_per_second",
            "gflops",
            "milliseconds",
        ],
    ),
    ("validation", &["step", "loss", "best"]),
    ("sample", &["step", "text"]),
    ("checkpoint", &["step", "path"]),
    (
        "finished",
        &[
            "step",
            "stopped",
            "first_loss",
            "last_loss",
            "best_validation",
            "skipped",
            "tokens",
            "seconds",
            "tokens_per_second",
        ],
    ),
];

const TRAIN: &str = "train --model model.toml --data stories --steps 4 --validation-every 2 --sample-every 4 \
                     --checkpoint-every 2";

fn events(place: &Place) -> Vec<Value> {
    let text = place.text("run/events.jsonl");
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

#[test]
fn every_event_is_a_line_of_json_with_its_keys() {
    let place = Place::with_stories();
    place.run(&format!("{TRAIN} --out run")).ok();
    let events = events(&place);
    let names: Vec<_> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "started",
            "step",
            "step",
            "validation",
            "checkpoint",
            "step",
            "step",
            "validation",
            "sample",
            "checkpoint",
            "finished"
        ]
    );
    for event in &events {
        let (_, keys) = KEYS.iter().find(|(name, _)| event["event"] == *name).unwrap();
        for key in *keys {
            assert!(event.get(key).is_some(), "{key} is missing in {event}");
        }
        assert_eq!(event.as_object().unwrap().len(), keys.len() + 1, "{event}");
        if event["event"] == "step" {
            let ms = &event["milliseconds"];
            for part in ["total", "engine", "host", "data", "waiting", "optimizer"] {
                assert!(ms[part].as_f64().unwrap() >= 0.0, "{event}");
            }
        }
    }
}

#[test]
fn a_resumed_run_goes_on_in_the_same_log_after_a_torn_line() {
    let place = Place::with_stories();
    place.run(&format!("{TRAIN} --out run --stop-at 2")).ok();
    let whole = events(&place).len();
    let mut log = File::options().append(true).open(place.path("run/events.jsonl")).unwrap();
    log.write_all(b"{\"event\":\"st").unwrap();
    drop(log);
    place.run("train --resume --out run").ok();
    let events = events(&place);
    assert_eq!(events[whole]["event"], "started");
    assert_eq!(events[whole]["step"], 2);
    assert_eq!(events.last().unwrap()["event"], "finished");
}
