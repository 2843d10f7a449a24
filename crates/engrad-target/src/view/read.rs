//! Makes the view of a program.

use engrad_mil::text::SourceMap;
use engrad_mil::verify::Place;
use engrad_mil::{Argument, Definition, Operation, Type};

use super::{CONSTEXPR, FunctionView, Literal, OpView, Operand, Scalar, ValueView, View};

impl<'p> View<'p> {
    pub(crate) fn new(program: &'p engrad_mil::Program) -> Self {
        let functions =
            program.functions.iter().enumerate().map(|(index, f)| FunctionView::new(f, index)).collect();
        Self { version: program.version, functions, scalars: Vec::new() }
    }

    /// The same with how the text writes the program.
    pub(crate) fn with_text(mut self, text: &str, source: &SourceMap) -> Self {
        for (function, spans) in self.functions.iter().zip(&source.functions) {
            for (op, spans) in function.ops.iter().zip(&spans.ops) {
                for (&value, span) in op.results.iter().zip(&spans.results) {
                    let is_scalar =
                        function.values.get(value).is_some_and(|v| v.dims.is_empty() && !v.is_state);
                    let written = text.get(span.start..span.end).filter(|_| is_scalar);
                    if let Some(written) = written {
                        let is_short = !written.starts_with("tensor");
                        self.scalars.push(Scalar { function: function.index, value, is_short });
                    }
                }
            }
        }
        self
    }
}

impl<'p> ValueView<'p> {
    fn new(value: &'p engrad_mil::Value, function: usize) -> Self {
        let dtype = value.ty.dtype().map_or_else(|| kind(&value.ty), |dtype| dtype.name());
        let dims = value.ty.dims().unwrap_or_default();
        let place = match value.definition {
            Definition::Input(position) => Place::Input(function, position),
            Definition::Result { op, result } => Place::Result(function, op, result),
        };
        Self {
            name: &value.name,
            dtype,
            dims: dims.iter().map(|dim| dim.fixed().map(|d| d as u64)).collect(),
            is_state: matches!(value.ty, Type::State(_)),
            place,
            producer: None,
            users: Vec::new(),
            constant: None,
            is_static: false,
        }
    }
}

/// What a type without elements is called.
fn kind(ty: &Type) -> &'static str {
    match ty {
        Type::List(..) => "list",
        Type::Dict(..) => "dict",
        Type::Tuple(_) => "tuple",
        _ => "tensor",
    }
}

/// Arguments of an operation; operands of constexpr operations may stand among the attributes.
fn arguments(op: &Operation) -> Vec<(&str, Vec<Operand<'_>>)> {
    let mut arguments: Vec<_> =
        op.arguments.iter().map(|(name, argument)| (name.as_ref(), operands(argument))).collect();
    if op.name().starts_with(CONSTEXPR) {
        let attributes = op.attributes.iter().filter(|(name, _)| name != "name");
        arguments
            .extend(attributes.map(|(name, l)| (name.as_ref(), vec![Operand::Literal(Literal(l.tensor()))])));
    }
    arguments
}

fn operands(argument: &Argument) -> Vec<Operand<'_>> {
    match argument {
        Argument::Literal(literal) => vec![Operand::Literal(Literal(literal.tensor()))],
        other => other.values().iter().map(|v| Operand::Value(v.index())).collect(),
    }
}

impl<'p> FunctionView<'p> {
    fn new(function: &'p engrad_mil::Function, position: usize) -> Self {
        let mut values: Vec<ValueView<'p>> =
            function.values().iter().map(|value| ValueView::new(value, position)).collect();
        let mut ops = Vec::with_capacity(function.ops().len());
        for (index, op) in function.ops().iter().enumerate() {
            let arguments = arguments(op);
            let operands = arguments.iter().flat_map(|(_, operands)| operands);
            let used: Vec<usize> = operands.filter_map(Operand::value).collect();
            let is_static = used.iter().all(|&v| values.get(v).is_some_and(|value| value.is_static));
            for &v in &used {
                if let Some(value) = values.get_mut(v).filter(|value| value.users.last() != Some(&index)) {
                    value.users.push(index);
                }
            }
            let results: Vec<usize> = op.results.iter().map(|r| r.index()).collect();
            let payload = (op.name() == "const").then(|| Literal(op.constant()));
            for &r in &results {
                if let Some(value) = values.get_mut(r) {
                    value.producer = Some(index);
                    value.is_static = is_static;
                    value.constant = payload;
                }
            }
            ops.push(OpView { name: op.name(), index, arguments, results });
        }
        Self {
            name: &function.name,
            index: position,
            opset: &function.opset,
            values,
            inputs: function.inputs().iter().map(|v| v.index()).collect(),
            outputs: function.outputs().iter().map(|v| v.index()).collect(),
            ops,
        }
    }
}
