//! The interpreter: whole inference programs, operation by operation, on concrete tensors.
//!
//! Plans are for programs of known shape that train; everything else that the op table has runs here: integers, truth
//! values, shapes that are known at load or only while running, recurrences, compressed weights, states.
//!
//! * [`tensor`]: what values are.
//! * [`call`]: one operation's arguments, with the op table's defaults.
//! * [`run`]: functions prepared once and evaluated often.
//! * One file of kernels for each subject; [`kernels`] says which computes what.
//!
//! A kernel returns unrounded results; whoever calls it rounds those of type fp16, once, under
//! [`crate::Numerics::Fast`]. Kernels index tensors only after checking extents against each other: programs that passed
//! verification may still be run on inputs whose flexible extents do not fit, which is an error and never a panic.

mod activation;
pub(crate) mod call;
mod compression;
mod construction;
mod convolution;
mod einsum;
mod elementwise;
#[cfg(test)]
mod hostile;
mod image;
mod indexing;
mod integers;
mod joining;
pub(crate) mod kernels;
mod linear;
mod movement;
mod normalization;
mod pooling;
mod quantization;
mod random;
mod recurrent;
mod reduction;
pub(crate) mod run;
mod slicing;
mod sorting;
#[cfg(test)]
mod spatial_properties;
mod strided;
pub(crate) mod surfaces;
pub(crate) mod tensor;
#[cfg(test)]
mod testing;
mod walk;
