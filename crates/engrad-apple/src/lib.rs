//! The Neural Engine of Apple-silicon Macs, through the private framework that macOS brings.
//!
//! [`AppleEngine`] runs MIL programs by the in-memory route (ane-facts 1.2): text and weights become a descriptor and
//! a model, the model writes its files to a temporary folder, is compiled and loaded, and is evaluated on IOSurfaces.
//! Sizes, strides and order of surfaces are the loaded model's own word, checked against the program.
//!
//! Nothing is linked: the runtime, the frameworks and every method are looked up when an engine is made, and types of
//! methods are compared with those that calls are made with. On a system without them the answer is
//! [`AppleError::NotAvailable`], and the crate builds everywhere.
//!
//! Nobody guarantees this interface. Every answer is therefore doubted: nil, other classes, attributes that
//! contradict the program, and exceptions are errors, never undefined behaviour; and after each compile a small random
//! input is compared with a reference engine, since the known failures of the device include silent zeros and swapped
//! ports.
//!
//! **Exercised against a stand-in only.** The stand-in library checks every message, but knows the framework only from
//! published observations; no part of this crate has been run on hardware.
//!
//! Layers: `sys` (what is exported, with types), `safe` (owned handles that end in order), and the engine. All `unsafe`
//! is in the first two. This crate prints nothing and reads no environment; it writes below the framework's temporary
//! directory only, and removes what it wrote.

mod advice;
mod attributes;
mod budget;
mod canary;
mod engine;
mod error;
mod folder;
mod kernel;
mod options;
pub mod probe;
mod safe;
mod surface;
mod sys;

pub use budget::{compiles, loaded, reset_compiles};
pub use engine::AppleEngine;
pub use error::{AppleError, Failure, Phase};
pub use options::{EvaluationPath, Options};
pub use sys::classes::Symbol;
pub use sys::libraries::Source;
