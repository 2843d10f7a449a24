use thiserror::Error;

/// What this crate can refuse.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum MilError {
    /// A constant's data does not fit its type.
    #[error("constant: {0}")]
    Constant(String),
    /// An operation's arguments break its rule; the builder's and the shape rules' error.
    #[error("`{name}` = {op}: {reason}")]
    Op {
        /// Result (or intended result) of the operation.
        name: String,
        /// Operation name as in text.
        op: &'static str,
        /// The broken rule and what would satisfy it.
        reason: String,
    },
    /// A function is asked for something it lacks.
    #[error("function `{function}`: {reason}")]
    Function {
        /// Its name.
        function: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// Differentiation met something it has no rule for.
    #[error("cannot differentiate `{function}`: {reason}")]
    Differentiate {
        /// The forward function's name.
        function: String,
        /// The op or value and why.
        reason: String,
    },
    /// Program text does not follow the grammar.
    #[error("line {line}, column {column}: {reason}")]
    Syntax {
        /// 1-based line.
        line: usize,
        /// 1-based column in characters.
        column: usize,
        /// What was expected and what was found.
        reason: String,
    },
    /// A blob file is damaged or lacks what a program refers to.
    #[error("weight blob at byte {offset}: {reason}")]
    Blob {
        /// Byte offset in the file.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The program breaks language rules; the text lists each.
    #[error("program is not valid MIL: {0}")]
    Verify(String),
}
