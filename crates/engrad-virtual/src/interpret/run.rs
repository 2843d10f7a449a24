//! Functions prepared for the interpreter, and their evaluation.

use std::collections::HashMap;
use std::sync::Arc;

use engrad_engine::EngineError;
use engrad_mil::{
    Argument, Constant, Dim, Function, Literal, Op, Operation, Payload, TensorType, Type, ValueId,
};

use super::call::{Call, Kernel, Passed};
use super::kernels::kernel;
use super::tensor::{Tensor, elements};
use crate::Numerics;

/// Contents of states between evaluations, by the name of their parameter.
pub(crate) type States = HashMap<String, Arc<Tensor>>;

/// A function whose constants are computed and whose operations all have a kernel.
pub(crate) struct Executable {
    function: Function,
    steps: Vec<Step>,
    /// By value: what is known without inputs.
    constants: Vec<Option<Arc<Tensor>>>,
    numerics: Numerics,
}

struct Step {
    /// Position in the function.
    op: usize,
    action: Action,
    /// Literals of its argument list.
    literals: Vec<(String, Arc<Tensor>)>,
    /// Values that nothing after this step needs.
    dead: Vec<ValueId>,
}

#[derive(Clone, Copy)]
enum Action {
    Compute(Kernel),
    ReadState,
    WriteState,
}

fn refuse(function: &Function, reason: String) -> EngineError {
    EngineError::Compile { program: function.name.clone(), reason }
}

/// How an operation is called in messages: by its first result.
fn label(function: &Function, op: &Operation) -> String {
    let name = op.results.first().map_or("", |&id| function.value(id).name.as_str());
    format!("`{name}` = {}", op.name())
}

impl Executable {
    /// Prepares a function that passed verification: operations on constants are computed now.
    ///
    /// # Errors
    /// [`EngineError::Compile`] naming the operation that has no kernel, or whose constants do not fit it.
    pub(crate) fn new(function: &Function, numerics: Numerics) -> Result<Self, EngineError> {
        let function = function.without_dead_code();
        let mut constants: Vec<Option<Arc<Tensor>>> = vec![None; function.values().len()];
        let mut steps = Vec::new();
        for (position, op) in function.ops().iter().enumerate() {
            let fault = |reason: String| refuse(&function, format!("{}: {reason}", label(&function, op)));
            if op.op == Op::Const {
                let tensor = constant_of(op).map_err(fault)?;
                if let Some(result) = op.results.first() {
                    constants[result.index()] = Some(Arc::new(tensor));
                }
                continue;
            }
            for ty in op.results.iter().filter_map(|&id| function.value(id).ty.tensor()) {
                elements(&ty.shape)
                    .map_err(|_| fault(format!("{ty} needs more memory than any system has")))?;
            }
            let action = action_of(op).map_err(fault)?;
            let literals = literals_of(op).map_err(fault)?;
            let known = op.operands().all(|id| constants[id.index()].is_some());
            match action {
                Action::Compute(kernel) if known && is_foldable(op.op) => {
                    let get = |id: ValueId| constants[id.index()].as_deref();
                    let results = compute(&function, op, kernel, &literals, numerics, get).map_err(fault)?;
                    for (&id, tensor) in op.results.iter().zip(results) {
                        constants[id.index()] = Some(Arc::new(tensor));
                    }
                }
                action => steps.push(Step { op: position, action, literals, dead: Vec::new() }),
            }
        }
        let mut executable = Self { function, steps, constants, numerics };
        executable.find_last_uses();
        Ok(executable)
    }

    /// Marks values to drop, and drops constants that only folded operations read.
    fn find_last_uses(&mut self) {
        let mut later = vec![false; self.constants.len()];
        for id in self.function.outputs() {
            later[id.index()] = true;
        }
        for step in self.steps.iter_mut().rev() {
            let op = &self.function.ops()[step.op];
            for id in op.operands().chain(op.results.iter().copied()) {
                if !std::mem::replace(&mut later[id.index()], true) && self.constants[id.index()].is_none() {
                    step.dead.push(id);
                }
            }
        }
        for (constant, needed) in self.constants.iter_mut().zip(later) {
            if !needed {
                *constant = None;
            }
        }
    }

    /// The function that runs.
    pub(crate) fn function(&self) -> &Function {
        &self.function
    }

    /// Bytes of the constants it holds.
    pub(crate) fn constant_bytes(&self) -> u64 {
        self.constants.iter().flatten().map(|t| (t.len() * t.dtype.size().max(4)) as u64).sum()
    }

    /// Evaluates on inputs in the function's order (nothing stands for a state), and returns the outputs in order.
    ///
    /// # Errors
    /// [`EngineError::Evaluate`] if an input does not fit its parameter, or an operation cannot be computed on the extents
    /// or values that occur.
    pub(crate) fn run(
        &self,
        inputs: Vec<Option<Tensor>>,
        states: &mut States,
    ) -> Result<Vec<Arc<Tensor>>, EngineError> {
        let function = &self.function;
        let mut values = self.constants.clone();
        let mut symbols = HashMap::new();
        for (&id, input) in function.inputs().iter().zip(inputs) {
            let value = function.value(id);
            if let Some(tensor) = input {
                check_type(&value.ty, &tensor, &mut symbols)
                    .map_err(|reason| EngineError::Evaluate(format!("input `{}`: {reason}", value.name)))?;
                values[id.index()] = Some(Arc::new(tensor));
            }
        }
        for step in &self.steps {
            let op = &function.ops()[step.op];
            let fault = |reason: String| EngineError::Evaluate(format!("{}: {reason}", label(function, op)));
            match step.action {
                Action::Compute(kernel) => {
                    let get = |id: ValueId| values[id.index()].as_deref();
                    let results =
                        compute(function, op, kernel, &step.literals, self.numerics, get).map_err(fault)?;
                    for (&id, tensor) in op.results.iter().zip(results) {
                        check_type(&function.value(id).ty, &tensor, &mut symbols).map_err(fault)?;
                        values[id.index()] = Some(Arc::new(tensor));
                    }
                }
                Action::ReadState => {
                    let name = state_name(function, op).map_err(fault)?;
                    let state =
                        states.get(name).ok_or_else(|| fault(format!("there is no state `{name}`")))?;
                    if let Some(id) = op.results.first() {
                        values[id.index()] = Some(Arc::clone(state));
                    }
                }
                Action::WriteState => {
                    let name = state_name(function, op).map_err(fault)?.to_owned();
                    let data = ["data", "value"].iter().find_map(|name| op.value(name));
                    let data = data.and_then(|id| values[id.index()].clone());
                    let data = data.ok_or_else(|| fault("there is no value to write".to_owned()))?;
                    // Some forms return what was written.
                    if let Some(id) = op.results.first() {
                        values[id.index()] = Some(Arc::clone(&data));
                    }
                    states.insert(name, data);
                }
            }
            for id in &step.dead {
                values[id.index()] = None;
            }
        }
        let output = |id: &ValueId| {
            let name = || format!("output `{}` was not computed", function.value(*id).name);
            values[id.index()].clone().ok_or_else(|| EngineError::Evaluate(name()))
        };
        function.outputs().iter().map(output).collect()
    }

    /// States of zeros, as the first evaluation finds them.
    ///
    /// # Errors
    /// [`EngineError::Evaluate`] if a state's extents are not known.
    pub(crate) fn fresh_states(&self) -> Result<States, EngineError> {
        let mut states = States::new();
        for &id in self.function.inputs() {
            let value = self.function.value(id);
            let Type::State(inner) = &value.ty else { continue };
            let tensor = inner.tensor().ok_or_else(|| format!("its extents are not known: {inner}"));
            let zeros = tensor.and_then(Tensor::zeros);
            let zeros = zeros.map_err(|e| EngineError::Evaluate(format!("state `{}`: {e}", value.name)))?;
            states.insert(value.name.clone(), Arc::new(zeros));
        }
        Ok(states)
    }
}

/// The value of a `const`: a tensor, or a list of scalars (the classes of a classifier), which is held as a vector.
fn constant_of(op: &Operation) -> Result<Tensor, String> {
    match op.attribute("val") {
        Some(Literal::Tensor(constant)) => Tensor::constant(constant),
        Some(Literal::Composite { ty: Type::List(item, _), value: Payload::List(items) }) => {
            let dtype = item.dtype().ok_or("lists of other things than scalars are not run")?;
            let scalar = |item: &Payload| match item {
                Payload::Elements { shape, data } if shape.is_empty() => {
                    Tensor::constant(&Constant { ty: TensorType::scalar(dtype), data: data.clone() })
                }
                _ => Err("lists of other things than scalars are not run".to_owned()),
            };
            Tensor::vector(dtype, items.iter().map(scalar).collect::<Result<_, _>>()?)
        }
        _ => Err("constants that are no tensors are not run".to_owned()),
    }
}

fn action_of(op: &Operation) -> Result<Action, String> {
    match op.op {
        Op::ReadState => Ok(Action::ReadState),
        Op::WriteState | Op::CoremlUpdateState => Ok(Action::WriteState),
        Op::Unknown => Err("the op table does not have this operation".to_owned()),
        other => {
            let unknown = op.arguments.iter().find(|(name, _)| other.info().argument(name).is_none());
            if let Some((name, _)) = unknown {
                return Err(format!("argument `{}` is not known", name.escape_debug()));
            }
            let kernel = kernel(other).ok_or("is not implemented by the virtual engine")?;
            Ok(Action::Compute(kernel))
        }
    }
}

/// Whether the same operands always give the same result.
fn is_foldable(op: Op) -> bool {
    !matches!(op, Op::RandomBernoulli | Op::RandomCategorical | Op::RandomNormal | Op::RandomUniform)
}

/// The literals of an operation that are operands: in its argument list, or attributes that the op table has.
fn literals_of(op: &Operation) -> Result<Vec<(String, Arc<Tensor>)>, String> {
    let arguments = op.arguments.iter().filter_map(|(name, argument)| match argument {
        Argument::Literal(literal) => Some((name, literal)),
        _ => None,
    });
    let attributes = op.attributes.iter().filter(|(name, _)| op.op.info().argument(name).is_some());
    let attributes = attributes.map(|(name, literal)| (name, literal));
    let tensor = |(name, literal): (&engrad_mil::Name, &Literal)| match literal {
        Literal::Tensor(constant) => Ok((name.to_string(), Arc::new(Tensor::constant(constant)?))),
        Literal::Composite { ty, .. } => Err(format!("`{name}` is {ty}, which is not run")),
    };
    arguments.chain(attributes).map(tensor).collect()
}

fn compute<'a>(
    function: &Function,
    op: &Operation,
    kernel: Kernel,
    literals: &[(String, Arc<Tensor>)],
    numerics: Numerics,
    get: impl Fn(ValueId) -> Option<&'a Tensor>,
) -> Result<Vec<Tensor>, String> {
    let fetch = |id: ValueId| {
        get(id).ok_or_else(|| format!("`{}` is no tensor that was computed", function.value(id).name))
    };
    let mut arguments = Vec::with_capacity(op.arguments.len());
    for (name, argument) in &op.arguments {
        let passed = match argument {
            Argument::Value(id) => Passed::One(fetch(*id)?),
            Argument::Tuple(ids) => Passed::Many(ids.iter().map(|&id| fetch(id)).collect::<Result<_, _>>()?),
            Argument::Literal(_) => continue,
        };
        arguments.push((name.as_ref(), passed));
    }
    arguments.extend(literals.iter().map(|(name, tensor)| (name.as_str(), Passed::One(tensor))));
    let types: Vec<&Type> = op.results.iter().map(|&id| &function.value(id).ty).collect();
    let mut results = kernel(&Call { op: op.op, arguments, results: &types })?;
    if results.len() != op.results.len() {
        return Err(format!("{} results where {} are declared", results.len(), op.results.len()));
    }
    if numerics == Numerics::Fast {
        results.iter_mut().for_each(Tensor::round_to_fp16);
    }
    Ok(results)
}

/// Checks a tensor against a declared type; named extents must be the same wherever they stand.
fn check_type<'a>(
    declared: &'a Type,
    tensor: &Tensor,
    symbols: &mut HashMap<&'a str, usize>,
) -> Result<(), String> {
    let shape = &tensor.shape;
    let misfit = || format!("is {} {shape:?}, declared {declared}", tensor.dtype);
    match declared {
        Type::Tensor(_) | Type::Flexible(_) if declared.dtype() != Some(tensor.dtype) => Err(misfit()),
        Type::Tensor(ty) if ty.shape == *shape => Ok(()),
        Type::Flexible(ty) if ty.dims.len() == shape.len() => {
            for (dim, &extent) in ty.dims.iter().zip(shape) {
                let expected = match dim {
                    Dim::Fixed(expected) => *expected,
                    Dim::Any => extent,
                    Dim::Symbol(name) => *symbols.entry(name.as_ref()).or_insert(extent),
                };
                if expected != extent {
                    return Err(misfit());
                }
            }
            Ok(())
        }
        // The probabilities of a classifier, in the order of its classes.
        Type::Dict(_, value) if value.dtype() == Some(tensor.dtype) && shape.len() == 1 => Ok(()),
        _ => Err(misfit()),
    }
}

fn state_name<'a>(function: &'a Function, op: &Operation) -> Result<&'a str, String> {
    let id = ["input", "state"].iter().find_map(|name| op.value(name)).ok_or("has no state")?;
    Ok(&function.value(id).name)
}
