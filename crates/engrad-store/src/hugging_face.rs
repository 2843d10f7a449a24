//! Hugging Face folders: `config.json` beside `model.safetensors`, or shards listed in `model.safetensors.index.json`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use engrad_model::{ModelConfig, ModelError};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Model, ModelView, NamedTensor, SafetensorsFile, StoreError,
    files::{io_error, parent, plain_name, read_text, rename, sibling, sync_directory, syntax, write_file},
    model::read_parameters,
    safetensors::write_in_place,
};

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The shard size `transformers` uses by default, in bytes.
pub const DEFAULT_SHARD_BYTES: u64 = 5_000_000_000;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

pub(crate) fn load(dir: &Path) -> Result<Model, StoreError> {
    let path = dir.join("config.json");
    let config = ModelConfig::from_hugging_face(&read_text(&path)?)
        .map_err(|source| StoreError::Config { path, source })?;
    let single = dir.join(WEIGHTS);
    let tensors = if single.exists() {
        read_parameters(&config, &mut [SafetensorsFile::open(&single)?], &single)?
    } else if dir.join(INDEX).exists() {
        read_parameters(&config, &mut open_shards(dir)?, &dir.join(INDEX))?
    } else {
        return Err(StoreError::NotAModel {
            path: dir.to_owned(),
            reason: "config.json without model.safetensors or model.safetensors.index.json",
        });
    };
    Ok(Model { config, tensors })
}

/// Opens each shard once and checks that index and shards list the same tensors.
fn open_shards(dir: &Path) -> Result<Vec<SafetensorsFile>, StoreError> {
    let path = dir.join(INDEX);
    let index: Index = serde_json::from_str(&read_text(&path)?).map_err(|e| syntax(&path, e))?;
    let names: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
    let mut shards = Vec::new();
    let mut found = 0;
    for name in names {
        let shard = SafetensorsFile::open(&dir.join(plain_name(name, &path)?))?;
        for tensor in shard.tensors() {
            if index.weight_map.get(&tensor.name).map(String::as_str) != Some(name) {
                return Err(StoreError::Layout {
                    path: shard.path().to_owned(),
                    tensor: tensor.name.clone(),
                    reason: format!("{INDEX} does not place it in this file"),
                });
            }
            found += 1;
        }
        shards.push(shard);
    }
    // Each tensor found was in the map, in its own shard; fewer found than mapped means that one is absent.
    if found < index.weight_map.len() {
        let absent = index.weight_map.keys().filter(|name| shards.iter().all(|s| s.find(name).is_none()));
        let absent: Vec<_> = absent.collect();
        return Err(StoreError::MissingTensor {
            path,
            tensor: absent.first().map_or_else(String::new, |name| (*name).clone()),
            count: absent.len(),
        });
    }
    Ok(shards)
}

/// Writes a folder that Hugging Face `transformers` loads: `config.json` and F32 weights, in one file or, above
/// `shard_bytes` of weights, in shards of at most that size (one tensor at least) with an index.
///
/// The folder is written beside and renamed; `dir` must not exist, or be empty.
///
/// # Errors
/// [`StoreError::Inexpressible`] for residual scaling; [`StoreError::Exists`]; [`StoreError::TensorLength`];
/// [`StoreError::Io`].
pub fn export_hugging_face(model: &ModelView<'_>, dir: &Path, shard_bytes: u64) -> Result<(), StoreError> {
    let description = model.config.to_hugging_face().map_err(|e| match e {
        ModelError::Unsupported(reason) => StoreError::Inexpressible { format: "Hugging Face", reason },
        source => StoreError::Config { path: dir.join("config.json"), source },
    })?;
    let parameters = model.checked()?;
    let tensors = model.named(&parameters);
    // `a/` and `a` are the same folder, but only the second has a sibling.
    let dir: PathBuf = dir.components().collect();
    if dir.exists() {
        let mut entries = fs::read_dir(&dir).map_err(io_error(&dir, "list"))?;
        if entries.next().is_some() {
            return Err(StoreError::Exists { path: dir });
        }
    }
    fs::create_dir_all(parent(&dir)).map_err(io_error(&dir, "create"))?;
    let beside = sibling(&dir);
    let written = write_folder(&beside, &description, &tensors, shard_bytes).and_then(|()| {
        if dir.exists() {
            fs::remove_dir(&dir).map_err(io_error(&dir, "replace"))?;
        }
        rename(&beside, &dir)
    });
    written.inspect_err(|_| {
        let _ = fs::remove_dir_all(&beside);
    })
}

fn write_folder(
    dir: &Path,
    description: &str,
    tensors: &[NamedTensor<'_>],
    shard_bytes: u64,
) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(io_error(dir, "create"))?;
    write_file(&dir.join("config.json"), description.as_bytes())?;
    let shards = split(tensors, shard_bytes);
    if let [all] = shards[..] {
        write_in_place(&dir.join(WEIGHTS), all)?;
        return sync_directory(dir);
    }
    let mut map = serde_json::Map::new();
    for (n, shard) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{:05}.safetensors", n + 1, shards.len());
        write_in_place(&dir.join(&name), shard)?;
        for tensor in *shard {
            map.insert(tensor.name.to_string(), json!(name));
        }
    }
    let total: u64 = tensors.iter().map(bytes).sum();
    let index = json!({"metadata": {"total_size": total}, "weight_map": map});
    write_file(&dir.join(INDEX), format!("{index:#}\n").as_bytes())?;
    sync_directory(dir)
}

fn bytes(tensor: &NamedTensor<'_>) -> u64 {
    4 * tensor.data.len() as u64
}

/// Consecutive runs of at most `limit` bytes, or of one tensor that is larger alone.
fn split<'s, 'a>(tensors: &'s [NamedTensor<'a>], limit: u64) -> Vec<&'s [NamedTensor<'a>]> {
    let mut shards = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (i, tensor) in tensors.iter().enumerate() {
        if i > start && size + bytes(tensor) > limit {
            shards.push(&tensors[start..i]);
            (start, size) = (i, 0);
        }
        size += bytes(tensor);
    }
    shards.push(&tensors[start..]);
    shards
}
