//! The shape of one row of the op table, and the words rows are written in.

use std::fmt;

use super::{Op, Operands};
use crate::differentiate::Vjp;
use crate::{DType, MilError, Type};

/// An operation set: the version of the language an operation or argument came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Opset {
    /// `ios15`, the first of ML programs.
    Ios15,
    /// `ios16`.
    Ios16,
    /// `ios17`.
    Ios17,
    /// `ios18`.
    Ios18,
    /// `ios19`, which adds no operations of its own that are known.
    Ios19,
}

impl Opset {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::Ios15, "ios15"),
        (Self::Ios16, "ios16"),
        (Self::Ios17, "ios17"),
        (Self::Ios18, "ios18"),
        (Self::Ios19, "ios19"),
    ];

    /// Name in program text.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The operation set of that name, in either case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, n)| name.eq_ignore_ascii_case(n)).map(|(set, _)| *set)
    }
}

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A run-time tensor or a constant.
    Tensor,
    /// A tuple of tensors.
    Tensors,
    /// A constant tensor: weights.
    Constant,
    /// A constant integer scalar.
    Int,
    /// A constant list of integers.
    Ints,
    /// A constant truth value.
    Bool,
    /// A constant list of truth values.
    Bools,
    /// A constant floating-point scalar.
    Float,
    /// A constant text.
    String,
    /// A `state<…>` parameter.
    State,
    /// A list.
    List,
    /// A value of any type.
    Any,
}

impl ArgumentKind {
    /// In words, for documentation.
    pub fn words(self) -> &'static str {
        match self {
            Self::Tensor => "tensor",
            Self::Tensors => "tuple of tensors",
            Self::Constant => "constant tensor",
            Self::Int => "constant integer",
            Self::Ints => "constant list of integers",
            Self::Bool => "constant bool",
            Self::Bools => "constant list of bools",
            Self::Float => "constant float",
            Self::String => "constant string",
            Self::State => "state",
            Self::List => "list",
            Self::Any => "any value",
        }
    }

    /// Whether it is one or more tensors, whose element types a row names.
    pub fn has_dtypes(self) -> bool {
        matches!(self, Self::Tensor | Self::Tensors | Self::Constant)
    }
}

/// Which element types an argument of tensors may have.
#[derive(Debug, Clone, Copy)]
pub struct DTypes {
    /// In words, for messages and documentation.
    pub words: &'static str,
    accepts: fn(DType) -> bool,
}

/// Sets of the same words are the same set.
impl PartialEq for DTypes {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl DTypes {
    /// fp16 or fp32.
    pub const FLOAT: Self =
        Self { words: "fp16 or fp32", accepts: |d| matches!(d, DType::Fp16 | DType::Fp32) };
    /// A floating-point type or int32.
    pub const NUMBER: Self = Self { words: "a number", accepts: |d| d != DType::String && d != DType::Bool };
    /// Any integer type.
    pub const INTEGER: Self = Self { words: "an integer type", accepts: DType::is_integer };
    /// bool.
    pub const BOOL: Self = Self { words: "bool", accepts: |d| d == DType::Bool };
    /// Numbers and truth values.
    pub const ANY: Self = Self { words: "any number or bool", accepts: |d| d != DType::String };

    /// Whether `dtype` is one of them.
    pub fn accept(&self, dtype: DType) -> bool {
        (self.accepts)(dtype)
    }
}

/// What stands for an argument that is not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Default {
    /// Nothing: the argument is required.
    Required,
    /// Nothing: the operation does without.
    Absent,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i32),
    /// A list of integers.
    Ints(&'static [i32]),
    /// A floating-point scalar.
    Float(f64),
    /// A text.
    Text(&'static str),
    /// A list of this integer, one for each spatial dimension of `x` (all but the first two).
    Spatial(i32),
    /// A list of this integer, two for each spatial dimension of `x`.
    SpatialPairs(i32),
    /// A list of this integer, one for each dimension of `x`.
    EachDim(i32),
    /// A list of `false`, one for each dimension of `x`.
    EachDimFalse,
}

/// In words, for documentation.
impl fmt::Display for Default {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("required"),
            Self::Absent => f.write_str("optional"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Ints(list) => write!(f, "{list:?}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Spatial(value) => write!(f, "{value} for each spatial dimension"),
            Self::SpatialPairs(value) => write!(f, "{value} on both sides of each spatial dimension"),
            Self::EachDim(value) => write!(f, "{value} for each dimension of x"),
            Self::EachDimFalse => f.write_str("false for each dimension of x"),
        }
    }
}

/// One argument of an operation.
///
/// Leaving an optional one out is the usual cause of the device compiler's "unsupported op" (ane-facts 2.5), so programs
/// of this project give every argument that has a default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArgumentSpec {
    /// Name in the text.
    pub name: &'static str,
    /// What it must be.
    pub kind: ArgumentKind,
    /// Element types of a tensor.
    pub dtypes: DTypes,
    /// What stands for it.
    pub default: Default,
    /// Operation set it came with.
    pub since: Opset,
}

/// A required argument.
pub(super) const fn arg(name: &'static str, kind: ArgumentKind) -> ArgumentSpec {
    ArgumentSpec { name, kind, dtypes: DTypes::ANY, default: Default::Required, since: Opset::Ios15 }
}

/// A required tensor of those element types.
pub(super) const fn tensor(name: &'static str, dtypes: DTypes) -> ArgumentSpec {
    arg(name, ArgumentKind::Tensor).of(dtypes)
}

impl ArgumentSpec {
    pub(super) const fn of(self, dtypes: DTypes) -> Self {
        Self { dtypes, ..self }
    }

    pub(super) const fn or(self, default: Default) -> Self {
        Self { default, ..self }
    }

    pub(super) const fn optional(self) -> Self {
        Self { default: Default::Absent, ..self }
    }

    pub(super) const fn since(self, since: Opset) -> Self {
        Self { since, ..self }
    }
}

/// Result types from operands; the error is the broken rule in words.
pub(crate) type Rule = fn(&Operands<'_>) -> Result<Vec<Type>, String>;
/// A vector-Jacobian product.
pub(crate) type DerivativeRule = fn(&mut Vjp<'_, '_>) -> Result<(), MilError>;

/// One row of the op table.
#[derive(Debug, Clone, Copy)]
pub struct OpInfo {
    /// The operation.
    pub op: Op,
    /// Operation set it came with.
    pub since: Opset,
    /// Arguments in canonical (alphabetical) order.
    pub arguments: &'static [ArgumentSpec],
    /// Whether it changes a state.
    pub has_effect: bool,
    /// What it computes, in one sentence or two.
    pub doc: &'static str,
    /// Result types from operands; `None` only for `const`, whose type is its payload's.
    pub(crate) rule: Option<Rule>,
    /// Vector-Jacobian product, where the operation is differentiable.
    pub(crate) derivative: Option<DerivativeRule>,
}

/// A row without derivative rule.
pub(super) const fn row(
    op: Op,
    arguments: &'static [ArgumentSpec],
    rule: Option<Rule>,
    doc: &'static str,
) -> OpInfo {
    OpInfo { op, since: Opset::Ios15, arguments, has_effect: false, doc, rule, derivative: None }
}

impl OpInfo {
    pub(super) const fn since(self, since: Opset) -> Self {
        Self { since, ..self }
    }

    pub(super) const fn derivative(self, rule: DerivativeRule) -> Self {
        Self { derivative: Some(rule), ..self }
    }

    pub(super) const fn with_effect(self) -> Self {
        Self { has_effect: true, ..self }
    }

    /// Whether the operation has a derivative rule.
    pub fn is_differentiable(&self) -> bool {
        self.derivative.is_some()
    }

    /// The argument of that name.
    pub fn argument(&self, name: &str) -> Option<&'static ArgumentSpec> {
        self.arguments.iter().find(|a| a.name == name)
    }
}

/// A list of arguments in a row. Its own constant, since rows borrow it for good.
macro_rules! args {
    ($($spec:expr),* $(,)?) => {{
        const ARGUMENTS: &[$crate::ArgumentSpec] = &[$($spec),*];
        ARGUMENTS
    }};
}
pub(super) use args;
