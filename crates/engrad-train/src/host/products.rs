//! Who multiplies for the host: our own kernels, or a library of the system for the products it takes.

use std::sync::Arc;

use engrad_kernels::{Matmul, Matrix, MatrixMut, Operand, Precision, ProductLibrary, Refusal};

use super::Rows;

/// The products that form weight gradients, `cotangent · activationᵀ`, one after the other.
///
/// Which way a product takes depends on its extents alone. Nothing is allocated for one but what makes the space for
/// widened factors as large as its own.
#[derive(Debug)]
pub(crate) struct Products {
    precision: Precision,
    library: Option<Arc<dyn ProductLibrary>>,
    /// Factors as f32, for a library. Kept from product to product.
    activation: Vec<f32>,
    cotangent: Vec<f32>,
}

impl Products {
    /// Factors are rounded to `precision`. A library multiplies f32, and is asked only for that.
    pub(crate) fn new(precision: Precision, library: Option<Arc<dyn ProductLibrary>>) -> Self {
        let library = library.filter(|_| precision == Precision::F32);
        Self { precision, library, activation: Vec::new(), cotangent: Vec::new() }
    }

    /// A product of the first `rows` rows of the cotangent with the first `columns` of the activation; both are
    /// features × positions.
    pub(crate) fn start<'a>(
        &'a mut self,
        (rows, columns): (usize, usize),
        cotangent: Rows<'a>,
        activation: Rows<'a>,
    ) -> Product<'a> {
        let positions = activation.columns();
        let way = match &self.library {
            Some(library) if library.takes((rows, columns, positions)) => Way::Library {
                library: library.as_ref(),
                activation: activation.widened(0, columns, &mut self.activation).transposed(),
                space: &mut self.cotangent,
            },
            _ => Way::Own { activation: activation.operand(0, columns, true), precision: self.precision },
        };
        Product { cotangent, way }
    }
}

#[derive(Debug)]
enum Way<'a> {
    Own { activation: Operand<'a>, precision: Precision },
    Library { library: &'a dyn ProductLibrary, activation: Matrix<'a>, space: &'a mut Vec<f32> },
}

/// A product whose rows are written in parts.
#[derive(Debug)]
pub(crate) struct Product<'a> {
    cotangent: Rows<'a>,
    way: Way<'a>,
}

impl Product<'_> {
    /// Writes the rows from `first` on to `c`, added to `beta` times what it holds; with 0 it is not read.
    ///
    /// # Errors
    /// The library's refusal.
    pub(crate) fn write(&mut self, first: usize, c: MatrixMut<'_>, beta: f32) -> Result<(), Refusal> {
        let count = c.rows();
        match &mut self.way {
            Way::Own { activation, precision } => {
                let cotangent = self.cotangent.operand(first, count, false);
                Matmul::new(cotangent, *activation).precision(*precision).accumulate(beta).write(c);
                Ok(())
            }
            Way::Library { library, activation, space } => {
                library.multiply(c, beta, self.cotangent.widened(first, count, space), *activation)
            }
        }
    }
}
