//! Matrix products by Apple's Accelerate framework, which macOS brings: the one documented way to the matrix units of Apple's
//! processors from the CPU.
//!
//! Nothing is linked. [`Accelerate::system`] loads the framework where there is one, [`Accelerate::load`] any library that
//! exports `cblas_sgemm` with its C signature, such as a stand-in for tests; elsewhere the answer is
//! [`AccelerateError::NotAvailable`], and the crate builds everywhere. Of the framework one function is used.
//!
//! [`Accelerate`] is a [`engrad_kernels::ProductLibrary`]: views are checked before their addresses leave Rust, and a
//! [`Rule`], which is data, says which products are worth the call.
//!
//! Nobody promises the bits of the framework's results; they may differ between processors and releases of macOS. This
//! crate measures nothing, prints nothing and reads no environment. **It was exercised against a stand-in only**; no part of
//! it has run on a Mac.

mod blas;
mod error;
mod library;
mod rule;

pub use error::AccelerateError;
pub use library::Accelerate;
pub use rule::Rule;
