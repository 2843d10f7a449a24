//! What rules see of a program: names, types and constants, and who makes and uses each value.
//!
//! Only this file knows the structures of `engrad-mil`. Element types and operations are their names in program text,
//! so that a rule can speak of ones that no table has.

use std::collections::HashMap;

use engrad_mil::{Constant, ConstantData};

/// Constants beyond this many elements are not read as lists: no rule needs them, weights are that large.
const MAX_LIST: usize = 1 << 16;

/// A program.
pub(crate) struct View<'p> {
    pub(crate) version: (u32, u32),
    pub(crate) functions: Vec<FunctionView<'p>>,
}

/// A function; values and operations refer to each other by position.
pub(crate) struct FunctionView<'p> {
    pub(crate) name: &'p str,
    pub(crate) opset: &'p str,
    pub(crate) values: Vec<ValueView<'p>>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
    pub(crate) ops: Vec<OpView<'p>>,
}

/// A value: an input or a result.
pub(crate) struct ValueView<'p> {
    pub(crate) name: &'p str,
    pub(crate) dtype: &'p str,
    /// Extents; `None` where only the run time knows.
    pub(crate) dims: Vec<Option<u64>>,
    /// Whether it is a state, not a tensor.
    pub(crate) is_state: bool,
    /// The operation that makes it.
    pub(crate) producer: Option<usize>,
    /// The operations that use it, each once.
    pub(crate) users: Vec<usize>,
    /// Its payload, if a `const` makes it.
    pub(crate) constant: Option<Literal<'p>>,
    /// Whether no function input reaches it: the compiler can compute it.
    pub(crate) is_static: bool,
}

/// An operation.
pub(crate) struct OpView<'p> {
    pub(crate) name: &'p str,
    pub(crate) index: usize,
    pub(crate) arguments: Vec<(&'p str, Vec<Operand<'p>>)>,
    pub(crate) results: Vec<usize>,
}

/// What is passed for an argument.
#[derive(Clone, Copy)]
pub(crate) enum Operand<'p> {
    /// A value of the function.
    Value(usize),
    /// A literal written in place.
    #[expect(dead_code, reason = "the representation names every constant; literals come with it")]
    Literal(Literal<'p>),
}

/// A constant payload.
#[derive(Clone, Copy)]
pub(crate) struct Literal<'p>(&'p Constant);

impl<'p> Literal<'p> {
    /// Integers or truth values, if they are inline and few.
    pub(crate) fn ints(self) -> Option<Vec<i64>> {
        if self.0.stored_elements()? > MAX_LIST {
            return None;
        }
        Some(match &self.0.data {
            ConstantData::Bool(v) => v.iter().map(|&x| i64::from(x)).collect(),
            ConstantData::Int8(v) => v.iter().map(|&x| i64::from(x)).collect(),
            ConstantData::UInt8(v) => v.iter().map(|&x| i64::from(x)).collect(),
            ConstantData::Int32(v) => v.iter().map(|&x| i64::from(x)).collect(),
            _ => return None,
        })
    }

    /// Numbers of any type, if they are inline and few.
    pub(crate) fn floats(self) -> Option<Vec<f64>> {
        if self.0.stored_elements()? > MAX_LIST { None } else { self.0.to_f64() }
    }

    /// Bytes of its elements as a weight; nothing for attributes (scalars, axes, texts).
    pub(crate) fn weight_bytes(self) -> u64 {
        let ty = &self.0.ty;
        let is_attribute = ty.shape.is_empty() || matches!(ty.dtype.name(), "bool" | "int32" | "string");
        if is_attribute { 0 } else { (ty.elements() as u64).saturating_mul(ty.dtype.size() as u64) }
    }

    /// The one text.
    pub(crate) fn text(self) -> Option<&'p str> {
        match &self.0.data {
            ConstantData::String(v) => v.first().map(String::as_str),
            _ => None,
        }
    }
}

impl<'p> View<'p> {
    pub(crate) fn new(program: &'p engrad_mil::Program) -> Self {
        Self {
            version: program.version,
            functions: program.functions.iter().map(FunctionView::new).collect(),
        }
    }
}

impl<'p> FunctionView<'p> {
    fn new(function: &'p engrad_mil::Function) -> Self {
        let mut values: Vec<ValueView<'p>> = function
            .values()
            .iter()
            .map(|value| ValueView {
                name: &value.name,
                dtype: value.ty.dtype.name(),
                dims: value.ty.shape.iter().map(|&d| Some(d as u64)).collect(),
                is_state: false,
                producer: None,
                users: Vec::new(),
                constant: None,
                is_static: false,
            })
            .collect();
        let mut ops = Vec::with_capacity(function.ops().len());
        for (index, op) in function.ops().iter().enumerate() {
            let arguments: Vec<(&'p str, Vec<Operand<'p>>)> = op
                .arguments
                .iter()
                .map(|(name, argument)| {
                    (*name, argument.values().iter().map(|v| Operand::Value(v.index())).collect())
                })
                .collect();
            let operands = arguments.iter().flat_map(|(_, operands)| operands);
            let used: Vec<usize> = operands.filter_map(Operand::value).collect();
            let is_static = used.iter().all(|&v| values[v].is_static);
            for &v in &used {
                if values[v].users.last() != Some(&index) {
                    values[v].users.push(index);
                }
            }
            let results: Vec<usize> = op.results.iter().map(|r| r.index()).collect();
            for &r in &results {
                values[r].producer = Some(index);
                values[r].is_static = is_static;
                values[r].constant = op.constant.as_ref().map(Literal);
            }
            ops.push(OpView { name: op.op.name(), index, arguments, results });
        }
        Self {
            name: &function.name,
            opset: &function.opset,
            values,
            inputs: function.inputs().iter().map(|v| v.index()).collect(),
            outputs: function.outputs().iter().map(|v| v.index()).collect(),
            ops,
        }
    }

    /// Operations that compute: neither constants nor decompressed weights.
    pub(crate) fn computing(&self) -> impl Iterator<Item = &OpView<'p>> {
        self.ops.iter().filter(|op| op.computes())
    }

    /// The operation that makes a value.
    pub(crate) fn producer(&self, value: usize) -> Option<&OpView<'p>> {
        self.ops.get(self.values.get(value)?.producer?)
    }

    /// The value passed for an argument.
    pub(crate) fn operand(&self, op: &OpView<'p>, name: &str) -> Option<&ValueView<'p>> {
        self.values.get(op.value(name)?)
    }

    /// The operation that makes an argument.
    pub(crate) fn source(&self, op: &OpView<'p>, name: &str) -> Option<&OpView<'p>> {
        self.producer(op.value(name)?)
    }

    /// The first result.
    pub(crate) fn result(&self, op: &OpView<'p>) -> Option<&ValueView<'p>> {
        self.values.get(*op.results.first()?)
    }

    /// The constant passed for an argument.
    pub(crate) fn literal(&self, op: &OpView<'p>, name: &str) -> Option<Literal<'p>> {
        match *op.argument(name)?.first()? {
            Operand::Literal(literal) => Some(literal),
            Operand::Value(value) => self.values.get(value)?.constant,
        }
    }

    /// The integers passed for an argument.
    pub(crate) fn ints(&self, op: &OpView<'p>, name: &str) -> Option<Vec<i64>> {
        self.literal(op, name)?.ints()
    }

    /// The integer passed for an argument.
    pub(crate) fn int(&self, op: &OpView<'p>, name: &str) -> Option<i64> {
        self.ints(op, name)?.first().copied()
    }

    /// The number passed for an argument.
    pub(crate) fn float(&self, op: &OpView<'p>, name: &str) -> Option<f64> {
        self.literal(op, name)?.floats()?.first().copied()
    }

    /// The text passed for an argument.
    pub(crate) fn text(&self, op: &OpView<'p>, name: &str) -> Option<&'p str> {
        self.literal(op, name)?.text()
    }

    /// Bytes of the weights that operations read.
    pub(crate) fn weight_bytes(&self) -> u64 {
        let read = self.values.iter().filter(|v| !v.users.is_empty()).filter_map(|v| v.constant);
        let operands = self.ops.iter().flat_map(|op| &op.arguments).flat_map(|(_, operands)| operands);
        let inline = operands.filter_map(|operand| match operand {
            Operand::Literal(literal) => Some(*literal),
            Operand::Value(_) => None,
        });
        read.chain(inline).fold(0u64, |n, literal| n.saturating_add(literal.weight_bytes()))
    }

    /// Values by name.
    pub(crate) fn names(&self, values: &[usize]) -> Vec<&'p str> {
        values.iter().filter_map(|&v| self.values.get(v)).map(|v| v.name).collect()
    }

    /// How many operations of each name compute something.
    pub(crate) fn histogram(&self) -> HashMap<&'p str, usize> {
        let mut counts = HashMap::new();
        for op in self.computing() {
            *counts.entry(op.name).or_default() += 1;
        }
        counts
    }
}

impl<'p> OpView<'p> {
    /// Whether it is neither a constant nor a decompressed weight.
    pub(crate) fn computes(&self) -> bool {
        self.name != "const" && !self.is_constexpr()
    }

    /// Whether it decompresses a weight.
    pub(crate) fn is_constexpr(&self) -> bool {
        self.name.starts_with("constexpr_")
    }

    /// Whether it is one of those.
    pub(crate) fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name)
    }

    /// What is passed for an argument.
    pub(crate) fn argument(&self, name: &str) -> Option<&[Operand<'p>]> {
        self.arguments.iter().find(|(n, _)| *n == name).map(|(_, operands)| operands.as_slice())
    }

    /// The first value passed for an argument.
    pub(crate) fn value(&self, name: &str) -> Option<usize> {
        self.argument(name)?.first()?.value()
    }

    /// Every value used.
    pub(crate) fn operands(&self) -> impl Iterator<Item = usize> + '_ {
        self.arguments.iter().flat_map(|(_, operands)| operands).filter_map(Operand::value)
    }
}

impl Operand<'_> {
    /// The value, unless it is a literal.
    pub(crate) fn value(&self) -> Option<usize> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Literal(_) => None,
        }
    }
}

impl ValueView<'_> {
    pub(crate) fn rank(&self) -> usize {
        self.dims.len()
    }

    /// An extent, counted from the last for negative positions; `None` if unknown or absent.
    pub(crate) fn dim(&self, position: isize) -> Option<u64> {
        let index = if position < 0 {
            self.dims.len().checked_sub(position.unsigned_abs())?
        } else {
            position.unsigned_abs()
        };
        self.dims.get(index).copied().flatten()
    }

    /// Number of elements; saturates; `None` if an extent is unknown.
    pub(crate) fn elements(&self) -> Option<u64> {
        self.dims.iter().try_fold(1u64, |n, d| d.map(|d| n.saturating_mul(d)))
    }

    /// Elements, counting unknown extents as 1.
    pub(crate) fn known_elements(&self) -> u64 {
        self.dims.iter().fold(1u64, |n, d| n.saturating_mul(d.unwrap_or(1)))
    }

    /// Element type and extents as in program text.
    pub(crate) fn ty(&self) -> String {
        if self.dims.is_empty() {
            return self.dtype.to_owned();
        }
        let dims: Vec<String> =
            self.dims.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect();
        format!("{}[{}]", self.dtype, dims.join(", "))
    }
}
