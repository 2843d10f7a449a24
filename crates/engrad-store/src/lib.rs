//! Weights and training state on disk.
//!
//! * [`load`] reads a [`Model`] from a Hugging Face folder, a llama2.c `.bin` file or a checkpoint of this project;
//!   [`export_hugging_face`] and [`export_llama2c`] write the first two.
//! * [`Checkpoint`] saves and restores everything a training run needs, one directory per step; [`latest`] finds
//!   the newest whole one, [`retain`] deletes old ones.
//! * [`SafetensorsFile`] and [`write_safetensors`] are the format underneath, for other files of named tensors.
//!
//! In memory every tensor is f32, row-major, in the order and shapes of
//! [`ModelConfig::parameters`](engrad_model::ModelConfig::parameters), query and key rows in half-split rotary order.
//!
//! Every file read here is hostile until checked: sizes are compared with the file's length before anything is
//! allocated, names that would leave the folder are refused, and no input makes these functions panic.
//! Files appear under their final name only when complete and flushed to the disk.
//!
//! This crate knows nothing of the training loop, optimisers or engines, maps no files into memory (a file cut short
//! by another process is an error, not a signal), prints nothing, and does no arithmetic but dtype conversion.
#![forbid(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("the formats here are little-endian and are read without swapping bytes");

mod checkpoint;
mod error;
mod files;
mod hugging_face;
mod llama2c;
mod model;
mod retention;
mod safetensors;
mod save;

pub use checkpoint::Checkpoint;
pub use error::StoreError;
pub use hugging_face::{DEFAULT_SHARD_BYTES, export_hugging_face};
pub use llama2c::export_llama2c;
pub use model::{Model, ModelView, load};
pub use retention::{Latest, Rejected, checkpoints, latest, retain};
pub use safetensors::{NamedTensor, NamedTensorMut, SafetensorsFile, TensorInfo, write_safetensors};
pub use save::{Contents, save};
