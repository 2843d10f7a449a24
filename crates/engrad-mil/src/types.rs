use std::fmt;

/// Most dimensions a tensor may have (ane-facts 2.1: ranks 0…5, six is rejected).
pub const MAX_RANK: usize = 5;
/// Most elements a tensor type may describe (2^36); keeps sizes in bytes far from overflow.
pub const MAX_ELEMENTS: usize = 1 << 36;

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// Truth value.
    Bool,
    /// Signed 8-bit integer.
    Int8,
    /// Unsigned 8-bit integer.
    UInt8,
    /// Signed 32-bit integer; attribute values (axes, shapes) only on the Neural Engine.
    Int32,
    /// Unsigned 64-bit integer; blob offsets only.
    UInt64,
    /// IEEE half precision, the engine's native type.
    Fp16,
    /// IEEE single precision.
    Fp32,
    /// Text; attribute values only.
    String,
}

impl DType {
    const NAMES: [(Self, &'static str, usize); 8] = [
        (Self::Bool, "bool", 1),
        (Self::Int8, "int8", 1),
        (Self::UInt8, "uint8", 1),
        (Self::Int32, "int32", 4),
        (Self::UInt64, "uint64", 8),
        (Self::Fp16, "fp16", 2),
        (Self::Fp32, "fp32", 4),
        (Self::String, "string", 0),
    ];

    /// Name in program text.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(d, ..)| *d == self).map_or("", |(_, name, _)| name)
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, n, _)| *n == name).map(|(d, ..)| *d)
    }

    /// Bytes of one element in memory; 0 for text.
    pub fn size(self) -> usize {
        Self::NAMES.iter().find(|(d, ..)| *d == self).map_or(0, |(.., size)| *size)
    }

    /// Whether arithmetic rules accept it.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Fp16 | Self::Fp32)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Element type and static shape; an empty shape is a scalar.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Extent of each dimension, outermost first.
    pub shape: Vec<usize>,
}

impl TensorType {
    /// A tensor of that type and shape.
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        Self { dtype, shape: shape.into() }
    }

    /// A scalar.
    pub fn scalar(dtype: DType) -> Self {
        Self { dtype, shape: Vec::new() }
    }

    /// The engine's working layout `[1, channels, 1, width]`, width contiguous.
    pub fn channels(dtype: DType, channels: usize, width: usize) -> Self {
        Self { dtype, shape: vec![1, channels, 1, width] }
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements; saturates for types that [`TensorType::is_bounded`] refuses.
    pub fn elements(&self) -> usize {
        self.shape.iter().fold(1usize, |n, &d| n.saturating_mul(d))
    }

    /// Within [`MAX_RANK`] and [`MAX_ELEMENTS`], no extent zero.
    pub fn is_bounded(&self) -> bool {
        self.rank() <= MAX_RANK && self.shape.iter().all(|&d| d > 0) && self.elements() <= MAX_ELEMENTS
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shape.is_empty() {
            return f.write_str(self.dtype.name());
        }
        write!(f, "tensor<{}, {:?}>", self.dtype, self.shape)
    }
}
