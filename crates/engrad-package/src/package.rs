//! The model of an `.mlpackage`: the bytes of its `model.mlmodel`, and the program in them.
//!
//! # Reading
//!
//! * Arguments and attributes come in the order of their names, since the format keeps none, as compilers print them.
//!   Functions come in the order of the description, else likewise.
//! * The version of the text is 1.3 if a function is of `ios18` or later, else 1.0. Operation sets `CoreML5` to `CoreML9`
//!   are `ios15` to `ios19`. Of several blocks of a function, the one of its operation set is read.
//! * Names that are no identifiers get `_` for other characters, and a number if another value has that name already.
//!   Names of arguments, attributes and operations are never changed: one that is no identifier is refused.
//! * What the description says of flexible inputs becomes the function's `FlexibleShapeInformation`.
//! * Literals in tuples become named constants, as in text. Documentation strings are dropped.
//! * Refused: nested blocks (`cond`, `while_loop`), tensors of unknown rank, values whose type leaves extents open, types
//!   or values nested deeper than 32.
//!
//! # Writing
//!
//! The reverse: `FlexibleShapeInformation` goes to the description. Symbolic extents become unknown ones. A `tensor_buffer`,
//! an operation with an operation set of its own, and inputs and outputs of types that the format lacks are refused.
//!
//! A package that was read and is written again reads back as an equal program.

mod description;
mod flexible;
mod program;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use flexible::{Feature, Flexibility, Interface};
pub(crate) use program::format_version;

use std::collections::HashMap;

use engrad_mil::Program;
use prost::Message;

use crate::metadata::Metadata;
use crate::{PackageError, proto};

/// A model read from its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Its program.
    pub program: Program,
    /// Author, license and the like.
    pub metadata: Metadata,
    /// Its description, for what a program does not say.
    pub(crate) description: proto::ModelDescription,
}

/// The kinds of model that are told apart, for messages.
const OTHER: &str = "an ML program";

/// Reads the bytes of a `model.mlmodel`.
///
/// Memory is at most a few hundred times the length of `bytes`, whatever they say.
///
/// # Errors
/// [`PackageError::Decode`] if they are no model; [`PackageError::Unsupported`] with what a program has no form for.
pub fn read(bytes: &[u8]) -> Result<Spec, PackageError> {
    let model = proto::Model::decode(bytes).map_err(|error| PackageError::Decode(error.to_string()))?;
    let others = [
        (
            model.pipeline.is_some()
                || model.pipeline_classifier.is_some()
                || model.pipeline_regressor.is_some(),
            "a pipeline",
        ),
        (
            model.neural_network.is_some()
                || model.neural_network_classifier.is_some()
                || model.neural_network_regressor.is_some(),
            "a neural network of the older format",
        ),
        (model.serialized_model.is_some(), "an encrypted model"),
    ];
    let Some(program) = model.ml_program else {
        let kind = others.iter().find(|(is, _)| *is).map_or("a model of another kind", |(_, kind)| kind);
        return Err(PackageError::unsupported("model", format!("{kind}; {OTHER} is read")));
    };
    let description = model.description.unwrap_or_default();
    let mut program = program::read_program(program)?;
    let described = description.functions.iter().enumerate();
    let order: HashMap<String, usize> =
        described.map(|(at, f)| (engrad_mil::identifier(&f.name), at)).collect();
    program.functions.sort_by_key(|function| order.get(&function.name).copied().unwrap_or(usize::MAX));
    description::add_flexible_shapes(&mut program, &description)?;
    let metadata = description.metadata.as_ref().map(Metadata::from_proto).unwrap_or_default();
    Ok(Spec { program, metadata, description })
}

/// The bytes of a `model.mlmodel` that holds the program.
///
/// # Errors
/// [`PackageError::Inexpressible`] with what the format has no form for.
pub fn write(program: &Program, metadata: &Metadata) -> Result<Vec<u8>, PackageError> {
    write_with(program, metadata, None)
}

/// The same, with what a description that was read says beyond the program.
pub(crate) fn write_with(
    program: &Program,
    metadata: &Metadata,
    original: Option<&proto::ModelDescription>,
) -> Result<Vec<u8>, PackageError> {
    let ml_program = Some(program::write_program(program)?);
    let (description, specification_version) = description::describe(program, metadata, original)?;
    let model = proto::Model {
        specification_version,
        description: Some(description),
        ml_program,
        ..Default::default()
    };
    Ok(model.encode_to_vec())
}

impl Spec {
    /// The bytes of a `model.mlmodel` that reads back as this.
    ///
    /// # Errors
    /// [`PackageError::Inexpressible`] if the program was changed to something the format has no form for.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PackageError> {
        write_with(&self.program, &self.metadata, Some(&self.description))
    }
}
