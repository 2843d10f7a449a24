use std::collections::HashMap;

use crate::{Constant, MilError, Op, TensorType};

/// Handle of a value within its function; dense, in order of definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub(crate) u32);

impl ValueId {
    /// Position in [`Function::values`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    /// Parameter of the function, by position.
    Input(usize),
    /// Result `result` of operation `op`.
    Result {
        /// Position in [`Function::ops`].
        op: usize,
        /// Position among the operation's results.
        result: usize,
    },
}

/// A named, typed value: defined once.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Identifier in the text; unique within the function.
    pub name: String,
    /// Static type.
    pub ty: TensorType,
    /// Its origin.
    pub definition: Definition,
}

/// What is passed for one argument of an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// One value.
    Value(ValueId),
    /// A tuple of values, as `concat` takes.
    Tuple(Vec<ValueId>),
}

impl Argument {
    /// The values passed.
    pub fn values(&self) -> &[ValueId] {
        match self {
            Self::Value(value) => std::slice::from_ref(value),
            Self::Tuple(values) => values,
        }
    }
}

/// One statement: an operation, its named arguments and results.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Which operation.
    pub op: Op,
    /// Arguments by name, in the order of the op table.
    pub arguments: Vec<(&'static str, Argument)>,
    /// The payload of a `const`; `None` for every other operation.
    pub constant: Option<Constant>,
    /// Values defined.
    pub results: Vec<ValueId>,
}

impl Operation {
    /// The argument of that name, if passed.
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|(n, _)| *n == name).map(|(_, a)| a)
    }

    /// The single value passed for that argument.
    pub fn value(&self, name: &str) -> Option<ValueId> {
        match self.argument(name)? {
            Argument::Value(value) => Some(*value),
            Argument::Tuple(_) => None,
        }
    }

    /// Every value used, in argument order.
    pub fn operands(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.arguments.iter().flat_map(|(_, a)| a.values().iter().copied())
    }
}

/// A function: typed inputs, operations in order, outputs. Values are numbered inputs first, then by operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name; engines run `main`.
    pub name: String,
    /// Operation set named in the text, e.g. `ios18`.
    pub opset: String,
    pub(crate) values: Vec<Value>,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) ops: Vec<Operation>,
    pub(crate) outputs: Vec<ValueId>,
}

impl Function {
    /// Every value, indexed by [`ValueId::index`].
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value behind a handle of this function.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// The type of a value of this function.
    pub fn ty(&self, id: ValueId) -> &TensorType {
        &self.values[id.index()].ty
    }

    /// Parameters in order.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// Operations in order; every operand is defined before its use.
    pub fn ops(&self) -> &[Operation] {
        &self.ops
    }

    /// Results in order.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// The value of that name.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.values.iter().position(|v| v.name == name).map(|i| ValueId(i as u32))
    }

    /// The value of that name, or an error that names it.
    ///
    /// # Errors
    /// [`MilError::Function`] if there is none.
    pub fn named(&self, name: &str) -> Result<ValueId, MilError> {
        self.find(name).ok_or_else(|| MilError::Function {
            function: self.name.clone(),
            reason: format!("no value named `{name}`"),
        })
    }

    /// The operation that defines a value; `None` for inputs.
    pub fn defining_op(&self, id: ValueId) -> Option<&Operation> {
        match self.value(id).definition {
            Definition::Input(_) => None,
            Definition::Result { op, .. } => Some(&self.ops[op]),
        }
    }

    /// The constant a value is defined as, if it is one.
    pub fn constant(&self, id: ValueId) -> Option<&Constant> {
        self.defining_op(id)?.constant.as_ref()
    }

    /// The same function without operations that no output needs.
    pub fn without_dead_code(&self) -> Self {
        let mut live = vec![false; self.values.len()];
        for id in &self.outputs {
            live[id.index()] = true;
        }
        for op in self.ops.iter().rev() {
            if op.results.iter().any(|r| live[r.index()]) {
                for used in op.operands() {
                    live[used.index()] = true;
                }
                for result in &op.results {
                    live[result.index()] = true;
                }
            }
        }
        let mut kept = Self {
            name: self.name.clone(),
            opset: self.opset.clone(),
            values: Vec::new(),
            inputs: Vec::new(),
            ops: Vec::new(),
            outputs: Vec::new(),
        };
        let mut renumbered = HashMap::new();
        for (position, &input) in self.inputs.iter().enumerate() {
            let id = kept.push_value(self.value(input).clone(), Definition::Input(position));
            kept.inputs.push(id);
            renumbered.insert(input, id);
        }
        for op in &self.ops {
            if !op.results.iter().any(|r| live[r.index()]) {
                continue;
            }
            let mut op = op.clone();
            for (_, argument) in &mut op.arguments {
                match argument {
                    Argument::Value(value) => *value = renumbered[value],
                    Argument::Tuple(values) => values.iter_mut().for_each(|v| *v = renumbered[v]),
                }
            }
            for (result, id) in op.results.iter_mut().enumerate() {
                let definition = Definition::Result { op: kept.ops.len(), result };
                let new = kept.push_value(self.value(*id).clone(), definition);
                renumbered.insert(*id, new);
                *id = new;
            }
            kept.ops.push(op);
        }
        kept.outputs = self.outputs.iter().map(|id| renumbered[id]).collect();
        kept
    }

    pub(crate) fn push_value(&mut self, value: Value, definition: Definition) -> ValueId {
        let id = ValueId(self.values.len() as u32);
        self.values.push(Value { definition, ..value });
        id
    }
}

/// A MIL program: header and functions.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Major and minor version of the header.
    pub version: (u32, u32),
    /// Pairs of the `buildInfo` dictionary, in order.
    pub build_info: Vec<(String, String)>,
    /// Functions in order.
    pub functions: Vec<Function>,
}

impl Program {
    /// A program of one function with the header that device compilers accept (ane-facts 2.1: version 1.3 with
    /// these component versions is what every known route-A user writes).
    pub fn new(function: Function) -> Self {
        let info = [
            ("coremlc-component-MIL", "3510.2.1"),
            ("coremlc-version", "3505.4.1"),
            ("coremltools-component-milinternal", ""),
            ("coremltools-version", "9.0"),
        ];
        Self {
            version: (1, 3),
            build_info: info.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            functions: vec![function],
        }
    }

    /// The function that engines run: `main`, or the only one.
    pub fn main(&self) -> Option<&Function> {
        self.functions.iter().find(|f| f.name == "main").or(match self.functions.as_slice() {
            [only] => Some(only),
            _ => None,
        })
    }
}
