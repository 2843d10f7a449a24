//! What the tests of this crate share.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use engrad_model::ModelConfig;
use engrad_store::{Contents, Model, NamedTensor, StoreError, save};
use serde::{Deserialize, Serialize};

/// A model of a few hundred parameters, all different, negative zero and NaN among them.
pub(crate) fn small(change: impl FnOnce(&mut ModelConfig)) -> Model {
    let mut config = ModelConfig {
        dim: 8,
        hidden: 6,
        layers: 2,
        heads: 2,
        kv_heads: 1,
        head_dim: 4,
        vocab: 5,
        sequence: 3,
        ..engrad_model::preset("tiny").unwrap()
    };
    change(&mut config);
    config.validate().unwrap();
    let mut bits = 0x9e37_79b9u32;
    let mut tensors: Vec<Vec<f32>> =
        config.parameters().iter().map(|p| (0..p.len()).map(|_| next(&mut bits)).collect()).collect();
    tensors[0][..3].copy_from_slice(&[-0.0, f32::NAN, f32::MIN_POSITIVE / 2.0]);
    Model { config, tensors }
}

fn next(bits: &mut u32) -> f32 {
    *bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*bits >> 8) as f32 / (1 << 24) as f32 - 0.5
}

/// Equality of every bit, NaN included.
#[track_caller]
pub(crate) fn assert_same_bits(a: &Model, b: &Model) {
    let bits = |m: &Model| -> Vec<Vec<u32>> {
        m.tensors.iter().map(|t| t.iter().map(|v| v.to_bits()).collect()).collect()
    };
    assert_eq!(a.config, b.config);
    assert!(bits(a) == bits(b), "tensors differ");
}

/// A stand-in for a training loop's state.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) step: u64,
    pub(crate) loss_scale: f32,
    pub(crate) best: Option<f64>,
    pub(crate) cursor: u128,
}

impl State {
    pub(crate) fn at(step: u64) -> Self {
        Self {
            step,
            loss_scale: 65_536.0,
            // Needs correct rounding of decimals to survive.
            best: Some(2.638_344_616_030_823e-256 * step as f64),
            cursor: u128::MAX - u128::from(step),
        }
    }
}

pub(crate) fn save_small(root: &Path, step: u64) -> PathBuf {
    let model = small(|_| {});
    let second = [3.0, step as f32];
    let moments: Vec<NamedTensor<'_>> = [("first.a", &[1.0, 2.0][..]), ("second.a", &second)]
        .into_iter()
        .map(|(name, data)| NamedTensor { name: name.into(), shape: vec![data.len()].into(), data })
        .collect();
    let contents = Contents {
        model: model.view(),
        optimizer: &moments,
        state: &State::at(step),
        config_toml: "steps = 10\n",
        extra: &[("note.txt", b"hello")],
    };
    save(root, step, &contents).unwrap()
}

pub(crate) fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The error's message, one line that names `file`.
#[track_caller]
pub(crate) fn one_line<T: std::fmt::Debug>(result: Result<T, StoreError>, file: &str) -> String {
    let text = result.unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    assert!(text.contains(file), "{text} does not name {file}");
    text
}

/// Third-party files of the development tree; `None`, with a message, on a machine without them.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: {} is not there", found.display());
    None
}

pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}
