//! What rules see of a program: names, types and constants, and who makes and uses each value.
//!
//! Only this module knows the structures of `engrad-mil`. Element types and operations are their names in program text,
//! so that a rule can speak of ones that no table has.

mod read;

use std::collections::HashMap;

use engrad_mil::Constant;
use engrad_mil::verify::Place;

/// Constants beyond this many elements are not read as lists: no rule needs them, weights are that large.
const MAX_LIST: usize = 1 << 16;

/// A program.
pub(crate) struct View<'p> {
    pub(crate) version: (u32, u32),
    pub(crate) functions: Vec<FunctionView<'p>>,
    /// How the text writes the types of scalars; empty where there is no text.
    pub(crate) scalars: Vec<Scalar>,
}

/// How the type of a scalar result is written.
pub(crate) struct Scalar {
    /// Position of its function.
    pub(crate) function: usize,
    /// Index of the value.
    pub(crate) value: usize,
    /// `int32`, not `tensor<int32, []>`.
    pub(crate) is_short: bool,
}

/// A function; values and operations refer to each other by position.
pub(crate) struct FunctionView<'p> {
    pub(crate) name: &'p str,
    pub(crate) index: usize,
    pub(crate) opset: &'p str,
    pub(crate) values: Vec<ValueView<'p>>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
    pub(crate) ops: Vec<OpView<'p>>,
}

/// A value: an input or a result.
pub(crate) struct ValueView<'p> {
    pub(crate) name: &'p str,
    /// Element type; for what is no tensor, the kind of type.
    pub(crate) dtype: &'static str,
    /// Extents; `None` where only the run time knows.
    pub(crate) dims: Vec<Option<u64>>,
    /// Whether it is a state, not a tensor.
    pub(crate) is_state: bool,
    /// Where it is defined.
    pub(crate) place: Place,
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
    Literal(Literal<'p>),
}

/// A constant payload; `None` inside for lists, dictionaries and the like, which no rule reads.
#[derive(Clone, Copy)]
pub(crate) struct Literal<'p>(Option<&'p Constant>);

impl<'p> Literal<'p> {
    fn few(self) -> Option<&'p Constant> {
        self.0.filter(|constant| constant.stored_elements().is_some_and(|n| n <= MAX_LIST))
    }

    /// Integers or truth values, if they are inline and few.
    pub(crate) fn ints(self) -> Option<Vec<i64>> {
        self.few()?.to_i64()
    }

    /// Numbers of any type, if they are inline and few.
    pub(crate) fn floats(self) -> Option<Vec<f64>> {
        self.few()?.to_f64()
    }

    /// The one text.
    pub(crate) fn text(self) -> Option<&'p str> {
        self.0?.as_str()
    }

    /// Element type and extents as in program text.
    pub(crate) fn ty(self) -> String {
        self.0
            .map(|c| type_text(c.ty.dtype.name(), c.ty.shape.iter().map(|&d| Some(d as u64))))
            .unwrap_or_default()
    }

    /// Bytes of its elements as a weight; nothing for attributes (scalars, axes, texts).
    pub(crate) fn weight_bytes(self) -> u64 {
        let Some(Constant { ty, .. }) = self.0 else { return 0 };
        let is_attribute = ty.shape.is_empty() || matches!(ty.dtype.name(), "bool" | "int32" | "string");
        let bits = (ty.elements() as u64).saturating_mul(ty.dtype.bits() as u64);
        if is_attribute { 0 } else { bits.div_ceil(8) }
    }
}

/// How names of operations that decompress weights begin.
const CONSTEXPR: &str = "constexpr_";

impl<'p> FunctionView<'p> {
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

    /// Element type and extents of what is passed for an argument.
    pub(crate) fn operand_ty(&self, op: &OpView<'p>, name: &str) -> String {
        match op.argument(name).and_then(|operands| operands.first()) {
            Some(Operand::Literal(literal)) => literal.ty(),
            Some(Operand::Value(value)) => self.values.get(*value).map(ValueView::ty).unwrap_or_default(),
            None => String::new(),
        }
    }

    /// Extents of what is passed for an argument.
    pub(crate) fn operand_dims(&self, op: &OpView<'p>, name: &str) -> Vec<Option<u64>> {
        match op.argument(name).and_then(|operands| operands.first()) {
            Some(Operand::Literal(Literal(constant))) => {
                constant.map(|c| c.ty.shape.iter().map(|&d| Some(d as u64)).collect()).unwrap_or_default()
            }
            Some(Operand::Value(value)) => {
                self.values.get(*value).map(|v| v.dims.clone()).unwrap_or_default()
            }
            None => Vec::new(),
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
        self.name.starts_with(CONSTEXPR)
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
        type_text(self.dtype, self.dims.iter().copied())
    }
}

fn type_text(dtype: &str, dims: impl ExactSizeIterator<Item = Option<u64>>) -> String {
    if dims.len() == 0 {
        return dtype.to_owned();
    }
    let dims: Vec<String> = dims.map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect();
    format!("{dtype}[{}]", dims.join(", "))
}
