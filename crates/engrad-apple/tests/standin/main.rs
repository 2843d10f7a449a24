//! The Apple engine against the stand-in library: every message it sends is executed and checked.
//!
//! The stand-in's state is the process's, so that tests take turns.

mod common;

mod evaluation;
