//! The MIL language: the waist of the project.
//!
//! MIL is the text intermediate language that Apple's tools compile for the Neural Engine. Everything above
//! this crate builds MIL programs, everything below runs them; nothing here knows which model a program came
//! from or which engine will run it.
//!
//! * [`Program`], [`Function`], [`Operation`]: the intermediate representation, values in definition order.
//! * [`Op`] and its table: every operation's arguments, shape rule and derivative rule, written down once.
//! * [`Builder`]: makes functions op by op, inferring types.
//! * [`Assembler`]: makes functions from another form of the language, as it is there.
//! * [`Program::to_text`] and [`parse`]: canonical text form and back.
//! * [`mod@verify`]: the language rules.
//! * [`mod@differentiate`]: derives a backward function from a forward one.
//! * [`pack`]: merges inputs of equal channel count into one port along the width axis.
//! * [`mod@window`]: geometry of convolutions and pools.
//! * [`blob`]: the weight-blob storage that text programs refer to.
//!
//! This crate opens no files, starts no threads and knows nothing of Apple's run time.
#![forbid(unsafe_code)]

mod assemble;
pub mod blob;
mod builder;
mod constant;
mod diagnostic;
pub mod diff;
pub mod differentiate;
mod error;
mod flexible;
pub mod graph;
mod ops;
pub mod pack;
mod program;
pub mod reduce;
pub mod text;
mod types;
pub mod verify;
pub mod window;

pub use assemble::{Assembler, identifier};
pub use builder::Builder;
pub use constant::{Constant, ConstantData, Literal, Payload};
pub use diagnostic::{Diagnostic, Severity, Span, line_and_column};
pub use differentiate::differentiate;
pub use error::MilError;
pub use flexible::{FlexibleShapes, Ranges, Shapes};
pub use ops::{
    ArgumentKind, ArgumentSpec, DTypes, Default, EinsumEquation, Op, OpInfo, Operands, Opset, documentation,
    groups, infer, range_length, resolve_axis,
};
pub use program::{Argument, Attributes, Definition, Function, Operation, Program, Value, ValueId};
pub use text::{Dialect, parse, read};
pub use types::{BufferType, DType, Dim, MAX_ELEMENTS, MAX_RANK, Name, ShapedType, TensorType, Type};
pub use verify::verify;
