use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use engrad_model::ModelConfig;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Model, NamedTensorMut, SafetensorsFile, StoreError,
    files::{plain_name, read_small, read_text, syntax},
    model::read_parameters,
    save::{
        FORMAT, MANIFEST, MODEL_CONFIG, Manifest, OPTIMIZER, REQUIRED, RUN_CONFIG, STATE, VERSION, WEIGHTS,
    },
};

/// A checkpoint directory open for reading.
///
/// Opening checks the manifest and every file's size. A file's checksum is verified before it is first used, or all
/// at once by [`Checkpoint::verify`]; [`latest`](crate::latest) returns checkpoints already verified.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    manifest: Manifest,
    verified: BTreeSet<String>,
}

/// The part of a manifest that every version has.
#[derive(Deserialize)]
struct Preamble {
    format: String,
    version: u64,
}

impl Checkpoint {
    /// Opens a checkpoint directory.
    ///
    /// # Errors
    /// [`StoreError::Version`] for a newer format, [`StoreError::Length`] or [`StoreError::Io`] for a file that is
    /// not as written, [`StoreError::Syntax`] and [`StoreError::UnsafeName`] for a manifest that is not ours.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(MANIFEST);
        let text = read_text(&path)?;
        let preamble: Preamble = serde_json::from_str(&text).map_err(|e| syntax(&path, e))?;
        if preamble.format != FORMAT {
            return Err(syntax(&path, format!("format `{}`, not `{FORMAT}`", preamble.format)));
        }
        if preamble.version != VERSION {
            return Err(StoreError::Version {
                path,
                found: preamble.version,
                supported: "checkpoint version 1",
            });
        }
        let manifest: Manifest = serde_json::from_str(&text).map_err(|e| syntax(&path, e))?;
        for name in REQUIRED {
            if !manifest.files.contains_key(name) {
                return Err(syntax(&path, format!("does not list {name}")));
            }
        }
        for (name, record) in &manifest.files {
            record.check_size(&dir.join(plain_name(name, &path)?))?;
        }
        Ok(Self { path: dir.to_owned(), manifest, verified: BTreeSet::new() })
    }

    /// Verifies every file's checksum.
    ///
    /// # Errors
    /// [`StoreError::Checksum`] naming the first damaged file.
    pub fn verify(&mut self) -> Result<(), StoreError> {
        let names: Vec<_> = self.manifest.files.keys().cloned().collect();
        names.iter().try_for_each(|name| self.intact(name).map(drop))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The step it was saved at.
    pub fn step(&self) -> u64 {
        self.manifest.step
    }

    /// The model's description.
    ///
    /// # Errors
    /// [`StoreError::Config`], or damage to the file.
    pub fn model_config(&mut self) -> Result<ModelConfig, StoreError> {
        let path = self.intact(MODEL_CONFIG)?;
        ModelConfig::from_toml(&read_text(&path)?).map_err(|source| StoreError::Config { path, source })
    }

    /// The run's resolved configuration, as it was given.
    ///
    /// # Errors
    /// Damage to the file.
    pub fn config_toml(&mut self) -> Result<String, StoreError> {
        read_text(&self.intact(RUN_CONFIG)?)
    }

    /// The training state, as it was given.
    ///
    /// # Errors
    /// [`StoreError::Syntax`] when the file is not a `T`, or damage to it.
    pub fn state<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let path = self.intact(STATE)?;
        serde_json::from_slice(&read_small(&path)?).map_err(|e| syntax(&path, e))
    }

    /// Another file by name; `None` if the checkpoint was saved without it.
    ///
    /// # Errors
    /// Damage to the file, or one longer than 64 MiB.
    pub fn extra(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.manifest.files.contains_key(name) {
            return Ok(None);
        }
        read_small(&self.intact(name)?).map(Some)
    }

    /// Description and master weights, bit for bit.
    ///
    /// # Errors
    /// As [`load`](crate::load).
    pub fn load_model(&mut self) -> Result<Model, StoreError> {
        let config = self.model_config()?;
        let path = self.intact(WEIGHTS)?;
        let tensors = read_parameters(&config, &mut [SafetensorsFile::open(&path)?], &path)?;
        Ok(Model { config, tensors })
    }

    /// Fills the optimiser's tensors, bit for bit. The names and lengths must be exactly those saved.
    ///
    /// # Errors
    /// [`StoreError::MissingTensor`], [`StoreError::UnknownTensor`], [`StoreError::TensorLength`], or damage.
    pub fn load_optimizer(&mut self, into: &mut [NamedTensorMut<'_>]) -> Result<(), StoreError> {
        let path = self.intact(OPTIMIZER)?;
        let mut file = SafetensorsFile::open(&path)?;
        let mut unused: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for (index, tensor) in file.tensors().iter().enumerate() {
            unused.insert(tensor.name.clone(), (index, tensor.shape.iter().product()));
        }
        for tensor in into.iter_mut() {
            let Some((index, elements)) = unused.remove(tensor.name.as_ref()) else {
                return Err(StoreError::MissingTensor { path, tensor: tensor.name.to_string(), count: 1 });
            };
            if elements != tensor.data.len() {
                return Err(StoreError::TensorLength {
                    tensor: tensor.name.to_string(),
                    expected: elements,
                    found: tensor.data.len(),
                });
            }
            file.read_from(index, 0, tensor.data)?;
        }
        match unused.into_keys().next() {
            Some(tensor) => Err(StoreError::UnknownTensor { path, tensor }),
            None => Ok(()),
        }
    }

    /// The path of a listed file, once its checksum is known to be right.
    fn intact(&mut self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        if !self.verified.contains(name) {
            let Some(record) = self.manifest.files.get(name) else {
                return Err(syntax(&self.path.join(MANIFEST), format!("does not list {name}")));
            };
            record.check(&path)?;
            self.verified.insert(name.to_owned());
        }
        Ok(path)
    }
}
