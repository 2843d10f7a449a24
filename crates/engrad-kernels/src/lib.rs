//! CPU arithmetic that the virtual engine and the training host share: matrix products over strided views.
//!
//! The products themselves are the `gemm` crate's; this crate owns the safe interface. It knows nothing of MIL,
//! surfaces or training, and starts no threads of its own: products split over the rayon pool they are called in.

mod matmul;

pub use matmul::{Matrix, MatrixMut, Threads, matmul};
