use std::any::Any;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use engrad_mil::Program;

use crate::{EngineError, Port, Surface};

/// Counters of one engine since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineStatistics {
    /// Programs compiled.
    pub compiles: u64,
    /// Kernels alive now.
    pub loaded: u64,
    /// Requests evaluated.
    pub evaluations: u64,
    /// Bytes of working memory held by the kernels alive now, surfaces not included.
    pub working_bytes: u64,
}

/// A place where MIL programs run.
pub trait Engine: Debug + Send + Sync {
    /// Short name, as on the command line.
    fn name(&self) -> &str;

    /// Verifies and compiles the program's main function. Constants must be inline.
    ///
    /// # Errors
    /// [`EngineError::Compile`] for a program this engine refuses, [`EngineError::Limit`] when a budget is spent.
    fn compile(&self, program: &Program) -> Result<Arc<dyn Kernel>, EngineError>;

    /// Counters so far.
    fn statistics(&self) -> EngineStatistics;
}

/// A compiled program. Immutable; may be evaluated from several threads, one evaluation at a time.
pub trait Kernel: Debug + Send + Sync {
    /// Inputs in the order surfaces are bound.
    fn inputs(&self) -> &[Port];

    /// Outputs in the order surfaces are bound.
    fn outputs(&self) -> &[Port];

    /// A new zero-initialised surface for one of this kernel's ports, in memory that its engine can work on. Any kernel
    /// of the same engine takes it.
    ///
    /// # Errors
    /// [`EngineError::Memory`] if there is none.
    fn surface(&self, port: &Port) -> Result<Surface, EngineError> {
        Surface::for_port(port)
    }

    /// Runs the program: reads the request's inputs, writes its outputs, returns when done.
    ///
    /// # Errors
    /// [`EngineError::Evaluate`] if the engine failed. A request of another kernel is refused.
    fn evaluate(&self, request: &Request) -> Result<(), EngineError>;
}

impl dyn Kernel {
    /// Checks surfaces against this kernel's ports, in order, and keeps them for evaluation.
    ///
    /// # Errors
    /// [`EngineError::Bind`] naming the first port that does not fit, or an output surface bound twice.
    pub fn bind(
        self: &Arc<Self>,
        inputs: Vec<Surface>,
        outputs: Vec<Surface>,
    ) -> Result<Request, EngineError> {
        check("input", self.inputs(), &inputs)?;
        check("output", self.outputs(), &outputs)?;
        for (position, output) in outputs.iter().enumerate() {
            let again = inputs.iter().chain(&outputs[..position]).any(|other| other.is_same(output));
            if again {
                return Err(EngineError::Bind {
                    port: self.outputs()[position].name.clone(),
                    reason: "its surface is bound to another port of the same request".to_owned(),
                });
            }
        }
        Ok(Request { prepared: Arc::default(), inputs, outputs, kernel: Arc::clone(self) })
    }
}

fn check(kind: &str, ports: &[Port], surfaces: &[Surface]) -> Result<(), EngineError> {
    if ports.len() != surfaces.len() {
        return Err(EngineError::Bind {
            port: format!("{kind}s"),
            reason: format!("{} surfaces for {} ports", surfaces.len(), ports.len()),
        });
    }
    for (port, surface) in ports.iter().zip(surfaces) {
        if surface.bytes() < port.bytes() {
            return Err(EngineError::Bind {
                port: port.name.clone(),
                reason: format!(
                    "surface of {} bytes, {} needed for {}",
                    surface.bytes(),
                    port.bytes(),
                    port.ty
                ),
            });
        }
    }
    Ok(())
}

/// A kernel with surfaces bound to its ports; reusable for any number of evaluations.
#[derive(Debug, Clone)]
pub struct Request {
    // Dropped in this order: what an engine prepared refers to the surfaces, and both may need the kernel.
    prepared: Arc<OnceLock<Box<dyn Any + Send + Sync>>>,
    inputs: Vec<Surface>,
    outputs: Vec<Surface>,
    kernel: Arc<dyn Kernel>,
}

impl Request {
    /// Runs the kernel on the bound surfaces.
    ///
    /// # Errors
    /// As [`Kernel::evaluate`].
    pub fn evaluate(&self) -> Result<(), EngineError> {
        self.kernel.evaluate(self)
    }

    /// Input surfaces in port order.
    pub fn inputs(&self) -> &[Surface] {
        &self.inputs
    }

    /// Output surfaces in port order.
    pub fn outputs(&self) -> &[Surface] {
        &self.outputs
    }

    /// What the engine keeps with the request, made when first asked for. An engine asks for one type only; another
    /// gives `None`.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn prepared<T: Any + Send + Sync, E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<&T>, E> {
        if let Some(prepared) = self.prepared.get() {
            return Ok(prepared.downcast_ref());
        }
        let made = make()?;
        Ok(self.prepared.get_or_init(|| Box::new(made)).downcast_ref())
    }

    /// The kernel it was bound to.
    pub fn kernel(&self) -> &Arc<dyn Kernel> {
        &self.kernel
    }
}
