//! Strided views of elements, and what a product may read.

use half::{bf16, f16};

use crate::PackedMatrix;

/// Element types that products read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an IEEE single.
    Bf16,
    /// Two's-complement bytes; only in products of bytes.
    I8,
}

impl ElementType {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::I8 => 1,
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for half::bf16 {}
    impl Sealed for i8 {}
}

/// A Rust type of one of the [`ElementType`]s.
pub trait Element: Copy + sealed::Sealed + 'static {
    /// Which one.
    const TYPE: ElementType;
}

impl Element for f32 {
    const TYPE: ElementType = ElementType::F32;
}
impl Element for f16 {
    const TYPE: ElementType = ElementType::F16;
}
impl Element for bf16 {
    const TYPE: ElementType = ElementType::Bf16;
}
impl Element for i8 {
    const TYPE: ElementType = ElementType::I8;
}

/// A read-only matrix over borrowed elements: element (r, c) is `data[r * row_stride + c * column_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T: Element = f32> {
    pub(crate) data: &'a [T],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl<'a, T: Element> Matrix<'a, T> {
    /// A row-major matrix whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// If the elements do not lie within `data`.
    pub fn new(data: &'a [T], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self::strided(data, rows, columns, row_stride, 1)
    }

    /// A matrix with any strides.
    ///
    /// # Panics
    /// If it is empty, or the elements do not lie within `data`.
    pub fn strided(
        data: &'a [T],
        rows: usize,
        columns: usize,
        row_stride: usize,
        column_stride: usize,
    ) -> Self {
        check(data.len(), rows, columns, row_stride, column_stride);
        Self { data, rows, columns, row_stride, column_stride }
    }

    /// Rows and columns exchanged; moves nothing.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Elements from one row to the next.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// Elements from one column to the next.
    pub fn column_stride(&self) -> usize {
        self.column_stride
    }

    /// The elements it lies in, from its first on.
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    pub(crate) fn raw(&self) -> RawMatrix {
        RawMatrix {
            data: self.data.as_ptr().cast(),
            element: T::TYPE,
            rows: self.rows,
            columns: self.columns,
            row_stride: self.row_stride,
            column_stride: self.column_stride,
        }
    }
}

/// A writable row-major matrix; rows do not overlap.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// A row-major matrix whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// If the elements do not lie within `data`, or rows overlap.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check(data.len(), rows, columns, row_stride, 1);
        assert!(row_stride >= columns, "rows overlap");
        Self { data, rows, columns, row_stride }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Elements from one row to the next.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// The elements it lies in, from its first on.
    pub fn data_mut(&mut self) -> &mut [f32] {
        self.data
    }
}

fn check(length: usize, rows: usize, columns: usize, row_stride: usize, column_stride: usize) {
    assert!(rows > 0 && columns > 0, "empty matrix");
    let last = (rows - 1)
        .checked_mul(row_stride)
        .zip((columns - 1).checked_mul(column_stride))
        .and_then(|(down, across)| down.checked_add(across));
    assert!(
        last.is_some_and(|last| last < length),
        "{rows} × {columns} matrix exceeds its {length} elements"
    );
}

/// What a product may read: a strided view of floating-point elements, or panels packed before.
#[derive(Debug, Clone, Copy)]
pub enum Operand<'a> {
    /// f32 elements.
    F32(Matrix<'a, f32>),
    /// fp16 elements.
    F16(Matrix<'a, f16>),
    /// bf16 elements.
    Bf16(Matrix<'a, bf16>),
    /// Packed once, used often.
    Packed(&'a PackedMatrix),
}

impl Operand<'_> {
    pub(crate) fn shape(&self) -> (usize, usize) {
        match self {
            Self::F32(m) => (m.rows, m.columns),
            Self::F16(m) => (m.rows, m.columns),
            Self::Bf16(m) => (m.rows, m.columns),
            Self::Packed(m) => m.shape(),
        }
    }

    pub(crate) fn source(&self) -> Source<'_> {
        match self {
            Self::F32(m) => Source::Strided(m.raw()),
            Self::F16(m) => Source::Strided(m.raw()),
            Self::Bf16(m) => Source::Strided(m.raw()),
            Self::Packed(m) => Source::Packed(m),
        }
    }
}

impl<'a> From<Matrix<'a, f32>> for Operand<'a> {
    fn from(matrix: Matrix<'a, f32>) -> Self {
        Self::F32(matrix)
    }
}
impl<'a> From<Matrix<'a, f16>> for Operand<'a> {
    fn from(matrix: Matrix<'a, f16>) -> Self {
        Self::F16(matrix)
    }
}
impl<'a> From<Matrix<'a, bf16>> for Operand<'a> {
    fn from(matrix: Matrix<'a, bf16>) -> Self {
        Self::Bf16(matrix)
    }
}
impl<'a> From<&'a PackedMatrix> for Operand<'a> {
    fn from(packed: &'a PackedMatrix) -> Self {
        Self::Packed(packed)
    }
}

/// A strided matrix by address: what the driver works on. Strides count elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawMatrix {
    /// Address of element (0, 0).
    pub data: *const u8,
    /// Type of the elements.
    pub element: ElementType,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub column_stride: usize,
}

// SAFETY: an address and numbers; whoever reads through it states what must hold.
unsafe impl Send for RawMatrix {}
// SAFETY: as above.
unsafe impl Sync for RawMatrix {}

impl RawMatrix {
    /// Rows and columns exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Address of an element.
    pub(crate) fn at(&self, row: usize, column: usize) -> *const u8 {
        self.data.wrapping_add((row * self.row_stride + column * self.column_stride) * self.element.size())
    }
}

/// An operand of the driver.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// Read and packed during the product.
    Strided(RawMatrix),
    /// Packed before, for this side of a product and its precision.
    Packed(&'a PackedMatrix),
}
