//! The probes' functions, by what they ask about.

pub(crate) mod attention;
pub(crate) mod framework;
pub(crate) mod limits;
pub(crate) mod numerics;
pub(crate) mod ports;
pub(crate) mod products;
pub(crate) mod weights;
