//! The language rules. [`RULES`] is their specification; the codes are stable and never used again for another rule.
//!
//! A program that passes is one every engine can read without checking again: it may still ask for something a
//! particular chip refuses (int32 results, rank-2 ports …), which is for a target's rules, or for something an engine does
//! not implement. Warnings mark what cannot be checked: operations and arguments that the op table lacks. All
//! violations of a program are reported together.
//!
//! In a function that breaks E0006 or E0007 handles mean nothing: there, only the names of the function itself are
//! checked besides.

use std::collections::HashSet;
use std::fmt;

use thiserror::Error;

use crate::diagnostic::one_line;
use crate::text::{SourceMap, is_identifier};
use crate::{
    Constant, ConstantData, DType, Definition, Diagnostic, Function, Literal, MAX_ELEMENTS, MAX_RANK,
    MilError, Op, Operands, Operation, Opset, Program, Severity, Span, TensorType, Type, blob, infer,
};

#[cfg(test)]
mod tests;

/// A rule of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its code.
    pub code: &'static str,
    /// What holds.
    pub rule: &'static str,
    /// What to do about a violation.
    pub advice: &'static str,
}

pub(crate) const fn rule(code: &'static str, rule: &'static str, advice: &'static str) -> RuleInfo {
    RuleInfo { code, rule, advice }
}

/// Every rule: `E…` are errors, `W…` warnings.
pub const RULES: &[RuleInfo] = &[
    rule(
        "E0001",
        "The version is 1.x.",
        "write program(1.0) with ios15 to ios17, or program(1.3) with ios18",
    ),
    rule("E0002", "A program has at least one function.", "add `func main<ios18>(…) { … } -> (…);`"),
    rule("E0003", "Functions have different names.", "rename one of them"),
    rule(
        "E0004",
        "Names of functions, operation sets and values are identifiers: a letter, `_`, `$` or `@`, then also digits and `.`.",
        "replace other characters by `_`",
    ),
    rule("E0005", "Values of a function have different names.", "rename one of them"),
    rule(
        "E0006",
        "Values are numbered inputs first, then by operation, each defined once.",
        "build functions with the builder or the parser",
    ),
    rule(
        "E0007",
        "A value is defined before its uses; outputs are values of the function.",
        "move the definition in front of the use",
    ),
    rule(
        "E0008",
        "An operation has every argument the op table requires, each once and of its kind.",
        "see the operation in docs/ops.md",
    ),
    rule("E0009", "Operands satisfy the operation's type rule.", "see the operation in docs/ops.md"),
    rule(
        "E0010",
        "An operation has as many results as its rule gives, each of a type that the declared one can be.",
        "declare the type the rule gives",
    ),
    rule("E0011", "A type has at most 16 dimensions and 2^36 elements.", "split the tensor"),
    rule("E0012", "A `const` has the attribute `val`, and no argument.", "write `const()[val = …]`"),
    rule("E0013", "The value of a `const` has the type of its result.", "declare the type of the value"),
    rule(
        "E0014",
        "A constant holds elements of its element type, as many as its shape says.",
        "list every element, nested to the rank",
    ),
    rule(
        "E0015",
        "A blob reference has a path, an offset that is a positive multiple of 64, and an element type that blobs store.",
        "give the offset of the blob's metadata record, not of its elements: the first is 64 (ane-facts 3.1)",
    ),
    rule("E0016", "A function has at least one output.", "return something: `-> (y);`"),
    rule("E0018", "Inputs are tensors or states of numbers or truth values.", "pass texts as attributes"),
    rule(
        "E0019",
        "Flexible shapes name inputs of the function, each with a list of its rank; defaults lie in their ranges.",
        "correct FlexibleShapeInformation",
    ),
    rule(
        "W0001",
        "The operation is in the op table.",
        "its operands and results cannot be checked, and no engine runs it",
    ),
    rule("W0002", "The argument is one the op table knows.", "it is kept, but cannot be checked"),
    rule(
        "W0003",
        "No output is a constant.",
        "device compilers refuse it (ane-facts 2.1): return a computed value, e.g. `identity`",
    ),
    rule("W0004", "The operation set is ios15 to ios19.", "operations are checked as of the newest"),
    rule(
        "W0005",
        "Operations are of the function's operation set or an older one.",
        "name a newer operation set: `func main<ios18>`",
    ),
];

/// The rule of that code.
pub fn explain(code: &str) -> Option<&'static RuleInfo> {
    RULES.iter().find(|rule| rule.code == code)
}

/// What part of a program a violation is about. Positions are those of [`Program::functions`] and [`Function::ops`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The header.
    Program,
    /// A function.
    Function(usize),
    /// The operation set of a function.
    Opset(usize),
    /// An input of a function.
    Input(usize, usize),
    /// An operation of a function.
    Op(usize, usize),
    /// A result of an operation.
    Result(usize, usize, usize),
    /// An argument of an operation.
    Argument(usize, usize, usize),
    /// An output of a function.
    Output(usize, usize),
}

impl Place {
    /// Where it stands in the text that `source` describes.
    pub fn span(self, source: &SourceMap) -> Option<Span> {
        let function = |f: usize| source.functions.get(f);
        let op = |f: usize, o: usize| function(f)?.ops.get(o);
        match self {
            Self::Program => Some(source.version),
            Self::Function(f) => Some(function(f)?.name),
            Self::Opset(f) => Some(function(f)?.opset),
            Self::Input(f, i) => function(f)?.inputs.get(i).copied(),
            Self::Op(f, o) => Some(op(f, o)?.op),
            Self::Result(f, o, r) => op(f, o)?.results.get(r).copied().or(Some(op(f, o)?.statement)),
            Self::Argument(f, o, a) => op(f, o)?.arguments.get(a).copied().or(Some(op(f, o)?.statement)),
            Self::Output(f, o) => function(f)?.outputs.get(o).copied(),
        }
    }
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Code of the rule, as `E0001`.
    pub code: &'static str,
    /// Function it is in; empty for the program itself.
    pub function: String,
    /// Value it is about; empty for the function itself.
    pub name: String,
    /// Part of the program it is about.
    pub place: Place,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Violation {
    /// Warnings do not refuse a program.
    pub fn severity(&self) -> Severity {
        if self.code.starts_with('W') { Severity::Warning } else { Severity::Error }
    }

    /// The violation as a diagnostic, with its place if the program's text is known.
    pub fn diagnostic(&self, source: Option<&SourceMap>) -> Diagnostic {
        let named = match self.name.as_str() {
            "" => self.message.clone(),
            name => format!("`{}`: {}", name.escape_debug(), self.message),
        };
        let mut diagnostic = Diagnostic::error(self.code, named);
        diagnostic.severity = self.severity();
        diagnostic.span = source.and_then(|source| self.place.span(source));
        diagnostic.advice = explain(self.code).map(|rule| rule.advice.to_owned());
        diagnostic
    }
}

/// `E0016 main/y: …`
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

/// Checks the language rules; warnings do not count.
///
/// # Errors
/// All [`Violations`] that are errors.
pub fn verify(program: &Program) -> Result<(), Violations> {
    let mut found = check(program);
    found.retain(|violation| violation.severity() == Severity::Error);
    if found.is_empty() { Ok(()) } else { Err(Violations(found)) }
}

/// Every violation of a program, warnings included, in program order.
pub fn check(program: &Program) -> Vec<Violation> {
    let mut checker = Checker { function: "", position: 0, found: Vec::new() };
    checker.program(program);
    checker.found
}

struct Checker<'a> {
    /// Name and position of the function being checked.
    function: &'a str,
    position: usize,
    found: Vec<Violation>,
}

impl<'a> Checker<'a> {
    fn report(&mut self, code: &'static str, place: Place, name: &str, message: impl AsRef<str>) {
        let (function, name) = (self.function.to_owned(), name.to_owned());
        // Rules quote texts of the program; a violation is one line whatever they contain.
        let message = one_line(message.as_ref());
        self.found.push(Violation { code, function, name, place, message });
    }

    fn program(&mut self, program: &'a Program) {
        let (major, minor) = program.version;
        if major != 1 {
            self.report("E0001", Place::Program, "", format!("version {major}.{minor} is not known; 1.x is"));
        }
        if program.functions.is_empty() {
            self.report("E0002", Place::Program, "", "the program has no function");
        }
        let mut names = HashSet::new();
        for (position, function) in program.functions.iter().enumerate() {
            (self.function, self.position) = (&function.name, position);
            if !names.insert(function.name.as_str()) {
                self.report("E0003", Place::Function(position), "", "another function has this name");
            }
            self.function(function);
        }
    }

    fn function(&mut self, function: &Function) {
        let f = self.position;
        for (name, place) in [(&function.name, Place::Function(f)), (&function.opset, Place::Opset(f))] {
            if !is_identifier(name) {
                self.report("E0004", place, "", format!("`{}` is not an identifier", name.escape_debug()));
            }
        }
        let opset = Opset::from_name(&function.opset);
        if opset.is_none() && is_identifier(&function.opset) {
            let message = format!("operation set `{}` is not known", function.opset);
            self.report("W0004", Place::Opset(f), "", message);
        }
        let before = self.found.len();
        self.numbering(function);
        self.uses(function);
        if self.found.iter().skip(before).any(|v| v.severity() == Severity::Error) {
            return;
        }
        let mut names = HashSet::new();
        for value in &function.values {
            let place = self.place_of(value.definition);
            if !is_identifier(&value.name) {
                self.report("E0004", place, &value.name, "not an identifier");
            }
            if !names.insert(value.name.as_str()) {
                self.report("E0005", place, &value.name, "another value has this name");
            }
            self.bounds(place, &value.name, &value.ty);
        }
        for (position, &input) in function.inputs.iter().enumerate() {
            let value = function.value(input);
            if matches!(value.ty.dtype(), Some(DType::String | DType::UInt64) | None) {
                let message = format!("an input cannot be {}", value.ty);
                self.report("E0018", Place::Input(f, position), &value.name, message);
            }
        }
        for (position, op) in function.ops.iter().enumerate() {
            self.operation(function, position, op, opset);
        }
        if function.outputs.is_empty() {
            self.report("E0016", Place::Function(f), "", "the function has no outputs");
        }
        for (position, &output) in function.outputs.iter().enumerate() {
            if function.defining_op(output).is_some_and(|op| op.op == Op::Const) {
                let name = &function.value(output).name;
                self.report("W0003", Place::Output(f, position), name, "the output is a constant");
            }
        }
        if let Err(message) = function.flexible_shapes() {
            self.report("E0019", Place::Function(f), "", message);
        }
    }

    fn place_of(&self, definition: Definition) -> Place {
        match definition {
            Definition::Input(position) => Place::Input(self.position, position),
            Definition::Result { op, result } => Place::Result(self.position, op, result),
        }
    }

    /// E0006.
    fn numbering(&mut self, function: &Function) {
        let place = Place::Function(self.position);
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
                    self.report("E0006", place, &value.name, format!("not value number {next} as defined"))
                }
                None => {
                    self.report("E0006", place, "", format!("value number {} does not exist", id.index()))
                }
            }
            next += 1;
        }
        if next != function.values.len() {
            let message = format!("{} values, but {next} are defined", function.values.len());
            self.report("E0006", place, "", message);
        }
    }

    /// E0007.
    fn uses(&mut self, function: &Function) {
        let mut defined = function.inputs.len();
        for (position, op) in function.ops.iter().enumerate() {
            if let Some(early) = op.operands().find(|id| id.index() >= defined) {
                let name = op.results.first().and_then(|id| function.values.get(id.index()));
                let used =
                    function.values.get(early.index()).map_or("a value that does not exist", |v| &v.name);
                let message = format!("uses `{}` before its definition", used.escape_debug());
                let place = Place::Op(self.position, position);
                self.report("E0007", place, name.map_or("", |v| &v.name), message);
            }
            defined += op.results.len();
        }
        for (position, output) in function.outputs.iter().enumerate() {
            if output.index() >= function.values.len() {
                let message = format!("output number {} does not exist", output.index());
                self.report("E0007", Place::Output(self.position, position), "", message);
            }
        }
    }

    /// E0011.
    fn bounds(&mut self, place: Place, name: &str, ty: &Type) {
        let Some(ty) = ty.shaped() else {
            return;
        };
        let known: Vec<usize> = ty.dims.iter().filter_map(crate::Dim::fixed).collect();
        if ty.rank() > MAX_RANK {
            self.report("E0011", place, name, format!("{} dimensions; {MAX_RANK} are allowed", ty.rank()));
        } else if !TensorType::new(ty.dtype, known).is_bounded() {
            self.report("E0011", place, name, format!("{ty} has more than {MAX_ELEMENTS} elements"));
        }
    }

    /// One operation, whose handles are sound.
    fn operation(&mut self, function: &Function, position: usize, op: &Operation, opset: Option<Opset>) {
        let f = self.position;
        let name = op.results.first().map_or("", |&id| function.value(id).name.as_str());
        let place = Place::Op(f, position);
        if op.op == Op::Unknown {
            let message = format!("operation `{}` is not in the op table", op.name().escape_debug());
            return self.report("W0001", place, name, message);
        }
        let info = op.op.info();
        let since = op.opset.as_deref().map_or(opset, |name| Opset::from_name(name).or(opset));
        if let Some(opset) = since.filter(|&opset| info.since > opset) {
            let message =
                format!("{} came with {}, the function is {}", op.name(), info.since.name(), opset.name());
            self.report("W0005", place, name, message);
        }
        if op.op == Op::Const {
            return self.constant(function, position, op);
        }
        for (argument, (key, _)) in op.arguments.iter().enumerate() {
            if info.argument(key).is_none() {
                let message = format!("{} has no argument `{}`", op.name(), key.escape_debug());
                self.report("W0002", Place::Argument(f, position, argument), name, message);
            }
        }
        let literals = op.attributes.iter().map(|(_, literal)| literal);
        let arguments = op.arguments.iter().filter_map(|(_, argument)| match argument {
            crate::Argument::Literal(literal) => Some(literal),
            _ => None,
        });
        for constant in literals.chain(arguments).filter_map(Literal::tensor) {
            self.elements(place, name, constant);
        }
        let operands = Operands::of(function, op);
        if let Err(reason) = operands.check_kinds() {
            return self.report("E0008", place, name, format!("{}: {reason}", op.name()));
        }
        match infer(op.op, &operands) {
            Err(reason) => self.report("E0009", place, name, format!("{}: {reason}", op.name())),
            Ok(types) if types.len() != op.results.len() => {
                let message =
                    format!("{} results, but {} gives {}", op.results.len(), op.name(), types.len());
                self.report("E0010", place, name, message);
            }
            Ok(types) => {
                for (result, (ty, &id)) in types.iter().zip(&op.results).enumerate() {
                    let value = function.value(id);
                    if !value.ty.may_equal(ty) {
                        let message = format!("declared {}, but {} gives {ty}", value.ty, op.name());
                        self.report("E0010", Place::Result(f, position, result), &value.name, message);
                    }
                }
            }
        }
    }

    fn constant(&mut self, function: &Function, position: usize, op: &Operation) {
        let place = Place::Op(self.position, position);
        let [result] = op.results[..] else {
            return self.report(
                "E0012",
                place,
                "",
                format!("const has {} results, not one", op.results.len()),
            );
        };
        let value = function.value(result);
        let Some(literal) = op.attribute("val").filter(|_| op.arguments.is_empty()) else {
            return self.report(
                "E0012",
                place,
                &value.name,
                "a const needs the attribute `val`, and no argument",
            );
        };
        if !literal.ty().may_equal(&value.ty) {
            let message = format!("declared {}, but the value is {}", value.ty, literal.ty());
            self.report("E0013", place, &value.name, message);
        }
        if let Some(constant) = literal.tensor() {
            self.elements(place, &value.name, constant);
        }
    }

    /// E0014 and E0015.
    fn elements(&mut self, place: Place, name: &str, constant: &Constant) {
        let dtype = constant.ty.dtype;
        if let ConstantData::Blob { path, offset } = &constant.data {
            if path.is_empty() {
                self.report("E0015", place, name, "the blob reference has no path");
            }
            if *offset == 0 || !offset.is_multiple_of(blob::ALIGNMENT) {
                self.report(
                    "E0015",
                    place,
                    name,
                    format!("offset {offset} is not a positive multiple of 64"),
                );
            }
            if !blob::stores(dtype) {
                self.report("E0015", place, name, format!("blobs do not store {dtype}"));
            }
        } else if !constant.data.holds(dtype) {
            self.report("E0014", place, name, format!("the elements are not {dtype}"));
        } else if constant.stored_elements() != Some(constant.ty.elements()) {
            let stored = constant.stored_elements().unwrap_or(0);
            self.report("E0014", place, name, format!("{stored} elements for {}", constant.ty));
        }
    }
}
