//! Writing a checkpoint: a hidden directory beside its place, every file and the directory flushed, then one rename.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    ModelView, NamedTensor, StoreError,
    files::{FileRecord, io_error, plain_name, rename, sync_directory, write_file},
    retention::{Stage, clean, discard},
    safetensors::write_in_place,
};

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const WEIGHTS: &str = "weights.safetensors";
pub(crate) const OPTIMIZER: &str = "optimizer.safetensors";
pub(crate) const STATE: &str = "state.json";
pub(crate) const RUN_CONFIG: &str = "config.toml";
pub(crate) const MODEL_CONFIG: &str = "model.toml";
/// Every checkpoint has these besides its manifest.
pub(crate) const REQUIRED: [&str; 5] = [WEIGHTS, OPTIMIZER, STATE, RUN_CONFIG, MODEL_CONFIG];

pub(crate) const FORMAT: &str = "engrad-checkpoint";
pub(crate) const VERSION: u64 = 1;

/// `manifest.json`, written last: what a whole checkpoint consists of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: String,
    pub(crate) version: u64,
    pub(crate) step: u64,
    pub(crate) files: BTreeMap<String, FileRecord>,
}

/// What goes into a checkpoint; everything is borrowed and streamed, nothing is copied.
#[derive(Debug)]
pub struct Contents<'a, S> {
    /// Master weights.
    pub model: ModelView<'a>,
    /// Optimiser tensors, e.g. both moments of every parameter, under any unique names.
    pub optimizer: &'a [NamedTensor<'a>],
    /// Everything else that a bit-exact resumption needs: schedule, loss scale, random state, data cursor, best
    /// validation loss. Written as JSON, which keeps every finite f32 and f64 exactly; NaN and infinities become
    /// `null` and need an `Option`.
    pub state: &'a S,
    /// The run's resolved configuration, as TOML.
    pub config_toml: &'a str,
    /// More files: plain name and bytes.
    pub extra: &'a [(&'a str, &'a [u8])],
}

/// Saves `root/step-NNNNNNNN` and returns its path. `root` is made if it does not exist.
///
/// At every moment, also if the process is killed or the power fails, `root` holds every earlier checkpoint whole
/// and this one whole or not at all; saving a step again replaces it under the same promise. What an interrupted
/// save left behind is removed first. One process at a time may write to a root.
///
/// # Errors
/// [`StoreError::TensorLength`], [`StoreError::DuplicateTensor`], [`StoreError::UnsafeName`] and
/// [`StoreError::State`] for faults of the contents, [`StoreError::Io`] for those of the disk.
pub fn save<S: Serialize>(root: &Path, step: u64, contents: &Contents<'_, S>) -> Result<PathBuf, StoreError> {
    fs::create_dir_all(root).map_err(io_error(root, "create"))?;
    clean(root)?;
    let staged = Stage::Unfinished.path(root, step);
    write_directory(&staged, step, contents).inspect_err(|_| {
        let _ = fs::remove_dir_all(&staged);
    })?;
    publish(root, step)
}

/// Writes a whole checkpoint directory and flushes it.
pub(crate) fn write_directory<S: Serialize>(
    dir: &Path,
    step: u64,
    contents: &Contents<'_, S>,
) -> Result<(), StoreError> {
    let parameters = contents.model.checked()?;
    let model_toml = contents
        .model
        .config
        .to_toml()
        .map_err(|source| StoreError::Config { path: dir.join(MODEL_CONFIG), source })?;
    let state = serde_json::to_vec_pretty(contents.state).map_err(StoreError::State)?;
    for &(name, _) in contents.extra {
        plain_name(name, dir)?;
        if name == MANIFEST || REQUIRED.contains(&name) {
            return Err(StoreError::UnsafeName { path: dir.to_owned(), name: name.to_owned() });
        }
    }

    fs::create_dir(dir).map_err(io_error(dir, "create"))?;
    let mut files = BTreeMap::new();
    let weights = contents.model.named(&parameters);
    files.insert(WEIGHTS.into(), write_in_place(&dir.join(WEIGHTS), &weights)?);
    files.insert(OPTIMIZER.into(), write_in_place(&dir.join(OPTIMIZER), contents.optimizer)?);
    let small = [
        (STATE, state.as_slice()),
        (RUN_CONFIG, contents.config_toml.as_bytes()),
        (MODEL_CONFIG, model_toml.as_bytes()),
    ];
    for (name, bytes) in small.into_iter().chain(contents.extra.iter().copied()) {
        files.insert(name.to_owned(), write_file(&dir.join(name), bytes)?);
    }
    let manifest = Manifest { format: FORMAT.into(), version: VERSION, step, files };
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(StoreError::State)?;
    write_file(&dir.join(MANIFEST), &manifest)?;
    sync_directory(dir)
}

/// Gives a staged directory its final name.
pub(crate) fn publish(root: &Path, step: u64) -> Result<PathBuf, StoreError> {
    let staged = Stage::Unfinished.path(root, step);
    let place = Stage::Whole.path(root, step);
    if !place.exists() {
        rename(&staged, &place)?;
        return Ok(place);
    }
    // Directories cannot be exchanged in one call everywhere. Between these two renames the old one is still found,
    // under its replaced name.
    let replaced = Stage::Replaced.path(root, step);
    rename(&place, &replaced)?;
    rename(&staged, &place)?;
    discard(root, step, &replaced)?;
    Ok(place)
}
