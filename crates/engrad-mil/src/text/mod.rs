//! The text form of programs: canonical printer and parser.
//!
//! The printer writes what Core ML's own compiler writes, so a printed program can go to the device compiler and a
//! diff of two programs means something. Under version 1.3 and later scalars are short (`fp16 x`, `int32(1)`);
//! under earlier versions they are `tensor<fp16, []>`, because device compilers refuse a mixture (ane-facts 2.1).
//!
//! The parser accepts everything the printer writes and, of foreign text: both scalar forms under any version,
//! any spacing, `//` comments, arguments in any order, decimal, hexadecimal and raw-bit-pattern floats, and literals
//! in place of names, which become named constants in front of their operation. It runs the op table's type rules, so
//! a parsed function holds operations that are complete and well typed. What text can say but the language
//! forbids (a constant as output, two functions of one name …) is left to [`crate::verify()`].
//!
//! Laws: `parse(p.to_text()) == p` for every verified program whose values are numbered as [`crate::Function`] says;
//! `to_text` is a fixed point of parsing and printing. The `name` attribute of an operation repeats the
//! identifier and is not kept: foreign names there are lost.
//!
//! Text is hostile: nothing here panics, recursion is bounded by the rank, memory by the length of the text.

mod lexer;
mod literal;
mod number;
mod parser;
mod printer;

pub(crate) use lexer::is_identifier;
pub use parser::parse;

/// Longest text that is read, in bytes; keeps value handles within 32 bits.
const MAX_TEXT: usize = 1 << 31;
