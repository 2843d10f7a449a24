use std::{io, path::PathBuf};

use engrad_model::ModelError;
use thiserror::Error;

/// Why something could not be read or written. Every message is one line that names the file, and the tensor where
/// there is one; text that comes from the file is shortened and stripped of line breaks.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was attempted, e.g. `open`.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A path given as a model is none of the formats known here.
    #[error("{}: not a model: {reason}", path.display())]
    NotAModel {
        /// The path given.
        path: PathBuf,
        /// What was looked for.
        reason: &'static str,
    },
    /// The model description was refused.
    #[error("{}: {source}", path.display())]
    Config {
        /// The file holding the description.
        path: PathBuf,
        /// The fault.
        source: ModelError,
    },
    /// Text or a header that does not parse.
    #[error("{}: {}", path.display(), brief(message))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's message, with its position where there is one.
        message: String,
    },
    /// The file's length is not the one its header asks for.
    #[error("{}: {what} needs {expected} bytes, the file has {found}: truncated, or not this kind of file", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The part that has the wrong length.
        what: &'static str,
        /// Bytes needed.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// A tensor's entry in the header contradicts itself or its neighbours.
    #[error("{}: tensor `{}`: {reason}", path.display(), brief(tensor))]
    Layout {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The contradiction.
        reason: String,
    },
    /// A tensor that the model needs is absent.
    #[error("{}: tensor `{}` is missing ({count} missing in all)", path.display(), brief(tensor))]
    MissingTensor {
        /// The file, or the index of a sharded checkpoint.
        path: PathBuf,
        /// The first one missing.
        tensor: String,
        /// How many are missing.
        count: usize,
    },
    /// A tensor that the model has no place for.
    #[error("{}: tensor `{}` is not part of the model that its description gives", path.display(), brief(tensor))]
    UnknownTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// The same tensor twice, perhaps once with and once without the `model.` prefix.
    #[error("{}: tensor `{}` appears twice", path.display(), brief(tensor))]
    DuplicateTensor {
        /// The file of the second one.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor of another shape than the model's.
    #[error("{}: tensor `{}` has shape {found:?}, the model needs {expected:?}", path.display(), brief(tensor))]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape of the model.
        expected: Vec<usize>,
    },
    /// A tensor of a type that is not read here.
    #[error("{}: tensor `{}` has dtype {}; F32, F16 and BF16 are read", path.display(), brief(tensor), brief(dtype))]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The type as named in the file.
        dtype: String,
    },
    /// The description ties head and embedding, but the file has a head of its own.
    #[error("{}: lm_head.weight differs from the embedding although the description ties them; set tie_word_embeddings to false", path.display())]
    TiedHead {
        /// The file with the head.
        path: PathBuf,
    },
    /// A name in an index or manifest that is not a plain file name.
    #[error("{}: `{}` is not a plain file name", path.display(), brief(name))]
    UnsafeName {
        /// The file with the name in it.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A format cannot express the model.
    #[error("the {format} format cannot express this model: {reason}")]
    Inexpressible {
        /// The format.
        format: &'static str,
        /// The feature in the way.
        reason: String,
    },
    /// The destination exists and would be overwritten.
    #[error("{}: already exists and is not empty; choose another folder", path.display())]
    Exists {
        /// The destination.
        path: PathBuf,
    },
    /// A checkpoint's file is not the one that was written.
    #[error("{}: damaged: checksum {found:08x}, {expected:08x} was written", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// CRC-32 when written.
        expected: u32,
        /// CRC-32 now.
        found: u32,
    },
    /// A format version this program does not read.
    #[error("{}: format version {found}, this program reads {supported}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// What is supported.
        supported: &'static str,
    },
    /// A tensor in memory has the wrong number of elements, or is missing: the caller's fault.
    #[error("tensor `{tensor}` in memory has {found} elements, {expected} are needed")]
    TensorLength {
        /// The tensor.
        tensor: String,
        /// Elements needed.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// The memory for a tensor, whose size the file really has, cannot be had.
    #[error("{}: not enough memory for {bytes} bytes", path.display())]
    OutOfMemory {
        /// The file.
        path: PathBuf,
        /// Bytes asked for.
        bytes: u64,
    },
    /// The training state cannot be written as JSON: the caller's fault.
    #[error("the training state cannot be written as JSON: {0}")]
    State(serde_json::Error),
}

/// Text from a file, made fit for one line of an error message.
pub(crate) fn brief(text: &str) -> String {
    const LONGEST: usize = 160;
    let mut line: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::brief;

    #[test]
    fn hostile_names_do_not_break_the_line() {
        assert_eq!(brief("a\nb\u{1b}[2J"), "a b [2J");
        assert_eq!(brief(&"ä".repeat(1000)).chars().count(), 161);
    }
}
