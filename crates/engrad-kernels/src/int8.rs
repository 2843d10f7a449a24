//! Products of bytes: both factors quantised, exact sums in i32, scales on the way out.

use crate::finish::Steps;
use crate::matmul::{Raw, Threads};
use crate::matrix::{Matrix, MatrixMut, RawMatrix, Source};
use crate::{Factor, PackedMatrix, Precision, micro};

/// Longest inner extent: sums of as many products of bytes fit 32 bits.
const MOST_INNER: usize = (1 << 31) / (255 * 128);

/// A factor of bytes.
#[derive(Debug, Clone, Copy)]
pub enum Int8Operand<'a> {
    /// A strided view.
    View(Matrix<'a, i8>),
    /// Packed before.
    Packed(&'a PackedMatrix),
}

impl Int8Operand<'_> {
    fn shape(&self) -> (usize, usize) {
        match self {
            Self::View(m) => (m.rows(), m.columns()),
            Self::Packed(m) => m.shape(),
        }
    }

    fn source(&self) -> Source<'_> {
        match self {
            Self::View(m) => Source::Strided(m.raw()),
            Self::Packed(m) => Source::Packed(m),
        }
    }

    /// # Panics
    /// If it is packed.
    pub(crate) fn raw(&self) -> RawMatrix {
        match self {
            Self::View(m) => m.raw(),
            Self::Packed(_) => panic!("packed already"),
        }
    }
}

impl<'a> From<Matrix<'a, i8>> for Int8Operand<'a> {
    fn from(matrix: Matrix<'a, i8>) -> Self {
        Self::View(matrix)
    }
}
impl<'a> From<&'a PackedMatrix> for Int8Operand<'a> {
    fn from(packed: &'a PackedMatrix) -> Self {
        Self::Packed(packed)
    }
}

/// What the integers of a product's factors stand for: element (i, j) of the result is its sum times `rows[i]` times
/// `columns[j]`.
#[derive(Debug, Clone, Copy)]
pub struct Int8Scales<'a> {
    /// Scale of each row of the left factor.
    pub rows: &'a [f32],
    /// Scale of each column of the right factor; `None` is one.
    pub columns: Option<&'a [f32]>,
    /// Whether results are rounded to fp16.
    pub round_to_f16: bool,
}

/// `c = (a · b) ∘ scales` with factors of bytes; sums are exact.
///
/// # Panics
/// If shapes do not fit, a packed factor is of another side or precision, or the inner extent is above 65,793.
pub fn matmul_int8<'a>(
    c: MatrixMut<'_>,
    a: impl Into<Int8Operand<'a>>,
    b: impl Into<Int8Operand<'a>>,
    scales: &Int8Scales<'_>,
    threads: Threads,
) {
    multiply(c, a.into(), b.into(), scales, threads, micro::kernel(Precision::Int8));
}

pub(crate) fn multiply(
    c: MatrixMut<'_>,
    a: Int8Operand<'_>,
    b: Int8Operand<'_>,
    scales: &Int8Scales<'_>,
    threads: Threads,
    kernel: micro::MicroKernel,
) {
    let ((m, k), (inner, n)) = (a.shape(), b.shape());
    assert_eq!((c.rows, c.columns), (m, n), "result shape");
    assert_eq!(k, inner, "inner extents");
    assert!(k <= MOST_INNER, "inner extent {k} is above {MOST_INNER}");
    for (operand, factor) in [(&a, Factor::Left), (&b, Factor::Right)] {
        if let Int8Operand::Packed(packed) = operand {
            assert_eq!((packed.factor(), packed.precision()), (factor, Precision::Int8), "packed otherwise");
        }
    }
    let steps = Steps {
        row_scale: Some(scales.rows),
        column_scale: scales.columns,
        round: scales.round_to_f16,
        ..Steps::default()
    };
    steps.check(m, n);
    let product = Raw {
        size: (m, n, k),
        precision: Precision::Int8,
        factors: (a.source(), b.source()),
        alpha: 1.0,
        beta: 0.0,
        parallel: threads == Threads::Pool,
    };
    // SAFETY: the views were checked when they were made, and shapes above; `c` is borrowed exclusively.
    unsafe { product.run(c, &steps, kernel) };
}
