//! The Apple engine against the stand-in library: every message it sends is executed and checked.
//!
//! The stand-in's state is the process's, so that tests take turns. Each ends by asserting that no object, surface,
//! folder or program is left and no rule was broken.

mod canary;
mod common;
mod evaluation;
mod failures;
mod limits;
mod probes;
mod surfaces;
mod training;
