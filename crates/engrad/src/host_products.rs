//! Who multiplies for the host: our own kernels, or Accelerate.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::ValueEnum;
use engrad_accelerate::{Accelerate, AccelerateError};
use engrad_kernels::ProductLibrary;
use engrad_train::GradientPrecision;
use serde::{Deserialize, Serialize};

use crate::environment::NumericsChoice;

/// Names a library to be used in place of Accelerate: for tests on systems that have none.
const ACCELERATE: &str = "ENGRAD_ACCELERATE";

/// Who forms weight gradients. The choice shows in their last bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HostProductsChoice {
    /// Accelerate on macOS, our own kernels elsewhere and for products of bf16.
    #[default]
    Auto,
    /// Our own kernels.
    Own,
    /// Apple's Accelerate for the products that are large enough, our own kernels for the others.
    Accelerate,
}

impl HostProductsChoice {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Own => "own",
            Self::Accelerate => "accelerate",
        }
    }

    /// What the choice comes to on this system, and the library if it is one. `Auto` does not remain.
    pub(crate) fn settle(self, numerics: NumericsChoice) -> Result<(Self, Option<Arc<dyn ProductLibrary>>)> {
        let in_f32 = numerics.gradient_precision() == GradientPrecision::F32;
        match self {
            Self::Own => return Ok((Self::Own, None)),
            Self::Auto if !in_f32 => return Ok((Self::Own, None)),
            Self::Accelerate if !in_f32 => {
                bail!("Accelerate multiplies no bf16, as --numerics bf16 asks for; use --host-products own")
            }
            Self::Auto | Self::Accelerate => {}
        }
        match accelerate() {
            Ok(library) => Ok((Self::Accelerate, Some(Arc::new(library)))),
            Err(AccelerateError::NotAvailable) if self == Self::Auto => Ok((Self::Own, None)),
            Err(error) => bail!("{error}; use --host-products own"),
        }
    }
}

/// Accelerate, or the library named in its place.
pub(crate) fn accelerate() -> Result<Accelerate, AccelerateError> {
    match std::env::var_os(ACCELERATE) {
        Some(path) => Accelerate::load(Path::new(&path)),
        None => Accelerate::system(),
    }
}
