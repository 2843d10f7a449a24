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
//! | 8 | 56 bytes reserved, zero | | 8 | u64 bytes of elements |
//! | | | | 16 | u64 offset of the elements: that of the metadata + 64 |
//! | | | | 24 | u64 unused bits of the last byte |
//! | | | | 32 | 32 bytes reserved, zero |
//!
//! Elements below a byte follow one another from the least significant bit on, over byte boundaries; in memory they
//! take a byte each ([`crate::ConstantData`]). Only such elements leave bits unused.
//!
//! # Two ways to read
//!
//! [`BlobFile::parse`] checks a whole file: the count is right, records follow one another at multiples of 64 and
//! nothing follows the last. [`record_at`] reads one record at a known offset and looks at nothing else. Several tools
//! write a count of 1 for any number of records, or do not align them (ane-facts 3.2); programs find their weights all
//! the same, since they name offsets, so [`inline`] reads that way. Both hold every record to the same rules, and
//! [`inline`] refuses records that overlap.
//!
//! Only memory is touched: opening, mapping and writing files is the caller's work. Files are hostile. Elements are
//! slices of the file until they are decoded into a constant.

mod elements;
mod reader;
mod transform;
mod visit;
mod writer;

pub use elements::{decode, encode};
pub use reader::{Blob, BlobFile, record_at};
pub use transform::{externalize, inline, paths, rename};
pub use writer::BlobWriter;

use crate::{DType, MilError};

/// Alignment of records in bytes.
pub(crate) const ALIGNMENT: u64 = 64;
const HEADER: usize = 64;
const METADATA: usize = 64;
const VERSION: u32 = 2;
const SENTINEL: u32 = 0xDEAD_BEEF;

const TYPES: [(DType, u32); 17] = [
    (DType::Fp16, 1),
    (DType::Fp32, 2),
    (DType::UInt8, 3),
    (DType::Int8, 4),
    (DType::Bf16, 5),
    (DType::Int16, 6),
    (DType::UInt16, 7),
    (DType::Int4, 8),
    (DType::UInt1, 9),
    (DType::UInt2, 10),
    (DType::UInt4, 11),
    (DType::UInt3, 12),
    (DType::UInt6, 13),
    (DType::Int32, 14),
    (DType::UInt32, 15),
    (DType::Fp8E4M3, 16),
    (DType::Fp8E5M2, 17),
];

fn code(dtype: DType) -> Option<u32> {
    TYPES.iter().find(|(d, _)| *d == dtype).map(|(_, code)| *code)
}

fn dtype(code: u32) -> Option<DType> {
    TYPES.iter().find(|(_, c)| *c == code).map(|(dtype, _)| *dtype)
}

/// Whether blobs can hold elements of that type: all but truth values, 64-bit numbers and text.
pub fn stores(dtype: DType) -> bool {
    code(dtype).is_some()
}

fn fault(offset: u64, reason: impl Into<String>) -> MilError {
    MilError::Blob { offset, reason: reason.into() }
}

#[cfg(test)]
mod tests;
