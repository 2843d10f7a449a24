//! Values of the interpreter.

use std::borrow::Cow;

use engrad_mil::{Constant, ConstantData, DType, TensorType};
use half::{bf16, f16};

/// Elements of a tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    /// Every floating-point type; fp16 values are kept as the f32 of the same value.
    Floats(Vec<f32>),
    /// Integers above a byte; unsigned 32-bit ones as the same bits, 64-bit ones if they fit.
    Ints(Vec<i32>),
    /// Truth values (0 or 1), unsigned integers up to a byte, and signed ones as the same bits.
    Bytes(Vec<u8>),
    /// Texts.
    Texts(Vec<String>),
}

/// A dense tensor: as many elements as the product of its extents.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
}

/// Most elements of one value (2^31): what is larger is refused rather than tried.
pub(crate) const MAX_ELEMENTS: usize = 1 << 31;

/// Number of elements of a shape.
///
/// # Errors
/// If there are more than [`MAX_ELEMENTS`], or would be if every extent of zero were one: products of some of the extents
/// stay small too.
pub(crate) fn elements(shape: &[usize]) -> Result<usize, String> {
    let bounded =
        shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1))).filter(|&n| n <= MAX_ELEMENTS);
    match bounded {
        Some(_) if shape.contains(&0) => Ok(0),
        Some(count) => Ok(count),
        None => Err(format!("a tensor of shape {shape:?} is too large")),
    }
}

/// Most entries of a table that a kernel makes for one dimension: windows of a pool, samples of a resized image.
const MAX_TABLE: usize = 1 << 26;

/// The extent of a dimension that a kernel makes a table for.
///
/// # Errors
/// If the table would be too large.
pub(crate) fn table_len(extent: usize) -> Result<usize, String> {
    if extent <= MAX_TABLE {
        Ok(extent)
    } else {
        Err(format!("a dimension of {extent} elements is too large"))
    }
}

/// Distance in elements between neighbours along each dimension of a dense tensor.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for i in (1..shape.len()).rev() {
        // Extents beside a zero may be of any size; no element is then reached by a stride.
        strides[i - 1] = strides[i].wrapping_mul(shape[i]);
    }
    strides
}

/// Runs an expression for the list of whichever variant holds one, and wraps its result in that variant.
macro_rules! map_data {
    ($data:expr, $list:ident => $then:expr) => {
        match $data {
            Data::Floats($list) => Data::Floats($then),
            Data::Ints($list) => Data::Ints($then),
            Data::Bytes($list) => Data::Bytes($then),
            Data::Texts($list) => Data::Texts($then),
        }
    };
}
pub(crate) use map_data;

impl Data {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Floats(v) => v.len(),
            Self::Ints(v) => v.len(),
            Self::Bytes(v) => v.len(),
            Self::Texts(v) => v.len(),
        }
    }
}

impl Tensor {
    /// A tensor of elements in the form that its element type has.
    ///
    /// # Errors
    /// If the number of elements is not that of the shape; the same for the other constructors.
    pub(crate) fn of(dtype: DType, shape: Vec<usize>, data: Data) -> Result<Self, String> {
        let stored = data.len();
        Self::new(dtype, shape, data, stored)
    }

    fn new(dtype: DType, shape: Vec<usize>, data: Data, stored: usize) -> Result<Self, String> {
        if elements(&shape)? != stored {
            return Err(format!("{stored} elements for shape {shape:?}"));
        }
        Ok(Self { dtype, shape, data })
    }

    /// A floating-point tensor.
    ///
    /// # Errors
    /// If the number of elements is not that of the shape; the same for the other constructors.
    pub(crate) fn floats(dtype: DType, shape: Vec<usize>, values: Vec<f32>) -> Result<Self, String> {
        let stored = values.len();
        Self::new(dtype, shape, Data::Floats(values), stored)
    }

    /// A tensor of integers of any width; values wrap to the element type.
    pub(crate) fn ints(dtype: DType, shape: Vec<usize>, values: Vec<i32>) -> Result<Self, String> {
        let stored = values.len();
        let data = match dtype {
            DType::Int16 => Data::Ints(values.into_iter().map(|v| i32::from(v as i16)).collect()),
            DType::UInt16 => Data::Ints(values.into_iter().map(|v| i32::from(v as u16)).collect()),
            _ if dtype.bits() <= 8 => Data::Bytes(values.into_iter().map(|v| v as u8).collect()),
            _ => Data::Ints(values),
        };
        Self::new(dtype, shape, data, stored)
    }

    /// A vector of scalars of one element type.
    ///
    /// # Errors
    /// If one is no scalar of that type.
    pub(crate) fn vector(dtype: DType, scalars: Vec<Self>) -> Result<Self, String> {
        let (mut floats, mut ints, mut bytes, mut texts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let count = scalars.len();
        for scalar in scalars {
            match scalar.data {
                Data::Floats(v) => floats.extend(v),
                Data::Ints(v) => ints.extend(v),
                Data::Bytes(v) => bytes.extend(v),
                Data::Texts(v) => texts.extend(v),
            }
        }
        let data = match dtype {
            DType::String => Data::Texts(texts),
            _ if dtype.is_float() => Data::Floats(floats),
            _ if dtype == DType::Bool || dtype.bits() <= 8 => Data::Bytes(bytes),
            _ => Data::Ints(ints),
        };
        Self::of(dtype, vec![count], data)
    }

    /// A tensor of truth values.
    pub(crate) fn bools(shape: Vec<usize>, values: Vec<bool>) -> Result<Self, String> {
        let stored = values.len();
        Self::new(DType::Bool, shape, Data::Bytes(values.into_iter().map(u8::from).collect()), stored)
    }

    /// A tensor of the bytes as they are; for types of at most a byte.
    pub(crate) fn bytes(dtype: DType, shape: Vec<usize>, values: Vec<u8>) -> Result<Self, String> {
        let stored = values.len();
        Self::new(dtype, shape, Data::Bytes(values), stored)
    }

    /// Zeros, or `false`.
    ///
    /// # Errors
    /// If there are too many, or the type is text.
    pub(crate) fn zeros(ty: &TensorType) -> Result<Self, String> {
        let (dtype, shape) = (ty.dtype, ty.shape.clone());
        let count = elements(&shape)?;
        match dtype {
            DType::String => Err("texts have no zero".to_owned()),
            _ if dtype.is_float() => Self::floats(dtype, shape, vec![0.0; count]),
            _ if dtype.bits() <= 8 => Self::bytes(dtype, shape, vec![0; count]),
            _ => Self::ints(dtype, shape, vec![0; count]),
        }
    }

    /// The tensor as a constant of its type; fp16 values are rounded.
    ///
    /// # Errors
    /// If its type has no constants here (8-bit floats).
    pub(crate) fn to_constant(&self) -> Result<Constant, String> {
        let data = match (&self.data, self.dtype) {
            (Data::Floats(v), DType::Fp16) => {
                ConstantData::Fp16(v.iter().map(|&v| f16::from_f32(v)).collect())
            }
            (Data::Floats(v), DType::Fp32) => ConstantData::Fp32(v.clone()),
            (Data::Floats(v), DType::Bf16) => {
                ConstantData::Bf16(v.iter().map(|&v| bf16::from_f32(v)).collect())
            }
            (Data::Floats(v), DType::Fp64) => ConstantData::Fp64(v.iter().map(|&v| f64::from(v)).collect()),
            (Data::Ints(v), DType::Int32) => ConstantData::Int32(v.clone()),
            (Data::Ints(v), DType::Int16) => ConstantData::Int16(v.iter().map(|&v| v as i16).collect()),
            (Data::Ints(v), DType::UInt16) => ConstantData::UInt16(v.iter().map(|&v| v as u16).collect()),
            (Data::Ints(v), DType::UInt32) => {
                ConstantData::UInt32(v.iter().map(|&v| v.cast_unsigned()).collect())
            }
            (Data::Ints(v), DType::Int64) => ConstantData::Int64(v.iter().map(|&v| i64::from(v)).collect()),
            (Data::Bytes(v), DType::Bool) => ConstantData::Bool(v.iter().map(|&v| v != 0).collect()),
            (Data::Bytes(v), DType::Int8 | DType::Int4) => {
                ConstantData::Int8(v.iter().map(|&v| v.cast_signed()).collect())
            }
            (Data::Bytes(v), dtype) if dtype.is_integer() => ConstantData::UInt8(v.clone()),
            (Data::Texts(v), DType::String) => ConstantData::String(v.clone()),
            _ => return Err(format!("{} values cannot leave the interpreter", self.dtype)),
        };
        Ok(Constant { ty: TensorType::new(self.dtype, self.shape.clone()), data })
    }

    /// A constant held inline.
    ///
    /// # Errors
    /// If it refers to a blob, or holds numbers that the interpreter has no form for.
    pub(crate) fn constant(constant: &Constant) -> Result<Self, String> {
        let (dtype, shape) = (constant.ty.dtype, constant.ty.shape.clone());
        let wide =
            |fits: Option<Vec<i32>>| fits.ok_or_else(|| format!("a {dtype} constant is beyond 32 bits"));
        match &constant.data {
            ConstantData::Bool(v) => Self::bools(shape, v.clone()),
            ConstantData::Int8(v) => {
                Self::bytes(dtype, shape, v.iter().map(|&v| v.cast_unsigned()).collect())
            }
            ConstantData::UInt8(v) if !dtype.is_float() => Self::bytes(dtype, shape, v.clone()),
            ConstantData::UInt8(_) => Err(format!("{dtype} constants are not run")),
            ConstantData::Int16(v) => Self::ints(dtype, shape, v.iter().map(|&v| i32::from(v)).collect()),
            ConstantData::UInt16(v) => Self::ints(dtype, shape, v.iter().map(|&v| i32::from(v)).collect()),
            ConstantData::Int32(v) => Self::ints(dtype, shape, v.clone()),
            ConstantData::UInt32(v) => Self::ints(dtype, shape, v.iter().map(|&v| v.cast_signed()).collect()),
            ConstantData::Int64(v) => {
                Self::ints(dtype, shape, wide(v.iter().map(|&v| i32::try_from(v).ok()).collect())?)
            }
            ConstantData::UInt64(v) => {
                Self::ints(dtype, shape, wide(v.iter().map(|&v| i32::try_from(v).ok()).collect())?)
            }
            ConstantData::Bf16(v) => Self::floats(dtype, shape, v.iter().map(|v| v.to_f32()).collect()),
            ConstantData::Fp16(v) => Self::floats(dtype, shape, v.iter().map(|v| v.to_f32()).collect()),
            ConstantData::Fp32(v) => Self::floats(dtype, shape, v.clone()),
            ConstantData::Fp64(v) => Self::floats(dtype, shape, v.iter().map(|&v| v as f32).collect()),
            ConstantData::String(v) => {
                let stored = v.len();
                Self::new(dtype, shape, Data::Texts(v.clone()), stored)
            }
            ConstantData::Blob { path, .. } => {
                Err(format!("the elements are in `{path}`, which is not loaded"))
            }
        }
    }

    /// Number of dimensions.
    pub(crate) fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    /// The numbers of a floating-point tensor.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn as_floats(&self) -> Result<&[f32], String> {
        match &self.data {
            Data::Floats(values) => Ok(values),
            _ => Err(format!("needs a floating-point tensor, not {}", self.dtype)),
        }
    }

    /// The numbers of an integer or boolean tensor.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn as_ints(&self) -> Result<Cow<'_, [i32]>, String> {
        match &self.data {
            Data::Ints(values) => Ok(Cow::Borrowed(values)),
            Data::Bytes(values) if matches!(self.dtype, DType::Int8 | DType::Int4) => {
                Ok(values.iter().map(|&v| i32::from(v.cast_signed())).collect())
            }
            Data::Bytes(values) => Ok(values.iter().map(|&v| i32::from(v)).collect()),
            _ => Err(format!("needs an integer tensor, not {}", self.dtype)),
        }
    }

    /// The values of a boolean tensor.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn as_bools(&self) -> Result<Vec<bool>, String> {
        match &self.data {
            Data::Bytes(values) if self.dtype == DType::Bool => Ok(values.iter().map(|&v| v != 0).collect()),
            _ => Err(format!("needs a bool tensor, not {}", self.dtype)),
        }
    }

    /// The numbers of any numeric tensor as f32.
    ///
    /// # Errors
    /// If it holds texts.
    pub(crate) fn to_f32(&self) -> Result<Cow<'_, [f32]>, String> {
        match &self.data {
            Data::Floats(values) => Ok(Cow::Borrowed(values)),
            Data::Texts(_) => Err("needs numbers, not texts".to_owned()),
            _ => Ok(self.as_ints()?.iter().map(|&v| v as f32).collect()),
        }
    }

    /// The same elements in another shape of as many.
    ///
    /// # Errors
    /// If the number of elements differs.
    pub(crate) fn reshaped(mut self, shape: Vec<usize>) -> Result<Self, String> {
        if elements(&shape)? != self.len() {
            return Err(format!("{:?} cannot become {shape:?}", self.shape));
        }
        self.shape = shape;
        Ok(self)
    }

    /// The elements at these positions, in order, in a new shape. Every position must be below [`Tensor::len`].
    ///
    /// # Errors
    /// If there are not as many positions as the shape has elements, or one is out of range.
    pub(crate) fn pick(&self, shape: Vec<usize>, positions: &[usize]) -> Result<Self, String> {
        if positions.iter().any(|&p| p >= self.len()) {
            return Err("a position is outside the tensor".to_owned());
        }
        let stored = positions.len();
        let data = map_data!(&self.data, v => positions.iter().filter_map(|&p| v.get(p)).cloned().collect());
        Self::new(self.dtype, shape, data, stored)
    }

    /// Rounds the values of an fp16 tensor to fp16, to nearest even.
    pub(crate) fn round_to_fp16(&mut self) {
        if let (DType::Fp16, Data::Floats(values)) = (self.dtype, &mut self.data) {
            values.iter_mut().for_each(|v| *v = f16::from_f32(*v).to_f32());
        }
    }
}
