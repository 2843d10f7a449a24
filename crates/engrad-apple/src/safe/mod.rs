//! Owned handles over `sys`: what is retained is released, what is loaded is unloaded, in the right order, and no
//! exception passes.
//!
//! Every function here that sends messages does so inside an autorelease pool of its own; what it returns is owned or
//! plain data.

pub(crate) mod foundation;
pub(crate) mod model;
pub(crate) mod object;

pub(crate) use foundation::Values;
pub(crate) use model::{Loaded, Model, PreparedRequest};
pub(crate) use object::{Owned, Pool};
