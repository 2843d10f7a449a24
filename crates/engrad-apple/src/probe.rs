//! Thin wrappers for questions to the framework that running programs does not need.
//!
//! They ask and report; what an answer means is the asker's affair. Nothing here is used by the engine itself, and what a
//! system lacks is [`AppleError::NotAvailable`].

mod device;
mod kernel;

pub use device::{ClassMethods, DeviceInfo, MethodInfo};
pub use kernel::{EvaluateOptions, LoadedState, ProbeKernel};

use engrad_mil::Program;

use crate::{AppleEngine, AppleError};

impl AppleEngine {
    /// Compiles and loads a program for questions about it. It is compared with the reference engine, if there is one,
    /// and compiled even if the engine keeps the same program.
    ///
    /// # Errors
    /// Those of [`AppleEngine::compile_program`].
    pub fn compile_for_probe(&self, program: &Program) -> Result<ProbeKernel, AppleError> {
        Ok(ProbeKernel::new(self.compile_new(program)?, &self.options))
    }
}
