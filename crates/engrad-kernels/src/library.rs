//! What a library of the system must offer to take products over from the kernels here.

use std::error::Error;
use std::fmt::Debug;

use crate::{Matrix, MatrixMut};

/// Why a library refused a product.
pub type Refusal = Box<dyn Error + Send + Sync>;

/// A library that multiplies f32 matrices, on whatever unit of the machine it likes.
///
/// Sums are f32, in an order of the library's own: results differ from those of [`crate::Matmul`] in the last bits, and
/// only the library can promise that they are the same each time.
pub trait ProductLibrary: Debug + Send + Sync {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// Whether a product of `rows` × `columns` over an inner extent should go to the library. The answer depends on
    /// nothing else, so that a run that is resumed takes the same way again.
    fn takes(&self, size: (usize, usize, usize)) -> bool;

    /// `c = a · b + beta · c`; with `beta` 0, `c` is not read.
    ///
    /// # Errors
    /// A refusal, with `c` as it was, of extents or strides that the library's interface cannot express.
    ///
    /// # Panics
    /// If shapes do not fit.
    fn multiply(&self, c: MatrixMut<'_>, beta: f32, a: Matrix<'_>, b: Matrix<'_>) -> Result<(), Refusal>;
}
