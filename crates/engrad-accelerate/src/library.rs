use std::fmt;
use std::path::{Path, PathBuf};

use engrad_kernels::{Matrix, MatrixMut, ProductLibrary, Refusal};
use libloading::Library;

use crate::blas::{Factor, ROW_MAJOR, Sgemm, extent};
use crate::{AccelerateError, Rule};

/// Where macOS has it. Since macOS 11 there is no such file: the loader finds it in its shared cache.
#[cfg(target_os = "macos")]
const SYSTEM: &str = "/System/Library/Frameworks/Accelerate.framework/Accelerate";

/// Accelerate, or a library in its place.
#[derive(Clone)]
pub struct Accelerate {
    path: PathBuf,
    sgemm: Sgemm,
    rule: Rule,
}

impl fmt::Debug for Accelerate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accelerate")
            .field("path", &self.path)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

impl Accelerate {
    /// The framework of macOS.
    ///
    /// # Errors
    /// [`AccelerateError::NotAvailable`] on other systems.
    pub fn system() -> Result<Self, AccelerateError> {
        #[cfg(target_os = "macos")]
        return Self::load(Path::new(SYSTEM));
        #[cfg(not(target_os = "macos"))]
        Err(AccelerateError::NotAvailable)
    }

    /// A library in its place. It stays loaded to the end of the process: it may have started threads.
    ///
    /// # Errors
    /// [`AccelerateError::Load`] and [`AccelerateError::Function`] if it is no such library.
    pub fn load(path: &Path) -> Result<Self, AccelerateError> {
        // SAFETY: initialisers of the system's own framework, or of a library that the caller names to be run.
        let library = unsafe { Library::new(path) }.map_err(|error| AccelerateError::Load {
            path: path.to_owned(),
            reason: error.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
        })?;
        let library: &'static Library = Box::leak(Box::new(library));
        const NAME: &str = "cblas_sgemm";
        // SAFETY: a function of that name has that type wherever there is one: it is a standard's.
        let sgemm = unsafe { library.get::<Sgemm>(NAME.as_bytes()) };
        let missing = AccelerateError::Function { path: path.to_owned(), name: NAME };
        Ok(Self { path: path.to_owned(), sgemm: *sgemm.map_err(|_| missing)?, rule: Rule::default() })
    }

    /// The same with another rule.
    #[must_use]
    pub fn with_rule(self, rule: Rule) -> Self {
        Self { rule, ..self }
    }

    /// The library that was loaded.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `c = alpha · a · b + beta · c`; with `beta` 0, `c` is not read.
    ///
    /// # Errors
    /// [`AccelerateError::Extent`] and [`AccelerateError::Strides`]; `c` is then as it was.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn sgemm(
        &self,
        mut c: MatrixMut<'_>,
        beta: f32,
        alpha: f32,
        a: Matrix<'_>,
        b: Matrix<'_>,
    ) -> Result<(), AccelerateError> {
        assert_eq!((c.rows(), c.columns()), (a.rows(), b.columns()), "result shape");
        assert_eq!(a.columns(), b.rows(), "inner extents");
        let (m, n, k) = (
            extent("rows", a.rows())?,
            extent("columns", b.columns())?,
            extent("inner extent", a.columns())?,
        );
        let (left, right) = (Factor::of(&a)?, Factor::of(&b)?);
        let c_stride = extent("stride", c.row_stride())?;
        // SAFETY: a view's elements lie within its slice, which was checked when it was made; shapes agree, as checked above;
        // `Factor` gives the interface the view's own strides, or a row's length for a stride that is never used. `c` is
        // borrowed exclusively, so that it overlaps neither factor, and its rows do not overlap each other. The function
        // keeps no address.
        unsafe {
            (self.sgemm)(
                ROW_MAJOR,
                left.transpose,
                right.transpose,
                m,
                n,
                k,
                alpha,
                a.data().as_ptr(),
                left.stride,
                b.data().as_ptr(),
                right.stride,
                beta,
                c.data_mut().as_mut_ptr(),
                c_stride,
            );
        }
        Ok(())
    }
}

impl ProductLibrary for Accelerate {
    fn name(&self) -> &'static str {
        "accelerate"
    }

    fn takes(&self, size: (usize, usize, usize)) -> bool {
        self.rule.takes(size)
    }

    fn multiply(&self, c: MatrixMut<'_>, beta: f32, a: Matrix<'_>, b: Matrix<'_>) -> Result<(), Refusal> {
        Ok(self.sgemm(c, beta, 1.0, a, b)?)
    }
}
