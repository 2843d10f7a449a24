//! What every engine offers, and nothing of how: compile a MIL program to a [`Kernel`], bind [`Surface`]s to its
//! ports, evaluate the [`Request`].
//!
//! An engine trusts no program: it verifies before it compiles, and a kernel that compiled never panics. Programs
//! are immutable once compiled; a weight that changes is an input.
//!
//! This crate knows no back end, no transformer and no file format.

mod access;
mod engine;
mod error;
mod foreign;
mod hold;
mod host_memory;
mod port;
mod surface;

pub use access::HostAccess;
pub use engine::{Engine, EngineStatistics, Kernel, Request};
pub use error::EngineError;
pub use foreign::ForeignMemory;
pub use hold::Hold;
pub use host_memory::HostMemory;
pub use port::Port;
pub use surface::{ReadGuard, Surface, WeakSurface, WriteGuard};
