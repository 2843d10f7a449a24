use std::borrow::Cow;
use std::fmt;

/// Most dimensions a tensor may have. Engines accept fewer (five on the Neural Engine, ane-facts 2.1); constants such as
/// look-up tables have one or two more than the weight they stand for.
pub const MAX_RANK: usize = 16;
/// Most elements a tensor type may describe (2^36); keeps sizes in bytes far from overflow.
pub const MAX_ELEMENTS: usize = 1 << 36;

/// An identifier of a program: borrowed from the op table where it stands there.
pub type Name = Cow<'static, str>;

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// Truth value.
    Bool,
    /// Signed 4-bit integer; weights only.
    Int4,
    /// Unsigned 1-bit integer: sparsity masks, palette indices.
    UInt1,
    /// Unsigned 2-bit integer: palette indices.
    UInt2,
    /// Unsigned 3-bit integer: palette indices.
    UInt3,
    /// Unsigned 4-bit integer: palette indices, weights.
    UInt4,
    /// Unsigned 6-bit integer: palette indices.
    UInt6,
    /// Signed 8-bit integer.
    Int8,
    /// Unsigned 8-bit integer.
    UInt8,
    /// Signed 16-bit integer.
    Int16,
    /// Unsigned 16-bit integer.
    UInt16,
    /// Signed 32-bit integer; attribute values (axes, shapes) only on the Neural Engine.
    Int32,
    /// Unsigned 32-bit integer.
    UInt32,
    /// Signed 64-bit integer.
    Int64,
    /// Unsigned 64-bit integer; blob offsets.
    UInt64,
    /// 8-bit float with 4 exponent bits, no infinities.
    Fp8E4M3,
    /// 8-bit float with 5 exponent bits.
    Fp8E5M2,
    /// The upper half of a single-precision number.
    Bf16,
    /// IEEE half precision, the engine's native type.
    Fp16,
    /// IEEE single precision.
    Fp32,
    /// IEEE double precision.
    Fp64,
    /// Text; attribute values only.
    String,
}

impl DType {
    /// Type, name in program text, bits of one stored element.
    const TABLE: [(Self, &'static str, usize); 22] = [
        (Self::Bool, "bool", 8),
        (Self::Int4, "int4", 4),
        (Self::UInt1, "uint1", 1),
        (Self::UInt2, "uint2", 2),
        (Self::UInt3, "uint3", 3),
        (Self::UInt4, "uint4", 4),
        (Self::UInt6, "uint6", 6),
        (Self::Int8, "int8", 8),
        (Self::UInt8, "uint8", 8),
        (Self::Int16, "int16", 16),
        (Self::UInt16, "uint16", 16),
        (Self::Int32, "int32", 32),
        (Self::UInt32, "uint32", 32),
        (Self::Int64, "int64", 64),
        (Self::UInt64, "uint64", 64),
        (Self::Fp8E4M3, "fp8e4m3fn", 8),
        (Self::Fp8E5M2, "fp8e5m2", 8),
        (Self::Bf16, "bf16", 16),
        (Self::Fp16, "fp16", 16),
        (Self::Fp32, "fp32", 32),
        (Self::Fp64, "fp64", 64),
        (Self::String, "string", 0),
    ];

    /// Every element type.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, usize) {
        // Positions agree with the enum; a test holds this.
        &Self::TABLE[self as usize]
    }

    /// Name in program text.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Bits of one element as blobs store it; 0 for text.
    pub fn bits(self) -> usize {
        self.row().2
    }

    /// Bytes of one element in memory, where elements below a byte take one; 0 for text.
    pub fn size(self) -> usize {
        self.bits().div_ceil(8)
    }

    /// Whether it is a floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Fp8E4M3 | Self::Fp8E5M2 | Self::Bf16 | Self::Fp16 | Self::Fp32 | Self::Fp64)
    }

    /// Whether it is an integer type of any width; truth values are not.
    pub fn is_integer(self) -> bool {
        !self.is_float() && !matches!(self, Self::Bool | Self::String)
    }

    /// Smallest and largest value of an integer type.
    pub fn integer_range(self) -> Option<(i128, i128)> {
        let bits = self.bits() as u32;
        let signed = matches!(self, Self::Int4 | Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64);
        match (self.is_integer(), signed) {
            (false, _) => None,
            (true, true) => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            (true, false) => Some((0, (1 << bits) - 1)),
        }
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
    pub const fn scalar(dtype: DType) -> Self {
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

    /// Within [`MAX_RANK`] and [`MAX_ELEMENTS`]. An extent of zero is legal: empty lists are constants of compilers.
    pub fn is_bounded(&self) -> bool {
        // Without the zeros, so that an empty tensor cannot hide an extent beyond every size.
        let elements = self.shape.iter().fold(1usize, |n, &d| n.saturating_mul(d.max(1)));
        self.rank() <= MAX_RANK && elements <= MAX_ELEMENTS
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

/// Extent of one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Known.
    Fixed(usize),
    /// `?`: any extent, known when the program is loaded or run.
    Any,
    /// A named extent: the same wherever the name stands.
    Symbol(Name),
}

impl Dim {
    /// The extent, if it is known.
    pub fn fixed(&self) -> Option<usize> {
        match self {
            Self::Fixed(extent) => Some(*extent),
            Self::Any | Self::Symbol(_) => None,
        }
    }

    /// Whether both can be the same extent.
    pub fn may_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fixed(a), Self::Fixed(b)) => a == b,
            _ => true,
        }
    }
}

impl From<usize> for Dim {
    fn from(extent: usize) -> Self {
        Self::Fixed(extent)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(extent) => write!(f, "{extent}"),
            Self::Any => f.write_str("?"),
            Self::Symbol(name) => f.write_str(name),
        }
    }
}

/// Element type and extents, some of which may not be known before loading. Shape rules compute with these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShapedType {
    /// Element type.
    pub dtype: DType,
    /// Extents, outermost first.
    pub dims: Vec<Dim>,
}

impl ShapedType {
    /// A tensor of that element type and those extents.
    pub fn new(dtype: DType, dims: impl Into<Vec<Dim>>) -> Self {
        Self { dtype, dims: dims.into() }
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// Number of elements, if every extent is known; saturates.
    pub fn elements(&self) -> Option<usize> {
        self.dims.iter().try_fold(1usize, |n, dim| Some(n.saturating_mul(dim.fixed()?)))
    }

    /// The same element type with other extents.
    pub fn with(&self, dims: Vec<Dim>) -> Self {
        Self { dtype: self.dtype, dims }
    }
}

impl From<ShapedType> for Type {
    fn from(ty: ShapedType) -> Self {
        Self::tensor_of(ty.dtype, ty.dims)
    }
}

impl fmt::Display for ShapedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Type::from(self.clone()).fmt(f)
    }
}

/// A view of a buffer with strides: `tensor_buffer<fp16, [1, 8, 4], strides = [64, 8, 1]>`. Its parameters are kept as
/// written; engines of this project take plain tensors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BufferType {
    /// Element type and extents.
    pub tensor: ShapedType,
    /// What follows the extents: `strides`, `interleave`, …; an empty name for a bare list.
    pub parameters: Vec<(Name, Vec<Dim>)>,
}

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// A tensor of known shape.
    Tensor(TensorType),
    /// A tensor with at least one extent that is not known; [`Type::tensor_of`] keeps this apart from the above.
    Flexible(ShapedType),
    /// `state<…>`: a tensor that lives from one evaluation to the next.
    State(Box<Self>),
    /// `list<T, n>`.
    List(Box<Self>, Dim),
    /// `dict<K, V>`.
    Dict(Box<Self>, Box<Self>),
    /// `tuple<…>`.
    Tuple(Vec<Self>),
    /// `tensor_buffer<…>`.
    Buffer(BufferType),
}

impl Type {
    /// A tensor type from extents: [`Type::Tensor`] if all are known.
    pub fn tensor_of(dtype: DType, dims: Vec<Dim>) -> Self {
        match dims.iter().map(Dim::fixed).collect::<Option<Vec<_>>>() {
            Some(shape) => Self::Tensor(TensorType { dtype, shape }),
            None => Self::Flexible(ShapedType { dtype, dims }),
        }
    }

    /// The static tensor type, if it is one.
    pub fn tensor(&self) -> Option<&TensorType> {
        match self {
            Self::Tensor(ty) => Some(ty),
            _ => None,
        }
    }

    /// Element type of a tensor, of known shape or not, or of the tensor in a state or buffer.
    pub fn dtype(&self) -> Option<DType> {
        match self {
            Self::Tensor(ty) => Some(ty.dtype),
            Self::Flexible(ty) => Some(ty.dtype),
            Self::State(inner) => inner.dtype(),
            Self::Buffer(buffer) => Some(buffer.tensor.dtype),
            Self::List(..) | Self::Dict(..) | Self::Tuple(_) => None,
        }
    }

    /// Element type and extents of a tensor, of known shape or not, or of the tensor in a state or buffer.
    pub fn shaped(&self) -> Option<ShapedType> {
        Some(ShapedType { dtype: self.dtype()?, dims: self.dims()? })
    }

    /// Extents of a tensor, of known shape or not, or of the tensor in a state or buffer.
    pub fn dims(&self) -> Option<Vec<Dim>> {
        match self {
            Self::Tensor(ty) => Some(ty.shape.iter().map(|&d| Dim::Fixed(d)).collect()),
            Self::Flexible(ty) => Some(ty.dims.clone()),
            Self::State(inner) => inner.dims(),
            Self::Buffer(buffer) => Some(buffer.tensor.dims.clone()),
            Self::List(..) | Self::Dict(..) | Self::Tuple(_) => None,
        }
    }

    /// Whether one value may have both types: equal but for extents that one of them leaves open.
    pub fn may_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tensor(a), Self::Tensor(b)) => a == b,
            (Self::Tensor(_) | Self::Flexible(_), Self::Tensor(_) | Self::Flexible(_)) => {
                let (a, b) = (self.dims().unwrap_or_default(), other.dims().unwrap_or_default());
                self.dtype() == other.dtype()
                    && a.len() == b.len()
                    && a.iter().zip(&b).all(|(a, b)| a.may_equal(b))
            }
            (Self::State(a), Self::State(b)) => a.may_equal(b),
            (Self::List(a, n), Self::List(b, m)) => a.may_equal(b) && n.may_equal(m),
            (Self::Dict(a, b), Self::Dict(c, d)) => a.may_equal(c) && b.may_equal(d),
            (Self::Tuple(a), Self::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.may_equal(b))
            }
            _ => self == other,
        }
    }
}

impl From<TensorType> for Type {
    fn from(ty: TensorType) -> Self {
        Self::Tensor(ty)
    }
}

/// The text form of the newer dialect; [`crate::Program::to_text`] chooses the dialect of the program.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::text::type_text(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_rows_stand_at_their_enum_positions() {
        for (position, dtype) in DType::all().enumerate() {
            assert_eq!(dtype as usize, position);
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
        }
    }

    #[test]
    fn an_empty_tensor_hides_no_huge_extent() {
        assert!(TensorType::new(DType::Int32, [0]).is_bounded());
        assert!(!TensorType::new(DType::Int32, [0, usize::MAX]).is_bounded());
    }
}
