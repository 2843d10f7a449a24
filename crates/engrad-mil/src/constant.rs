use half::f16;

use crate::{DType, MilError, TensorType};

/// The elements of a constant, row-major.
#[derive(Debug, Clone)]
pub enum ConstantData {
    /// Truth values.
    Bool(Vec<bool>),
    /// Signed bytes.
    Int8(Vec<i8>),
    /// Unsigned bytes.
    UInt8(Vec<u8>),
    /// 32-bit integers.
    Int32(Vec<i32>),
    /// 64-bit offsets.
    UInt64(Vec<u64>),
    /// Half-precision numbers.
    Fp16(Vec<f16>),
    /// Single-precision numbers.
    Fp32(Vec<f32>),
    /// Texts.
    String(Vec<String>),
    /// Elements kept in a blob file; `offset` is that of the blob's metadata record (ane-facts 3.1).
    Blob {
        /// Path as in the text, usually `@model_path/weights/….bin`.
        path: String,
        /// Byte offset of the metadata record.
        offset: u64,
    },
}

/// Equality is of bits, so that a NaN constant equals itself and −0 differs from +0.
impl PartialEq for ConstantData {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int8(a), Self::Int8(b)) => a == b,
            (Self::UInt8(a), Self::UInt8(b)) => a == b,
            (Self::Int32(a), Self::Int32(b)) => a == b,
            (Self::UInt64(a), Self::UInt64(b)) => a == b,
            (Self::Fp16(a), Self::Fp16(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits())
            }
            (Self::Fp32(a), Self::Fp32(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits())
            }
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Blob { path: p, offset: o }, Self::Blob { path: q, offset: r }) => p == q && o == r,
            _ => false,
        }
    }
}

/// A typed constant: a named `const` of a program, or an attribute value.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// Its type.
    pub ty: TensorType,
    /// Its elements.
    pub data: ConstantData,
}

impl Constant {
    /// A scalar text.
    pub fn string(text: impl Into<String>) -> Self {
        Self { ty: TensorType::scalar(DType::String), data: ConstantData::String(vec![text.into()]) }
    }

    /// A scalar truth value.
    pub fn bool(value: bool) -> Self {
        Self { ty: TensorType::scalar(DType::Bool), data: ConstantData::Bool(vec![value]) }
    }

    /// A scalar integer.
    pub fn int(value: i32) -> Self {
        Self { ty: TensorType::scalar(DType::Int32), data: ConstantData::Int32(vec![value]) }
    }

    /// A list of integers.
    pub fn ints(values: &[i32]) -> Self {
        Self { ty: TensorType::new(DType::Int32, [values.len()]), data: ConstantData::Int32(values.to_vec()) }
    }

    /// A floating-point tensor of `dtype` (fp16 or fp32), rounded to nearest even from `values`.
    ///
    /// # Errors
    /// [`MilError::Constant`] if the length does not fit the shape or `dtype` is not a floating type.
    pub fn floats(dtype: DType, shape: impl Into<Vec<usize>>, values: &[f32]) -> Result<Self, MilError> {
        let ty = TensorType::new(dtype, shape);
        if ty.elements() != values.len() {
            return Err(MilError::Constant(format!("{} values for {ty}", values.len())));
        }
        let data = match dtype {
            DType::Fp16 => ConstantData::Fp16(values.iter().map(|&v| f16::from_f32(v)).collect()),
            DType::Fp32 => ConstantData::Fp32(values.to_vec()),
            other => return Err(MilError::Constant(format!("{other} is not a floating type"))),
        };
        Ok(Self { ty, data })
    }

    /// A floating-point scalar.
    ///
    /// # Errors
    /// [`MilError::Constant`] if `dtype` is not a floating type.
    pub fn float(dtype: DType, value: f32) -> Result<Self, MilError> {
        Self::floats(dtype, [], &[value])
    }

    /// Number of elements held; `None` for a blob reference.
    pub fn stored_elements(&self) -> Option<usize> {
        Some(match &self.data {
            ConstantData::Bool(v) => v.len(),
            ConstantData::Int8(v) => v.len(),
            ConstantData::UInt8(v) => v.len(),
            ConstantData::Int32(v) => v.len(),
            ConstantData::UInt64(v) => v.len(),
            ConstantData::Fp16(v) => v.len(),
            ConstantData::Fp32(v) => v.len(),
            ConstantData::String(v) => v.len(),
            ConstantData::Blob { .. } => return None,
        })
    }

    /// The numbers as f64, for any numeric or boolean constant held inline.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        Some(match &self.data {
            ConstantData::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
            ConstantData::Int8(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::UInt8(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::Int32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::Fp16(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::Fp32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::UInt64(_) | ConstantData::String(_) | ConstantData::Blob { .. } => return None,
        })
    }
}
