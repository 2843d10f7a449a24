//! Random damage to every kind of file: the readers, and what runs on what they read, may refuse but not panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engrad_data::{Dataset, Sampler, Tokenizer};
use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_train::evaluate::Execution;
use engrad_virtual::{Numerics, Options, VirtualEngine};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::place::{Place, TRAIN, copy, fixtures};

/// Mutations of each kind of file.
const MUTATIONS: usize = 200;

/// Flips bits, overwrites bytes with some that mean something in JSON, cuts, repeats.
fn damage(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.random_range(0..bytes.len());
        // Formats have their most telling bytes first.
        let at = if random.random_range(0..2) == 0 { at % 64 } else { at };
        let Some(byte) = bytes.get(at).copied() else { continue };
        let telling = b"0123456789-.eE{}[]\",:ntf";
        match random.random_range(0..5) {
            0 => bytes[at] = byte ^ (1 << random.random_range(0..8)),
            1 => bytes[at] = telling[random.random_range(0..telling.len())],
            2 => bytes[at] = random.random(),
            3 => bytes.truncate(at),
            _ => {
                let end = (at + random.random_range(1..40)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
}

/// Calls `check` with a copy of `original` (a file, or a folder of which one file is hit) damaged in many ways.
fn with_damage(original: &Path, seed: u64, mut check: impl FnMut(&Path)) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let name = original.file_name().unwrap();
    for index in 0..MUTATIONS {
        let copied = folder.path().join(index.to_string()).join(name);
        copy(original, &copied);
        let mut files: Vec<PathBuf> = vec![copied.clone()];
        if copied.is_dir() {
            files = fs::read_dir(&copied).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
        }
        let hit = &files[random.random_range(0..files.len())];
        let mut bytes = fs::read(hit).unwrap();
        damage(&mut bytes, &mut random);
        fs::write(hit, bytes).unwrap();
        check(&copied);
        fs::remove_dir_all(copied.parent().unwrap()).unwrap();
    }
}

/// Loads a model and, where that goes well, runs it.
fn try_model(engine: &VirtualEngine, path: &Path) {
    let Ok(model) = engrad_store::load(path) else { return };
    let (dtype, layout) = (DType::Fp32, InputLayout::Ports);
    let execution = Execution { engine, pool: engine.pool(), dtype, layout, products: None };
    // Not-a-number weights give such logits, a description with another context gives others: neither is a panic.
    let _ = execution.logits(&model, &[0, 1, 2]);
    let _ = execution.gradients(&model, &[0, 1], &[1, 2]);
}

#[test]
fn damaged_models_are_refused_or_run() {
    let options = Options { numerics: Numerics::F32, threads: Some(1), ..Options::default() };
    let engine = VirtualEngine::new(options).unwrap();
    for (seed, case) in
        ["llama-gqa-tied/model", "llama-sharded/model", "llama2c-tiny/model.bin"].into_iter().enumerate()
    {
        with_damage(&fixtures().join(case), seed as u64, |path| try_model(&engine, path));
    }
}

#[test]
fn damaged_tokens_and_datasets_are_refused_or_read() {
    let place = Place::with_stories();
    let tokens = fixtures().join("llama-gqa-tied/tokens.u16");
    with_damage(&tokens, 10, |path| drop(engrad_data::read_ids(path, Some(97), 1000)));
    with_damage(&place.path("stories"), 11, |path| {
        let _ = engrad_data::inspect(path);
        let Ok(dataset) = Dataset::open(path, Some(300)) else { return };
        let dataset = Arc::new(dataset);
        let _ = dataset.used_ids();
        let _ = dataset.validation(8, 3).map(|windows| windows.count());
        if let Ok(mut sampler) = Sampler::new(dataset, 8, 1) {
            sampler.next_window(&mut [0; 9]).unwrap();
        }
    });
}

#[test]
fn damaged_tokenizers_are_refused_or_spell() {
    let place = Place::with_stories();
    with_damage(&place.path("stories/tokenizer.json"), 12, |path| {
        let Ok(tokenizer) = Tokenizer::load(path) else { return };
        if let Ok(ids) = tokenizer.encode("Once upon a time, été 😀") {
            let _ = tokenizer.decode(&ids);
        }
        let ids: Vec<u32> = (0..tokenizer.vocab_size().min(2000)).collect();
        let _ = tokenizer.decode(&ids);
    });
}

/// CRC-32 as in the manifest of a checkpoint.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn damaged_checkpoints_with_right_checksums_are_refused_or_resumed() {
    let place = Place::with_stories();
    place.run(&format!("{TRAIN} --steps 2 --out run")).ok();
    let step = "run/checkpoints/step-00000002";
    let files = ["state.json", "config.toml", "model.toml", "optimizer.safetensors", "weights.safetensors"];
    let mut random = ChaCha8Rng::seed_from_u64(13);
    let good: Value = serde_json::from_slice(&place.read(&format!("{step}/manifest.json"))).unwrap();
    for index in 0..MUTATIONS / 4 {
        let file = files[index % files.len()];
        let original = place.read(&format!("{step}/{file}"));
        let mut bytes = original.clone();
        damage(&mut bytes, &mut random);
        let mut manifest = good.clone();
        manifest["files"][file]["size"] = bytes.len().into();
        manifest["files"][file]["crc32"] = crc32(&bytes).into();
        place.write(&format!("{step}/{file}"), &bytes);
        place.write(&format!("{step}/manifest.json"), manifest.to_string());
        // `--stop-at` of a step already done: everything is read, nothing is trained or written.
        let outcome = place.run("train --resume --out run --steps 4 --stop-at 1 --threads 1");
        outcome.no_panic();
        place.run("eval --model run --data stories --windows 1 --threads 1").no_panic();
        place.write(&format!("{step}/{file}"), original);
    }
    place.write(&format!("{step}/manifest.json"), good.to_string());
    place.run("train --resume --out run --steps 4").ok();
}

#[test]
fn states_that_no_run_saved_are_refused() {
    let place = Place::with_stories();
    place.run(&format!("{TRAIN} --steps 2 --out run")).ok();
    let step = "run/checkpoints/step-00000002";
    let manifest: Value = serde_json::from_slice(&place.read(&format!("{step}/manifest.json"))).unwrap();
    let state = place.text(&format!("{step}/state.json"));
    let original: Value = serde_json::from_str(&state).unwrap();
    let most = Value::from(u64::MAX);
    let mut states = Vec::new();
    for key in ["step", "tokens_seen", "updates"] {
        states.push((vec![key], most.clone()));
        states.push((vec![key], Value::from(-1)));
    }
    for key in ["epoch", "position", "sequence", "tokens"] {
        states.push((vec!["cursor", key], most.clone()));
    }
    states.push((vec!["loss_scale"], Value::Null));
    states.push((vec!["loss_scale", "scale"], Value::from(0.0)));
    states.push((vec!["updates"], Value::from(3)));
    states.push((vec!["best"], serde_json::json!({"step": u64::MAX, "loss": -1e308})));
    for (keys, value) in states {
        let mut changed = original.clone();
        let mut place_in = &mut changed;
        for key in &keys {
            place_in = &mut place_in[*key];
        }
        *place_in = value;
        let bytes = changed.to_string();
        let mut manifest = manifest.clone();
        manifest["files"]["state.json"]["size"] = bytes.len().into();
        manifest["files"]["state.json"]["crc32"] = crc32(bytes.as_bytes()).into();
        let run = format!("run-{}", keys.join("-"));
        place.copy("run", &run);
        place.write(&format!("{run}/checkpoints/step-00000002/state.json"), &bytes);
        place.write(&format!("{run}/checkpoints/step-00000002/manifest.json"), manifest.to_string());
        let outcome = place.run(&format!("train --resume --out {run} --steps 4"));
        if keys == ["best"] {
            // Strange, but nothing that a run depends on.
            outcome.no_panic();
        } else {
            outcome.refused();
        }
        fs::remove_dir_all(place.path(&run)).unwrap();
    }
}
