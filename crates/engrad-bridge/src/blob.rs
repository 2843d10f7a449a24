//! Weight blobs as the known bridge builds them, in memory that C may `free`.

use std::ffi::{c_int, c_void};

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::error::BridgeError;
use crate::raw;

const HEADER: usize = 64;
const METADATA: usize = 64;
const SENTINEL: [u8; 4] = 0xDEAD_BEEF_u32.to_le_bytes();

/// Rows and columns as C gives them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    rows: usize,
    columns: usize,
}

impl Extent {
    pub(crate) fn new(rows: c_int, columns: c_int) -> Result<Self, BridgeError> {
        let extent = |n: c_int| usize::try_from(n).ok().filter(|&n| n > 0);
        match (extent(rows), extent(columns)) {
            (Some(rows), Some(columns)) => Ok(Self { rows, columns }),
            _ => Err(BridgeError::argument(format!("weights of {rows} by {columns}"))),
        }
    }

    /// Number of elements. Two positive `int`s: the product fits 64 bits.
    pub(crate) fn elements(self) -> usize {
        self.rows * self.columns
    }
}

/// A blob file with one fp16 record: header, metadata, elements.
pub(crate) fn fp16(weights: &[f32], extent: Extent, transposed: bool) -> Result<Buffer, BridgeError> {
    let bytes = 2 * extent.elements();
    let mut buffer = Buffer::new(HEADER + METADATA + bytes)?;
    let file = buffer.bytes_mut();
    let (head, elements) = file.split_at_mut(HEADER + METADATA);
    head[0] = 1;
    head[4] = 2;
    let metadata = &mut head[HEADER..];
    metadata[..4].copy_from_slice(&SENTINEL);
    metadata[4] = 1;
    metadata[8..16].copy_from_slice(&(bytes as u64).to_le_bytes());
    metadata[16..24].copy_from_slice(&((HEADER + METADATA) as u64).to_le_bytes());
    if transposed {
        for (row, values) in weights.chunks_exact(extent.columns).enumerate() {
            for (column, value) in values.iter().enumerate() {
                let at = 2 * (column * extent.rows + row);
                elements[at..at + 2].copy_from_slice(&f16::from_f32(*value).to_le_bytes());
            }
        }
    } else {
        let mut converted = [f16::ZERO; 256];
        for (values, to) in weights.chunks(256).zip(elements.chunks_mut(512)) {
            converted[..values.len()].convert_from_f32_slice(values);
            for (value, to) in converted.iter().zip(to.chunks_exact_mut(2)) {
                to.copy_from_slice(&value.to_le_bytes());
            }
        }
    }
    Ok(buffer)
}

/// The known bridge's int8 blob: one record without file header. Its size field is that bridge's too.
pub(crate) fn int8(weights: impl Iterator<Item = i8>, extent: Extent) -> Result<Buffer, BridgeError> {
    let mut buffer = Buffer::new(METADATA + extent.elements())?;
    let (metadata, elements) = buffer.bytes_mut().split_at_mut(METADATA);
    metadata[..4].copy_from_slice(&SENTINEL);
    metadata[4] = 1;
    metadata[10] = 8;
    for (to, weight) in elements.iter_mut().zip(weights) {
        *to = weight.to_le_bytes()[0];
    }
    Ok(buffer)
}

/// Scale and values of a symmetric quantisation of the whole tensor, ties away from zero.
pub(crate) fn quantize(weights: &[f32]) -> (f32, impl Iterator<Item = i8>) {
    let largest = weights.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    let scale = largest / 127.0;
    let scale = if scale > 0.0 { scale } else { 1.0 };
    // A conversion to an integer saturates, and takes NaN for zero.
    (scale, weights.iter().map(move |w| (w / scale).round() as i8))
}

/// Zero-initialised memory of C's allocator, freed unless it is handed over.
#[derive(Debug)]
pub(crate) struct Buffer {
    address: *mut u8,
    bytes: usize,
}

impl Buffer {
    fn new(bytes: usize) -> Result<Self, BridgeError> {
        // SAFETY: any size may be asked for.
        let address = unsafe { libc::calloc(bytes, 1) }.cast::<u8>();
        if address.is_null() || isize::try_from(bytes).is_err() {
            // SAFETY: what was allocated, or NULL.
            unsafe { libc::free(address.cast()) };
            return Err(BridgeError::argument(format!("no memory for a blob of {bytes} bytes")));
        }
        Ok(Self { address, bytes })
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: allocated with that size, zero-initialised, and this value's alone.
        unsafe { std::slice::from_raw_parts_mut(self.address, self.bytes) }
    }

    /// Gives the memory to a C caller, with its size.
    ///
    /// # Safety
    /// `length` is NULL or writable.
    pub(crate) unsafe fn hand_over(self, length: *mut usize) -> Result<*mut u8, BridgeError> {
        // SAFETY: by the caller.
        *unsafe { raw::place(length, "out_len") }? = self.bytes;
        let address = self.address;
        std::mem::forget(self);
        Ok(address)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated by `new`, once.
        unsafe { free(self.address.cast()) };
    }
}

/// Frees a blob.
///
/// # Safety
/// NULL, or a blob of this library not freed before.
pub(crate) unsafe fn free(blob: *mut c_void) {
    // SAFETY: by the caller.
    unsafe { libc::free(blob) };
}

#[cfg(test)]
mod tests {
    use engrad_mil::DType;
    use engrad_mil::blob::BlobFile;

    use super::*;

    #[test]
    fn an_fp16_blob_is_a_file_that_the_reader_accepts() {
        let extent = Extent::new(2, 3).unwrap();
        let weights = [1.0, 2.0, 3.0, 4.0, 5.0, -0.1];
        for (transposed, order) in [(false, [0, 1, 2, 3, 4, 5]), (true, [0, 3, 1, 4, 2, 5])] {
            let mut blob = fp16(&weights, extent, transposed).unwrap();
            let file = BlobFile::parse(blob.bytes_mut()).unwrap();
            let record = file.get(64).unwrap();
            assert_eq!(record.dtype, DType::Fp16);
            let wanted: Vec<u8> =
                order.iter().flat_map(|&i| f16::from_f32(weights[i]).to_le_bytes()).collect();
            assert_eq!(record.bytes, wanted);
        }
    }

    #[test]
    fn quantisation_rounds_ties_away_and_survives_zeros_and_nan() {
        let (scale, values) = quantize(&[127.0, -0.5, 0.5, -127.0]);
        assert_eq!((scale, values.collect::<Vec<_>>()), (1.0, vec![127, -1, 1, -127]));
        let (scale, values) = quantize(&[0.0, f32::NAN]);
        assert_eq!((scale, values.collect::<Vec<_>>()), (1.0, vec![0, 0]));
    }

    #[test]
    fn extents_are_positive() {
        for (rows, columns) in [(0, 4), (-1, 4), (4, 0), (i32::MIN, i32::MIN)] {
            assert!(Extent::new(rows, columns).is_err());
        }
        assert_eq!(Extent::new(i32::MAX, i32::MAX).unwrap().elements(), 4_611_686_014_132_420_609);
    }
}
