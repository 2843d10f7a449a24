use std::{borrow::Cow, collections::HashMap, path::Path};

use engrad_model::{ModelConfig, Parameter};

use crate::{
    Checkpoint, NamedTensor, SafetensorsFile, StoreError, files::zeros, hugging_face, llama2c, retention,
};

/// A description with its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The description.
    pub config: ModelConfig,
    /// One row-major tensor for each of [`ModelConfig::parameters`], in that order; query and key rows half-split.
    pub tensors: Vec<Vec<f32>>,
}

impl Model {
    /// The same model, borrowed.
    pub fn view(&self) -> ModelView<'_> {
        ModelView { config: &self.config, tensors: self.tensors.iter().map(Vec::as_slice).collect() }
    }
}

/// A borrowed [`Model`], so that weights kept elsewhere are written without a copy.
#[derive(Debug, Clone)]
pub struct ModelView<'a> {
    /// The description.
    pub config: &'a ModelConfig,
    /// As [`Model::tensors`].
    pub tensors: Vec<&'a [f32]>,
}

impl ModelView<'_> {
    /// The parameter table, once every tensor is known to have its parameter's length.
    pub(crate) fn checked(&self) -> Result<Vec<Parameter>, StoreError> {
        let parameters = self.config.parameters();
        for (index, parameter) in parameters.iter().enumerate() {
            let found = self.tensors.get(index).map_or(0, |t| t.len());
            if found != parameter.len() {
                return Err(StoreError::TensorLength {
                    tensor: parameter.name.clone(),
                    expected: parameter.len(),
                    found,
                });
            }
        }
        if let Some(extra) = self.tensors.get(parameters.len()) {
            return Err(StoreError::TensorLength {
                tensor: "(after the last parameter)".into(),
                expected: 0,
                found: extra.len(),
            });
        }
        Ok(parameters)
    }

    pub(crate) fn named<'s>(&'s self, parameters: &'s [Parameter]) -> Vec<NamedTensor<'s>> {
        parameters
            .iter()
            .zip(&self.tensors)
            .map(|(parameter, data)| NamedTensor {
                name: Cow::Borrowed(&parameter.name),
                shape: Cow::Borrowed(&parameter.shape),
                data,
            })
            .collect()
    }
}

/// Reads a model; what is at `path` decides how:
///
/// * a file: llama2.c `.bin`, legacy or version 1;
/// * a folder with `manifest.json`: a checkpoint of this project, its checksums verified;
/// * a folder with `config.json`: Hugging Face, `model.safetensors` or shards with an index;
/// * a folder of checkpoints: the newest whole one.
///
/// # Errors
/// [`StoreError::NotAModel`] when it is none of these; otherwise the first fault found, naming file and tensor.
pub fn load(path: &Path) -> Result<Model, StoreError> {
    if path.is_file() {
        if path.extension().is_some_and(|e| e == "safetensors") {
            return Err(StoreError::NotAModel {
                path: path.to_owned(),
                reason: "weights without a description; give the folder that also has config.json",
            });
        }
        return llama2c::load(path);
    }
    if !path.is_dir() {
        return Err(StoreError::NotAModel { path: path.to_owned(), reason: "no such file or folder" });
    }
    if path.join(crate::save::MANIFEST).is_file() {
        return Checkpoint::open(path)?.load_model();
    }
    if path.join("config.json").is_file() {
        return hugging_face::load(path);
    }
    let mut found = retention::latest(path)?;
    if let Some(checkpoint) = &mut found.checkpoint {
        return checkpoint.load_model();
    }
    Err(match found.rejected.into_iter().next() {
        Some(rejected) => rejected.error,
        None => StoreError::NotAModel {
            path: path.to_owned(),
            reason: "a folder without config.json, manifest.json or checkpoints",
        },
    })
}

/// Tensors that some exporters write and that hold no parameter: rotary tables, computed from the description.
fn is_ignored(name: &str) -> bool {
    ["rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

/// Where a tensor lies: file, then position in it.
type Place = (usize, usize);

/// Reads every parameter from one or more safetensors files; `whole` names them together in messages.
///
/// Names may lack the `model.` prefix. With tied weights a separate head is accepted if its values are those of
/// the embedding. Everything else in the files must be a parameter or be ignored by name.
pub(crate) fn read_parameters(
    config: &ModelConfig,
    files: &mut [SafetensorsFile],
    whole: &Path,
) -> Result<Vec<Vec<f32>>, StoreError> {
    let parameters = config.parameters();
    let (places, head) = place(config, &parameters, files)?;
    let absent: Vec<_> = parameters.iter().zip(&places).filter(|(_, place)| place.is_none()).collect();
    if let Some((first, _)) = absent.first() {
        return Err(StoreError::MissingTensor {
            path: whole.to_owned(),
            tensor: first.name.clone(),
            count: absent.len(),
        });
    }
    let mut tensors = Vec::with_capacity(parameters.len());
    for (parameter, &(file, tensor)) in parameters.iter().zip(places.iter().flatten()) {
        let mut values = zeros(parameter.len(), files[file].path())?;
        files[file].read_from(tensor, 0, &mut values)?;
        tensors.push(values);
    }
    if let (Some((file, tensor)), Some(embedding)) = (head, tensors.first()) {
        check_tied(embedding, &mut files[file], tensor)?;
    }
    Ok(tensors)
}

/// Finds each tensor's parameter and checks its shape and type; reads no data.
fn place(
    config: &ModelConfig,
    parameters: &[Parameter],
    files: &[SafetensorsFile],
) -> Result<(Vec<Option<Place>>, Option<Place>), StoreError> {
    let index: HashMap<&str, usize> =
        parameters.iter().enumerate().map(|(i, p)| (p.name.as_str(), i)).collect();
    let mut places: Vec<Option<Place>> = vec![None; parameters.len()];
    let mut head = None;
    for (f, file) in files.iter().enumerate() {
        for (t, tensor) in file.tensors().iter().enumerate() {
            let slot = index
                .get(tensor.name.as_str())
                .or_else(|| index.get(format!("model.{}", tensor.name).as_str()));
            let (place, shape) = match slot {
                Some(&slot) => (&mut places[slot], &parameters[slot].shape),
                // The embedding is always the first parameter.
                None if config.tied && tensor.name == "lm_head.weight" => (&mut head, &parameters[0].shape),
                None if is_ignored(&tensor.name) => continue,
                None => {
                    return Err(StoreError::UnknownTensor {
                        path: file.path().to_owned(),
                        tensor: tensor.name.clone(),
                    });
                }
            };
            if &tensor.shape != shape {
                return Err(StoreError::Shape {
                    path: file.path().to_owned(),
                    tensor: tensor.name.clone(),
                    found: tensor.shape.clone(),
                    expected: shape.clone(),
                });
            }
            file.check_dtype(t)?;
            if place.replace((f, t)).is_some() {
                return Err(StoreError::DuplicateTensor {
                    path: file.path().to_owned(),
                    tensor: tensor.name.clone(),
                });
            }
        }
    }
    Ok((places, head))
}

fn check_tied(embedding: &[f32], file: &mut SafetensorsFile, tensor: usize) -> Result<(), StoreError> {
    const CHUNK: usize = 1 << 16;
    let mut buffer = vec![0.0; CHUNK.min(embedding.len())];
    for (n, part) in embedding.chunks(CHUNK).enumerate() {
        let values = &mut buffer[..part.len()];
        file.read_from(tensor, n * CHUNK, values)?;
        if bytemuck::cast_slice::<f32, u32>(values) != bytemuck::cast_slice::<f32, u32>(part) {
            return Err(StoreError::TiedHead { path: file.path().to_owned() });
        }
    }
    Ok(())
}
