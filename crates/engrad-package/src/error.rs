use std::path::{Path, PathBuf};

use engrad_mil::MilError;
use thiserror::Error;

/// What this crate can refuse.
#[derive(Debug, Error)]
pub enum PackageError {
    /// The system refused to read or write.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Not a model of a kind that is read.
    #[error("{}: {reason}", path.display())]
    Unknown {
        /// What was opened.
        path: PathBuf,
        /// What was expected.
        reason: String,
    },
    /// Larger than what is read.
    #[error("{}: {size} bytes; at most {limit} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Program text is damaged, or a weight file does not hold what the program refers to.
    #[error("{}: {source}", path.display())]
    Mil {
        /// The model.
        path: PathBuf,
        /// What is wrong.
        source: MilError,
    },
    /// A description in JSON (`Manifest.json`, `metadata.json`) is damaged.
    #[error("{}: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The bytes are no model of Core ML's format.
    #[error("the model is damaged: {0}")]
    Decode(String),
    /// The model says something that a program cannot; the place is that of the package.
    #[error("{place}: {reason}")]
    Unsupported {
        /// Function, operation, value.
        place: String,
        /// What it is and what would do.
        reason: String,
    },
    /// The program says something that a package cannot.
    #[error("{place}: {reason}")]
    Inexpressible {
        /// Function, operation, value.
        place: String,
        /// What it is and what would do.
        reason: String,
    },
    /// A path of a weight file leaves the model, or is none.
    #[error("weight file `{}`: {reason}", path.escape_debug())]
    WeightPath {
        /// As the program has it.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something is where the model would be written.
    #[error("{} exists already; remove it or ask for it to be replaced", .0.display())]
    Exists(PathBuf),
}

impl PackageError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn mil(path: &Path) -> impl FnOnce(MilError) -> Self + '_ {
        move |source| Self::Mil { path: path.to_owned(), source }
    }

    pub(crate) fn unsupported(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported { place: place.into(), reason: reason.into() }
    }

    pub(crate) fn inexpressible(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Inexpressible { place: place.into(), reason: reason.into() }
    }
}
