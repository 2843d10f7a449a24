//! Weight blobs: the storage that `BLOBFILE` in program text refers to, version 2 (ane-facts 3.1).
//!
//! A file is a header of 64 bytes, then one record per blob at the next multiple of 64: 64 bytes of metadata and the
//! elements, row-major. Every number is little endian on every machine. Text refers to a blob by the offset
//! of its metadata.
//!
//! | Header byte | Field | | Metadata byte | Field |
//! |---|---|---|---|---|
//! | 0 | u32 number of blobs | | 0 | u32 sentinel `0xDEADBEEF` |
//! | 4 | u32 version, 2 | | 4 | u32 element type code |
//! | 8 | reserved | | 8 | u64 bytes of elements |
//! | | | | 16 | u64 offset of the elements |
//! | | | | 24 | u64 unused bits of the last byte, then reserved |
//!
//! Only memory is touched: opening, mapping and writing files is the caller's work. Files are hostile until
//! [`BlobFile::parse`] has accepted them. Looser layouts that some tools write (a wrong count, records that are
//! not aligned) are refused.

mod transform;

pub use transform::{externalize, inline, map_constants};

use crate::{DType, MilError};

/// Alignment of records in bytes.
pub(crate) const ALIGNMENT: u64 = 64;
const HEADER: usize = 64;
const METADATA: usize = 64;
const VERSION: u32 = 2;
const SENTINEL: u32 = 0xDEAD_BEEF;
/// Element type codes in use; those without a [`DType`] are stepped over and refused when asked for.
const CODES: std::ops::RangeInclusive<u32> = 1..=17;

const TYPES: [(DType, u32); 5] =
    [(DType::Fp16, 1), (DType::Fp32, 2), (DType::UInt8, 3), (DType::Int8, 4), (DType::Int32, 14)];

fn code(dtype: DType) -> Option<u32> {
    TYPES.iter().find(|(d, _)| *d == dtype).map(|(_, code)| *code)
}

/// Whether blobs can hold elements of that type: fp16, fp32, uint8, int8, int32.
pub fn stores(dtype: DType) -> bool {
    code(dtype).is_some()
}

fn fault(offset: u64, reason: impl Into<String>) -> MilError {
    MilError::Blob { offset, reason: reason.into() }
}

/// Makes a blob file in memory.
#[derive(Debug)]
pub struct BlobWriter {
    bytes: Vec<u8>,
    count: u32,
}

impl Default for BlobWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl BlobWriter {
    /// A file without blobs.
    pub fn new() -> Self {
        Self { bytes: vec![0; HEADER], count: 0 }
    }

    /// Adds a blob of little-endian elements; returns the offset that program text refers to.
    ///
    /// # Errors
    /// [`MilError::Blob`] if blobs do not [store](stores) that type, the bytes are no whole number of elements, or the
    /// file has 2^32 − 1 blobs already.
    pub fn add(&mut self, dtype: DType, elements: &[u8]) -> Result<u64, MilError> {
        let metadata = self.bytes.len().next_multiple_of(ALIGNMENT as usize);
        let offset = metadata as u64;
        let code = code(dtype).ok_or_else(|| fault(offset, format!("blobs do not store {dtype}")))?;
        if elements.is_empty() || !elements.len().is_multiple_of(dtype.size()) {
            let reason = format!("{} bytes are no whole number of {dtype} elements", elements.len());
            return Err(fault(offset, reason));
        }
        self.count = self.count.checked_add(1).ok_or_else(|| fault(offset, "too many blobs"))?;
        self.bytes.reserve(metadata - self.bytes.len() + METADATA + elements.len());
        self.bytes.resize(metadata, 0);
        self.bytes.extend_from_slice(&SENTINEL.to_le_bytes());
        self.bytes.extend_from_slice(&code.to_le_bytes());
        self.bytes.extend_from_slice(&(elements.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(&(offset + METADATA as u64).to_le_bytes());
        self.bytes.resize(metadata + METADATA, 0);
        self.bytes.extend_from_slice(elements);
        Ok(offset)
    }

    /// The file.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes[..4].copy_from_slice(&self.count.to_le_bytes());
        self.bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
        self.bytes
    }
}

/// A blob file that has been checked: every record is inside the bytes and none overlaps another.
#[derive(Debug, Clone)]
pub struct BlobFile<'a> {
    bytes: &'a [u8],
    /// In order of offset.
    records: Vec<Record>,
}

#[derive(Debug, Clone)]
struct Record {
    /// Offset of the metadata.
    offset: u64,
    code: u32,
    elements: std::ops::Range<usize>,
}

impl<'a> BlobFile<'a> {
    /// Reads header and metadata of every record.
    ///
    /// # Errors
    /// [`MilError::Blob`] for a wrong version, and for a record that is cut short, lacks its sentinel, has an
    /// unknown type code, a size that is no whole number of elements, or elements over its own metadata.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MilError> {
        let (Some(count), Some(version)) = (u32_at(bytes, 0), u32_at(bytes, 4)) else {
            return Err(fault(0, format!("{} bytes are too few for a header", bytes.len())));
        };
        if bytes.len() < HEADER {
            return Err(fault(0, format!("{} bytes are too few for a header", bytes.len())));
        }
        if version != VERSION {
            return Err(fault(4, format!("storage version {version}; {VERSION} is read")));
        }
        let mut records = Vec::new();
        let mut at = HEADER;
        for position in 0..count {
            let record = Record::read(bytes, at)
                .map_err(|(at, reason)| fault(at as u64, format!("blob {position} of {count}: {reason}")))?;
            // The end is inside the bytes, so that its multiple cannot overflow by more than a caught bound.
            at = record.elements.end.checked_next_multiple_of(ALIGNMENT as usize).unwrap_or(bytes.len());
            records.push(record);
        }
        Ok(Self { bytes, records })
    }

    /// Number of blobs.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no blob.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Offsets of all blobs, ascending, as program text refers to them.
    pub fn offsets(&self) -> impl Iterator<Item = u64> + '_ {
        self.records.iter().map(|record| record.offset)
    }

    /// Element type and little-endian elements of the blob whose metadata is at `offset`.
    ///
    /// # Errors
    /// [`MilError::Blob`] if no blob is there or its element type has no [`DType`].
    pub fn get(&self, offset: u64) -> Result<(DType, &'a [u8]), MilError> {
        let position = self
            .records
            .binary_search_by_key(&offset, |record| record.offset)
            .map_err(|_| fault(offset, "no blob begins here"))?;
        let record = &self.records[position];
        let (dtype, _) = TYPES
            .iter()
            .find(|(_, code)| *code == record.code)
            .ok_or_else(|| fault(offset, format!("elements of type code {} are not read", record.code)))?;
        Ok((*dtype, &self.bytes[record.elements.clone()]))
    }
}

impl Record {
    /// The record whose metadata is at `at`; an error gives the byte and what is wrong there.
    fn read(bytes: &[u8], at: usize) -> Result<Self, (usize, String)> {
        let metadata = at.checked_add(METADATA).and_then(|end| bytes.get(at..end));
        let Some(metadata) = metadata else {
            return Err((at, format!("the file ends at byte {}", bytes.len())));
        };
        let (Some(sentinel), Some(code), Some(size), Some(offset)) =
            (u32_at(metadata, 0), u32_at(metadata, 4), u64_at(metadata, 8), u64_at(metadata, 16))
        else {
            return Err((at, "metadata is cut short".to_owned()));
        };
        if sentinel != SENTINEL {
            return Err((at, format!("sentinel is {sentinel:#010x}, not {SENTINEL:#010x}")));
        }
        if !CODES.contains(&code) {
            return Err((at + 4, format!("unknown element type code {code}")));
        }
        let dtype = TYPES.iter().find(|(_, c)| *c == code).map(|(dtype, _)| *dtype);
        if let Some(dtype) = dtype.filter(|d| !size.is_multiple_of(d.size() as u64)) {
            return Err((at + 8, format!("{size} bytes are no whole number of {dtype} elements")));
        }
        let start = usize::try_from(offset).ok().filter(|&start| start >= at + METADATA);
        let start =
            start.ok_or_else(|| (at + 16, format!("elements at byte {offset} overlap their metadata")))?;
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
        match end.filter(|&end| end <= bytes.len()) {
            Some(end) => Ok(Self { offset: at as u64, code, elements: start..end }),
            None => {
                let reason =
                    format!("{size} bytes of elements from byte {offset} end beyond {} bytes", bytes.len());
                Err((at + 8, reason))
            }
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
