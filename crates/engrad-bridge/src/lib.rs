//! The C interface.
//!
//! Two sets of functions over one kind of handle:
//!
//! * [`drop_in`]: the `ane_bridge_*` functions that programs written for the known bridge to the Neural Engine
//!   call, with the same signatures and meaning. They return what those do, and nothing says why something was refused
//!   but [`engrad_last_error`](api::engrad_last_error).
//! * [`api`]: `engrad_*`: the choice of engine, ports with names, types and strides, and every refusal with its reason.
//!
//! **Nothing is undefined that can be checked.** A handle is a number that is never used twice and never followed as an
//! address: one that was freed, or never given out, is refused. NULL, negative counts, indices out of range and buffers of
//! another size than the tensor are refused. What cannot be checked remains the caller's: that a pointer which is not NULL
//! points to as many bytes as the call says. A panic becomes an error and never reaches the caller's frames.
//!
//! Functions may be called from any thread. Calls that evaluate one kernel wait for each other.
//!
//! The header, `include/engrad_bridge.h`, is generated from this source by a test, which fails when they differ.
//! This crate prints nothing, reads no environment and opens no files.

pub mod api;
mod blob;
pub mod drop_in;
mod engine;
mod error;
mod handles;
mod kernel;
mod raw;
mod weights;
