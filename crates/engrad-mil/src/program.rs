use std::collections::{HashMap, HashSet};

use crate::{Constant, DType, Literal, MilError, Name, Op, TensorType, Type};

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
    /// Declared type.
    pub ty: Type,
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
    /// A literal that stands in the argument list itself.
    Literal(Literal),
}

impl Argument {
    /// The values passed; none for a literal.
    pub fn values(&self) -> &[ValueId] {
        match self {
            Self::Value(value) => std::slice::from_ref(value),
            Self::Tuple(values) => values,
            Self::Literal(_) => &[],
        }
    }

    /// The same argument with other values in place of its own.
    pub fn map(&self, mut value: impl FnMut(ValueId) -> ValueId) -> Self {
        match self {
            Self::Value(id) => Self::Value(value(*id)),
            Self::Tuple(ids) => Self::Tuple(ids.iter().map(|&id| value(id)).collect()),
            Self::Literal(literal) => Self::Literal(literal.clone()),
        }
    }
}

/// Named attributes in order: what stands in brackets behind a program, function or operation.
pub type Attributes = Vec<(Name, Literal)>;

/// The attribute of that name.
pub(crate) fn attribute<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a Literal> {
    attributes.iter().find(|(n, _)| n == name).map(|(_, literal)| literal)
}

/// One statement: an operation, its named arguments, attributes and results.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Which operation; [`Op::Unknown`] if the op table lacks it.
    pub op: Op,
    /// Name of an operation that the op table lacks; `None` for every other.
    pub unknown: Option<Box<str>>,
    /// Operation set written behind the name, as in `conv<ios17>(…)`.
    pub opset: Option<Box<str>>,
    /// Arguments by name, in alphabetical order.
    pub arguments: Vec<(Name, Argument)>,
    /// What stands in brackets: `name`, the payload `val` of a `const`, operands of `constexpr` operations.
    pub attributes: Attributes,
    /// Values defined.
    pub results: Vec<ValueId>,
}

impl Operation {
    /// An operation of the op table, without attributes.
    pub fn new(op: Op, arguments: Vec<(Name, Argument)>, results: Vec<ValueId>) -> Self {
        Self { op, unknown: None, opset: None, arguments, attributes: Vec::new(), results }
    }

    /// A `const` with that payload.
    pub fn constant_of(constant: Constant, result: ValueId) -> Self {
        let mut operation = Self::new(Op::Const, Vec::new(), vec![result]);
        operation.attributes.push((Name::Borrowed("val"), Literal::Tensor(constant)));
        operation
    }

    /// Name of the operation in the text.
    pub fn name(&self) -> &str {
        self.unknown.as_deref().unwrap_or(self.op.name())
    }

    /// The argument of that name, if passed.
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|(n, _)| n == name).map(|(_, a)| a)
    }

    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Literal> {
        attribute(&self.attributes, name)
    }

    /// The payload of a `const`, if it is a tensor; `None` for every other operation.
    pub fn constant(&self) -> Option<&Constant> {
        if self.op == Op::Const { self.attribute("val")?.tensor() } else { None }
    }

    /// The single value passed for that argument.
    pub fn value(&self, name: &str) -> Option<ValueId> {
        match self.argument(name)? {
            Argument::Value(value) => Some(*value),
            Argument::Tuple(_) | Argument::Literal(_) => None,
        }
    }

    /// Every value used, in argument order.
    pub fn operands(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.arguments.iter().flat_map(|(_, a)| a.values().iter().copied())
    }

    /// Whether it acts on something else than its results, so that it must stay even if nothing uses them.
    pub fn has_effect(&self) -> bool {
        self.results.is_empty() || self.op.info().has_effect
    }

    /// Sets or replaces an attribute.
    pub fn set_attribute(&mut self, name: Name, literal: Literal) {
        match self.attributes.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = literal,
            None => self.attributes.push((name, literal)),
        }
    }
}

/// A function: typed inputs, operations in order, outputs. Values are numbered inputs first, then by operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name; engines run `main`.
    pub name: String,
    /// Operation set named in the text, e.g. `ios18`.
    pub opset: String,
    /// What stands in brackets behind the parameters, e.g. `FlexibleShapeInformation`.
    pub attributes: Attributes,
    pub(crate) values: Vec<Value>,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) ops: Vec<Operation>,
    pub(crate) outputs: Vec<ValueId>,
}

impl Function {
    pub(crate) fn empty(name: impl Into<String>, opset: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            opset: opset.into(),
            attributes: Vec::new(),
            values: Vec::new(),
            inputs: Vec::new(),
            ops: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Every value, indexed by [`ValueId::index`].
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value behind a handle of this function.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// The static tensor type of a value of this function.
    ///
    /// A value that is no tensor of known shape (see [`Function::is_static`]) shows as a scalar text, which every rule
    /// for tensors refuses; its declared type is [`Value::ty`].
    pub fn ty(&self, id: ValueId) -> &TensorType {
        static NOT_STATIC: TensorType = TensorType::scalar(DType::String);
        self.value(id).ty.tensor().unwrap_or(&NOT_STATIC)
    }

    /// Whether every value is a tensor of known shape.
    pub fn is_static(&self) -> bool {
        self.values.iter().all(|value| value.ty.tensor().is_some())
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

    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Literal> {
        attribute(&self.attributes, name)
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
            Definition::Result { op, .. } => self.ops.get(op),
        }
    }

    /// The constant a value is defined as, if it is one.
    pub fn constant(&self, id: ValueId) -> Option<&Constant> {
        self.defining_op(id)?.constant()
    }

    /// The same function without operations that no output needs; those with an effect of their own stay.
    pub fn without_dead_code(&self) -> Self {
        let mut live = vec![false; self.values.len()];
        for id in &self.outputs {
            live[id.index()] = true;
        }
        let mut needed = vec![false; self.ops.len()];
        for (position, op) in self.ops.iter().enumerate().rev() {
            if op.has_effect() || op.results.iter().any(|r| live[r.index()]) {
                needed[position] = true;
                for id in op.operands() {
                    live[id.index()] = true;
                }
            }
        }
        self.retain(|position| needed[position])
    }

    /// The same function with only the operations that `keep` chooses by position. What it drops must not be used by
    /// what it keeps.
    pub(crate) fn retain(&self, keep: impl Fn(usize) -> bool) -> Self {
        let mut kept = Self { attributes: self.attributes.clone(), ..Self::empty(&self.name, &self.opset) };
        let mut renumbered = HashMap::new();
        for (position, &input) in self.inputs.iter().enumerate() {
            let id = kept.push_value(self.value(input).clone(), Definition::Input(position));
            kept.inputs.push(id);
            renumbered.insert(input, id);
        }
        for (position, op) in self.ops.iter().enumerate() {
            if !keep(position) {
                continue;
            }
            let mut op = op.clone();
            for (_, argument) in &mut op.arguments {
                *argument = argument.map(|id| renumbered[&id]);
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

    /// The same function with a named `const` in front of its operation in place of each tensor literal in an argument
    /// list.
    pub fn with_named_literals(&self) -> Self {
        let literals = |op: &Operation| {
            op.arguments.iter().any(|(_, a)| matches!(a, Argument::Literal(Literal::Tensor(_))))
        };
        if !self.ops.iter().any(literals) {
            return self.clone();
        }
        let mut taken: HashSet<String> = self.values.iter().map(|value| value.name.clone()).collect();
        let mut named = Self { attributes: self.attributes.clone(), ..Self::empty(&self.name, &self.opset) };
        let mut renumbered = HashMap::new();
        for (position, &input) in self.inputs.iter().enumerate() {
            let id = named.push_value(self.value(input).clone(), Definition::Input(position));
            named.inputs.push(id);
            renumbered.insert(input, id);
        }
        for op in &self.ops {
            let result = op.results.first().map_or("op", |id| self.value(*id).name.as_str());
            let mut op = op.clone();
            for (name, argument) in &mut op.arguments {
                let Argument::Literal(Literal::Tensor(constant)) = argument else {
                    *argument = argument.map(|id| renumbered[&id]);
                    continue;
                };
                let wanted = format!("{result}_{name}");
                let candidates =
                    std::iter::once(wanted.clone()).chain((2u64..).map(|n| format!("{wanted}_{n}")));
                let free = candidates.into_iter().find(|name| !taken.contains(name)).unwrap_or(wanted);
                taken.insert(free.clone());
                let definition = Definition::Result { op: named.ops.len(), result: 0 };
                let value = Value { name: free, ty: Type::Tensor(constant.ty.clone()), definition };
                let id = named.push_value(value, definition);
                named.ops.push(Operation::constant_of(constant.clone(), id));
                *argument = Argument::Value(id);
            }
            for (result, id) in op.results.iter_mut().enumerate() {
                let definition = Definition::Result { op: named.ops.len(), result };
                let new = named.push_value(self.value(*id).clone(), definition);
                renumbered.insert(*id, new);
                *id = new;
            }
            named.ops.push(op);
        }
        named.outputs = self.outputs.iter().map(|id| renumbered[id]).collect();
        named
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
    /// What stands in brackets behind the header, usually `buildInfo`.
    pub attributes: Attributes,
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
            attributes: vec![(Name::Borrowed("buildInfo"), Literal::texts(info))],
            functions: vec![function],
        }
    }

    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Literal> {
        attribute(&self.attributes, name)
    }

    /// The function that engines run: `main`, or the only one.
    pub fn main(&self) -> Option<&Function> {
        self.functions.iter().find(|f| f.name == "main").or(match self.functions.as_slice() {
            [only] => Some(only),
            _ => None,
        })
    }
}
