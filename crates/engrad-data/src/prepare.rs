//! Texts to a dataset directory.
//!
//! A dataset directory holds `tokenizer.json`, shards `train-00000.tok` … and `validation-00000.tok` …, and
//! `dataset.json` ([`Manifest`]). The manifest is written last, so a directory without one is an unfinished dataset
//! and is simply written again.
//!
//! Every document begins with the tokenizer's begin mark, as llama2.c does, and has no end mark. A tokenizer without
//! a begin mark (Qwen, GPT-2) puts its end mark after each document instead. Documents are split into training and
//! validation one by one, never inside: of any run of documents the same share goes to validation, evenly spread,
//! without chance. Memory holds a batch of documents, not the data.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::documents::Documents;
use crate::files::write_durably;
use crate::shard::{Dtype, ShardWriter};
use crate::tokenizer::{Digest, Tokenizer, TrainBpe};
use crate::{Error, Result};

/// Name of the manifest in a dataset directory.
pub const MANIFEST: &str = "dataset.json";

/// Name of the tokenizer in a dataset directory.
pub const TOKENIZER: &str = "tokenizer.json";

/// Version of the manifest.
pub(crate) const FORMAT: u32 = 1;

/// Text encoded at a time.
const BATCH_BYTES: usize = 4 << 20;

/// Text that a vocabulary is trained on, at most; more changes little and takes long.
const TRAINING_BYTES: usize = 64 << 20;

/// What a dataset directory holds, as stored in its `dataset.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this description, 1.
    pub format: u32,
    /// Every id is below this.
    pub vocabulary: u32,
    /// How ids are stored.
    pub dtype: Dtype,
    /// The id that stands once in each document, if the tokenizer has marks.
    pub boundary: Option<u32>,
    /// Fingerprint of the tokenizer.
    pub tokenizer: Digest,
    /// Training shards in order.
    pub train: Vec<ShardEntry>,
    /// Validation shards in order.
    pub validation: Vec<ShardEntry>,
}

/// One shard of a [`Manifest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// File name in the directory.
    pub file: String,
    /// Count of ids.
    pub tokens: u64,
    /// Count of documents.
    pub documents: u64,
}

impl Manifest {
    /// Tokens of the training split.
    pub fn train_tokens(&self) -> u64 {
        self.train.iter().map(|shard| shard.tokens).fold(0, u64::saturating_add)
    }

    /// Tokens of the validation split.
    pub fn validation_tokens(&self) -> u64 {
        self.validation.iter().map(|shard| shard.tokens).fold(0, u64::saturating_add)
    }

    /// Documents of both splits.
    pub fn documents(&self) -> u64 {
        let shards = self.train.iter().chain(&self.validation);
        shards.map(|shard| shard.documents).fold(0, u64::saturating_add)
    }
}

/// Where the tokenizer of a new dataset comes from.
#[derive(Clone, Debug)]
pub enum TokenizerSource {
    /// A tokenizer file, or a directory with one.
    File(PathBuf),
    /// Byte-level BPE trained on the input texts, the first 64 MiB of them.
    Train {
        /// Vocabulary size, marks and bytes included.
        vocabulary: u32,
    },
}

/// How texts become shards.
#[derive(Clone, Debug)]
pub struct Split {
    /// Share of documents for validation, from 0 to below 1.
    pub validation_fraction: f64,
    /// A shard is closed once it has this many tokens.
    pub shard_tokens: u64,
}

impl Default for Split {
    fn default() -> Self {
        Split { validation_fraction: 0.05, shard_tokens: 100 << 20 }
    }
}

/// Settings of [`prepare`].
#[derive(Clone, Debug)]
pub struct Prepare {
    /// Text files.
    pub inputs: Vec<PathBuf>,
    /// Text files for validation only; when given, the validation fraction must be 0.
    pub validation_inputs: Vec<PathBuf>,
    /// Where the tokenizer comes from.
    pub tokenizer: TokenizerSource,
    /// Splitting and shard size.
    pub split: Split,
    /// The dataset directory to make. It must not hold a finished dataset.
    pub out: PathBuf,
}

/// How far preparing has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A vocabulary is being trained on this many documents.
    TrainingVocabulary {
        /// Documents it sees.
        documents: u64,
    },
    /// Documents are being encoded.
    Encoding {
        /// Bytes of all input files.
        bytes_total: u64,
        /// Bytes read so far.
        bytes: u64,
        /// Tokens written so far.
        tokens: u64,
    },
}

/// Makes a dataset directory from text files. `progress` is called now and then on this thread.
///
/// # Errors
/// [`Error::Options`] for settings that contradict each other, [`Error::Dataset`] when `out` already holds a dataset
/// or a split would stay empty, and every error of reading texts and tokenizers.
pub fn prepare(settings: &Prepare, progress: &mut dyn FnMut(Progress)) -> Result<Manifest> {
    if settings.inputs.is_empty() {
        return Err(Error::Options("no text files to prepare".into()));
    }
    if !settings.validation_inputs.is_empty() && settings.split.validation_fraction != 0.0 {
        return Err(Error::Options(
            "give validation files or a validation fraction, not both (set the fraction to 0)".into(),
        ));
    }
    refuse_existing(&settings.out)?;
    let mut bytes_total = 0;
    for path in settings.inputs.iter().chain(&settings.validation_inputs) {
        let found = fs::metadata(path).map_err(Error::io("read", path))?;
        // Each file is read more than once, and to its end.
        if !found.is_file() {
            return Err(Error::malformed(path, 0, "not a regular file"));
        }
        bytes_total += found.len();
    }
    let tokenizer = match &settings.tokenizer {
        TokenizerSource::File(path) => Tokenizer::load(path)?,
        TokenizerSource::Train { vocabulary } => {
            let texts = sample(&settings.inputs)?;
            progress(Progress::TrainingVocabulary { documents: texts.len() as u64 });
            Tokenizer::train_bpe(texts.into_iter(), &TrainBpe::new(*vocabulary))?
        }
    };
    let mut writer = DatasetWriter::create(&settings.out, tokenizer, &settings.split)?;
    let mut done = 0;
    for (paths, validation_only) in [(&settings.inputs, false), (&settings.validation_inputs, true)] {
        for path in paths {
            let mut documents = Documents::open(path)?;
            while let Some(document) = documents.next() {
                let wrote = match validation_only {
                    false => writer.push(document?)?,
                    true => writer.push_validation(document?)?,
                };
                if wrote {
                    let bytes = done + documents.offset();
                    progress(Progress::Encoding { bytes_total, bytes, tokens: writer.tokens });
                }
            }
            done += documents.offset();
        }
    }
    let manifest = writer.finish()?;
    let tokens = manifest.train_tokens().saturating_add(manifest.validation_tokens());
    progress(Progress::Encoding { bytes_total, bytes: done, tokens });
    Ok(manifest)
}

/// The first documents of the files, up to [`TRAINING_BYTES`].
fn sample(paths: &[PathBuf]) -> Result<Vec<String>> {
    let (mut texts, mut bytes) = (Vec::new(), 0);
    for path in paths {
        for document in Documents::open(path)? {
            let document = document?;
            bytes += document.len();
            texts.push(document);
            if bytes >= TRAINING_BYTES {
                return Ok(texts);
            }
        }
    }
    Ok(texts)
}

fn refuse_existing(out: &Path) -> Result<()> {
    if out.join(MANIFEST).exists() {
        return Err(Error::dataset(out, "already holds a dataset: remove it or choose another directory"));
    }
    Ok(())
}

/// Writes a dataset directory document by document.
#[derive(Debug)]
pub struct DatasetWriter {
    out: PathBuf,
    tokenizer: Tokenizer,
    split: Split,
    train: SplitWriter,
    validation: SplitWriter,
    /// Documents seen that are split by fraction.
    documents: u64,
    /// Texts not yet encoded, and whether each is for validation.
    batch: Vec<String>,
    batch_validation: Vec<bool>,
    batch_bytes: usize,
    tokens: u64,
}

impl DatasetWriter {
    /// Makes the directory and stores the tokenizer in it.
    ///
    /// # Errors
    /// [`Error::Options`] for a fraction outside [0, 1) or empty shards, [`Error::Dataset`] when `out` already holds
    /// a dataset, [`Error::Io`].
    pub fn create(out: &Path, tokenizer: Tokenizer, split: &Split) -> Result<DatasetWriter> {
        if !(0.0..1.0).contains(&split.validation_fraction) {
            let fraction = split.validation_fraction;
            return Err(Error::Options(format!(
                "a validation fraction of {fraction} is not in 0 to below 1"
            )));
        }
        if split.shard_tokens == 0 {
            return Err(Error::Options("a shard needs at least one token".into()));
        }
        refuse_existing(out)?;
        fs::create_dir_all(out).map_err(Error::io("create", out))?;
        tokenizer.save(&out.join(TOKENIZER))?;
        Ok(DatasetWriter {
            out: out.to_owned(),
            tokenizer,
            split: split.clone(),
            train: SplitWriter::new("train"),
            validation: SplitWriter::new("validation"),
            documents: 0,
            batch: Vec::new(),
            batch_validation: Vec::new(),
            batch_bytes: 0,
            tokens: 0,
        })
    }

    /// Takes a document for training or, by the split's fraction, for validation. Whether a batch was written.
    ///
    /// # Errors
    /// [`Error::Tokenize`] for a text that cannot be spelled, [`Error::Io`].
    pub fn push(&mut self, text: String) -> Result<bool> {
        let share = |documents: u64| (documents as f64 * self.split.validation_fraction).floor();
        let validation = share(self.documents + 1) > share(self.documents);
        self.documents += 1;
        self.add(text, validation)
    }

    /// Takes a document for validation. Whether a batch was written.
    ///
    /// # Errors
    /// As [`DatasetWriter::push`].
    pub fn push_validation(&mut self, text: String) -> Result<bool> {
        self.add(text, true)
    }

    /// Tokens written so far, both splits.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Closes the shards and writes the manifest.
    ///
    /// # Errors
    /// [`Error::Dataset`] when a split that was asked for has no document, [`Error::Io`].
    pub fn finish(mut self) -> Result<Manifest> {
        self.flush()?;
        let (train, validation) = (self.train.finish()?, self.validation.finish()?);
        if train.is_empty() {
            return Err(Error::dataset(&self.out, "the input has no document for training"));
        }
        if validation.is_empty() && self.split.validation_fraction > 0.0 {
            let problem = format!(
                "{} documents are too few for a validation fraction of {}: give more text, a larger fraction, or 0",
                self.documents, self.split.validation_fraction
            );
            return Err(Error::dataset(&self.out, problem));
        }
        let vocabulary = self.tokenizer.vocab_size();
        let manifest = Manifest {
            format: FORMAT,
            vocabulary,
            dtype: Dtype::for_vocabulary(vocabulary),
            boundary: boundary(&self.tokenizer),
            tokenizer: self.tokenizer.digest(),
            train,
            validation,
        };
        let path = self.out.join(MANIFEST);
        let text = serde_json::to_string_pretty(&manifest);
        let text = text.map_err(|error| Error::dataset(&path, error.to_string()))?;
        write_durably(&path, (text + "\n").as_bytes())?;
        Ok(manifest)
    }

    fn add(&mut self, text: String, validation: bool) -> Result<bool> {
        self.batch_bytes += text.len();
        self.batch.push(text);
        self.batch_validation.push(validation);
        if self.batch_bytes < BATCH_BYTES {
            return Ok(false);
        }
        self.flush()?;
        Ok(true)
    }

    fn flush(&mut self) -> Result<()> {
        let encoded = self.tokenizer.encode_batch(&self.batch)?;
        for (mut ids, validation) in encoded.into_iter().zip(&self.batch_validation) {
            match (self.tokenizer.bos(), self.tokenizer.eos()) {
                (Some(bos), _) => ids.insert(0, bos),
                (None, Some(eos)) => ids.push(eos),
                (None, None) => {}
            }
            self.tokens += ids.len() as u64;
            let split = if *validation { &mut self.validation } else { &mut self.train };
            split.push(&self.out, &self.tokenizer, self.split.shard_tokens, &ids)?;
        }
        self.batch.clear();
        self.batch_validation.clear();
        self.batch_bytes = 0;
        Ok(())
    }
}

/// The id that stands once in each document.
fn boundary(tokenizer: &Tokenizer) -> Option<u32> {
    tokenizer.bos().or(tokenizer.eos())
}

/// The shards of one split.
#[derive(Debug)]
struct SplitWriter {
    name: &'static str,
    open: Option<(String, ShardWriter)>,
    done: Vec<ShardEntry>,
}

impl SplitWriter {
    fn new(name: &'static str) -> Self {
        SplitWriter { name, open: None, done: Vec::new() }
    }

    fn push(&mut self, out: &Path, tokenizer: &Tokenizer, shard_tokens: u64, ids: &[u32]) -> Result<()> {
        let (file, mut writer) = match self.open.take() {
            Some(open) => open,
            None => {
                let file = format!("{}-{:05}.tok", self.name, self.done.len());
                let path = out.join(&file);
                let vocabulary = tokenizer.vocab_size();
                (file, ShardWriter::create(&path, vocabulary, boundary(tokenizer), tokenizer.digest())?)
            }
        };
        writer.push_document(ids)?;
        let full = writer.len() >= shard_tokens;
        self.open = Some((file, writer));
        if full { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<()> {
        if let Some((file, writer)) = self.open.take() {
            let header = writer.finish()?;
            self.done.push(ShardEntry { file, tokens: header.count, documents: header.documents });
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<ShardEntry>> {
        self.close()?;
        Ok(std::mem::take(&mut self.done))
    }
}
