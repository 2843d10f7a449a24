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
//! [`RULES`] lists their codes. All errors of a text are found at once: after a fault the parser goes on behind the
//! statement.
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

use crate::verify::{RuleInfo, rule};
pub(crate) use lexer::is_identifier;
pub use parser::{Reading, parse, read};
pub use printer::Dialect;
pub(crate) use printer::{literal_text, type_text};
pub use source_map::{FunctionSpans, OpSpans, SourceMap};

/// What syntax errors mean.
pub const RULES: &[RuleInfo] = &[
    rule("P0001", "The text follows the grammar.", "write what is expected at the place shown"),
    rule(
        "P0002",
        "A number is decimal or hexadecimal and within its type's range.",
        "a hexadecimal float has an exponent (0x1.8p+3); without one it is a bit pattern",
    ),
    rule("P0003", "An element type is one that exists.", "use fp16, fp32, int32, bool, string …"),
    rule("P0004", "A list is as long as its type says.", "correct the type or the list"),
    rule(
        "P0005",
        "A text ends on its line and has known escapes.",
        r#"escape quotes and line ends: \" and \n"#,
    ),
    rule(
        "P0006",
        "A name is defined before it is used.",
        "define it in an earlier statement, or correct the name",
    ),
    rule("P0007", "A name, argument or attribute is given once.", "remove or rename one of them"),
    rule(
        "P0008",
        "Texts, types and nesting are bounded.",
        "at most 2 GiB of text, 16 dimensions, 2^36 elements, 32 nested types, 1024 arguments, 100 errors",
    ),
];

/// Longest text that is read, in bytes; keeps value handles within 32 bits.
pub const MAX_TEXT: usize = 1 << 31;
