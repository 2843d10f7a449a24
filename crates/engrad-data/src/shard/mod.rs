//! Files of token ids.
//!
//! A **shard** (`.tok`) is a header of [`HEADER_BYTES`] and then the ids, little-endian, two or four bytes each:
//!
//! | Bytes | Field |
//! |---|---|
//! | 0..8 | magic `ENGRADTK` |
//! | 8..12 | u32 format version, 1 |
//! | 12..16 | u32 bytes per id, 2 or 4 |
//! | 16..20 | u32 vocabulary size; every id is below it |
//! | 20..24 | u32 id that marks each document, or `u32::MAX` |
//! | 24..32 | u64 count of ids |
//! | 32..40 | u64 count of documents |
//! | 40..44 | u32 CRC-32 (IEEE) of the ids as stored |
//! | 44..76 | SHA-256 digest of the tokenizer, zeros when unknown |
//! | 76..92 | zeros |
//! | 92..96 | u32 CRC-32 of bytes 0..92 |
//!
//! A **raw** file has ids only. Its name tells their size: `.u16` and `.bin` two bytes (the form in which tokenised
//! TinyStories is published, Llama 2 ids with 1 before each story), `.u32` four. A file that begins with the magic
//! is a shard whatever its name.
//!
//! Files are mapped, not read: memory holds only the pages in use. A file must not be shortened while it is open.

mod header;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

pub use header::{HEADER_BYTES, Header};
pub use writer::ShardWriter;

/// Ids checked at a time while a whole file is read.
const CHUNK_IDS: usize = 1 << 16;

/// How an id is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Two bytes, little-endian.
    U16,
    /// Four bytes, little-endian.
    U32,
}

impl Dtype {
    /// The smallest type that holds every id below `vocabulary`.
    pub fn for_vocabulary(vocabulary: u32) -> Dtype {
        if vocabulary <= 1 << 16 { Dtype::U16 } else { Dtype::U32 }
    }

    /// Bytes per id.
    pub const fn bytes(self) -> usize {
        match self {
            Dtype::U16 => 2,
            Dtype::U32 => 4,
        }
    }
}

/// An open file of token ids, headed or raw.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    map: Option<Mmap>,
    header: Option<Header>,
    dtype: Dtype,
    count: u64,
}

/// What one pass over all ids of a file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// CRC-32 of the ids as stored.
    pub crc32: u32,
    /// Largest id, or `None` for no ids.
    pub largest: Option<u32>,
}

impl Shard {
    /// Opens a shard or a raw file and checks header and size; the ids are not looked at (see [`Shard::verify`]).
    ///
    /// # Errors
    /// [`Error::Malformed`] with the offset for a damaged header, a size that does not fit it, a raw file that ends
    /// within an id, or a name that does not tell the size of a raw file's ids.
    pub fn open(path: &Path) -> Result<Shard> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        if !metadata.is_file() {
            return Err(Error::malformed(path, 0, "not a regular file"));
        }
        let map = if metadata.len() == 0 {
            None
        } else {
            // SAFETY: the map is read-only and private to this value, which never hands out references that outlive
            // it. The remaining obligation, that nobody changes the file meanwhile, is the documented contract of
            // this module: shards are written beside and renamed, never changed in place. Ids are read as plain
            // integers and checked after reading, so changed contents give wrong ids or an error, not undefined
            // values of a type.
            Some(unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?)
        };
        let bytes = map.as_deref().unwrap_or_default();
        let header = Header::read(bytes, path)?;
        let (dtype, count) = match &header {
            Some(header) => (header.dtype, header.count),
            None => raw_shape(path, bytes.len() as u64)?,
        };
        Ok(Shard { path: path.to_owned(), map, header, dtype, count })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The header, or `None` for a raw file.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// How ids are stored.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Count of ids.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are no ids.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Reads every id once: the checksum against the header, each id against the header's vocabulary and against
    /// `vocabulary`.
    ///
    /// # Errors
    /// [`Error::Checksum`], [`Error::TokenOutOfRange`] with the first bad position, or [`Error::Malformed`] for a raw
    /// file of two-byte ids that looks like four-byte ones.
    pub fn verify(&self, vocabulary: Option<u32>) -> Result<Scan> {
        let scan = self.scan();
        if let Some(header) = &self.header
            && header.crc32 != scan.crc32
        {
            return Err(Error::Checksum {
                path: self.path.clone(),
                expected: header.crc32,
                found: scan.crc32,
            });
        }
        self.check_width()?;
        let limit = self.limit(vocabulary);
        if scan.largest.is_some_and(|largest| largest >= limit) {
            let mut position = 0;
            for chunk in self.chunks() {
                self.check_range(&chunk, position, limit)?;
                position += chunk.len() as u64;
            }
        }
        Ok(scan)
    }

    /// Copies `out.len()` ids from position `start`.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] for an id at or above `vocabulary` or the header's vocabulary,
    /// [`Error::Malformed`] when the range passes the end.
    pub fn read(&self, start: u64, out: &mut [u32], vocabulary: Option<u32>) -> Result<()> {
        let end = start.checked_add(out.len() as u64).filter(|end| *end <= self.count);
        if end.is_none() {
            let problem =
                format!("tokens {start}.. +{} are past its end of {} tokens", out.len(), self.count);
            return Err(Error::malformed(&self.path, self.file_bytes(), problem));
        }
        let size = self.dtype.bytes();
        // In range, since the whole payload lies in memory: open() checked count × size against the file's length.
        let from = start as usize * size;
        self.convert(&self.payload()[from..from + out.len() * size], out);
        self.check_range(out, start, self.limit(vocabulary))
    }

    /// All ids in order, in pieces of bounded size, unchecked.
    pub fn chunks(&self) -> impl Iterator<Item = Vec<u32>> + '_ {
        let size = self.dtype.bytes();
        self.payload().chunks(CHUNK_IDS * size).map(move |bytes| {
            let mut ids = vec![0; bytes.len() / size];
            self.convert(bytes, &mut ids);
            ids
        })
    }

    pub(crate) fn scan(&self) -> Scan {
        let largest = self.chunks().filter_map(|ids| ids.into_iter().max()).max();
        Scan { crc32: crc32fast::hash(self.payload()), largest }
    }

    /// Ids must be below this: the smaller of the header's vocabulary and the caller's.
    fn limit(&self, vocabulary: Option<u32>) -> u32 {
        let own = self.header.as_ref().map_or(u32::MAX, |header| header.vocabulary);
        own.min(vocabulary.unwrap_or(u32::MAX))
    }

    fn check_range(&self, ids: &[u32], start: u64, vocabulary: u32) -> Result<()> {
        match ids.iter().position(|id| *id >= vocabulary) {
            None => Ok(()),
            Some(index) => Err(Error::TokenOutOfRange {
                path: self.path.clone(),
                position: start + index as u64,
                id: ids[index],
                vocabulary,
            }),
        }
    }

    /// Four-byte ids below 65,536, read as two-byte ones, show as a zero in every second place.
    fn check_width(&self) -> Result<()> {
        let suspicious = self.header.is_none()
            && self.dtype == Dtype::U16
            && self.count >= 8
            && self.count.is_multiple_of(2);
        let halves = || self.payload().chunks_exact(4);
        if suspicious
            && halves().all(|id| id[2] == 0 && id[3] == 0)
            && halves().any(|id| id[0] != 0 || id[1] != 0)
        {
            let problem = "every second two-byte id is 0: these look like four-byte ids, name the file .u32";
            return Err(Error::malformed(&self.path, 0, problem));
        }
        Ok(())
    }

    fn payload(&self) -> &[u8] {
        let bytes = self.map.as_deref().unwrap_or_default();
        if self.header.is_some() { &bytes[HEADER_BYTES..] } else { bytes }
    }

    fn file_bytes(&self) -> u64 {
        self.map.as_deref().unwrap_or_default().len() as u64
    }

    fn convert(&self, bytes: &[u8], out: &mut [u32]) {
        match self.dtype {
            Dtype::U16 => {
                for (id, bytes) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                    *id = u32::from(u16::from_le_bytes([bytes[0], bytes[1]]));
                }
            }
            Dtype::U32 => {
                for (id, bytes) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                    *id = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                }
            }
        }
    }
}

/// Reads a whole token file, a shard or a raw one, at most `limit` ids, each checked against `vocabulary`.
///
/// For short files given by hand; training maps its files through [`crate::Dataset`].
///
/// # Errors
/// As [`Shard::open`] and [`Shard::verify`]; [`Error::Malformed`] for more than `limit` ids.
pub fn read_ids(path: &Path, vocabulary: Option<u32>, limit: usize) -> Result<Vec<u32>> {
    let shard = Shard::open(path)?;
    if shard.len() > limit as u64 {
        let problem = format!("holds {} tokens, more than the {limit} that can be used", shard.len());
        return Err(Error::malformed(path, shard.file_bytes(), problem));
    }
    shard.verify(vocabulary)?;
    Ok(shard.chunks().flatten().collect())
}

/// Whether the name of a file says that it holds raw ids, and of which type.
pub(crate) fn raw_dtype(path: &Path) -> Option<Dtype> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "u16" | "bin" => Some(Dtype::U16),
        "u32" => Some(Dtype::U32),
        _ => None,
    }
}

fn raw_shape(path: &Path, bytes: u64) -> Result<(Dtype, u64)> {
    let dtype = raw_dtype(path).ok_or_else(|| {
        let problem = "not a token shard; raw ids need the name .u16, .bin (two bytes) or .u32 (four bytes)";
        Error::malformed(path, 0, problem)
    })?;
    let size = dtype.bytes() as u64;
    if !bytes.is_multiple_of(size) {
        let problem = format!("ends within an id: {bytes} bytes are not a multiple of {size}");
        return Err(Error::malformed(path, bytes - bytes % size, problem));
    }
    Ok((dtype, bytes / size))
}

#[cfg(test)]
mod tests;
