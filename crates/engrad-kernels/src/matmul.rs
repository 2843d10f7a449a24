//! The safe interface of products.

use crate::buffer::with_words;
use crate::driver::{Destination, Product, Workspace, local_words, run_with, shared_words};
use crate::finish::{Nothing, Steps};
use crate::matrix::{Matrix, MatrixMut, Operand, Source};
use crate::micro::{self, MicroKernel};
use crate::squares::{LANES, Squares};
use crate::{Factor, Precision};

/// How a product uses the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Threads {
    /// The calling thread only.
    One,
    /// The rayon pool the call is made in.
    #[default]
    Pool,
}

/// `c = alpha · a · b + beta · c` in f32; with `beta` 0, `c` is not read.
///
/// The order of summation over the inner dimension does not depend on the number of threads.
///
/// # Panics
/// If shapes do not fit.
pub fn matmul<'a>(
    c: MatrixMut<'_>,
    beta: f32,
    alpha: f32,
    a: impl Into<Operand<'a>>,
    b: impl Into<Operand<'a>>,
    threads: Threads,
) {
    Matmul::new(a, b).scale(alpha).accumulate(beta).threads(threads).write(c);
}

/// A product and what is done to its result on the way out: `(scale · a · b + beta · c + bias) ∘ silu(gate) + residual`,
/// rounded last, each part only if it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Matmul<'a> {
    a: Operand<'a>,
    b: Operand<'a>,
    precision: Precision,
    alpha: f32,
    beta: f32,
    steps: Option<Steps<'a>>,
    threads: Threads,
}

impl<'a> Matmul<'a> {
    /// `a · b` in f32 on the current pool.
    pub fn new(a: impl Into<Operand<'a>>, b: impl Into<Operand<'a>>) -> Self {
        Self {
            a: a.into(),
            b: b.into(),
            precision: Precision::F32,
            alpha: 1.0,
            beta: 0.0,
            steps: None,
            threads: Threads::Pool,
        }
    }

    /// What multiplicands are rounded to; sums are f32 in any case.
    #[must_use]
    pub fn precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// A factor of the product.
    #[must_use]
    pub fn scale(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }

    /// Adds `beta` times what the result holds. With 0 it is not read.
    #[must_use]
    pub fn accumulate(self, beta: f32) -> Self {
        Self { beta, ..self }
    }

    /// Which threads work.
    #[must_use]
    pub fn threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// Adds a number to each row.
    #[must_use]
    pub fn row_bias(self, bias: &'a [f32]) -> Self {
        self.with(|steps| steps.row_bias = Some(bias))
    }

    /// Adds a number to each column.
    #[must_use]
    pub fn column_bias(self, bias: &'a [f32]) -> Self {
        self.with(|steps| steps.column_bias = Some(bias))
    }

    /// Multiplies elementwise by `silu(gate)`, after the bias.
    #[must_use]
    pub fn silu_gate(self, gate: Matrix<'a>) -> Self {
        self.with(|steps| steps.silu_gate = Some(gate))
    }

    /// Adds a matrix, after the gate.
    #[must_use]
    pub fn residual(self, residual: Matrix<'a>) -> Self {
        self.with(|steps| steps.residual = Some(residual))
    }

    /// Rounds the result to fp16, last of all.
    #[must_use]
    pub fn round_to_f16(self) -> Self {
        self.with(|steps| steps.round = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Steps<'a>)) -> Self {
        change(self.steps.get_or_insert_default());
        self
    }

    /// Computes the product into `c`.
    ///
    /// # Panics
    /// If shapes do not fit, a packed factor is of another side or precision, or the precision is that of bytes
    /// (which is [`crate::matmul_int8`]'s).
    pub fn write(self, c: MatrixMut<'_>) {
        assert!(self.precision != Precision::Int8, "products of bytes are `matmul_int8`'s");
        self.write_with(c, micro::kernel(self.precision));
    }

    /// As [`Matmul::write`], and sums the squares of each row of the result while its numbers are in the cache: sixteen
    /// sums in f32 for a row, added in f64. The square of a number above 1.8e19 is infinite.
    ///
    /// # Panics
    /// As [`Matmul::write`], or if there is not one sum for each row.
    pub fn write_with_squares(self, c: MatrixMut<'_>, sums: &mut [f64]) {
        assert!(self.precision != Precision::Int8, "products of bytes are `matmul_int8`'s");
        assert_eq!(sums.len(), c.rows, "one sum for each row");
        let product = self.checked((c.rows, c.columns));
        with_words(c.rows * LANES, |lanes| {
            let finish = Squares {
                steps: self.steps.as_ref(),
                columns: c.columns,
                sums: sums.as_mut_ptr(),
                lanes: lanes.cast(),
            };
            // SAFETY: as below; the sums are borrowed exclusively, and `with_words` gives as many as asked.
            unsafe { product.run(c, &finish, micro::kernel(self.precision)) };
        });
    }

    pub(crate) fn write_with(self, c: MatrixMut<'_>, kernel: MicroKernel) {
        let product = self.checked((c.rows, c.columns));
        // SAFETY: the views were checked when they were made, and shapes just now; `c` is borrowed exclusively.
        unsafe {
            match &self.steps {
                None => product.run(c, &Nothing, kernel),
                Some(steps) => product.run(c, steps, kernel),
            }
        }
    }

    /// The product without its result, which has that shape.
    ///
    /// # Panics
    /// If something does not fit.
    fn checked(&self, result: (usize, usize)) -> Raw<'_> {
        let ((m, k), (inner, n)) = (self.a.shape(), self.b.shape());
        assert_eq!(result, (m, n), "result shape");
        assert_eq!(k, inner, "inner extents");
        for (operand, factor) in [(&self.a, Factor::Left), (&self.b, Factor::Right)] {
            if let Operand::Packed(packed) = operand {
                assert_eq!(packed.factor(), factor, "side of a packed factor");
                assert_eq!(packed.precision(), self.precision, "precision of a packed factor");
            }
        }
        if let Some(steps) = &self.steps {
            steps.check(m, n);
        }
        Raw {
            size: (m, n, k),
            precision: self.precision,
            factors: (self.a.source(), self.b.source()),
            alpha: self.alpha,
            beta: self.beta,
            parallel: self.threads == Threads::Pool,
        }
    }
}

/// A checked product without its result.
pub(crate) struct Raw<'a> {
    pub(crate) size: (usize, usize, usize),
    pub(crate) precision: Precision,
    pub(crate) factors: (Source<'a>, Source<'a>),
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    pub(crate) parallel: bool,
}

impl Raw<'_> {
    /// # Safety
    /// As [`crate::driver::run`], but for the result.
    pub(crate) unsafe fn run<F: crate::driver::Finish>(
        self,
        c: MatrixMut<'_>,
        finish: &F,
        kernel: MicroKernel,
    ) {
        let product = Product {
            size: self.size,
            precision: self.precision,
            a: self.factors.0,
            b: self.factors.1,
            c: Destination::Memory(c.data.as_mut_ptr()),
            row_stride: c.row_stride,
            column_stride: 1,
            alpha: self.alpha,
            beta: self.beta,
            finish,
            parallel: self.parallel,
            right_is_packed: false,
        };
        let words = match product.b {
            Source::Strided(_) => shared_words(self.size, self.precision),
            Source::Packed(_) => 1,
        };
        with_words(words, |shared| {
            // SAFETY: passed on; rows of the result do not overlap.
            unsafe { run_with(&product, kernel, &Own(shared)) };
        });
    }
}

/// Words of the calling thread for B's panels, of each thread for A's blocks.
struct Own(*mut u32);

// SAFETY: an address, of words that are one product's.
unsafe impl Send for Own {}
// SAFETY: as above.
unsafe impl Sync for Own {}

// SAFETY: `with_words` gives as many as asked, to one caller at a time.
unsafe impl Workspace for Own {
    fn shared(&self) -> *mut u32 {
        self.0
    }

    fn local(&self, work: impl FnOnce(*mut u32)) {
        with_words(local_words(), work);
    }
}
