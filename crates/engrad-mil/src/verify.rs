//! The language rules. This page is their specification; the codes are stable and never used again for another rule.
//!
//! A program that passes is one every engine can read without checking again: it may still ask for something a
//! particular chip refuses (int32 results, rank-2 ports …), which is for a target's rules, not here. All violations
//! of a program are reported together.
//!
//! | Code | Rule |
//! |---|---|
//! | E0001 | The version is 1.x. |
//! | E0002 | A program has at least one function. |
//! | E0003 | Functions have different names. |
//! | E0004 | Names of functions, operation sets and values are identifiers: a letter or `_`, then letters, digits, `_`. |
//! | E0005 | Values of a function have different names. |
//! | E0006 | Values are numbered inputs first, then by operation, each defined once; every operation has one result. |
//! | E0007 | A value is defined before its uses; outputs are values of the function. |
//! | E0008 | An operation has exactly the arguments of the op table, in its order, each of its kind. |
//! | E0009 | Operands satisfy the operation's type rule. |
//! | E0010 | A result's declared type is the one the rule gives. |
//! | E0011 | A type has at most five dimensions, no extent of zero, at most 2^36 elements. |
//! | E0012 | A `const` has a payload and no other operation has one. |
//! | E0013 | A payload has the type of the value it defines. |
//! | E0014 | A payload holds elements of its element type, as many as its shape says. |
//! | E0015 | A blob reference has a path, an offset that is a positive multiple of 64, and an element type that blobs store. |
//! | E0016 | A function has at least one output. |
//! | E0017 | No output is a constant (device compilers refuse it, ane-facts 2.1). |
//! | E0018 | Inputs are numeric: not string, not uint64. |
//!
//! In a function that breaks E0006 or E0007 handles mean nothing: there, only the names of the function itself are
//! checked besides.

use std::collections::HashSet;
use std::fmt;

use thiserror::Error;

use crate::text::is_identifier;
use crate::{
    Constant, ConstantData, DType, Definition, Function, MAX_ELEMENTS, MAX_RANK, MilError, Op, Operands,
    Operation, Program, TensorType, blob, infer,
};

#[cfg(test)]
mod tests;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Code of the rule, as `E0001`.
    pub code: &'static str,
    /// Function it is in; empty for the program itself.
    pub function: String,
    /// Value it is about; empty for the function itself.
    pub name: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// `E0017 main/y: an output cannot be a constant`.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)?;
        match (self.function.as_str(), self.name.as_str()) {
            ("", _) => {}
            (function, "") => write!(f, " {}", function.escape_debug())?,
            (function, name) => write!(f, " {}/{}", function.escape_debug(), name.escape_debug())?,
        }
        write!(f, ": {}", self.message)
    }
}

/// Every broken rule of a program, in program order; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(Violation::to_string).collect::<Vec<_>>().join("; "))]
pub struct Violations(pub Vec<Violation>);

impl From<Violations> for MilError {
    fn from(violations: Violations) -> Self {
        Self::Verify(violations.to_string())
    }
}

/// Checks the language rules.
///
/// # Errors
/// All [`Violations`].
pub fn verify(program: &Program) -> Result<(), Violations> {
    let mut checker = Checker { function: "", found: Vec::new() };
    checker.program(program);
    if checker.found.is_empty() { Ok(()) } else { Err(Violations(checker.found)) }
}

struct Checker<'a> {
    /// Name of the function being checked.
    function: &'a str,
    found: Vec<Violation>,
}

impl<'a> Checker<'a> {
    fn report(&mut self, code: &'static str, name: &str, message: impl Into<String>) {
        let (function, name) = (self.function.to_owned(), name.to_owned());
        // Rules quote texts of the program; a violation is one line whatever they contain.
        let message = message.into().replace(char::is_control, " ");
        self.found.push(Violation { code, function, name, message });
    }

    fn program(&mut self, program: &'a Program) {
        let (major, minor) = program.version;
        if major != 1 {
            self.report("E0001", "", format!("version {major}.{minor} is not known; 1.x is"));
        }
        if program.functions.is_empty() {
            self.report("E0002", "", "the program has no function");
        }
        let mut names = HashSet::new();
        for function in &program.functions {
            self.function = &function.name;
            if !names.insert(function.name.as_str()) {
                self.report("E0003", "", "another function has this name");
            }
            self.function(function);
        }
    }

    fn function(&mut self, function: &Function) {
        for name in [&function.name, &function.opset] {
            if !is_identifier(name) {
                self.report("E0004", "", format!("`{}` is not an identifier", name.escape_debug()));
            }
        }
        let before = self.found.len();
        self.numbering(function);
        self.uses(function);
        if self.found.len() > before {
            return;
        }
        let mut names = HashSet::new();
        for value in &function.values {
            if !is_identifier(&value.name) {
                self.report("E0004", &value.name, "not an identifier");
            }
            if !names.insert(value.name.as_str()) {
                self.report("E0005", &value.name, "another value has this name");
            }
            self.bounds(&value.name, &value.ty);
        }
        for &input in &function.inputs {
            let value = function.value(input);
            if matches!(value.ty.dtype, DType::String | DType::UInt64) {
                self.report("E0018", &value.name, format!("an input cannot be {}", value.ty));
            }
        }
        for op in &function.ops {
            self.operation(function, op);
        }
        if function.outputs.is_empty() {
            self.report("E0016", "", "the function has no outputs");
        }
        for &output in &function.outputs {
            if function.defining_op(output).is_some_and(|op| op.op == Op::Const) {
                self.report("E0017", &function.value(output).name, "an output cannot be a constant");
            }
        }
    }

    /// E0006.
    fn numbering(&mut self, function: &Function) {
        let mut next = 0;
        let inputs = function.inputs.iter().enumerate().map(|(i, &id)| (id, Definition::Input(i)));
        let results = function.ops.iter().enumerate().flat_map(|(op, operation)| {
            let definition = move |(result, &id)| (id, Definition::Result { op, result });
            operation.results.iter().enumerate().map(definition)
        });
        for (id, definition) in inputs.chain(results) {
            match function.values.get(id.index()) {
                Some(value) if id.index() == next && value.definition == definition => {}
                Some(value) => {
                    self.report("E0006", &value.name, format!("not value number {next} as defined"))
                }
                None => self.report("E0006", "", format!("value number {} does not exist", id.index())),
            }
            next += 1;
        }
        if next != function.values.len() {
            let message = format!("{} values, but {next} are defined", function.values.len());
            self.report("E0006", "", message);
        }
        for (position, op) in function.ops.iter().enumerate() {
            if op.results.len() != 1 {
                let message =
                    format!("operation {position} ({}) has {} results", op.op.name(), op.results.len());
                self.report("E0006", "", message);
            }
        }
    }

    /// E0007.
    fn uses(&mut self, function: &Function) {
        let mut defined = function.inputs.len();
        for op in &function.ops {
            if let Some(early) = op.operands().find(|id| id.index() >= defined) {
                let name = op.results.first().and_then(|id| function.values.get(id.index()));
                let used =
                    function.values.get(early.index()).map_or("a value that does not exist", |v| &v.name);
                let message = format!("uses `{}` before its definition", used.escape_debug());
                self.report("E0007", name.map_or("", |v| &v.name), message);
            }
            defined += op.results.len();
        }
        for output in function.outputs.iter().filter(|id| id.index() >= function.values.len()) {
            self.report("E0007", "", format!("output number {} does not exist", output.index()));
        }
    }

    /// E0011.
    fn bounds(&mut self, name: &str, ty: &TensorType) -> bool {
        let bounded = ty.is_bounded();
        if !bounded {
            let message = if ty.rank() > MAX_RANK {
                format!("{} dimensions; {MAX_RANK} are allowed", ty.rank())
            } else {
                format!("{ty} is empty or has more than {MAX_ELEMENTS} elements")
            };
            self.report("E0011", name, message);
        }
        bounded
    }

    /// A result of one operation, whose handles are sound.
    fn operation(&mut self, function: &Function, op: &Operation) {
        let Some(result) = op.results.first().map(|&id| function.value(id)) else {
            return;
        };
        let (name, ty) = (&result.name, &result.ty);
        match (&op.constant, op.op == Op::Const) {
            (None, true) => self.report("E0012", name, "a const needs a payload"),
            (Some(_), false) => self.report("E0012", name, format!("{} takes no payload", op.op.name())),
            (Some(constant), true) => self.constant(name, ty, constant),
            (None, false) => {}
        }
        let operands = Operands::new(function, op.op, &op.arguments);
        if let Err(reason) = operands.check_kinds() {
            self.report("E0008", name, format!("{}: {reason}", op.op.name()));
            return;
        }
        if !op.arguments.iter().map(|(n, _)| *n).eq(op.op.info().arguments.iter().map(|s| s.name)) {
            self.report(
                "E0008",
                name,
                format!("{}: arguments are not in the op table's order", op.op.name()),
            );
        }
        if op.op == Op::Const {
            return;
        }
        match infer(op.op, &operands) {
            Err(reason) => self.report("E0009", name, format!("{}: {reason}", op.op.name())),
            Ok(inferred) if inferred != *ty => {
                self.report("E0010", name, format!("declared {ty}, but {} gives {inferred}", op.op.name()));
            }
            Ok(_) => {}
        }
    }

    fn constant(&mut self, name: &str, ty: &TensorType, constant: &Constant) {
        if constant.ty != *ty {
            self.report("E0013", name, format!("declared {ty}, but the payload is {}", constant.ty));
        }
        if let ConstantData::Blob { path, offset } = &constant.data {
            if path.is_empty() {
                self.report("E0015", name, "the blob reference has no path");
            }
            if *offset == 0 || !offset.is_multiple_of(blob::ALIGNMENT) {
                self.report("E0015", name, format!("offset {offset} is not a positive multiple of 64"));
            }
            if !blob::stores(ty.dtype) {
                self.report("E0015", name, format!("blobs do not store {}", ty.dtype));
            }
        } else if stored_type(&constant.data) != Some(constant.ty.dtype) {
            self.report("E0014", name, format!("the elements are not {}", constant.ty.dtype));
        } else if constant.stored_elements() != Some(constant.ty.elements()) {
            let stored = constant.stored_elements().unwrap_or(0);
            self.report("E0014", name, format!("{stored} elements for {}", constant.ty));
        }
    }
}

/// Element type of data held inline.
fn stored_type(data: &ConstantData) -> Option<DType> {
    Some(match data {
        ConstantData::Bool(_) => DType::Bool,
        ConstantData::Int8(_) => DType::Int8,
        ConstantData::UInt8(_) => DType::UInt8,
        ConstantData::Int32(_) => DType::Int32,
        ConstantData::UInt64(_) => DType::UInt64,
        ConstantData::Fp16(_) => DType::Fp16,
        ConstantData::Fp32(_) => DType::Fp32,
        ConstantData::String(_) => DType::String,
        ConstantData::Blob { .. } => return None,
    })
}
