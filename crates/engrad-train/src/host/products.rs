//! Who multiplies for the host: our own kernels, or a library of the system for the products it takes.

use std::sync::Arc;

use engrad_kernels::{Factor, Matmul, MatrixMut, PackedMatrix, Precision, ProductLibrary, Refusal, Threads};
use rayon::prelude::*;

use super::Rows;
use super::simd::{sum_of_squares, vectorized};

/// Elements that a library forms before something is made of their rows: few enough to be in the last-level cache still.
const CACHED: usize = 1 << 21;

/// The products that form weight gradients, `cotangent · activationᵀ`, one after the other.
///
/// Which way a product takes depends on its extents alone. Nothing is allocated for one but what makes the space for a
/// factor's other form as large as its own.
#[derive(Debug)]
pub(crate) struct Products {
    precision: Precision,
    library: Option<Arc<dyn ProductLibrary>>,
    /// Panels of the activation, for our own kernels. Kept from product to product, as are the others.
    panels: Option<PackedMatrix>,
    /// Factors as f32, for a library.
    activation: Vec<f32>,
    cotangent: Vec<f32>,
}

impl Products {
    /// Factors are rounded to `precision`. A library multiplies f32, and is asked only for that.
    pub(crate) fn new(precision: Precision, library: Option<Arc<dyn ProductLibrary>>) -> Self {
        let library = library.filter(|_| precision == Precision::F32);
        Self { precision, library, panels: None, activation: Vec::new(), cotangent: Vec::new() }
    }

    /// Products with all rows of one activation, features × positions: what is made of it is made once for all of them.
    pub(crate) fn with<'a>(&'a mut self, activation: Rows<'a>, features: usize) -> WithActivation<'a> {
        WithActivation { products: self, activation, features, panels: false, widened: false }
    }
}

/// Products that have their activation in common.
#[derive(Debug)]
pub(crate) struct WithActivation<'a> {
    products: &'a mut Products,
    activation: Rows<'a>,
    features: usize,
    /// Which of its forms were made.
    panels: bool,
    widened: bool,
}

impl WithActivation<'_> {
    /// Rows of the activation, columns of the results.
    pub(crate) fn features(&self) -> usize {
        self.features
    }

    /// Writes the product of the cotangent's first rows to `c`, added to `beta` times what it holds (with 0 it is not
    /// read), and to `squares` the sum of the squares of each row of the result.
    ///
    /// # Errors
    /// The library's refusal.
    pub(crate) fn write(
        &mut self,
        cotangent: Rows<'_>,
        mut c: MatrixMut<'_>,
        beta: f32,
        squares: &mut [f64],
    ) -> Result<(), Refusal> {
        let (rows, features, positions) = (c.rows(), self.features, self.activation.columns());
        let Products { precision, library, panels, activation, cotangent: space } = &mut *self.products;
        let Some(library) = library.as_ref().filter(|library| library.takes((rows, features, positions)))
        else {
            let transposed = self.activation.operand(0, features, true);
            let panels = match panels {
                Some(panels) => {
                    if !self.panels {
                        panels.replace(transposed, Threads::Pool);
                    }
                    panels
                }
                None => panels.insert(PackedMatrix::new(transposed, Factor::Right, *precision)),
            };
            self.panels = true;
            let product = Matmul::new(cotangent.operand(0, rows, false), &*panels);
            product.precision(*precision).accumulate(beta).write_with_squares(c, squares);
            return Ok(());
        };
        let activation = match self.widened {
            true => self.activation.in_space(features, activation),
            false => self.activation.widened(0, features, activation),
        };
        self.widened = true;
        let block = (CACHED / features).max(1);
        for (first, squares) in (0..rows).step_by(block).zip(squares.chunks_mut(block)) {
            let (count, stride) = (squares.len(), c.row_stride());
            let target = &mut c.data_mut()[first * stride..];
            let result = MatrixMut::new(target, count, features, stride);
            library.multiply(
                result,
                beta,
                cotangent.widened(first, count, space),
                activation.transposed(),
            )?;
            let lines = target.par_chunks(stride).zip(squares).with_min_len(32);
            lines.for_each(|(line, square)| {
                *square = vectorized(
                    #[inline(always)]
                    || sum_of_squares(&line[..features]),
                );
            });
        }
        Ok(())
    }
}
