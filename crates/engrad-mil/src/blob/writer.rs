use super::{ALIGNMENT, HEADER, METADATA, SENTINEL, VERSION, code, encode, fault};
use crate::{ConstantData, DType, MilError};

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

    /// Adds a blob of `count` elements [as files hold them](encode); returns the offset that program text refers to.
    ///
    /// # Errors
    /// [`MilError::Blob`] if blobs do not [store](super::stores) that type, the bytes are not those of `count` elements,
    /// or the file has 2^32 − 1 blobs already.
    pub fn add(&mut self, dtype: DType, count: usize, elements: &[u8]) -> Result<u64, MilError> {
        let metadata = self.bytes.len().next_multiple_of(ALIGNMENT as usize);
        let offset = metadata as u64;
        let code = code(dtype).ok_or_else(|| fault(offset, format!("blobs do not store {dtype}")))?;
        let bits = count.checked_mul(dtype.bits());
        let unused = match bits {
            Some(bits) if bits.div_ceil(8) == elements.len() => elements.len() * 8 - bits,
            _ => {
                let reason = format!("{} bytes are not {count} elements of {dtype}", elements.len());
                return Err(fault(offset, reason));
            }
        };
        self.count = self.count.checked_add(1).ok_or_else(|| fault(offset, "too many blobs"))?;
        self.bytes.reserve(metadata - self.bytes.len() + METADATA + elements.len());
        self.bytes.resize(metadata, 0);
        self.bytes.extend_from_slice(&SENTINEL.to_le_bytes());
        self.bytes.extend_from_slice(&code.to_le_bytes());
        self.bytes.extend_from_slice(&(elements.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(&(offset + METADATA as u64).to_le_bytes());
        self.bytes.extend_from_slice(&(unused as u64).to_le_bytes());
        self.bytes.resize(metadata + METADATA, 0);
        self.bytes.extend_from_slice(elements);
        Ok(offset)
    }

    /// Adds a blob of the elements of a constant.
    ///
    /// # Errors
    /// [`MilError::Blob`] as for [`BlobWriter::add`], and if the data does not hold elements of that type.
    pub fn add_data(&mut self, dtype: DType, data: &ConstantData) -> Result<u64, MilError> {
        match (encode(dtype, data), data.len()) {
            (Some(bytes), Some(count)) => self.add(dtype, count, &bytes),
            _ => Err(fault(
                self.bytes.len() as u64,
                format!("the data holds no elements of {dtype} that blobs store"),
            )),
        }
    }

    /// Number of blobs.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no blob.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The file.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes[..4].copy_from_slice(&self.count.to_le_bytes());
        self.bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
        self.bytes
    }
}
