use std::sync::Arc;

use engrad_apple::{AppleEngine, Options};
use engrad_engine::{Engine, Kernel, Port, Surface};
use engrad_mil::{DType, Program};
use half::f16;

use crate::verdict::ProbeError;

/// The engine that is asked.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// It.
    pub engine: &'a dyn Engine,
    /// The same, where it is Apple's, for questions about its classes.
    pub apple: Option<Apple<'a>>,
}

/// An Apple engine and what it was made from.
#[derive(Debug, Clone, Copy)]
pub struct Apple<'a> {
    /// The engine.
    pub engine: &'a AppleEngine,
    /// Its options, for variants of it.
    pub options: &'a Options,
}

impl<'a> Subject<'a> {
    /// Apple's engine, or why the question has no answer.
    pub(crate) fn apple(&self) -> Result<Apple<'a>, ProbeError> {
        self.apple.ok_or_else(|| {
            let name = self.engine.name();
            ProbeError::Unsupported(format!("it asks Apple's private classes; the {name} engine has none"))
        })
    }

    /// Compiles a text.
    pub(crate) fn compile(&self, text: &str) -> Result<Arc<dyn Kernel>, ProbeError> {
        Ok(self.engine.compile(&parse(text)?)?)
    }

    /// Compiles a text and runs it once.
    pub(crate) fn run(&self, text: &str, inputs: &[&[f32]]) -> Result<Vec<Vec<f32>>, ProbeError> {
        run(&self.compile(text)?, inputs)
    }
}

/// Reads and verifies a probe's program.
pub(crate) fn parse(text: &str) -> Result<Program, ProbeError> {
    Ok(engrad_mil::parse(text)?)
}

/// Runs a kernel once on surfaces of its own.
pub(crate) fn run(kernel: &Arc<dyn Kernel>, inputs: &[&[f32]]) -> Result<Vec<Vec<f32>>, ProbeError> {
    let surfaces = |ports: &[Port]| -> Result<Vec<Surface>, ProbeError> {
        ports.iter().map(|port| Ok(kernel.surface(port)?)).collect()
    };
    let (ins, outs) = (surfaces(kernel.inputs())?, surfaces(kernel.outputs())?);
    for ((port, surface), values) in kernel.inputs().iter().zip(&ins).zip(inputs) {
        fill(port, surface, values);
    }
    let request = kernel.bind(ins, outs)?;
    request.evaluate()?;
    Ok(kernel.outputs().iter().zip(request.outputs()).map(|(port, surface)| values(port, surface)).collect())
}

/// Writes numbers to a port's surface, rounded to its type; missing ones stay as they are.
pub(crate) fn fill(port: &Port, surface: &Surface, values: &[f32]) {
    let (width, stride) = (port.width().max(1), port.stride_elements());
    let mut guard = surface.write();
    for (row, values) in values.chunks(width).enumerate().take(port.rows()) {
        let at = row * stride;
        match port.ty.dtype {
            DType::Fp16 => {
                for (to, &value) in guard.fp16_mut().iter_mut().skip(at).zip(values) {
                    *to = f16::from_f32(value);
                }
            }
            DType::Fp32 => {
                for (to, &value) in guard.fp32_mut().iter_mut().skip(at).zip(values) {
                    *to = value;
                }
            }
            _ => {}
        }
    }
}

/// The numbers on a port's surface.
pub(crate) fn values(port: &Port, surface: &Surface) -> Vec<f32> {
    let (width, stride) = (port.width().max(1), port.stride_elements());
    let guard = surface.read();
    (0..port.rows())
        .flat_map(|row| (0..width).map(move |column| row * stride + column))
        .map(|at| match port.ty.dtype {
            DType::Fp16 => guard.fp16().get(at).map_or(f32::NAN, |v| v.to_f32()),
            DType::Fp32 => guard.fp32().get(at).copied().unwrap_or(f32::NAN),
            _ => f32::NAN,
        })
        .collect()
}
