use thiserror::Error;

use crate::{Diagnostic, line_and_column};

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
    /// Program text does not follow the grammar; the first fault, and how many more there are.
    #[error("line {line}, column {column}: {reason}{}", if *.more > 0 { format!(" (and {more} more)") } else { String::new() })]
    Syntax {
        /// 1-based line.
        line: usize,
        /// 1-based column in characters.
        column: usize,
        /// What was expected and what was found.
        reason: String,
        /// Faults after this one; [`crate::read`] gives all.
        more: usize,
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

impl MilError {
    /// The error of a text with these faults.
    pub(crate) fn syntax(text: &str, faults: &[Diagnostic]) -> Self {
        let first = faults.first();
        let offset = first.and_then(|fault| fault.span).map_or(0, |span| span.start);
        let (line, column) = line_and_column(text, offset);
        let reason = first.map_or_else(String::new, |fault| fault.message.clone());
        Self::Syntax { line, column, reason, more: faults.len().saturating_sub(1) }
    }
}
