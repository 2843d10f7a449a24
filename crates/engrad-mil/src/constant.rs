use half::{bf16, f16};

use crate::{DType, MilError, TensorType, Type};

/// The elements of a constant, row-major. Integers below a byte and 8-bit floats take one byte each.
#[derive(Debug, Clone)]
pub enum ConstantData {
    /// Truth values.
    Bool(Vec<bool>),
    /// Signed bytes, and 4-bit signed integers.
    Int8(Vec<i8>),
    /// Unsigned bytes, unsigned integers below a byte, and the bits of 8-bit floats.
    UInt8(Vec<u8>),
    /// 16-bit integers.
    Int16(Vec<i16>),
    /// Unsigned 16-bit integers.
    UInt16(Vec<u16>),
    /// 32-bit integers.
    Int32(Vec<i32>),
    /// Unsigned 32-bit integers.
    UInt32(Vec<u32>),
    /// 64-bit integers.
    Int64(Vec<i64>),
    /// 64-bit offsets.
    UInt64(Vec<u64>),
    /// bfloat16 numbers.
    Bf16(Vec<bf16>),
    /// Half-precision numbers.
    Fp16(Vec<f16>),
    /// Single-precision numbers.
    Fp32(Vec<f32>),
    /// Double-precision numbers.
    Fp64(Vec<f64>),
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

/// Runs an expression for the list of whichever variant holds one; the second for a blob reference.
macro_rules! each_list {
    ($data:expr, $list:ident => $then:expr, blob => $blob:expr) => {
        match $data {
            ConstantData::Bool($list) => $then,
            ConstantData::Int8($list) => $then,
            ConstantData::UInt8($list) => $then,
            ConstantData::Int16($list) => $then,
            ConstantData::UInt16($list) => $then,
            ConstantData::Int32($list) => $then,
            ConstantData::UInt32($list) => $then,
            ConstantData::Int64($list) => $then,
            ConstantData::UInt64($list) => $then,
            ConstantData::Bf16($list) => $then,
            ConstantData::Fp16($list) => $then,
            ConstantData::Fp32($list) => $then,
            ConstantData::Fp64($list) => $then,
            ConstantData::String($list) => $then,
            ConstantData::Blob { .. } => $blob,
        }
    };
}

impl ConstantData {
    /// Number of elements held; `None` for a blob reference.
    #[allow(clippy::len_without_is_empty, reason = "a blob reference is neither empty nor not")]
    pub fn len(&self) -> Option<usize> {
        each_list!(self, list => Some(list.len()), blob => None)
    }

    /// Whether elements of `dtype` are held in this form; a blob may hold any numbers.
    pub fn holds(&self, dtype: DType) -> bool {
        match self {
            Self::Bool(_) => dtype == DType::Bool,
            Self::Int8(_) => matches!(dtype, DType::Int8 | DType::Int4),
            Self::UInt8(_) => matches!(
                dtype,
                DType::UInt8
                    | DType::UInt1
                    | DType::UInt2
                    | DType::UInt3
                    | DType::UInt4
                    | DType::UInt6
                    | DType::Fp8E4M3
                    | DType::Fp8E5M2
            ),
            Self::Int16(_) => dtype == DType::Int16,
            Self::UInt16(_) => dtype == DType::UInt16,
            Self::Int32(_) => dtype == DType::Int32,
            Self::UInt32(_) => dtype == DType::UInt32,
            Self::Int64(_) => dtype == DType::Int64,
            Self::UInt64(_) => dtype == DType::UInt64,
            Self::Bf16(_) => dtype == DType::Bf16,
            Self::Fp16(_) => dtype == DType::Fp16,
            Self::Fp32(_) => dtype == DType::Fp32,
            Self::Fp64(_) => dtype == DType::Fp64,
            Self::String(_) => dtype == DType::String,
            Self::Blob { .. } => dtype != DType::String,
        }
    }
}

/// Equality is of bits, so that a NaN constant equals itself and −0 differs from +0.
impl PartialEq for ConstantData {
    fn eq(&self, other: &Self) -> bool {
        fn same<T, B: PartialEq>(a: &[T], b: &[T], bits: impl Fn(&T) -> B) -> bool {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| bits(x) == bits(y))
        }
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int8(a), Self::Int8(b)) => a == b,
            (Self::UInt8(a), Self::UInt8(b)) => a == b,
            (Self::Int16(a), Self::Int16(b)) => a == b,
            (Self::UInt16(a), Self::UInt16(b)) => a == b,
            (Self::Int32(a), Self::Int32(b)) => a == b,
            (Self::UInt32(a), Self::UInt32(b)) => a == b,
            (Self::Int64(a), Self::Int64(b)) => a == b,
            (Self::UInt64(a), Self::UInt64(b)) => a == b,
            (Self::Bf16(a), Self::Bf16(b)) => same(a, b, |v| v.to_bits()),
            (Self::Fp16(a), Self::Fp16(b)) => same(a, b, |v| v.to_bits()),
            (Self::Fp32(a), Self::Fp32(b)) => same(a, b, |v| v.to_bits()),
            (Self::Fp64(a), Self::Fp64(b)) => same(a, b, |v| v.to_bits()),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Blob { path: p, offset: o }, Self::Blob { path: q, offset: r }) => p == q && o == r,
            _ => false,
        }
    }
}

/// A typed tensor constant: a named `const` of a program, or an attribute value.
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
    /// [`MilError::Constant`] if the length does not fit the shape or `dtype` is not one of the two.
    pub fn floats(dtype: DType, shape: impl Into<Vec<usize>>, values: &[f32]) -> Result<Self, MilError> {
        let ty = TensorType::new(dtype, shape);
        if ty.elements() != values.len() {
            return Err(MilError::Constant(format!("{} values for {ty}", values.len())));
        }
        let data = match dtype {
            DType::Fp16 => ConstantData::Fp16(values.iter().map(|&v| f16::from_f32(v)).collect()),
            DType::Fp32 => ConstantData::Fp32(values.to_vec()),
            other => return Err(MilError::Constant(format!("{other} is not fp16 or fp32"))),
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
        self.data.len()
    }

    /// The one text of a scalar text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            ConstantData::String(texts) if texts.len() == 1 => Some(&texts[0]),
            _ => None,
        }
    }

    /// The numbers as integers, for any integer or boolean constant held inline whose values fit.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        if self.ty.dtype.is_float() {
            return None;
        }
        Some(match &self.data {
            ConstantData::Bool(v) => v.iter().map(|&x| i64::from(x)).collect(),
            ConstantData::Int8(v) => v.iter().map(|&x| i64::from(x)).collect(),
            ConstantData::UInt8(v) => v.iter().map(|&x| i64::from(x)).collect(),
            ConstantData::Int16(v) => v.iter().map(|&x| i64::from(x)).collect(),
            ConstantData::UInt16(v) => v.iter().map(|&x| i64::from(x)).collect(),
            ConstantData::Int32(v) => v.iter().map(|&x| i64::from(x)).collect(),
            ConstantData::UInt32(v) => v.iter().map(|&x| i64::from(x)).collect(),
            ConstantData::Int64(v) => v.clone(),
            ConstantData::UInt64(v) => {
                v.iter().map(|&x| i64::try_from(x).ok()).collect::<Option<Vec<_>>>()?
            }
            _ => return None,
        })
    }

    /// The numbers as f64, for any numeric or boolean constant held inline; 64-bit integers and 8-bit floats excepted.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        if matches!(self.ty.dtype, DType::Fp8E4M3 | DType::Fp8E5M2) {
            return None;
        }
        Some(match &self.data {
            ConstantData::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
            ConstantData::Int8(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::UInt8(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::Int16(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::UInt16(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::Int32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::UInt32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::Bf16(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::Fp16(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::Fp32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            ConstantData::Fp64(v) => v.clone(),
            ConstantData::Int64(_)
            | ConstantData::UInt64(_)
            | ConstantData::String(_)
            | ConstantData::Blob { .. } => return None,
        })
    }
}

/// A literal of the text: a tensor of known shape, or something made of several.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A tensor constant.
    Tensor(Constant),
    /// A list, dictionary, tuple, or a tensor whose written type leaves extents open.
    Composite {
        /// The written type.
        ty: Type,
        /// The value; types of its parts follow from `ty`.
        value: Payload,
    },
}

/// The value of a composite literal.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// A tensor: extents and elements.
    Elements {
        /// Actual extents.
        shape: Vec<usize>,
        /// Row-major elements.
        data: ConstantData,
    },
    /// Items of a list, in order.
    List(Vec<Self>),
    /// Members of a tuple, in order.
    Tuple(Vec<Self>),
    /// Pairs of a dictionary, in order.
    Dict(Vec<(Self, Self)>),
}

impl Literal {
    /// The type of the literal.
    pub fn ty(&self) -> Type {
        match self {
            Self::Tensor(constant) => Type::Tensor(constant.ty.clone()),
            Self::Composite { ty, .. } => ty.clone(),
        }
    }

    /// The tensor constant, if it is one.
    pub fn tensor(&self) -> Option<&Constant> {
        match self {
            Self::Tensor(constant) => Some(constant),
            Self::Composite { .. } => None,
        }
    }

    /// A dictionary of texts, as the `buildInfo` of a program is.
    pub fn texts<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let text = || Box::new(Type::Tensor(TensorType::scalar(DType::String)));
        let pairs = pairs.into_iter().map(|(key, value)| (Payload::text(key), Payload::text(value)));
        Self::Composite { ty: Type::Dict(text(), text()), value: Payload::Dict(pairs.collect()) }
    }
}

impl From<Constant> for Literal {
    fn from(constant: Constant) -> Self {
        Self::Tensor(constant)
    }
}

impl Payload {
    /// A scalar text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Elements { shape: Vec::new(), data: ConstantData::String(vec![text.into()]) }
    }

    /// The text of a scalar text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Elements { data: ConstantData::String(texts), .. } if texts.len() == 1 => Some(&texts[0]),
            _ => None,
        }
    }

    /// The parts of a list or tuple.
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) | Self::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a text key of a dictionary.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Dict(pairs) => pairs.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, value)| value),
            _ => None,
        }
    }
}
