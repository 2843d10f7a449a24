//! Models as files and folders.
//!
//! * [`Model`]: a program with its weight files and metadata, opened from and saved to any of the three forms.
//! * [`convert`]: from one form to another.
//! * [`package`]: the protobuf of an `.mlpackage`, as bytes.
//!
//! | Form | Holds |
//! |---|---|
//! | `.mil` | program text; weight files beside it |
//! | `.mlmodelc` | `model.mil`, `weights/…`, `metadata.json`: what Core ML's compiler makes |
//! | `.mlpackage` | `Manifest.json`, `Data/com.apple.CoreML/model.mlmodel`, `weights/…` beside that: what Core ML's tools exchange |
//!
//! `coremldata.bin` and `analytics` of a compiled model have no public description: they are neither read nor written. A
//! folder written here is for tools that take `model.mil` and weights, as compilers for the Neural Engine do; Core ML's
//! own loader wants those files too, and gets them from Apple's compiler through an `.mlpackage`.
//!
//! Files are hostile: sizes are bounded before anything is read, paths never leave the model, and nothing here panics. Nothing
//! is executed, printed or fetched.
#![forbid(unsafe_code)]

mod error;
mod manifest;
mod metadata;
mod model;
pub mod package;
mod proto;
mod schema;
mod weights;
mod write;

pub use error::PackageError;
pub use metadata::Metadata;
pub use model::{Format, Model, convert, program_text};
