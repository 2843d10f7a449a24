use std::collections::{HashMap, HashSet};

use super::MAX_TEXT;
use super::lexer::{Fault, Lexer, clip};
use super::literal::{self, TYPE_WORDS};
use super::source_map::{FunctionSpans, OpSpans, SourceMap};
use crate::program::Attributes;
use crate::{
    Argument, Constant, Definition, Diagnostic, Function, Literal, MilError, Name, Op, OpInfo, Operation,
    Program, Span, Type, Value, ValueId,
};

/// Most errors that are collected before the parser gives up.
const MAX_ERRORS: usize = 100;
/// Most named arguments or attributes of one operation, function or program; each is compared with those before.
const MAX_NAMED: usize = 1024;

/// What reading a text gave.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The program, as far as it could be read; complete if there are no errors.
    pub program: Program,
    /// Where its parts stand.
    pub source: SourceMap,
    /// Every syntax error, in order of the text.
    pub errors: Vec<Diagnostic>,
}

/// Reads program text with places and all its errors; see the module's grammar.
///
/// What text can say but the language forbids (a wrong type, a constant as output, two functions of one name …) is read,
/// for [`crate::verify()`] to report.
pub fn read(text: &str) -> Reading {
    let mut parser = Parser { lexer: Lexer::new(text), errors: Vec::new() };
    let mut source = SourceMap::default();
    let mut program = Program { version: (0, 0), attributes: Vec::new(), functions: Vec::new() };
    if text.len() > MAX_TEXT {
        let message = format!("a text of {} bytes; at most {MAX_TEXT} are read", text.len());
        parser.errors.push(Diagnostic::error("P0008", message));
    } else if let Err(fault) = parser.program(&mut program, &mut source) {
        parser.errors.push(*fault);
    }
    Reading { program, source, errors: parser.errors }
}

/// Reads program text.
///
/// # Errors
/// [`MilError::Syntax`] with every fault.
pub fn parse(text: &str) -> Result<Program, MilError> {
    let reading = read(text);
    if reading.errors.is_empty() {
        return Ok(reading.program);
    }
    Err(MilError::syntax(text, &reading.errors))
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    errors: Vec<Diagnostic>,
}

/// A function in the making.
struct Scope<'a> {
    function: Function,
    spans: FunctionSpans,
    names: HashMap<&'a str, (ValueId, Span)>,
    /// Constants made from literals in tuples; named when all names of the text are known.
    hoisted: Vec<(ValueId, String)>,
}

impl Scope<'_> {
    fn result(&mut self, name: &str, ty: Type, position: usize) -> ValueId {
        let definition = Definition::Result { op: self.function.ops.len(), result: position };
        self.function.push_value(Value { name: name.to_owned(), ty, definition }, definition)
    }

    fn name_hoisted(&mut self) {
        let mut taken = HashSet::new();
        for (id, wanted) in std::mem::take(&mut self.hoisted) {
            let mut name = wanted.clone();
            let mut suffix = 1;
            while self.names.contains_key(name.as_str()) || !taken.insert(name.clone()) {
                suffix += 1;
                name = format!("{wanted}_{suffix}");
            }
            self.function.values[id.index()].name = name;
        }
    }
}

/// A statement that is read but not yet part of its function.
struct Statement<'a> {
    results: Vec<(&'a str, Type, Span)>,
    /// Literals in tuples, each with its name.
    hoisted: Vec<(String, Constant, Span)>,
    operation: Operation,
    spans: OpSpans,
}

/// Handles of hoisted constants while a statement is read: from the top, so that they meet no value.
const HOISTED: u32 = u32::MAX;

impl<'a> Parser<'a> {
    /// Keeps an error and says whether to go on.
    fn report(&mut self, fault: Diagnostic) -> Result<(), Fault> {
        if self.errors.len() + 1 >= MAX_ERRORS {
            let last = Diagnostic::error("P0008", "too many errors; the rest of the text is not read");
            self.errors.push(fault);
            return Err(Box::new(last));
        }
        self.errors.push(fault);
        Ok(())
    }

    fn program(&mut self, program: &mut Program, source: &mut SourceMap) -> Result<(), Fault> {
        self.lexer.keyword("program")?;
        self.lexer.expect(b'(', "after `program`")?;
        let at = self.lexer.position();
        program.version = self.version()?;
        source.version = Span::new(at, self.lexer.offset());
        self.lexer.expect(b')', "after the version")?;
        program.attributes = self.attributes(Op::Unknown.info())?;
        self.lexer.expect(b'{', "to begin the program")?;
        while !self.lexer.eat(b'}') {
            let (function, spans) = self.function()?;
            program.functions.push(function);
            source.functions.push(spans);
        }
        if self.lexer.peek().is_some() {
            return Err(self.lexer.unexpected("the end of the text"));
        }
        source.comments = self.lexer.take_comments();
        Ok(())
    }

    fn version(&mut self) -> Result<(u32, u32), Fault> {
        let (at, text) = self.lexer.number();
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        let number = |digits: &str| {
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten()
        };
        match (number(major), number(minor)) {
            (Some(major), Some(minor)) => Ok((major, minor)),
            _ => {
                let message = format!("expected a version such as 1.3, found `{}`", clip(text));
                Err(self.lexer.fault("P0001", at, self.lexer.offset(), &message))
            }
        }
    }

    /// `[key = literal, …]`, any number of times; names are the op table's own where `info` has them.
    fn attributes(&mut self, info: &OpInfo) -> Result<Attributes, Fault> {
        let mut attributes = Attributes::new();
        while self.lexer.eat(b'[') {
            while !self.lexer.eat(b']') {
                if !attributes.is_empty() {
                    self.lexer.expect(b',', "between attributes")?;
                }
                let at = self.lexer.position();
                let key = self.lexer.word("an attribute")?;
                if attributes.len() >= MAX_NAMED {
                    let message = format!("more than {MAX_NAMED} attributes");
                    return Err(self.lexer.fault("P0008", at, at + key.len(), &message));
                }
                if attributes.iter().any(|(name, _)| name == key) {
                    let message = format!("attribute `{}` is given twice", clip(key));
                    return Err(self.lexer.fault("P0007", at, at + key.len(), &message));
                }
                self.lexer.expect(b'=', "after the attribute's name")?;
                let value = literal::literal(&mut self.lexer)?;
                attributes.push((name_of(info, key), value));
            }
        }
        Ok(attributes)
    }

    fn function(&mut self) -> Result<(Function, FunctionSpans), Fault> {
        self.lexer.position();
        let comments = self.lexer.take_comments();
        self.lexer.keyword("func")?;
        let name_at = self.lexer.position();
        let name = self.lexer.word("a name")?;
        self.lexer.expect(b'<', "after the function's name")?;
        let opset_at = self.lexer.position();
        let opset = self.lexer.word("an operation set")?;
        self.lexer.expect(b'>', "after the operation set")?;
        let mut scope = Scope {
            function: Function::empty(name, opset),
            spans: FunctionSpans {
                name: Span::new(name_at, name_at + name.len()),
                opset: Span::new(opset_at, opset_at + opset.len()),
                comments,
                ..FunctionSpans::default()
            },
            names: HashMap::new(),
            hoisted: Vec::new(),
        };
        self.inputs(&mut scope)?;
        scope.function.attributes = self.attributes(Op::Unknown.info())?;
        self.lexer.expect(b'{', "to begin the function's body")?;
        while self.lexer.peek() != Some(b'}') {
            if self.lexer.peek().is_none() {
                return Err(self.lexer.unexpected("`}` to end the function's body"));
            }
            self.statement(&mut scope)?;
        }
        scope.spans.trailing_comments = self.lexer.take_comments();
        self.lexer.expect(b'}', "to end the function's body")?;
        self.outputs(&mut scope)?;
        scope.name_hoisted();
        Ok((scope.function, scope.spans))
    }

    fn inputs(&mut self, scope: &mut Scope<'a>) -> Result<(), Fault> {
        self.lexer.expect(b'(', "before the inputs")?;
        while !self.lexer.eat(b')') {
            if !scope.function.inputs.is_empty() {
                self.lexer.expect(b',', "between inputs")?;
            }
            let ty = literal::ty(&mut self.lexer)?;
            let at = self.lexer.position();
            let name = self.lexer.word("a name")?;
            let span = Span::new(at, at + name.len());
            let definition = Definition::Input(scope.function.inputs.len());
            let id = scope.function.push_value(Value { name: name.to_owned(), ty, definition }, definition);
            scope.function.inputs.push(id);
            scope.spans.inputs.push(span);
            self.define(scope, name, id, span)?;
        }
        Ok(())
    }

    fn define(&mut self, scope: &mut Scope<'a>, name: &'a str, id: ValueId, span: Span) -> Result<(), Fault> {
        match scope.names.get(name) {
            None => {
                scope.names.insert(name, (id, span));
                Ok(())
            }
            Some(&(_, first)) => {
                let message = format!("`{}` is defined twice", clip(name));
                let fault = Diagnostic::error("P0007", message).at(span).with_label(first, "first here");
                self.report(fault.advise("give each value of a function its own name"))
            }
        }
    }

    /// `-> (a, b);`
    fn outputs(&mut self, scope: &mut Scope<'a>) -> Result<(), Fault> {
        self.lexer.expect(b'-', "of the arrow in front of the outputs")?;
        self.lexer.expect(b'>', "of the arrow in front of the outputs")?;
        self.lexer.expect(b'(', "before the outputs")?;
        let mut first = true;
        while !self.lexer.eat(b')') {
            if !std::mem::take(&mut first) {
                self.lexer.expect(b',', "between outputs")?;
            }
            let at = self.lexer.position();
            let name = self.lexer.word("the name of a value")?;
            match self.resolve(scope, at, name) {
                Ok(id) => {
                    scope.function.outputs.push(id);
                    scope.spans.outputs.push(Span::new(at, at + name.len()));
                }
                Err(fault) => self.report(*fault)?,
            }
        }
        self.lexer.expect(b';', "after the outputs")
    }

    fn resolve(&self, scope: &Scope<'a>, at: usize, name: &str) -> Result<ValueId, Fault> {
        scope.names.get(name).map(|(id, _)| *id).ok_or_else(|| {
            let message = format!("`{}` is not defined before here", clip(name));
            self.lexer.fault("P0006", at, at + name.len(), &message)
        })
    }

    /// Reads a statement into the function; after a fault, its results are defined all the same, so that one fault is
    /// not reported at every use.
    fn statement(&mut self, scope: &mut Scope<'a>) -> Result<(), Fault> {
        let start = self.lexer.position();
        let comments = self.lexer.take_comments();
        let mut statement = Statement {
            results: Vec::new(),
            hoisted: Vec::new(),
            operation: Operation::new(Op::Unknown, Vec::new(), Vec::new()),
            spans: OpSpans { comments, ..OpSpans::default() },
        };
        if let Err(fault) = self.read_statement(scope, &mut statement) {
            self.report(*fault)?;
            let before = self.lexer.offset();
            self.lexer.recover();
            if self.lexer.offset() == before && self.lexer.peek().is_none() {
                return Err(self.lexer.unexpected("`}` to end the function's body"));
            }
            if statement.operation.op == Op::Unknown && statement.operation.unknown.is_none() {
                statement.operation.unknown = Some("unreadable".into());
            }
        }
        statement.spans.statement = Span::new(start, self.lexer.offset());
        self.add(scope, statement)
    }

    fn add(&mut self, scope: &mut Scope<'a>, statement: Statement<'a>) -> Result<(), Fault> {
        let Statement { results, hoisted, mut operation, mut spans } = statement;
        let mut constants = Vec::with_capacity(hoisted.len());
        for (name, constant, span) in hoisted {
            let id = scope.result("", Type::Tensor(constant.ty.clone()), 0);
            scope.function.ops.push(Operation::constant_of(constant, id));
            let whole = OpSpans { statement: span, op: span, results: vec![span], ..OpSpans::default() };
            scope.spans.ops.push(whole);
            scope.hoisted.push((id, name));
            constants.push(id);
        }
        if !constants.is_empty() {
            let place = |id: ValueId| match (HOISTED - id.0) as usize {
                position if position < constants.len() => constants[position],
                _ => id,
            };
            operation.arguments.iter_mut().for_each(|(_, argument)| *argument = argument.map(place));
        }
        sort_together(&mut operation.arguments, &mut spans.arguments);
        for (position, (name, ty, span)) in results.into_iter().enumerate() {
            let id = scope.result(name, ty, position);
            operation.results.push(id);
            self.define(scope, name, id, Span::new(span.end - name.len(), span.end))?;
        }
        scope.function.ops.push(operation);
        scope.spans.ops.push(spans);
        Ok(())
    }

    fn read_statement(&mut self, scope: &Scope<'a>, statement: &mut Statement<'a>) -> Result<(), Fault> {
        if self.begins_with_type()? {
            loop {
                let at = self.lexer.position();
                let ty = literal::ty(&mut self.lexer)?;
                let name = self.lexer.word("a name")?;
                let span = Span::new(at, self.lexer.offset());
                statement.spans.results.push(span);
                statement.results.push((name, ty, span));
                if !self.lexer.eat(b',') {
                    break;
                }
            }
            self.lexer.expect(b'=', "after the results")?;
        }
        let at = self.lexer.position();
        let name = self.lexer.word("an operation")?;
        statement.spans.op = Span::new(at, at + name.len());
        let operation = &mut statement.operation;
        match Op::from_name(name) {
            Some(op) => operation.op = op,
            None => operation.unknown = Some(name.into()),
        }
        if self.lexer.eat(b'<') {
            operation.opset = Some(self.lexer.word("an operation set")?.into());
            self.lexer.expect(b'>', "after the operation set")?;
        }
        self.arguments(scope, statement)?;
        statement.operation.attributes = self.attributes(statement.operation.op.info())?;
        self.lexer.expect(b';', "after the operation")
    }

    /// Whether results come next, or an operation without any: `type name` or `op(`, `op<opset>(`.
    fn begins_with_type(&mut self) -> Result<bool, Fault> {
        let start = self.lexer.position();
        let word = self.lexer.word("a statement")?;
        let next = self.lexer.peek();
        self.lexer.go_to(start);
        Ok(match next {
            Some(b'(') => false,
            Some(b'<') => TYPE_WORDS.contains(&word),
            _ => true,
        })
    }

    fn arguments(&mut self, scope: &Scope<'a>, statement: &mut Statement<'a>) -> Result<(), Fault> {
        let info = statement.operation.op.info();
        let result = statement.results.first().map_or("op", |(name, ..)| name);
        self.lexer.expect(b'(', "before the arguments")?;
        let mut first = true;
        while !self.lexer.eat(b')') {
            if !std::mem::take(&mut first) {
                self.lexer.expect(b',', "between arguments")?;
            }
            let at = self.lexer.position();
            let key = self.lexer.word("an argument")?;
            let name = name_of(info, key);
            if statement.operation.arguments.len() >= MAX_NAMED {
                let message = format!("more than {MAX_NAMED} arguments");
                return Err(self.lexer.fault("P0008", at, at + key.len(), &message));
            }
            if statement.operation.arguments.iter().any(|(n, _)| *n == name) {
                let message = format!("argument `{}` is given twice", clip(key));
                return Err(self.lexer.fault("P0007", at, at + key.len(), &message));
            }
            self.lexer.expect(b'=', "after the argument's name")?;
            let value_at = self.lexer.position();
            let value = if self.lexer.eat(b'(') {
                self.tuple(scope, &mut statement.hoisted, &format!("{result}_{key}"))
            } else {
                self.operand(scope)
            };
            match value {
                Ok(argument) => {
                    statement.operation.arguments.push((name, argument));
                    statement.spans.arguments.push(Span::new(at, self.lexer.offset()));
                }
                // An undefined name is where it is; the rest of the statement can still be read.
                Err(fault) if fault.code == "P0006" && self.lexer.offset() > value_at => {
                    self.report(*fault)?
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// What follows the opening parenthesis of a tuple.
    fn tuple(
        &mut self,
        scope: &Scope<'a>,
        hoisted: &mut Vec<(String, Constant, Span)>,
        name: &str,
    ) -> Result<Argument, Fault> {
        let mut values = Vec::new();
        let mut undefined = None;
        while !self.lexer.eat(b')') {
            if !values.is_empty() {
                self.lexer.expect(b',', "between the values of a tuple")?;
            }
            let at = self.lexer.position();
            match self.operand(scope) {
                Ok(Argument::Value(id)) => values.push(id),
                Ok(Argument::Literal(Literal::Tensor(constant))) => {
                    values.push(ValueId(HOISTED - hoisted.len() as u32));
                    let span = Span::new(at, self.lexer.offset());
                    hoisted.push((format!("{name}_{}", values.len() - 1), constant, span));
                }
                Ok(_) => {
                    let message = "a tuple takes names and tensor literals";
                    return Err(self.lexer.fault("P0001", at, self.lexer.offset(), message));
                }
                Err(fault) if fault.code == "P0006" && undefined.is_none() => {
                    undefined = Some(fault);
                    values.push(ValueId(0));
                }
                Err(fault) => return Err(fault),
            }
        }
        undefined.map_or(Ok(Argument::Tuple(values)), Err)
    }

    /// The name of a value, or a literal.
    fn operand(&mut self, scope: &Scope<'a>) -> Result<Argument, Fault> {
        let at = self.lexer.position();
        let word = self.lexer.word("the name of a value or a literal")?;
        if !matches!(self.lexer.peek(), Some(b'(' | b'<')) {
            return self.resolve(scope, at, word).map(Argument::Value);
        }
        self.lexer.go_to(at);
        literal::literal(&mut self.lexer).map(Argument::Literal)
    }
}

/// Arguments in alphabetical order, as the compiler writes them, with their places.
fn sort_together(arguments: &mut Vec<(Name, Argument)>, spans: &mut Vec<Span>) {
    if arguments.is_sorted_by(|(a, _), (b, _)| a <= b) {
        return;
    }
    let mut both: Vec<_> = std::mem::take(arguments).into_iter().zip(std::mem::take(spans)).collect();
    both.sort_by(|((a, _), _), ((b, _), _)| a.cmp(b));
    (*arguments, *spans) = both.into_iter().unzip();
}

/// An argument's or attribute's name: borrowed where it is a known one.
fn name_of(info: &OpInfo, text: &str) -> Name {
    match (info.argument(text), text) {
        (Some(spec), _) => Name::Borrowed(spec.name),
        (None, "name") => Name::Borrowed("name"),
        (None, "val") => Name::Borrowed("val"),
        (None, other) => Name::Owned(other.to_owned()),
    }
}
