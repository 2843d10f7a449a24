//! One tokenizer type, whatever file it came from.
//!
//! | File | How it is read |
//! |---|---|
//! | `tokenizer.json` | as it is, without truncation and padding |
//! | SentencePiece `.model`, BPE kind | pieces and scores become ranked merges, unknown characters fall back to bytes |
//! | llama2.c `tokenizer.bin` | the same; the ids of `<unk>`, `<s>`, `</s>` are 0, 1, 2 and bytes start at 3, as llama2.c has it |
//!
//! The kind is found from the content, so a file may have any name; a directory is searched for these names.
//!
//! Text never turns into a special token: `<s>` typed by a person or found in a data file is five or so ordinary
//! pieces, as in SentencePiece. Marks around documents are put there by the caller, from [`Tokenizer::bos`] and
//! [`Tokenizer::eos`]. A tokenizer.json whose encoding is random (BPE dropout) is refused.

mod digest;
mod json;
mod llama2c;
mod scored;
mod sentencepiece;
mod stream;
mod train;

use std::path::{Path, PathBuf};

use crate::files::{read_limited, write_durably};
use crate::{Error, Result};

pub use digest::Digest;
pub use stream::StreamDecoder;
pub use train::{MAX_TRAINED_VOCABULARY, MIN_TRAINED_VOCABULARY, TrainBpe};

/// Largest tokenizer file that is read, in bytes. The largest published ones have about 35 MB.
const FILE_LIMIT: u64 = 256 << 20;

/// Names looked for in a directory, best first.
const FILE_NAMES: [&str; 3] = ["tokenizer.json", "tokenizer.model", "tokenizer.bin"];

/// Names of the token that begins a document, in the model families that are trained here.
const BOS_NAMES: [&str; 4] = ["<s>", "<|begin_of_text|>", "<bos>", "[BOS]"];

/// Names of the token that ends a document.
const EOS_NAMES: [&str; 5] = ["</s>", "<|end_of_text|>", "<|endoftext|>", "<eos>", "[EOS]"];

/// Text to token ids and back. Cheap to share by reference; encoding takes `&self` and may run on many threads.
#[derive(Debug)]
pub struct Tokenizer {
    backend: tokenizers::Tokenizer,
    bos: Option<u32>,
    eos: Option<u32>,
    vocabulary: u32,
    digest: Digest,
}

impl Tokenizer {
    /// Loads a tokenizer from a file of any kind in the module's table, or from a directory that holds one.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for a file of another kind or a damaged one, [`Error::Io`] when it cannot be read.
    pub fn load(path: &Path) -> Result<Tokenizer> {
        if path.is_dir() {
            let file = Self::find_in(path).ok_or_else(|| {
                Error::tokenizer(
                    path,
                    "the directory holds no tokenizer.json, tokenizer.model or tokenizer.bin",
                )
            })?;
            return Self::load(&file);
        }
        let bytes = read_limited(path, FILE_LIMIT)?;
        let fault = |problem: String| Error::tokenizer(path, problem);
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
            let backend = json::parse(&bytes).map_err(fault)?;
            let (bos, eos) = json::marks_beside(path)?;
            return Self::new(backend, bos.as_deref(), eos.as_deref()).map_err(fault);
        }
        // A SentencePiece file opens with a piece: field 1, length-delimited, never empty. A llama2.c file opens
        // with the length of the longest piece as a u32, whose second byte is 0 for any sane length.
        let backend = match bytes.get(..2) {
            Some([0x0a, length]) if *length != 0 => sentencepiece::parse(&bytes).map_err(fault)?,
            Some(_) => llama2c::parse(&bytes).map_err(fault)?,
            None => return Err(fault("the file is empty".into())),
        };
        Self::new(backend, None, None).map_err(fault)
    }

    /// The tokenizer file in `directory`, if there is one.
    pub fn find_in(directory: &Path) -> Option<PathBuf> {
        FILE_NAMES.iter().map(|name| directory.join(name)).find(|path| path.is_file())
    }

    /// Wraps a backend; `bos` and `eos` override the search among the usual names.
    fn new(mut backend: tokenizers::Tokenizer, bos: Option<&str>, eos: Option<&str>) -> Result<Self, String> {
        backend.with_padding(None);
        backend.with_truncation(None).map_err(|error| error.to_string())?;
        backend.set_encode_special_tokens(true);
        let find = |given: Option<&str>, names: &[&str]| match given {
            Some(name) => backend.token_to_id(name),
            None => names.iter().find_map(|name| backend.token_to_id(name)),
        };
        let (bos, eos) = (find(bos, &BOS_NAMES), find(eos, &EOS_NAMES));
        let mut pieces: Vec<(u32, String)> =
            backend.get_vocab(true).into_iter().map(|(piece, id)| (id, piece)).collect();
        pieces.sort_unstable();
        let last = pieces.last().ok_or("the vocabulary is empty")?.0;
        let vocabulary = last.checked_add(1).filter(|size| *size <= i32::MAX as u32);
        let vocabulary = vocabulary.ok_or_else(|| format!("token id {last} is out of any sensible range"))?;
        let digest = digest::of(&backend, &pieces)?;
        Ok(Tokenizer { backend, bos, eos, vocabulary, digest })
    }

    /// Ids of `text`, without any mark at its ends. The empty text has no ids.
    ///
    /// # Errors
    /// [`Error::Tokenize`] when the vocabulary has neither a piece nor a substitute for a character.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.backend.encode_fast(text, false);
        Ok(encoding.map_err(|error| refusal("encode", error))?.get_ids().to_vec())
    }

    /// [`Tokenizer::encode`] of each text, on all cores, in order.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], for the first text that fails.
    pub fn encode_batch(&self, texts: &[String]) -> Result<Vec<Vec<u32>>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let encodings = self.backend.encode_batch_fast(texts, false);
        let encodings = encodings.map_err(|error| refusal("encode", error))?;
        Ok(encodings.iter().map(|encoding| encoding.get_ids().to_vec()).collect())
    }

    /// Text of `ids`. Special tokens have no text; bytes that are not UTF-8 become U+FFFD; where encoding puts a
    /// space before a text, decoding takes it away again.
    ///
    /// # Errors
    /// [`Error::Tokenize`] for an id outside the vocabulary, with its position.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        if let Some((position, id)) = ids.iter().enumerate().find(|(_, id)| **id >= self.vocabulary) {
            let problem =
                format!("id {id} at position {position} is outside its vocabulary of {}", self.vocabulary);
            return Err(Error::Tokenize { action: "decode", problem });
        }
        self.backend.decode(ids, true).map_err(|error| refusal("decode", error))
    }

    /// A decoder for text that arrives one id at a time.
    pub fn stream(&self) -> StreamDecoder<'_> {
        StreamDecoder::new(self)
    }

    /// Id of the token that begins a document, when the vocabulary has one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Id of the token that ends a document, when the vocabulary has one.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Size of the vocabulary: the largest id plus one. A model may have more rows than this, never fewer.
    pub fn vocab_size(&self) -> u32 {
        self.vocabulary
    }

    /// Fingerprint of pieces, ids and behaviour: equal for the same tokenizer loaded from different formats.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Writes the tokenizer as a `tokenizer.json`, replacing `path` whole.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = self.backend.to_string(false).map_err(|error| refusal("save", error))?;
        write_durably(path, text.as_bytes())
    }
}

/// The backend's error as ours, on one line.
fn refusal(action: &'static str, error: tokenizers::Error) -> Error {
    Error::Tokenize { action, problem: error.to_string().replace('\n', " ") }
}

#[cfg(test)]
mod tests;
