use std::collections::{HashMap, HashSet};

use super::lexer::{Lexer, clip};
use super::literal;
use crate::{
    Argument, Constant, DType, Definition, Function, MilError, Op, Operands, Operation, Program, TensorType,
    Value, ValueId, infer,
};

/// Reads program text: all that [`Program::to_text`] writes and, of foreign text, both scalar forms (`int32(1)` and
/// `tensor<int32, []>(1)`), any spacing, `//` comments, arguments in any order, decimal and hexadecimal floats and
/// their bit patterns (`0x3c00`), and literals in place of names, which become constants named `result_argument`.
///
/// What text can say but the language forbids is read, for [`crate::verify()`] to report. The `name`
/// attribute of an operation is not kept. Memory is bounded by the length of the text, which is at most 2 GiB.
///
/// # Errors
/// [`MilError::Syntax`] at the first fault: of grammar, an operation, argument or attribute the op table lacks, a name
/// undefined or defined twice, a type rule, or a declared type that differs from the operation's.
pub fn parse(text: &str) -> Result<Program, MilError> {
    let mut parser = Parser { lexer: Lexer::new(text)? };
    parser.program()
}

struct Parser<'a> {
    lexer: Lexer<'a>,
}

/// A function in the making.
struct Scope<'a> {
    function: Function,
    names: HashMap<&'a str, ValueId>,
    /// Constants made from literal arguments; named when all names of the text are known.
    hoisted: Vec<(ValueId, String)>,
}

impl Scope<'_> {
    fn define(&mut self, op: Operation, name: &str, ty: TensorType) -> ValueId {
        let definition = Definition::Result { op: self.function.ops.len(), result: 0 };
        let id = self.function.push_value(Value { name: name.to_owned(), ty, definition }, definition);
        self.function.ops.push(Operation { results: vec![id], ..op });
        id
    }

    fn constant(&mut self, name: &str, constant: Constant) -> ValueId {
        let ty = constant.ty.clone();
        let op =
            Operation { op: Op::Const, arguments: Vec::new(), constant: Some(constant), results: Vec::new() };
        self.define(op, name, ty)
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

impl<'a> Parser<'a> {
    fn program(&mut self) -> Result<Program, MilError> {
        self.lexer.keyword("program")?;
        self.lexer.expect(b'(', "after `program`")?;
        let version = self.version()?;
        self.lexer.expect(b')', "after the version")?;
        let build_info = self.program_attributes()?;
        self.lexer.expect(b'{', "to begin the program")?;
        let mut functions = Vec::new();
        while !self.lexer.eat(b'}') {
            functions.push(self.function()?);
        }
        let at = self.lexer.position();
        if self.lexer.peek().is_some() {
            let reason = format!("expected the end of the text, found {}", self.lexer.found());
            return Err(self.lexer.error(at, reason));
        }
        Ok(Program { version, build_info, functions })
    }

    fn version(&mut self) -> Result<(u32, u32), MilError> {
        let (at, text) = self.lexer.number();
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        let number = |digits: &str| {
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten()
        };
        match (number(major), number(minor)) {
            (Some(major), Some(minor)) => Ok((major, minor)),
            _ => Err(self.lexer.error(at, format!("expected a version such as 1.3, found `{}`", clip(text)))),
        }
    }

    fn program_attributes(&mut self) -> Result<Vec<(String, String)>, MilError> {
        let mut build_info = None;
        self.attributes(|parser, at, key| {
            if key != "buildInfo" || build_info.is_some() {
                return Err(parser.lexer.error(at, unknown_attribute("a program", key)));
            }
            build_info = Some(parser.dictionary()?);
            Ok(())
        })?;
        Ok(build_info.unwrap_or_default())
    }

    /// `[key = …, key = …]` or nothing; `value` reads what stands behind the equals sign.
    fn attributes(
        &mut self,
        mut value: impl FnMut(&mut Self, usize, &'a str) -> Result<(), MilError>,
    ) -> Result<(), MilError> {
        if !self.lexer.eat(b'[') || self.lexer.eat(b']') {
            return Ok(());
        }
        loop {
            let at = self.lexer.position();
            let key = self.lexer.word("an attribute")?;
            self.lexer.expect(b'=', "after the attribute's name")?;
            value(self, at, key)?;
            if !self.lexer.eat(b',') {
                return self.lexer.expect(b']', "after the attributes");
            }
        }
    }

    /// `dict<string, string>({{"key", "value"}, {"key", "value"}})`.
    fn dictionary(&mut self) -> Result<Vec<(String, String)>, MilError> {
        let text = TensorType::scalar(DType::String);
        self.lexer.keyword("dict")?;
        self.lexer.expect(b'<', "after `dict`")?;
        literal::expect_type(&mut self.lexer, &text)?;
        self.lexer.expect(b',', "between the dictionary's types")?;
        literal::expect_type(&mut self.lexer, &text)?;
        self.lexer.expect(b'>', "after the dictionary's types")?;
        self.lexer.expect(b'(', "before the dictionary")?;
        self.lexer.expect(b'{', "to begin the dictionary")?;
        let mut pairs = Vec::new();
        while !self.lexer.eat(b'}') {
            if !pairs.is_empty() {
                self.lexer.expect(b',', "between pairs")?;
            }
            self.lexer.expect(b'{', "to begin a pair")?;
            let key = self.lexer.string()?;
            self.lexer.expect(b',', "between key and value")?;
            let value = self.lexer.string()?;
            self.lexer.expect(b'}', "after a pair")?;
            pairs.push((key, value));
        }
        self.lexer.expect(b')', "after the dictionary")?;
        Ok(pairs)
    }

    fn function(&mut self) -> Result<Function, MilError> {
        self.lexer.keyword("func")?;
        let name = self.lexer.word("a function name")?.to_owned();
        self.lexer.expect(b'<', "before the operation set")?;
        let opset = self.lexer.word("an operation set such as ios18")?.to_owned();
        self.lexer.expect(b'>', "after the operation set")?;
        let function = Function {
            name,
            opset,
            values: Vec::new(),
            inputs: Vec::new(),
            ops: Vec::new(),
            outputs: Vec::new(),
        };
        let mut scope = Scope { function, names: HashMap::new(), hoisted: Vec::new() };
        self.inputs(&mut scope)?;
        self.lexer.expect(b'{', "to begin the function")?;
        while !self.lexer.eat(b'}') {
            self.statement(&mut scope)?;
        }
        self.outputs(&mut scope)?;
        scope.name_hoisted();
        Ok(scope.function)
    }

    fn inputs(&mut self, scope: &mut Scope<'a>) -> Result<(), MilError> {
        self.lexer.expect(b'(', "before the inputs")?;
        while !self.lexer.eat(b')') {
            let position = scope.function.inputs.len();
            if position > 0 {
                self.lexer.expect(b',', "between inputs")?;
            }
            let ty = literal::ty(&mut self.lexer)?;
            let name = self.new_name(scope)?;
            let definition = Definition::Input(position);
            let id = scope.function.push_value(Value { name: name.to_owned(), ty, definition }, definition);
            scope.names.insert(name, id);
            scope.function.inputs.push(id);
        }
        Ok(())
    }

    fn outputs(&mut self, scope: &mut Scope<'a>) -> Result<(), MilError> {
        self.lexer.expect(b'-', "of `->` after the function")?;
        self.lexer.expect(b'>', "of `->` after the function")?;
        self.lexer.expect(b'(', "before the outputs")?;
        while !self.lexer.eat(b')') {
            if !scope.function.outputs.is_empty() {
                self.lexer.expect(b',', "between outputs")?;
            }
            let output = self.defined(scope)?;
            scope.function.outputs.push(output);
        }
        self.lexer.expect(b';', "after the outputs")
    }

    /// A name that is not taken yet.
    fn new_name(&mut self, scope: &Scope<'a>) -> Result<&'a str, MilError> {
        let at = self.lexer.position();
        let name = self.lexer.word("a name")?;
        if scope.names.contains_key(name) {
            return Err(self.lexer.error(at, format!("`{}` is defined twice", clip(name))));
        }
        Ok(name)
    }

    fn defined(&mut self, scope: &Scope<'a>) -> Result<ValueId, MilError> {
        let at = self.lexer.position();
        let name = self.lexer.word("the name of a value")?;
        self.resolve(scope, at, name)
    }

    fn resolve(&self, scope: &Scope<'a>, at: usize, name: &str) -> Result<ValueId, MilError> {
        let id = scope.names.get(name).copied();
        id.ok_or_else(|| self.lexer.error(at, format!("`{}` is not defined before here", clip(name))))
    }

    /// `type name = op(arguments)[attributes];`
    fn statement(&mut self, scope: &mut Scope<'a>) -> Result<(), MilError> {
        let declared_at = self.lexer.position();
        let declared = literal::ty(&mut self.lexer)?;
        let name = self.new_name(scope)?;
        self.lexer.expect(b'=', "after the result")?;
        let op_at = self.lexer.position();
        let op = self.lexer.word("an operation")?;
        let Some(op) = Op::from_name(op) else {
            return Err(self.lexer.error(op_at, format!("unknown operation `{}`", clip(op))));
        };
        let arguments = self.arguments(scope, op, name)?;
        let constant = self.op_attributes(op)?;
        self.lexer.expect(b';', "after the operation")?;

        let ty = match (&constant, op) {
            (Some(constant), _) => constant.ty.clone(),
            (None, Op::Const) => {
                return Err(self.lexer.error(op_at, "const needs the attribute `val`".to_owned()));
            }
            (None, _) => {
                let operands = Operands::new(&scope.function, op, &arguments);
                infer(op, &operands).map_err(|reason| {
                    self.lexer.error(op_at, format!("`{}` = {}: {reason}", clip(name), op.name()))
                })?
            }
        };
        if ty != declared {
            let reason = format!("`{}` is declared {declared}, but {} gives {ty}", clip(name), op.name());
            return Err(self.lexer.error(declared_at, reason));
        }
        let id = scope.define(Operation { op, arguments, constant, results: Vec::new() }, name, ty);
        scope.names.insert(name, id);
        Ok(())
    }

    /// Arguments in the op table's order, whatever order the text has.
    fn arguments(
        &mut self,
        scope: &mut Scope<'a>,
        op: Op,
        result: &str,
    ) -> Result<Vec<(&'static str, Argument)>, MilError> {
        let specs = op.info().arguments;
        let mut arguments: Vec<(&'static str, Argument)> = Vec::with_capacity(specs.len());
        self.lexer.expect(b'(', "before the arguments")?;
        while !self.lexer.eat(b')') {
            if !arguments.is_empty() {
                self.lexer.expect(b',', "between arguments")?;
            }
            let at = self.lexer.position();
            let key = self.lexer.word("an argument")?;
            let Some(spec) = op.info().argument(key) else {
                return Err(self.lexer.error(at, format!("{} has no argument `{}`", op.name(), clip(key))));
            };
            if arguments.iter().any(|(n, _)| *n == spec.name) {
                return Err(self.lexer.error(at, format!("argument `{}` is given twice", spec.name)));
            }
            self.lexer.expect(b'=', "after the argument's name")?;
            let hoisted = format!("{result}_{}", spec.name);
            let argument = if self.lexer.eat(b'(') {
                Argument::Tuple(self.tuple(scope, &hoisted)?)
            } else {
                Argument::Value(self.operand(scope, || hoisted)?)
            };
            arguments.push((spec.name, argument));
        }
        arguments.sort_by_key(|(name, _)| specs.iter().position(|s| s.name == *name));
        Ok(arguments)
    }

    /// What follows the opening parenthesis of a tuple.
    fn tuple(&mut self, scope: &mut Scope<'a>, hoisted: &str) -> Result<Vec<ValueId>, MilError> {
        let mut values = Vec::new();
        while !self.lexer.eat(b')') {
            if !values.is_empty() {
                self.lexer.expect(b',', "between the values of a tuple")?;
            }
            let position = values.len();
            values.push(self.operand(scope, || format!("{hoisted}_{position}"))?);
        }
        Ok(values)
    }

    /// The name of a value, or a literal, which becomes a constant named by `hoisted`.
    fn operand(
        &mut self,
        scope: &mut Scope<'a>,
        hoisted: impl FnOnce() -> String,
    ) -> Result<ValueId, MilError> {
        let start = self.lexer.clone();
        let at = self.lexer.position();
        let word = self.lexer.word("the name of a value or a literal")?;
        if !matches!(self.lexer.peek(), Some(b'(' | b'<')) {
            return self.resolve(scope, at, word);
        }
        self.lexer = start;
        let constant = literal::literal(&mut self.lexer)?;
        let id = scope.constant("", constant);
        scope.hoisted.push((id, hoisted()));
        Ok(id)
    }

    /// The attributes of an operation: `name`, which is not kept, and the payload of a `const`.
    fn op_attributes(&mut self, op: Op) -> Result<Option<Constant>, MilError> {
        let (mut named, mut payload) = (false, None);
        self.attributes(|parser, at, key| {
            match key {
                "name" if !named => {
                    literal::string(&mut parser.lexer)?;
                    named = true;
                }
                "val" if op == Op::Const && payload.is_none() => {
                    payload = Some(literal::literal(&mut parser.lexer)?);
                }
                _ => return Err(parser.lexer.error(at, unknown_attribute(op.name(), key))),
            }
            Ok(())
        })?;
        Ok(payload)
    }
}

fn unknown_attribute(owner: &str, key: &str) -> String {
    format!("attribute `{}` of {owner} is unknown or given twice", clip(key))
}
