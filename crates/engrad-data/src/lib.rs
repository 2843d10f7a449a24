//! Text to tokens to batches: tokenizers, token shards, synthetic stories, an exact data cursor.
//!
//! | Module | Subject |
//! |---|---|
//! | [`tokenizer`] | one tokenizer type over every file format that is read; training; streamed decoding |
//! | [`shard`] | files of token ids: the headed format, raw ids, writing and mapped reading |
//! | [`documents`] | where one document of a text file ends and the next begins |
//! | [`mod@prepare`] | text files or generated texts to a dataset directory |
//! | [`dataset`] | a dataset opened for training: splits, windows, used ids |
//! | [`sampler`] | the order in which training sees windows, and the cursor that resumes it |
//! | [`synth`] | short simple stories from a seed |
//! | [`fetch`] | the TinyStories text from the Hugging Face hub |
//! | [`mod@inspect`] | what a file or directory of tokens holds |
//!
//! Start at [`prepare::prepare`] to make a dataset and at [`dataset::Dataset::open`] to read one.
//!
//! Nothing here knows of a model, prints, or exits. Every file that is read is taken for hostile: sizes are checked
//! before memory is reserved, ids before they are handed out, and a bad file is an [`Error`] that names the file and
//! the place in it. The single `unsafe` block of the crate maps a shard into memory.

pub mod dataset;
pub mod documents;
mod error;
pub mod fetch;
mod files;
pub mod inspect;
pub mod prepare;
pub mod sampler;
pub mod shard;
pub mod synth;
pub mod tokenizer;

pub use dataset::{Dataset, Validation};
pub use error::{Error, Result};
pub use inspect::{Inspection, inspect};
pub use prepare::{DatasetWriter, Prepare, TokenizerSource, prepare};
pub use sampler::{Cursor, Sampler};
pub use shard::{Dtype, Shard, ShardWriter, read_ids};
pub use synth::Stories;
pub use tokenizer::{Digest, StreamDecoder, Tokenizer};
