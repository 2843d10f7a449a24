use std::fmt;
use std::sync::Arc;

use engrad_engine::EngineError;
use engrad_mil::{Constant, FlexibleShapes, Program, Type};
use rayon::ThreadPool;

use crate::VirtualEngine;
use crate::interpret::run::{Executable, States};
use crate::interpret::tensor::Tensor;

/// A loaded function of any inference program: flexible shapes, integers, states, compressed weights.
///
/// What trains goes through [`engrad_engine::Engine`] and its surfaces; this takes and gives named tensors, whose extents
/// may differ from one run to the next within what the program declares. States begin as zeros and live from run to run.
pub struct Interpreter {
    executable: Executable,
    flexible: FlexibleShapes,
    states: States,
    pool: Arc<ThreadPool>,
}

impl fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = self.executable.function();
        f.debug_struct("Interpreter").field("function", &function.name).finish_non_exhaustive()
    }
}

impl VirtualEngine {
    /// Loads a function of a program, `main` if none is named, with this engine's numerics and threads. Constants must
    /// be inline.
    ///
    /// # Errors
    /// [`EngineError::Compile`] if the program breaks a language rule, lacks the function, or has an operation that is not
    /// implemented.
    pub fn interpreter(&self, program: &Program, function: Option<&str>) -> Result<Interpreter, EngineError> {
        let name = function.unwrap_or("main");
        let refuse = |reason: String| EngineError::Compile { program: name.to_owned(), reason };
        engrad_mil::verify(program).map_err(|e| refuse(e.to_string()))?;
        let found = match function {
            Some(name) => program.functions.iter().find(|f| f.name == name),
            None => program.main(),
        };
        let found = found.ok_or_else(|| {
            let names: Vec<&str> = program.functions.iter().map(|f| f.name.as_str()).collect();
            refuse(format!("there is no function `{name}`; the program has {}", names.join(", ")))
        })?;
        let pool = self.pool();
        let executable = pool.install(|| Executable::new(found, self.numerics()))?;
        let flexible = found.flexible_shapes().map_err(refuse)?;
        let states = executable.fresh_states()?;
        Ok(Interpreter { executable, flexible, states, pool })
    }
}

impl Interpreter {
    /// Name and declared type of each input to give, in order; states are not given.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Type)> {
        let function = self.executable.function();
        let values = function.inputs().iter().map(|&id| function.value(id));
        values
            .filter(|value| !matches!(value.ty, Type::State(_)))
            .map(|value| (value.name.as_str(), &value.ty))
    }

    /// Name and declared type of each output, in order.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &Type)> {
        let function = self.executable.function();
        function.outputs().iter().map(|&id| function.value(id)).map(|value| (value.name.as_str(), &value.ty))
    }

    /// What extents the inputs may have.
    pub fn flexible_shapes(&self) -> &FlexibleShapes {
        &self.flexible
    }

    /// Evaluates on one tensor for each input, in any order; returns the outputs in order.
    ///
    /// # Errors
    /// [`EngineError::Bind`] if an input is missing, unknown, or of another type or extent than declared;
    /// [`EngineError::Evaluate`] if an operation cannot be computed on what it is given.
    pub fn run(&mut self, inputs: &[(String, Constant)]) -> Result<Vec<(String, Constant)>, EngineError> {
        let bind = |port: &str, reason: String| EngineError::Bind { port: port.to_owned(), reason };
        let names: Vec<&str> = self.inputs().map(|(name, _)| name).collect();
        for (position, (name, _)) in inputs.iter().enumerate() {
            if !names.contains(&name.as_str()) {
                return Err(bind(name, format!("no such input; the program takes {}", names.join(", "))));
            }
            if inputs[..position].iter().any(|(other, _)| other == name) {
                return Err(bind(name, "given twice".to_owned()));
            }
        }
        let shapes: Vec<_> = inputs.iter().map(|(n, c)| (n.clone(), c.ty.shape.clone())).collect();
        self.flexible.check(&shapes).map_err(|reason| bind("inputs", reason))?;
        let function = self.executable.function();
        let mut tensors = Vec::with_capacity(function.inputs().len());
        for &id in function.inputs() {
            let value = function.value(id);
            if matches!(value.ty, Type::State(_)) {
                tensors.push(None);
                continue;
            }
            let given = inputs.iter().find(|(name, _)| *name == value.name).map(|(_, constant)| constant);
            let given = given.ok_or_else(|| bind(&value.name, format!("not given; it is {}", value.ty)))?;
            let fits = value.ty.may_equal(&Type::Tensor(given.ty.clone()));
            if !fits || given.stored_elements() != Some(given.ty.elements()) {
                return Err(bind(&value.name, format!("is {}, declared {}", given.ty, value.ty)));
            }
            tensors.push(Some(Tensor::constant(given).map_err(|reason| bind(&value.name, reason))?));
        }
        let Self { executable, states, pool, .. } = self;
        let outputs = pool.install(|| executable.run(tensors, states))?;
        let names =
            executable.function().outputs().iter().map(|&id| executable.function().value(id).name.clone());
        let constants = outputs.iter().map(|tensor| tensor.to_constant().map_err(EngineError::Evaluate));
        names.zip(constants).map(|(name, constant)| Ok((name, constant?))).collect()
    }

    /// Sets every state to zeros again.
    ///
    /// # Errors
    /// None that loading had not found.
    pub fn reset(&mut self) -> Result<(), EngineError> {
        self.states = self.executable.fresh_states()?;
        Ok(())
    }
}
