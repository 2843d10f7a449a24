//! The header of a shard: reading with every check, writing.

use std::path::Path;

use super::Dtype;
use crate::tokenizer::Digest;
use crate::{Error, Result};

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 96;

const MAGIC: [u8; 8] = *b"ENGRADTK";
const VERSION: u32 = 1;
const NO_BOUNDARY: u32 = u32::MAX;
const CHECKED: usize = HEADER_BYTES - 4;

/// What a shard says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// How ids are stored.
    pub dtype: Dtype,
    /// Every id is below this.
    pub vocabulary: u32,
    /// The id that stands once in each document, at its begin (or its end, where a tokenizer has no begin mark).
    pub boundary: Option<u32>,
    /// Count of ids.
    pub count: u64,
    /// Count of documents.
    pub documents: u64,
    /// CRC-32 of the ids as stored.
    pub crc32: u32,
    /// The tokenizer the ids belong to; [`Digest::NONE`] when unknown.
    pub tokenizer: Digest,
}

impl Header {
    /// Reads the header at the start of a file. `None` when the file does not begin with the magic.
    pub(super) fn read(file: &[u8], path: &Path) -> Result<Option<Header>> {
        if !file.starts_with(&MAGIC) {
            return Ok(None);
        }
        let fault = |offset: u64, problem: String| Error::malformed(path, offset, problem);
        let Some(bytes) = file.first_chunk::<HEADER_BYTES>() else {
            return Err(fault(
                file.len() as u64,
                format!("cut short within its header of {HEADER_BYTES} bytes"),
            ));
        };
        let stored = u32_at(bytes, CHECKED);
        let found = crc32fast::hash(&bytes[..CHECKED]);
        if stored != found {
            return Err(fault(CHECKED as u64, "the header is damaged (its checksum does not fit)".into()));
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(fault(8, format!("shard format version {version} is not read, only {VERSION}")));
        }
        let dtype = match u32_at(bytes, 12) {
            2 => Dtype::U16,
            4 => Dtype::U32,
            other => {
                return Err(fault(12, format!("{other} bytes per id are not read, only 2 or 4")));
            }
        };
        let count = u64_at(bytes, 24);
        let payload = (file.len() - HEADER_BYTES) as u64;
        if count.checked_mul(dtype.bytes() as u64) != Some(payload) {
            let size = dtype.bytes();
            let problem = format!(
                "the header promises {count} ids of {size} bytes, the file has {payload} bytes of them"
            );
            return Err(fault(HEADER_BYTES as u64 + payload, problem));
        }
        let mut tokenizer = Digest::NONE;
        tokenizer.0.copy_from_slice(&bytes[44..76]);
        Ok(Some(Header {
            dtype,
            vocabulary: u32_at(bytes, 16),
            boundary: Some(u32_at(bytes, 20)).filter(|id| *id != NO_BOUNDARY),
            count,
            documents: u64_at(bytes, 32),
            crc32: u32_at(bytes, 40),
            tokenizer,
        }))
    }

    pub(super) fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &(self.dtype.bytes() as u32).to_le_bytes());
        put(16, &self.vocabulary.to_le_bytes());
        put(20, &self.boundary.unwrap_or(NO_BOUNDARY).to_le_bytes());
        put(24, &self.count.to_le_bytes());
        put(32, &self.documents.to_le_bytes());
        put(40, &self.crc32.to_le_bytes());
        put(44, &self.tokenizer.0);
        let crc32 = crc32fast::hash(&bytes[..CHECKED]);
        bytes[CHECKED..].copy_from_slice(&crc32.to_le_bytes());
        bytes
    }
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
