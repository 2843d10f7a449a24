//! The text form of programs: parser and canonical printer.
//!
//! # Grammar
//!
//! ```text
//! program    := "program" "(" X "." Y ")" attributes* "{" function* "}"
//! function   := "func" name "<" opset ">" "(" [type name {"," type name}] ")" attributes* body ";"
//! body       := "{" statement* "}" "->" "(" [name {"," name}] ")"
//! statement  := [type name {"," type name} "="] op ["<" opset ">"] "(" [argument {"," argument}] ")" attributes* ";"
//! argument   := key "=" (name | literal | "(" (name | literal) {"," …} ")")
//! attributes := "[" [key "=" literal {"," key "=" literal}] "]"
//! type       := element | "tensor" "<" element "," dims ">" | "state" "<" type ">" | "list" "<" type "," dim ">"
//!             | "dict" "<" type "," type ">" | "tuple" "<" [type {"," type}] ">"
//!             | "tensor_buffer" "<" element "," dims {"," [key "="] (dims | dim)} ">"
//! dims       := "[" [dim {"," dim}] "]"
//! dim        := number | "?" | name | number ".." [number]
//! literal    := type "(" value ")"
//! value      := number | "true" | "false" | text | nested lists | "{" {"{" value "," value "}"} "}" | "(" values ")"
//!             | "BLOBFILE" "(" "path" "=" literal "," "offset" "=" literal ")"
//! ```
//!
//! Comments run from `//` to the end of the line. Numbers are decimal or hexadecimal; a hexadecimal number without
//! exponent is the bit pattern of a floating-point element.
//!
//! # Dialects
//!
//! Under version 1.3 and later scalars are short (`fp16 x`, `int32(1)`); under earlier versions they are
//! `tensor<fp16, []>`, because device compilers refuse a mixture (ane-facts 2.1). The parser takes both anywhere.
//!
//! # Errors
//!
//! | Code | Meaning |
//! |---|---|
//! | P0001 | Something else was expected here. |
//! | P0002 | Not a number, or one outside the type's range. |
//! | P0003 | No such element type. |
//! | P0004 | A list is longer or shorter than its type says. |
//! | P0005 | A text does not end on its line, or has an unknown escape. |
//! | P0006 | A name is used that is not defined before. |
//! | P0007 | A name, argument or attribute is given twice. |
//! | P0008 | Too large, too many or nested too deeply. |
//!
//! All errors of a text are found at once: after a fault the parser goes on behind the statement.
//!
//! # Laws
//!
//! `parse(p.to_text()) == p` for every program whose values are numbered as [`crate::Function`] says, and printing is
//! a fixed point. Nothing is dropped but spaces; comments are in the [`SourceMap`]: unknown operations, arguments and attributes
//! are kept. Two things are rewritten: arguments stand in alphabetical order, as the compiler writes them, and a literal
//! inside a tuple becomes a named constant in front of its operation.
//!
//! Text is hostile: nothing here panics, recursion is bounded, memory by the length of the text.

mod lexer;
mod literal;
mod number;
mod parser;
mod printer;
mod source_map;

pub(crate) use lexer::is_identifier;
pub use parser::{Reading, parse, read};
pub use printer::Dialect;
pub(crate) use printer::{literal_text, type_text};
pub use source_map::{FunctionSpans, OpSpans, SourceMap};

/// Longest text that is read, in bytes; keeps value handles within 32 bits.
pub const MAX_TEXT: usize = 1 << 31;
