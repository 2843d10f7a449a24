//! A library with the shape of Apple's Objective-C runtime, Foundation, IOSurface and the private framework of the
//! Neural Engine, as far as `engrad-apple` uses them, and of Accelerate's product, for tests on systems that have none.
//!
//! What the real ones do is known from published observations only (ane-facts 1, 3–5); this library repeats those. It is
//! stricter than the real ones where a mistake would go unnoticed there, and so is the test of every message that
//! `engrad-apple` sends:
//!
//! * a message to an object that is gone, an unknown selector, an argument of another class: recorded as a *violation*,
//!   and thrown as an exception;
//! * an object released too often, autoreleased without a pool, a model released while loaded, surfaces locked while a
//!   program runs or unlocked without a lock, two compiles at a time: violations;
//! * `model.mil` and weight files must be on disk, byte for byte what the descriptor was given.
//!
//! Programs run on the virtual engine, from the text and files given. Limits are those documented: 119 compiles, 128
//! loaded programs, surfaces of the right size, symbols in the order of their names, weights as they were when compiled.
//! Every documented failure can be injected ([`control`]).
//!
//! The library is loaded by path. Linked into a program it does nothing.

#![cfg(all(unix, any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(
    clippy::missing_safety_doc,
    non_snake_case,
    non_upper_case_globals,
    reason = "names and contracts of exported functions are those of the libraries they stand for"
)]

mod accelerate;
mod attributes;
mod class;
pub mod control;
mod device;
mod dispatch;
mod exceptions;
mod extras;
mod foundation;
mod iosurface;
mod model;
mod object;
mod program;
mod request;
mod runtime;
