//! Accelerate's wrapper against the stand-in library: every argument it passes is checked there.

mod common;
mod products;
mod refusals;
mod training;
