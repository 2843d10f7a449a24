use super::{ALIGNMENT, HEADER, METADATA, SENTINEL, VERSION, decode, dtype, fault};
use crate::{ConstantData, DType, MilError};

/// One blob of a file: its elements are inside the file and a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob<'a> {
    /// Element type.
    pub dtype: DType,
    /// Number of elements.
    pub count: usize,
    /// Offset of the metadata, as program text refers to it.
    pub offset: u64,
    /// The elements as the file holds them.
    pub bytes: &'a [u8],
}

impl Blob<'_> {
    /// The elements.
    ///
    /// # Errors
    /// None for a blob that was read; the constructor of the fields may be someone else.
    pub fn decode(&self) -> Result<ConstantData, MilError> {
        decode(self.dtype, self.count, self.bytes)
    }

    /// Offset behind the last element.
    pub(super) fn end(&self) -> u64 {
        self.offset + (METADATA + self.bytes.len()) as u64
    }
}

/// The blob whose metadata is at `offset`, whatever the header counts and wherever other records are.
///
/// # Errors
/// [`MilError::Blob`] if the header is not one of version 2, or the record is cut short, lacks its sentinel, has an unknown
/// type code, elements elsewhere than behind its metadata, a number of bits that is no whole number of elements, or
/// something in a reserved field.
pub fn record_at(bytes: &[u8], offset: u64) -> Result<Blob<'_>, MilError> {
    header(bytes)?;
    let at = usize::try_from(offset).map_err(|_| fault(offset, "beyond the end of the file"))?;
    if at < HEADER {
        return Err(fault(offset, "the header of the file is here, not a blob: the first is at byte 64"));
    }
    record(bytes, at)
}

/// Number of blobs that the header gives.
fn header(bytes: &[u8]) -> Result<u32, MilError> {
    let Some(header) = bytes.get(..HEADER) else {
        return Err(fault(0, format!("{} bytes are too few for a header", bytes.len())));
    };
    let (count, version) = (u32_at(header, 0), u32_at(header, 4));
    if version != VERSION {
        return Err(fault(4, format!("storage version {version}; {VERSION} is read")));
    }
    reserved(header, 8, 0)?;
    Ok(count)
}

/// Whether everything from byte `from` of a block that begins at byte `at` of the file is zero.
fn reserved(block: &[u8], from: usize, at: usize) -> Result<(), MilError> {
    match block.iter().skip(from).position(|&b| b != 0) {
        None => Ok(()),
        Some(position) => Err(fault((at + from + position) as u64, "a reserved byte is not zero")),
    }
}

fn record(bytes: &[u8], at: usize) -> Result<Blob<'_>, MilError> {
    let metadata = at.checked_add(METADATA).and_then(|end| bytes.get(at..end));
    let Some(metadata) = metadata else {
        return Err(fault(at as u64, format!("no blob begins here: the file ends at byte {}", bytes.len())));
    };
    let refuse = |field: usize, reason: String| Err(fault((at + field) as u64, reason));
    let (sentinel, code) = (u32_at(metadata, 0), u32_at(metadata, 4));
    let (size, start, unused) = (u64_at(metadata, 8), u64_at(metadata, 16), u64_at(metadata, 24));
    if sentinel != SENTINEL {
        return refuse(0, format!("no blob begins here: sentinel is {sentinel:#010x}, not {SENTINEL:#010x}"));
    }
    let Some(dtype) = dtype(code) else {
        return refuse(4, format!("unknown element type code {code}"));
    };
    // The metadata is inside the bytes, so that the sum is far from overflow.
    let expected = at + METADATA;
    if start != expected as u64 {
        return refuse(16, format!("elements at byte {start}, not behind their metadata at byte {expected}"));
    }
    let elements =
        usize::try_from(size).ok().and_then(|size| bytes.get(expected..expected.checked_add(size)?));
    let Some(elements) = elements else {
        let reason = format!("{size} bytes of elements from byte {start} end beyond {} bytes", bytes.len());
        return refuse(8, reason);
    };
    // A slice is shorter than 2^63 bytes, but on 32 bits its bits may not fit.
    let Some(bits) = elements.len().checked_mul(8) else {
        return refuse(8, format!("{size} bytes of elements are too many"));
    };
    if unused > 7 || (unused > 0 && dtype.bits() >= 8) || unused as usize > bits {
        return refuse(24, format!("{unused} unused bits behind {size} bytes of {dtype}"));
    }
    let used = bits - unused as usize;
    if !used.is_multiple_of(dtype.bits()) {
        return refuse(
            8,
            format!("{size} bytes with {unused} unused bits are no whole number of {dtype} elements"),
        );
    }
    reserved(metadata, 32, at)?;
    Ok(Blob { dtype, count: used / dtype.bits(), offset: at as u64, bytes: elements })
}

/// A blob file that has been checked as a whole: its records are inside the bytes, as many as the header says, and
/// follow one another without overlap.
#[derive(Debug, Clone)]
pub struct BlobFile<'a> {
    /// In order of offset.
    blobs: Vec<Blob<'a>>,
}

impl<'a> BlobFile<'a> {
    /// Reads header and metadata of every record.
    ///
    /// # Errors
    /// [`MilError::Blob`] for a record that [`record_at`] refuses, and if something follows the last record but zeros
    /// up to the next multiple of 64.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MilError> {
        let count = header(bytes)?;
        let mut blobs = Vec::new();
        let mut at = HEADER;
        for position in 0..count {
            let blob = record(bytes, at).map_err(|error| match error {
                MilError::Blob { offset, reason } => {
                    fault(offset, format!("blob {position} of {count}: {reason}"))
                }
                other => other,
            })?;
            let end = at + METADATA + blob.bytes.len();
            padding(bytes, end)?;
            // Beyond every file if there is no next multiple.
            at = end.checked_next_multiple_of(ALIGNMENT as usize).unwrap_or(usize::MAX);
            blobs.push(blob);
        }
        if at < bytes.len() {
            let reason = format!("{} bytes follow the last of {count} blobs", bytes.len() - at);
            return Err(fault(at as u64, reason));
        }
        Ok(Self { blobs })
    }

    /// Number of blobs.
    pub fn len(&self) -> usize {
        self.blobs.len()
    }

    /// Whether there is no blob.
    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty()
    }

    /// Every blob, by ascending offset.
    pub fn blobs(&self) -> impl Iterator<Item = Blob<'a>> + '_ {
        self.blobs.iter().copied()
    }

    /// Offsets of all blobs, ascending, as program text refers to them.
    pub fn offsets(&self) -> impl Iterator<Item = u64> + '_ {
        self.blobs.iter().map(|blob| blob.offset)
    }

    /// The blob whose metadata is at `offset`.
    ///
    /// # Errors
    /// [`MilError::Blob`] if no blob is there.
    pub fn get(&self, offset: u64) -> Result<Blob<'a>, MilError> {
        let position = self.blobs.binary_search_by_key(&offset, |blob| blob.offset);
        position.map(|position| self.blobs[position]).map_err(|_| fault(offset, "no blob begins here"))
    }
}

/// Whether the bytes from `end` to the next multiple of 64 are zero, as far as the file reaches.
fn padding(bytes: &[u8], end: usize) -> Result<(), MilError> {
    let next =
        end.checked_next_multiple_of(ALIGNMENT as usize).map_or(bytes.len(), |next| next.min(bytes.len()));
    match bytes.get(end..next).unwrap_or_default().iter().position(|&b| b != 0) {
        None => Ok(()),
        Some(position) => {
            Err(fault((end + position) as u64, "the padding in front of the next blob is not zero"))
        }
    }
}

/// The number at that position of a block that is long enough.
fn u32_at(block: &[u8], at: usize) -> u32 {
    block.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(block: &[u8], at: usize) -> u64 {
    block.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
