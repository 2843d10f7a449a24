use crate::Span;

/// Where the parts of a parsed program stand in its text, and the comments beside them. Positions are those of
/// [`crate::Program::functions`] and [`crate::Function::ops`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceMap {
    /// The version in the header.
    pub version: Span,
    /// One entry for each function.
    pub functions: Vec<FunctionSpans>,
    /// Comments behind the last function.
    pub comments: Vec<String>,
}

/// Where the parts of a function stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionSpans {
    /// Its name.
    pub name: Span,
    /// Its operation set.
    pub opset: Span,
    /// Names of its inputs.
    pub inputs: Vec<Span>,
    /// One entry for each operation.
    pub ops: Vec<OpSpans>,
    /// Names of its outputs.
    pub outputs: Vec<Span>,
    /// Comments in front of it.
    pub comments: Vec<String>,
    /// Comments behind its last statement.
    pub trailing_comments: Vec<String>,
}

/// Where the parts of an operation stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpSpans {
    /// The whole statement.
    pub statement: Span,
    /// The operation's name.
    pub op: Span,
    /// Type and name of each result.
    pub results: Vec<Span>,
    /// Each argument, name and value, in order.
    pub arguments: Vec<Span>,
    /// Comments in front of it.
    pub comments: Vec<String>,
}
