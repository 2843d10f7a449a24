//! A dataset opened for training and validation.
//!
//! A dataset is one of: a directory with a manifest (see [`mod@crate::prepare`]); a directory of raw files, of which the
//! first by name is the validation split when there are several, as llama2.c does; a single shard or raw file,
//! whose last twentieth is the validation split.
//!
//! A split is a list of runs of tokens; a **window** is `sequence + 1` consecutive tokens within one run, the first
//! `sequence` of them inputs and the last `sequence` targets. Neighbouring windows share one token, so every token
//! but the first of a run is a target once.
//!
//! Opening reads all tokens once, to verify checksums and ids.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::files::read_limited;
use crate::prepare::{FORMAT, MANIFEST, Manifest, TOKENIZER};
use crate::shard::{Shard, raw_dtype};
use crate::tokenizer::{Digest, Tokenizer};
use crate::{Error, Result};

/// Largest manifest that is read, in bytes.
const MANIFEST_LIMIT: u64 = 16 << 20;

/// A single file gives one part in this many, its end, to validation.
const VALIDATION_PART: u64 = 20;

/// The tokens of a training and a validation split.
#[derive(Debug)]
pub struct Dataset {
    path: PathBuf,
    vocabulary: u32,
    boundary: Option<u32>,
    tokenizer: Option<(PathBuf, Digest)>,
    sources: Vec<Source>,
    train: Vec<Run>,
    validation: Vec<Run>,
}

#[derive(Debug)]
enum Source {
    File(Shard),
    Memory(Vec<u32>),
}

impl Source {
    fn len(&self) -> u64 {
        match self {
            Source::File(shard) => shard.len(),
            Source::Memory(ids) => ids.len() as u64,
        }
    }
}

/// Consecutive tokens of one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    source: usize,
    start: u64,
    pub(crate) len: u64,
}

impl Dataset {
    /// Opens a dataset directory, a shard or a raw file, for a model with `vocabulary` ids.
    ///
    /// Without `vocabulary`, ids are only held to what the files state; for raw files that is nothing, and
    /// [`Dataset::vocabulary`] is the largest id plus one.
    ///
    /// # Errors
    /// Every error of [`Shard::open`] and [`Shard::verify`], and [`Error::Dataset`] for a directory without tokens,
    /// a broken manifest, or shards that do not fit it.
    pub fn open(path: &Path, vocabulary: Option<u32>) -> Result<Dataset> {
        let mut dataset = if !path.is_dir() {
            let shard = Shard::open(path)?;
            let header = shard.header();
            let (boundary, stated) = (header.and_then(|h| h.boundary), header.map(|h| h.vocabulary));
            let held_out = shard.len() / VALIDATION_PART;
            let kept = shard.len() - held_out;
            Dataset {
                boundary,
                vocabulary: stated.unwrap_or(0),
                train: vec![Run { source: 0, start: 0, len: kept }],
                validation: vec![Run { source: 0, start: kept, len: held_out }],
                sources: vec![Source::File(shard)],
                ..Dataset::empty(path)
            }
        } else if path.join(MANIFEST).exists() {
            Self::open_prepared(path)?
        } else {
            Self::open_raw_directory(path)?
        };
        let stated = dataset.vocabulary;
        if let Some(given) = vocabulary
            && stated > given
        {
            let problem = format!(
                "its vocabulary of {stated} is larger than the model's {given}: choose another model or prepare \
                 the text again with the model's tokenizer"
            );
            return Err(Error::dataset(path, problem));
        }
        let mut largest = 0;
        for source in &dataset.sources {
            if let Source::File(shard) = source {
                largest = largest.max(shard.verify(vocabulary)?.largest.unwrap_or(0));
            }
        }
        if stated == 0 {
            dataset.vocabulary = vocabulary.unwrap_or(largest.saturating_add(1));
        }
        Ok(dataset)
    }

    /// A dataset held in memory, for tests and small runs.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] for an id at or above `vocabulary`; its path says which split.
    pub fn from_ids(train: Vec<u32>, validation: Vec<u32>, vocabulary: u32) -> Result<Dataset> {
        for (split, ids) in [("(training ids)", &train), ("(validation ids)", &validation)] {
            if let Some(index) = ids.iter().position(|id| *id >= vocabulary) {
                let (path, position) = (PathBuf::from(split), index as u64);
                return Err(Error::TokenOutOfRange { path, position, id: ids[index], vocabulary });
            }
        }
        let run = |source, ids: &Vec<u32>| vec![Run { source, start: 0, len: ids.len() as u64 }];
        Ok(Dataset {
            vocabulary,
            train: run(0, &train),
            validation: run(1, &validation),
            sources: vec![Source::Memory(train), Source::Memory(validation)],
            ..Dataset::empty(Path::new("(memory)"))
        })
    }

    fn empty(path: &Path) -> Dataset {
        Dataset {
            path: path.to_owned(),
            vocabulary: 0,
            boundary: None,
            tokenizer: None,
            sources: Vec::new(),
            train: Vec::new(),
            validation: Vec::new(),
        }
    }

    fn open_prepared(path: &Path) -> Result<Dataset> {
        let manifest = read_manifest(path)?;
        let mut dataset = Dataset {
            vocabulary: manifest.vocabulary,
            boundary: manifest.boundary,
            tokenizer: Some((path.join(TOKENIZER), manifest.tokenizer)),
            ..Dataset::empty(path)
        };
        for entry in &manifest.train {
            let run = dataset.add_file(&path.join(&entry.file))?;
            dataset.train.push(run);
        }
        for entry in &manifest.validation {
            let run = dataset.add_file(&path.join(&entry.file))?;
            dataset.validation.push(run);
        }
        for (source, entry) in dataset.sources.iter().zip(manifest.train.iter().chain(&manifest.validation)) {
            let Source::File(shard) = source else { continue };
            let fits = shard.header().is_some_and(|header| {
                header.count == entry.tokens
                    && header.vocabulary == manifest.vocabulary
                    && header.tokenizer == manifest.tokenizer
            });
            if !fits {
                let problem =
                    format!("{} is not the shard its {MANIFEST} describes: prepare it again", entry.file);
                return Err(Error::dataset(path, problem));
            }
        }
        Ok(dataset)
    }

    fn open_raw_directory(path: &Path) -> Result<Dataset> {
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
            let file = entry.map_err(Error::io("list", path))?.path();
            let is_tokenizer = file.file_name().is_some_and(|name| name == "tokenizer.bin");
            if raw_dtype(&file).is_some() && !is_tokenizer && file.is_file() {
                files.push(file);
            }
        }
        files.sort();
        if files.is_empty() {
            let problem = format!("holds neither {MANIFEST} nor raw .bin, .u16 or .u32 files");
            return Err(Error::dataset(path, problem));
        }
        if let [file] = files.as_slice() {
            return Self::open(file, None);
        }
        let mut dataset = Dataset::empty(path);
        for (index, file) in files.iter().enumerate() {
            let run = dataset.add_file(file)?;
            if index == 0 { dataset.validation.push(run) } else { dataset.train.push(run) }
        }
        Ok(dataset)
    }

    fn add_file(&mut self, file: &Path) -> Result<Run> {
        let source = Source::File(Shard::open(file)?);
        let run = Run { source: self.sources.len(), start: 0, len: source.len() };
        self.sources.push(source);
        Ok(run)
    }

    /// The directory or file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every id is below this.
    pub fn vocabulary(&self) -> u32 {
        self.vocabulary
    }

    /// The id that stands once in each document, where the files state it.
    pub fn boundary(&self) -> Option<u32> {
        self.boundary
    }

    /// The tokenizer stored with the data, for a prepared directory.
    pub fn tokenizer_path(&self) -> Option<&Path> {
        self.tokenizer.as_ref().map(|(path, _)| path.as_path())
    }

    /// Makes sure that `tokenizer` is the one the tokens were made with. Raw files cannot be checked and pass.
    ///
    /// # Errors
    /// [`Error::TokenizerMismatch`].
    pub fn check_tokenizer(&self, tokenizer: &Tokenizer) -> Result<()> {
        let stored = self.tokenizer.as_ref().map(|(_, digest)| *digest).or_else(|| {
            let files = self.sources.iter().filter_map(|source| match source {
                Source::File(shard) => shard.header(),
                Source::Memory(_) => None,
            });
            files.map(|header| header.tokenizer).find(|digest| *digest != Digest::NONE)
        });
        match stored {
            Some(stored) if stored != tokenizer.digest() => Err(Error::TokenizerMismatch {
                path: self.path.clone(),
                expected: stored.to_string(),
                found: tokenizer.digest().to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Tokens of the training split.
    pub fn train_tokens(&self) -> u64 {
        self.train.iter().map(|run| run.len).sum()
    }

    /// Tokens of the validation split.
    pub fn validation_tokens(&self) -> u64 {
        self.validation.iter().map(|run| run.len).sum()
    }

    /// Windows of `sequence` inputs that the validation split gives when read from its start; 0 when it has none.
    pub fn validation_windows(&self, sequence: usize) -> u64 {
        self.validation.iter().map(|run| windows_in(run.len, sequence, 0)).sum()
    }

    /// At most `limit` windows of the validation split, always the same ones, spread evenly over it.
    ///
    /// # Errors
    /// [`Error::TooShort`] when there is not one window, [`Error::Options`] for a zero `sequence` or `limit` or a
    /// senseless `sequence`.
    pub fn validation(&self, sequence: usize, limit: usize) -> Result<Validation<'_>> {
        check_sequence(sequence)?;
        if limit == 0 {
            return Err(Error::Options("validation needs at least one window".into()));
        }
        let available = self.validation_windows(sequence);
        if available == 0 {
            return Err(self.too_short("validation", &self.validation, sequence));
        }
        Ok(Validation { dataset: self, sequence, available, count: available.min(limit as u64), next: 0 })
    }

    /// The ids that occur in either split, sorted: the vocabulary a compacted model needs. Reads all tokens once.
    pub fn used_ids(&self) -> Vec<u32> {
        let mut seen = Seen::default();
        for source in &self.sources {
            match source {
                Source::File(shard) => shard.chunks().for_each(|ids| seen.add(&ids)),
                Source::Memory(ids) => seen.add(ids),
            }
        }
        seen.sorted()
    }

    pub(crate) fn train_runs(&self) -> &[Run] {
        &self.train
    }

    pub(crate) fn too_short(&self, split: &'static str, runs: &[Run], sequence: usize) -> Error {
        let longest = runs.iter().map(|run| run.len).max().unwrap_or(0);
        Error::TooShort { path: self.path.clone(), split, longest, needed: sequence as u64 + 1 }
    }

    /// Copies the window that begins `offset` tokens into `run`.
    pub(crate) fn read(&self, run: &Run, offset: u64, out: &mut [u32]) -> Result<()> {
        let start = run.start + offset;
        match &self.sources[run.source] {
            Source::File(shard) => shard.read(start, out, Some(self.vocabulary)),
            Source::Memory(ids) => {
                let start = start as usize;
                out.copy_from_slice(&ids[start..start + out.len()]);
                Ok(())
            }
        }
    }
}

/// Windows of `sequence` inputs in a run of `len` tokens, from `offset` on.
pub(crate) fn windows_in(len: u64, sequence: usize, offset: u64) -> u64 {
    len.saturating_sub(offset.saturating_add(1)) / sequence as u64
}

pub(crate) fn check_sequence(sequence: usize) -> Result<()> {
    match sequence {
        0 => Err(Error::Options("the sequence length is 0".into())),
        // Leaves room for sums of positions.
        _ if sequence as u64 > u64::from(u32::MAX) => {
            Err(Error::Options(format!("a sequence length of {sequence} is out of any sensible range")))
        }
        _ => Ok(()),
    }
}

/// Reads and checks the manifest of a dataset directory; the shards are not looked at.
///
/// # Errors
/// [`Error::Dataset`] for broken JSON, another version, or file names that leave the directory.
pub fn read_manifest(directory: &Path) -> Result<Manifest> {
    let path = directory.join(MANIFEST);
    let bytes = read_limited(&path, MANIFEST_LIMIT)?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|error| Error::dataset(&path, error.to_string()))?;
    if manifest.format != FORMAT {
        let problem = format!("format {} is not read, only {FORMAT}", manifest.format);
        return Err(Error::dataset(&path, problem));
    }
    for entry in manifest.train.iter().chain(&manifest.validation) {
        let mut parts = Path::new(&entry.file).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(Error::dataset(&path, format!("{:?} is not a plain file name", entry.file)));
        }
    }
    Ok(manifest)
}

/// Windows of the validation split; see [`Dataset::validation`]. Iterates over `sequence + 1` tokens each.
#[derive(Clone, Debug)]
pub struct Validation<'d> {
    dataset: &'d Dataset,
    sequence: usize,
    available: u64,
    count: u64,
    next: u64,
}

impl Iterator for Validation<'_> {
    type Item = Result<Vec<u32>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            return None;
        }
        // In u128, since both factors come from files and options.
        let spread = u128::from(self.next) * u128::from(self.available) / u128::from(self.count);
        let mut index = spread as u64;
        self.next += 1;
        for run in &self.dataset.validation {
            let windows = windows_in(run.len, self.sequence, 0);
            if index < windows {
                let mut window = vec![0; self.sequence + 1];
                let read = self.dataset.read(run, index * self.sequence as u64, &mut window);
                return Some(read.map(|()| window));
            }
            index -= windows;
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.count - self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Validation<'_> {}

/// A set of ids: a bit each for the usual range, so that a pass over billions of tokens is cheap, a tree beyond.
#[derive(Default)]
pub(crate) struct Seen {
    bits: Vec<u64>,
    beyond: BTreeSet<u32>,
}

impl Seen {
    /// Ids below this have a bit; 2 MiB of them when all are in use.
    const DENSE: u32 = 1 << 24;

    pub(crate) fn add(&mut self, ids: &[u32]) {
        for &id in ids {
            if id >= Self::DENSE {
                self.beyond.insert(id);
                continue;
            }
            let word = (id / 64) as usize;
            if word >= self.bits.len() {
                self.bits.resize(word + 1, 0);
            }
            self.bits[word] |= 1 << (id % 64);
        }
    }

    pub(crate) fn sorted(self) -> Vec<u32> {
        let words = self.bits.iter().zip(0u32..);
        let dense = words.flat_map(|(word, index)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * 64 + bit)
        });
        dense.chain(self.beyond.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests;
