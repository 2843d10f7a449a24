//! CPU arithmetic that the virtual engine and the training host share: matrix products over strided views.
//!
//! One blocked product serves every precision ([`Precision`]): it packs panels straight from strided f32, fp16, bf16
//! or int8 views, so that a transpose, a slice or a cast costs no pass of its own; runs a micro-kernel chosen for the
//! processor at run time; and finishes each tile (bias, gate, residual, rounding) while it is in the first-level cache.
//!
//! * [`matmul`] and [`Matmul`] are the safe interface; [`matmul_int8`] multiplies bytes.
//! * [`PackedMatrix`] is a factor packed once for many products.
//! * [`half`] converts slices between fp16 and f32.
//! * [`ProductLibrary`] is what a library of the system offers that takes products over.
//! * [`driver`] takes addresses, for callers that keep many values in one block of memory.
//!
//! The bits of a result depend on the processor's instruction set and the extents, never on the number of threads or
//! on timing. This crate knows nothing of MIL, surfaces or training, and starts no threads of its own: products split
//! over the rayon pool they are called in.

mod ahead;
mod buffer;
pub mod driver;
mod finish;
pub mod half;
mod int8;
mod library;
mod matmul;
mod matrix;
mod micro;
mod pack;
mod packed;
mod peak;
mod precision;
mod squares;
#[cfg(test)]
mod tests;

pub use int8::{Int8Operand, Int8Scales, matmul_int8};
pub use library::{ProductLibrary, Refusal};
pub use matmul::{Matmul, Threads, matmul};
pub use matrix::{Element, ElementType, Matrix, MatrixMut, Operand, RawMatrix, Source};
#[cfg(target_arch = "x86_64")]
pub use micro::{has_avx2, has_avx512};
pub use packed::{Factor, PackedMatrix, columns_are_prefixes, pack_columns};
pub use peak::register_peak;
pub use precision::Precision;
