//! A program of known shape that the interpreter runs behind the engine's contract: tensors from and to surfaces.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use engrad_engine::{EngineError, Kernel, Port, ReadGuard, Request, WriteGuard};
use engrad_mil::{DType, Function, Type, ValueId};
use half::f16;
use rayon::ThreadPool;

use super::run::{Executable, States};
use super::tensor::{Data, Tensor};

/// The kernel of an interpreted function.
pub(crate) struct InterpretedKernel {
    executable: Executable,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// States live as long as the kernel.
    states: Mutex<States>,
    pool: Arc<ThreadPool>,
    /// Called after each evaluation, and when the kernel goes.
    on_evaluation: Box<dyn Fn() + Send + Sync>,
    on_drop: Box<dyn Fn() + Send + Sync>,
}

impl InterpretedKernel {
    /// # Errors
    /// [`EngineError::Compile`] if a port's shape is not known, or surfaces cannot hold its elements.
    pub(crate) fn new(
        executable: Executable,
        pool: Arc<ThreadPool>,
        on_evaluation: Box<dyn Fn() + Send + Sync>,
        on_drop: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Self, EngineError> {
        let function = executable.function();
        let inputs = function.inputs().iter().filter(|&&id| !is_state(function, id));
        let inputs = inputs.map(|&id| port(function, id)).collect::<Result<_, _>>()?;
        let outputs = function.outputs().iter().map(|&id| port(function, id)).collect::<Result<_, _>>()?;
        let states = Mutex::new(executable.fresh_states()?);
        Ok(Self { executable, inputs, outputs, states, pool, on_evaluation, on_drop })
    }
}

fn is_state(function: &Function, id: ValueId) -> bool {
    matches!(function.value(id).ty, Type::State(_))
}

fn port(function: &Function, id: ValueId) -> Result<Port, EngineError> {
    let value = function.value(id);
    match value.ty.tensor() {
        Some(ty) if ty.elements() > 0 && ty.dtype.size() > 0 => Ok(Port::new(&value.name, ty.clone())),
        _ => Err(EngineError::Compile {
            program: function.name.clone(),
            reason: format!("`{}` is {}; ports are tensors of known shape", value.name, value.ty),
        }),
    }
}

impl fmt::Debug for InterpretedKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterpretedKernel")
            .field("name", &self.executable.function().name)
            .field("operations", &self.executable.function().ops().len())
            .finish_non_exhaustive()
    }
}

impl Kernel for InterpretedKernel {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn evaluate(&self, request: &Request) -> Result<(), EngineError> {
        let bound_to = Arc::as_ptr(request.kernel()).cast::<()>();
        if !std::ptr::eq(bound_to, std::ptr::from_ref(self).cast()) {
            let name = &self.executable.function().name;
            return Err(EngineError::Evaluate(format!(
                "the request is bound to another kernel than `{name}`"
            )));
        }
        let read =
            self.inputs.iter().zip(request.inputs()).map(|(port, surface)| load(port, &surface.read()));
        let mut read = read.collect::<Result<Vec<_>, _>>().map_err(EngineError::Evaluate)?.into_iter();
        let function = self.executable.function();
        let inputs = function.inputs().iter();
        let inputs = inputs.map(|&id| if is_state(function, id) { None } else { read.next() }).collect();
        let mut guard = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let states = &mut *guard;
        let outputs = self.pool.install(|| self.executable.run(inputs, states))?;
        for ((port, surface), tensor) in self.outputs.iter().zip(request.outputs()).zip(outputs) {
            store(port, &tensor, &mut surface.write()).map_err(EngineError::Evaluate)?;
        }
        (self.on_evaluation)();
        Ok(())
    }
}

impl Drop for InterpretedKernel {
    fn drop(&mut self) {
        (self.on_drop)();
    }
}

/// Elements of a surface's rows, without their padding.
fn elements<'a, T: Copy>(port: &Port, all: &'a [T]) -> impl Iterator<Item = T> + 'a {
    let (width, stride, rows) = (port.width(), port.stride_elements(), port.rows());
    all.chunks(stride.max(1)).take(rows).flat_map(move |row| row.iter().take(width).copied())
}

fn load(port: &Port, surface: &ReadGuard<'_>) -> Result<Tensor, String> {
    let (dtype, shape) = (port.ty.dtype, port.ty.shape.clone());
    let bytes = surface.bytes();
    match dtype {
        DType::Fp16 => {
            Tensor::floats(dtype, shape, elements(port, surface.fp16()).map(f16::to_f32).collect())
        }
        DType::Fp32 => Tensor::floats(dtype, shape, elements(port, surface.fp32()).collect()),
        DType::Int32 | DType::UInt32 => {
            let words = bytes.as_chunks::<4>().0;
            Tensor::ints(dtype, shape, elements(port, words).map(i32::from_le_bytes).collect())
        }
        DType::Int16 | DType::UInt16 => {
            let words = bytes.as_chunks::<2>().0;
            Tensor::ints(
                dtype,
                shape,
                elements(port, words).map(|b| i32::from(i16::from_le_bytes(b))).collect(),
            )
        }
        _ if dtype.size() == 1 && !dtype.is_float() => {
            Tensor::bytes(dtype, shape, elements(port, bytes).collect())
        }
        _ => Err(format!("input `{}`: surfaces do not hold {dtype}", port.name)),
    }
}

/// Writes elements into rows, each `stride` elements from the one before.
fn rows<T: Copy>(port: &Port, values: &[T], target: &mut [T]) {
    let (width, stride) = (port.width(), port.stride_elements());
    for (row, values) in target.chunks_mut(stride.max(1)).zip(values.chunks(width.max(1))) {
        if let Some(row) = row.get_mut(..values.len()) {
            row.copy_from_slice(values);
        }
    }
}

fn store(port: &Port, tensor: &Tensor, surface: &mut WriteGuard<'_>) -> Result<(), String> {
    match (&tensor.data, tensor.dtype) {
        (Data::Floats(values), DType::Fp16) => {
            let halves: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
            rows(port, &halves, surface.fp16_mut());
        }
        (Data::Floats(values), DType::Fp32) => rows(port, values, surface.fp32_mut()),
        (Data::Ints(values), DType::Int32 | DType::UInt32) => {
            let words: Vec<[u8; 4]> = values.iter().map(|v| v.to_le_bytes()).collect();
            rows(port, &words, surface.bytes_mut().as_chunks_mut::<4>().0);
        }
        (Data::Ints(values), DType::Int16 | DType::UInt16) => {
            let words: Vec<[u8; 2]> = values.iter().map(|&v| (v as i16).to_le_bytes()).collect();
            rows(port, &words, surface.bytes_mut().as_chunks_mut::<2>().0);
        }
        (Data::Bytes(values), _) => rows(port, values, surface.bytes_mut()),
        _ => return Err(format!("output `{}`: surfaces do not hold {}", port.name, tensor.dtype)),
    }
    Ok(())
}
