//! The crate's error: one variant for each kind of fault, each with the file and the place it concerns.

use std::path::PathBuf;

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a text file and a window of tokens.
///
/// Unless a variant says otherwise the fault is in the named file, and the message says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read, write or rename a file.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was attempted, as a verb: `read`, `create`, `rename` …
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },

    /// A tokenizer file is malformed or of a kind that is not read.
    #[error("tokenizer {path}: {problem}", path = path.display())]
    Tokenizer {
        /// The tokenizer file.
        path: PathBuf,
        /// What is wrong, and where in the file.
        problem: String,
    },

    /// The tokenizer refused a text or a list of ids.
    #[error("the tokenizer cannot {action}: {problem}")]
    Tokenize {
        /// `encode`, `decode`, `train` or `save`.
        action: &'static str,
        /// The backend's reason.
        problem: String,
    },

    /// The tokenizer in use is not the one the shards were made with.
    #[error("{path} was made with tokenizer {expected:.16}…, not {found:.16}…: use the tokenizer.json beside it", path = path.display())]
    TokenizerMismatch {
        /// The shard or dataset.
        path: PathBuf,
        /// Hexadecimal digest stored with the tokens.
        expected: String,
        /// Hexadecimal digest of the tokenizer in use.
        found: String,
    },

    /// A text file holds bytes that are not UTF-8.
    #[error("{path}: not UTF-8 text at byte {offset}", path = path.display())]
    Utf8 {
        /// The text file.
        path: PathBuf,
        /// Offset of the first bad byte.
        offset: u64,
    },

    /// A token file is cut short, has a broken header, or is of another kind.
    #[error("{path}: {problem} (byte {offset})", path = path.display())]
    Malformed {
        /// The token file.
        path: PathBuf,
        /// Byte offset of the fault.
        offset: u64,
        /// What is wrong there.
        problem: String,
    },

    /// The tokens of a shard do not have the checksum its header states.
    #[error("{path}: checksum of the tokens is {found:08x}, the header says {expected:08x}: the file is damaged, prepare it again", path = path.display())]
    Checksum {
        /// The shard.
        path: PathBuf,
        /// CRC-32 in the header.
        expected: u32,
        /// CRC-32 of the tokens as read.
        found: u32,
    },

    /// A token id is outside the vocabulary.
    #[error("{path}: token {position} is {id}, outside the vocabulary of {vocabulary}", path = path.display())]
    TokenOutOfRange {
        /// The token file.
        path: PathBuf,
        /// Index of the token in the file, from 0.
        position: u64,
        /// The id found.
        id: u32,
        /// Ids must be below this.
        vocabulary: u32,
    },

    /// A split holds fewer tokens than one window needs.
    #[error("{path}: the {split} split has no run of {needed} tokens (longest: {longest}): add text or shorten the sequence", path = path.display())]
    TooShort {
        /// The dataset.
        path: PathBuf,
        /// `training` or `validation`.
        split: &'static str,
        /// Tokens of the longest run.
        longest: u64,
        /// Tokens of one window.
        needed: u64,
    },

    /// A dataset directory or its description is not usable.
    #[error("dataset {path}: {problem}", path = path.display())]
    Dataset {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },

    /// A saved cursor belongs to other data or another sequence length.
    #[error("cannot resume the data order: {problem}")]
    Cursor {
        /// What differs.
        problem: String,
    },

    /// A download failed, or what arrived is not what was published.
    #[error("{problem}")]
    Fetch {
        /// What failed and what to do instead.
        problem: String,
    },

    /// The caller asked for something impossible (a fraction above 1, a vocabulary below 259 …).
    #[error("{0}")]
    Options(String),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }

    pub(crate) fn tokenizer(path: impl Into<PathBuf>, problem: impl Into<String>) -> Error {
        Error::Tokenizer { path: path.into(), problem: problem.into() }
    }

    pub(crate) fn dataset(path: impl Into<PathBuf>, problem: impl Into<String>) -> Error {
        Error::Dataset { path: path.into(), problem: problem.into() }
    }

    pub(crate) fn malformed(path: impl Into<PathBuf>, offset: u64, problem: impl Into<String>) -> Error {
        Error::Malformed { path: path.into(), offset, problem: problem.into() }
    }
}
