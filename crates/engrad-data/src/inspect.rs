//! What a token file or a dataset directory holds, found by reading all of it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::dataset::{Seen, read_manifest};
use crate::prepare::MANIFEST;
use crate::shard::{Dtype, Shard, raw_dtype};
use crate::tokenizer::Digest;
use crate::{Error, Result};

/// Ids shown from the start of a file.
const FIRST: usize = 16;

/// The mark of raw files by convention: Llama's `<s>`.
const RAW_BOUNDARY: u32 = 1;

/// What is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A directory of shards, or of raw files.
    Dataset,
    /// A file with a header.
    Shard,
    /// A file of ids alone.
    Raw,
}

/// The summary of a file, or of a directory and its files.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The file or directory.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// How ids are stored; the first file's for a directory.
    pub dtype: Dtype,
    /// Vocabulary size the files state; none for raw files.
    pub vocabulary: Option<u32>,
    /// Count of ids.
    pub tokens: u64,
    /// Count of documents: as stated, or for raw files the number of ids 1 (Llama's `<s>`).
    pub documents: u64,
    /// Whether the ids have the stated checksum; none for raw files.
    pub checksum_ok: Option<bool>,
    /// Position of the first id at or above the vocabulary, if there is one. For a directory within its file.
    pub out_of_range: Option<u64>,
    /// How many different ids occur.
    pub distinct: u64,
    /// Largest id, if there is any.
    pub largest: Option<u32>,
    /// The first ids.
    pub first: Vec<u32>,
    /// Fingerprint of the tokenizer, where stated.
    pub tokenizer: Option<Digest>,
    /// The files of a directory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Inspection>,
}

/// Summarises a shard, a raw file, a dataset directory or a directory of raw files.
///
/// A wrong checksum or id is part of the summary, not an error: the point is to see it.
///
/// # Errors
/// [`Error::Malformed`] and [`Error::Dataset`] for what cannot be read as tokens at all, [`Error::Io`].
pub fn inspect(path: &Path) -> Result<Inspection> {
    if !path.is_dir() {
        return Ok(inspect_file(path)?.0);
    }
    let mut paths = Vec::new();
    if path.join(MANIFEST).exists() {
        let manifest = read_manifest(path)?;
        paths.extend(manifest.train.iter().chain(&manifest.validation).map(|entry| path.join(&entry.file)));
    } else {
        for entry in std::fs::read_dir(path).map_err(Error::io("list", path))? {
            let file = entry.map_err(Error::io("list", path))?.path();
            let is_shard = file.extension().is_some_and(|extension| extension == "tok");
            let is_tokenizer = file.file_name().is_some_and(|name| name == "tokenizer.bin");
            if (is_shard || raw_dtype(&file).is_some()) && !is_tokenizer && file.is_file() {
                paths.push(file);
            }
        }
        paths.sort();
    }
    let mut seen = Seen::default();
    let mut files = Vec::new();
    for file in &paths {
        let (inspection, ids) = inspect_file(file)?;
        seen.add(&ids);
        files.push(inspection);
    }
    let Some(first) = files.first() else {
        return Err(Error::dataset(path, "holds no token files"));
    };
    let sum = |count: fn(&Inspection) -> u64| files.iter().map(count).fold(0, u64::saturating_add);
    Ok(Inspection {
        path: path.to_owned(),
        kind: Kind::Dataset,
        dtype: first.dtype,
        vocabulary: files.iter().filter_map(|file| file.vocabulary).max(),
        tokens: sum(|file| file.tokens),
        documents: sum(|file| file.documents),
        checksum_ok: files.iter().filter_map(|file| file.checksum_ok).reduce(|a, b| a && b),
        out_of_range: files.iter().find_map(|file| file.out_of_range),
        distinct: seen.sorted().len() as u64,
        largest: files.iter().filter_map(|file| file.largest).max(),
        first: first.first.clone(),
        tokenizer: first.tokenizer,
        files,
    })
}

/// The summary of one file, and the distinct ids in it.
fn inspect_file(path: &Path) -> Result<(Inspection, Vec<u32>)> {
    let shard = Shard::open(path)?;
    let header = shard.header();
    let scan = shard.scan();
    let vocabulary = header.map(|header| header.vocabulary);
    let (mut seen, mut marks, mut out_of_range, mut position) = (Seen::default(), 0, None, 0);
    for ids in shard.chunks() {
        seen.add(&ids);
        marks += ids.iter().filter(|id| **id == RAW_BOUNDARY).count() as u64;
        if let (Some(vocabulary), None) = (vocabulary, out_of_range) {
            let bad = ids.iter().position(|id| *id >= vocabulary);
            out_of_range = bad.map(|index| position + index as u64);
        }
        position += ids.len() as u64;
    }
    let ids = seen.sorted();
    let inspection = Inspection {
        path: path.to_owned(),
        kind: if header.is_some() { Kind::Shard } else { Kind::Raw },
        dtype: shard.dtype(),
        vocabulary,
        tokens: shard.len(),
        documents: header.map_or(marks, |header| header.documents),
        checksum_ok: header.map(|header| header.crc32 == scan.crc32),
        out_of_range,
        distinct: ids.len() as u64,
        largest: scan.largest,
        first: shard.chunks().flatten().take(FIRST).collect(),
        tokenizer: header.map(|header| header.tokenizer).filter(|digest| *digest != Digest::NONE),
        files: Vec::new(),
    };
    Ok((inspection, ids))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::shard::ShardWriter;

    #[test]
    fn damaged_shard_is_summarised_not_refused() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a.tok");
        let mut writer = ShardWriter::create(&path, 10, Some(1), Digest([3; 32])).unwrap();
        writer.push_document(&[1, 5, 5]).unwrap();
        writer.push_document(&[1, 9]).unwrap();
        writer.finish().unwrap();
        let good = inspect(&path).unwrap();
        assert_eq!((good.kind, good.tokens, good.documents, good.distinct), (Kind::Shard, 5, 2, 3));
        assert_eq!((good.checksum_ok, good.out_of_range), (Some(true), None));
        assert_eq!(good.first, [1, 5, 5, 1, 9]);

        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 2;
        bytes[last] = 10;
        fs::write(&path, bytes).unwrap();
        let bad = inspect(directory.path()).unwrap();
        assert_eq!((bad.kind, bad.files.len()), (Kind::Dataset, 1));
        assert_eq!((bad.checksum_ok, bad.out_of_range, bad.largest), (Some(false), Some(4), Some(10)));
        assert!(serde_json::to_string(&bad).unwrap().contains("\"checksum_ok\":false"));
    }

    #[test]
    fn raw_file_counts_stories_by_their_mark() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a.bin");
        fs::write(&path, [1, 0, 7, 0, 1, 0, 8, 0]).unwrap();
        let raw = inspect(&path).unwrap();
        assert_eq!((raw.kind, raw.documents, raw.vocabulary, raw.checksum_ok), (Kind::Raw, 2, None, None));
    }
}
