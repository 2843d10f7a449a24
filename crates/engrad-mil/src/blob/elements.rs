use half::{bf16, f16};

use crate::{ConstantData, DType, MilError};

/// The elements as files hold them: little endian, those below a byte packed from the least significant bit. `None` for
/// a blob reference, truth values and text, and for data that does not [hold](ConstantData::holds) elements of `dtype`.
pub fn encode(dtype: DType, data: &ConstantData) -> Option<Vec<u8>> {
    if !data.holds(dtype) {
        return None;
    }
    Some(match data {
        ConstantData::Int8(values) if dtype.bits() < 8 => {
            pack(dtype.bits(), values.iter().map(|v| v.cast_unsigned()))
        }
        ConstantData::UInt8(values) if dtype.bits() < 8 => pack(dtype.bits(), values.iter().copied()),
        ConstantData::UInt8(values) => values.clone(),
        ConstantData::Int8(values) => values.iter().map(|v| v.cast_unsigned()).collect(),
        ConstantData::Int16(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::UInt16(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::Int32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::UInt32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::Int64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::UInt64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::Bf16(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::Fp16(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::Fp32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::Fp64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::Bool(_) | ConstantData::String(_) | ConstantData::Blob { .. } => return None,
    })
}

/// The reverse of [`encode`] for `count` elements. Unused bits of the last byte are not looked at.
///
/// # Errors
/// [`MilError::Constant`] if `bytes` is not as long as that many elements, or the type is bool or string.
pub fn decode(dtype: DType, count: usize, bytes: &[u8]) -> Result<ConstantData, MilError> {
    let refuse = || MilError::Constant(format!("{} bytes for {count} elements of {dtype}", bytes.len()));
    let size = count.checked_mul(dtype.bits()).map(|bits| bits.div_ceil(8));
    if size != Some(bytes.len()) {
        return Err(refuse());
    }
    macro_rules! list {
        ($variant:ident, $element:ty, $width:literal) => {
            ConstantData::$variant(
                bytes.as_chunks::<$width>().0.iter().map(|&b| <$element>::from_le_bytes(b)).collect(),
            )
        };
    }
    Ok(match dtype {
        DType::Bool | DType::String => return Err(refuse()),
        // Four bits as the upper half of a byte, then shifted down with their sign.
        DType::Int4 => ConstantData::Int8(unpack(4, count, bytes, |v| (v << 4).cast_signed() >> 4)),
        DType::UInt1 | DType::UInt2 | DType::UInt3 | DType::UInt4 | DType::UInt6 => {
            ConstantData::UInt8(unpack(dtype.bits(), count, bytes, |v| v))
        }
        DType::UInt8 | DType::Fp8E4M3 | DType::Fp8E5M2 => ConstantData::UInt8(bytes.to_vec()),
        DType::Int8 => ConstantData::Int8(bytes.iter().map(|&b| b.cast_signed()).collect()),
        DType::Int16 => list!(Int16, i16, 2),
        DType::UInt16 => list!(UInt16, u16, 2),
        DType::Int32 => list!(Int32, i32, 4),
        DType::UInt32 => list!(UInt32, u32, 4),
        DType::Int64 => list!(Int64, i64, 8),
        DType::UInt64 => list!(UInt64, u64, 8),
        DType::Bf16 => list!(Bf16, bf16, 2),
        DType::Fp16 => list!(Fp16, f16, 2),
        DType::Fp32 => list!(Fp32, f32, 4),
        DType::Fp64 => list!(Fp64, f64, 8),
    })
}

/// The low `bits` bits of each element, one after the other.
fn pack(bits: usize, elements: impl ExactSizeIterator<Item = u8>) -> Vec<u8> {
    let mut packed = Vec::with_capacity((elements.len() * bits).div_ceil(8));
    // At most 7 bits wait while 6 more come.
    let (mut waiting, mut filled) = (0u16, 0);
    for element in elements {
        waiting |= (u16::from(element) & ((1 << bits) - 1)) << filled;
        filled += bits;
        if filled >= 8 {
            packed.push(waiting.to_le_bytes()[0]);
            waiting >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        packed.push(waiting.to_le_bytes()[0]);
    }
    packed
}

/// `bytes` holds `count` elements of `bits` bits; `element` makes an element of its bits.
fn unpack<T>(bits: usize, count: usize, bytes: &[u8], element: impl Fn(u8) -> T) -> Vec<T> {
    let mut elements = Vec::with_capacity(count);
    let (mut waiting, mut filled) = (0u16, 0);
    for &byte in bytes {
        waiting |= u16::from(byte) << filled;
        filled += 8;
        while filled >= bits && elements.len() < count {
            elements.push(element(waiting.to_le_bytes()[0] & ((1 << bits) - 1)));
            waiting >>= bits;
            filled -= bits;
        }
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_bits_run_over_byte_boundaries_from_the_least_significant() {
        let values = vec![1, 2, 3, 4, 5, 6, 7, 0, 5];
        let data = ConstantData::UInt8(values);
        let packed = encode(DType::UInt3, &data).unwrap();
        assert_eq!(packed, [0xd1, 0x58, 0x1f, 0x05]);
        assert_eq!(decode(DType::UInt3, 9, &packed), Ok(data));
    }

    #[test]
    fn four_bits_keep_their_sign_and_the_low_nibble_is_first() {
        let data = ConstantData::Int8(vec![-8, 7, -1, 3, 2]);
        let packed = encode(DType::Int4, &data).unwrap();
        assert_eq!(packed, [0x78, 0x3f, 0x02]);
        assert_eq!(decode(DType::Int4, 5, &packed), Ok(data));
    }

    #[test]
    fn every_type_of_every_length_comes_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        for dtype in DType::all().filter(|d| !matches!(d, DType::Bool | DType::String)) {
            for count in 0..20 {
                let bytes = &bytes[..(count * dtype.bits()).div_ceil(8)];
                let data = decode(dtype, count, bytes).unwrap();
                assert_eq!(data.len(), Some(count));
                let packed = encode(dtype, &data).unwrap();
                assert_eq!(decode(dtype, count, &packed), Ok(data));
                assert!(decode(dtype, count + 8, bytes).is_err());
            }
        }
    }
}
