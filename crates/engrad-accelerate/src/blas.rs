//! From checked views to the arguments of `cblas_sgemm`.

use std::ffi::c_int;

use engrad_kernels::Matrix;

use crate::AccelerateError;

/// `cblas_sgemm` with 32-bit extents, as Accelerate has had it since the first release. Enumerations are C's `int`.
pub(crate) type Sgemm = unsafe extern "C" fn(
    order: c_int,
    transpose_a: c_int,
    transpose_b: c_int,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: f32,
    a: *const f32,
    a_stride: c_int,
    b: *const f32,
    b_stride: c_int,
    beta: f32,
    c: *mut f32,
    c_stride: c_int,
);

/// The values of the standard's enumerations that are used.
pub(crate) const ROW_MAJOR: c_int = 101;
const AS_IT_IS: c_int = 111;
const TRANSPOSED: c_int = 112;

/// A factor as the interface describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Factor {
    pub(crate) transpose: c_int,
    pub(crate) stride: c_int,
}

impl Factor {
    /// A view's factor: its rows or its columns must be contiguous, and must not overlap, which the interface forbids even
    /// of what is only read.
    pub(crate) fn of(matrix: &Matrix<'_>) -> Result<Self, AccelerateError> {
        let (rows, columns) = (matrix.row_stride(), matrix.column_stride());
        // With one row or column its stride is of no account, and may be anything.
        let by_rows = columns == 1 || matrix.columns() == 1;
        let by_columns = rows == 1 || matrix.rows() == 1;
        let (transpose, stride, length, lines) =
            if by_rows && (rows >= matrix.columns() || matrix.rows() == 1) {
                (AS_IT_IS, rows, matrix.columns(), matrix.rows())
            } else if by_columns && (columns >= matrix.rows() || matrix.columns() == 1) {
                (TRANSPOSED, columns, matrix.rows(), matrix.columns())
            } else {
                return Err(AccelerateError::Strides { rows, columns });
            };
        let stride = if lines == 1 { length } else { stride };
        Ok(Self { transpose, stride: extent("stride", stride)? })
    }
}

/// An extent as the interface takes it.
pub(crate) fn extent(what: &'static str, value: usize) -> Result<c_int, AccelerateError> {
    c_int::try_from(value).map_err(|_| AccelerateError::Extent { what, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(rows: usize, columns: usize, strides: (usize, usize)) -> Result<Factor, AccelerateError> {
        Factor::of(&Matrix::strided(&[0.0; 64], rows, columns, strides.0, strides.1))
    }

    #[test]
    fn views_become_leading_dimensions_and_transposes() {
        let plain = |stride| Ok(Factor { transpose: AS_IT_IS, stride });
        let transposed = |stride| Ok(Factor { transpose: TRANSPOSED, stride });
        assert_eq!(factor(3, 4, (4, 1)), plain(4));
        assert_eq!(factor(3, 4, (7, 1)), plain(7));
        assert_eq!(factor(3, 4, (1, 3)), transposed(3));
        assert_eq!(factor(3, 4, (1, 5)), transposed(5));
        // One line: whatever its stride says, even nothing.
        assert_eq!(factor(1, 4, (0, 1)), plain(4));
        assert_eq!(factor(1, 4, (0, 3)), transposed(3));
        assert_eq!(factor(4, 1, (3, 0)), plain(3));
        assert_eq!(factor(4, 1, (1, 0)), plain(1));
    }

    #[test]
    fn what_the_interface_cannot_say_is_refused() {
        assert_eq!(factor(3, 4, (9, 2)), Err(AccelerateError::Strides { rows: 9, columns: 2 }));
        // Rows that overlap.
        assert_eq!(factor(3, 4, (2, 1)), Err(AccelerateError::Strides { rows: 2, columns: 1 }));
        let value = c_int::MAX as usize + 1;
        assert_eq!(
            extent("inner extent", value),
            Err(AccelerateError::Extent { what: "inner extent", value })
        );
    }
}
