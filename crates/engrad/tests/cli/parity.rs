//! `logits` and `grads` against PyTorch, through the files a person would compare.

use std::path::Path;

use engrad_store::SafetensorsFile;
use serde_json::Value;

use crate::place::{Place, copy, shared};

fn relative_error(got: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let square = |v: f32| f64::from(v) * f64::from(v);
    let difference: f64 = got.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    let norm: f64 = expected.iter().map(|b| square(*b)).sum();
    (difference / norm.max(1e-30)).sqrt()
}

fn compare(got: &Path, expected: &Path, prefix: &str, tolerance: f64) {
    let (mut got, mut expected) =
        (SafetensorsFile::open(got).unwrap(), SafetensorsFile::open(expected).unwrap());
    let names: Vec<_> = got.tensors().iter().map(|t| (t.name.clone(), t.shape.clone())).collect();
    let wanted = expected.tensors().iter().filter(|t| t.name.starts_with(prefix)).count();
    assert_eq!(names.len(), wanted);
    for (name, shape) in names {
        let theirs = format!("{prefix}{}", name.strip_prefix(prefix).unwrap_or(&name));
        let place = expected.find(&theirs).unwrap_or_else(|| panic!("{theirs} is not expected"));
        assert_eq!(expected.tensors()[place].shape, shape, "{theirs}");
        let error = relative_error(&got.read(&name).unwrap(), &expected.read(&theirs).unwrap());
        assert!(error <= tolerance, "{theirs}: {error:.2e}");
    }
}

#[test]
fn logits_gradients_and_loss_agree_with_pytorch() {
    let place = Place::new();
    let cases = [
        ("llama-gqa-untied", "model"),
        ("qwen3-gqa-tied", "model"),
        ("llama2c-tiny", "model.bin"),
        ("llama-sharded", "model"),
    ];
    for (case, weights) in cases {
        place.add_fixture(case);
        let expected = place.path(&format!("{case}/expected.safetensors"));
        let record: Value = serde_json::from_slice(&place.read(&format!("{case}/expected.json"))).unwrap();
        for (flags, tolerance) in
            [("f32 --layout ports", 1e-4), ("f32 --layout packed", 1e-4), ("fast", 2e-2)]
        {
            let flags = format!("--model {case}/{weights} --tokens {case}/tokens.u16 --numerics {flags}");
            place.run(&format!("logits {flags} --out logits.safetensors")).ok();
            compare(&place.path("logits.safetensors"), &expected, "logits", tolerance);
            let outcome = place.run(&format!("grads {flags} --out grads.safetensors")).ok();
            compare(&place.path("grads.safetensors"), &expected, "grad.", tolerance);
            let printed: Value = serde_json::from_str(&outcome.stdout).unwrap();
            let (loss, wanted) = (printed["loss"].as_f64().unwrap(), record["loss"].as_f64().unwrap());
            assert!((loss - wanted).abs() <= tolerance * wanted, "{case}: loss {loss}, not {wanted}");
        }
    }
}

#[test]
fn tokens_of_two_and_of_four_bytes_mean_the_same() {
    let place = Place::new();
    place.add_fixture("llama2c-tiny");
    let narrow = place.read("llama2c-tiny/tokens.u16");
    let wide: Vec<u8> = narrow.chunks(2).flat_map(|id| [id[0], id[1], 0, 0]).collect();
    place.write("tokens.u32", wide);
    for (tokens, out) in [("llama2c-tiny/tokens.u16", "narrow"), ("tokens.u32", "wide")] {
        place.run(&format!("logits --model llama2c-tiny/model.bin --tokens {tokens} --out {out}")).ok();
    }
    assert_eq!(place.read("narrow"), place.read("wide"));
}

#[test]
fn published_logits_of_tiny_checkpoints_are_reproduced() {
    for case in ["tiny-llama", "tiny-qwen3"] {
        let Some(folder) = shared(&format!("hf/{case}")) else { return };
        let place = Place::new();
        copy(&folder, &place.path(case));
        let golden: Value = serde_json::from_slice(&place.read(&format!("{case}/golden.json"))).unwrap();
        for (name, record) in golden["cases"].as_object().unwrap() {
            let expected = record["logits"].as_array().unwrap();
            let rows = record["input_ids"].as_array().unwrap();
            for (row, expected) in rows.iter().zip(expected.chunks(expected.len() / rows.len())) {
                // The command wants a target for each input; logits do not depend on it.
                let mut ids: Vec<u16> =
                    row.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u16).collect();
                ids.push(0);
                place.write("ids.u16", ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>());
                place.run(&format!("logits --model {case} --tokens ids.u16 --numerics f32 --out l")).ok();
                let got = SafetensorsFile::open(&place.path("l")).unwrap().read("logits").unwrap();
                assert_eq!(got.len(), expected.len());
                for (got, expected) in got.iter().zip(expected) {
                    let difference = (f64::from(*got) - expected.as_f64().unwrap()).abs();
                    assert!(difference <= 1e-4, "{case} {name}: {difference:.2e}");
                }
            }
        }
    }
}
