//! Probes: small questions to an engine, each answered by running something.
//!
//! A [`Probe`] has a question whose good answer is yes, a method, the facts that the answer settles, and a function that
//! finds out. [`PROBES`] is the table of all. They run on any engine: programs through the `Engine` trait, questions
//! about Apple's private classes only where the [`Subject`] has them; elsewhere the verdict is *unsupported*, with the
//! reason. What an engine computes is compared with plain loops of this crate in f64, never with another engine.
//!
//! A verdict is an observation of one engine on one day. It changes no fact and no program.
//!
//! This crate prints nothing and makes no engine but variants of the one it was given. The only files it touches are a
//! probed program's own, in the folder that the Apple engine made for it.
#![forbid(unsafe_code)]

mod docs;
mod numbers;
mod program;
mod subject;
mod table;
mod units;
mod verdict;

pub use docs::markdown;
pub use subject::{Apple, Subject};
pub use table::{PROBES, Probe, find};
pub use verdict::{Measurement, Outcome, Report, Settled, Verdict};
