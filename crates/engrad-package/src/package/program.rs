//! Programs, both ways.

use std::collections::{BTreeMap, HashSet};

use engrad_mil::{
    Argument, ArgumentKind, Assembler, Attributes, Function, Literal, MilError, Name, Op, Operation, Opset,
    Program, Type, ValueId, identifier,
};

use super::value::{read_type, read_value, write_type, write_value};
use crate::PackageError;
use crate::proto::{self, Bound};

/// Operation sets of the text and of packages, and the format version that came with each.
const OPSETS: [(Opset, &str, i32); 5] = [
    (Opset::Ios15, "CoreML5", 6),
    (Opset::Ios16, "CoreML6", 7),
    (Opset::Ios17, "CoreML7", 8),
    (Opset::Ios18, "CoreML8", 9),
    (Opset::Ios19, "CoreML9", 10),
];

/// The format version that an operation set of the text needs.
pub(crate) fn format_version(opset: &str) -> Option<i32> {
    let opset = Opset::from_name(opset)?;
    OPSETS.iter().find(|row| row.0 == opset).map(|row| row.2)
}

type Result<T> = std::result::Result<T, PackageError>;

/// The program of a package, without what its description says of flexible shapes.
pub(super) fn read_program(program: proto::Program) -> Result<Program> {
    if program.version != 1 {
        return Err(PackageError::unsupported("program", format!("version {}; 1 is read", program.version)));
    }
    let attributes = read_attributes(program.attributes, "program")?;
    let mut functions = Vec::with_capacity(program.functions.len());
    let mut names = HashSet::new();
    for (name, function) in program.functions {
        let renamed = identifier(&name);
        if !names.insert(renamed.clone()) {
            let reason = format!("two functions would be called `{renamed}` in text");
            return Err(PackageError::unsupported(format!("function `{}`", name.escape_debug()), reason));
        }
        functions.push(read_function(&renamed, function)?);
    }
    // The dialect that compilers write for the newest operation set among the functions (ane-facts 2.1).
    let newest = functions.iter().filter_map(|f| Opset::from_name(&f.opset)).max();
    let version = if newest >= Some(Opset::Ios18) { (1, 3) } else { (1, 0) };
    Ok(Program { version, attributes, functions })
}

fn read_function(name: &str, mut function: proto::Function) -> Result<Function> {
    let place = || format!("function `{name}`");
    let opset = OPSETS.iter().find(|row| row.1 == function.opset).map(|row| row.0.name().to_owned());
    let opset = opset.unwrap_or_else(|| identifier(&function.opset));
    let Some(block) = function.block_specializations.remove(&function.opset) else {
        let reason = format!("no block for its operation set {}", function.opset.escape_debug());
        return Err(PackageError::unsupported(place(), reason));
    };
    if !block.inputs.is_empty() || !block.attributes.is_empty() {
        return Err(PackageError::unsupported(place(), "its block has inputs or attributes of its own"));
    }
    let mut assembler = Assembler::new(name, &opset);
    for value in function.inputs.iter().chain(block.operations.iter().flat_map(|op| &op.outputs)) {
        assembler.reserve(&value.name);
    }
    let mil = |error: MilError| PackageError::unsupported("program", error.to_string());
    for input in &function.inputs {
        let ty = read_named(input).map_err(|reason| PackageError::unsupported(place(), reason))?;
        assembler.input(&input.name, ty).map_err(mil)?;
    }
    for operation in block.operations {
        read_operation(&mut assembler, operation, name)?;
    }
    let outputs =
        block.outputs.iter().map(|name| assembler.resolve(name)).collect::<std::result::Result<Vec<_>, _>>();
    let mut read = assembler.finish(&outputs.map_err(mil)?).map_err(mil)?;
    read.attributes = read_attributes(function.attributes, &place())?;
    Ok(read)
}

fn read_named(value: &proto::NamedValueType) -> std::result::Result<Type, String> {
    let named = |reason| format!("`{}`: {reason}", value.name.escape_debug());
    match &value.r#type {
        Some(ty) => read_type(ty).map_err(named),
        None => Err(named("a value without type".to_owned())),
    }
}

fn read_operation(assembler: &mut Assembler, operation: proto::Operation, function: &str) -> Result<()> {
    let result = operation.outputs.first().map_or("", |output| output.name.as_str()).to_owned();
    let place = || {
        let op = operation.r#type.escape_debug();
        format!("function `{function}`, operation `{op}` of `{}`", result.escape_debug())
    };
    let refuse = |reason: String| PackageError::unsupported(place(), reason);
    if !operation.blocks.is_empty() {
        return Err(refuse("nested blocks (control flow); a program has none".to_owned()));
    }
    if identifier(&operation.r#type) != operation.r#type {
        return Err(refuse("the operation's name is no identifier".to_owned()));
    }
    let op = Op::from_name(&operation.r#type);
    let mut read = Operation::new(op.unwrap_or(Op::Unknown), Vec::new(), Vec::new());
    if op.is_none() {
        read.unknown = Some(operation.r#type.as_str().into());
    }
    for (key, argument) in operation.inputs {
        let kind = read.op.info().argument(&key).map(|spec| spec.kind);
        let is_tuple = kind == Some(ArgumentKind::Tensors) || argument.arguments.len() != 1;
        let key = name(key).map_err(refuse)?;
        let mut bound = Vec::with_capacity(argument.arguments.len());
        for (position, binding) in argument.arguments.into_iter().enumerate() {
            let part = match binding.binding {
                None => return Err(refuse(format!("argument `{key}` is bound to nothing"))),
                Some(Bound::Name(name)) => {
                    Argument::Value(assembler.resolve(&name).map_err(|error| refuse(error.to_string()))?)
                }
                Some(Bound::Value(value)) => {
                    let literal = read_value(value).map_err(|r| refuse(format!("argument `{key}`: {r}")))?;
                    if is_tuple {
                        hoisted(assembler, literal, &format!("{result}_{key}_{position}"))?
                    } else {
                        Argument::Literal(literal)
                    }
                }
            };
            bound.push(part);
        }
        let argument = match bound.pop() {
            Some(only) if !is_tuple => only,
            last => {
                let values: Vec<ValueId> =
                    bound.iter().chain(&last).flat_map(Argument::values).copied().collect();
                Argument::Tuple(values)
            }
        };
        read.arguments.push((key, argument));
    }
    read.attributes = read_attributes(operation.attributes, &format!("function `{function}`, `{result}`"))?;
    let mut results = Vec::with_capacity(operation.outputs.len());
    for output in &operation.outputs {
        let ty = read_named(output)
            .map_err(|reason| PackageError::unsupported(format!("function `{function}`"), reason))?;
        results.push((output.name.as_str(), ty));
    }
    assembler
        .operation(read, &results)
        .map_err(|error| PackageError::unsupported(format!("function `{function}`"), error.to_string()))
}

/// A literal of a tuple as a named constant in front of its operation, where programs have it.
fn hoisted(assembler: &mut Assembler, literal: Literal, name: &str) -> Result<Argument> {
    let ty = literal.ty();
    let mut constant = Operation::new(Op::Const, Vec::new(), Vec::new());
    constant.set_attribute(Name::Borrowed("val"), literal);
    let id = assembler.unnamed(constant, name, ty);
    id.map(Argument::Value).map_err(|error| PackageError::unsupported("program", error.to_string()))
}

fn read_attributes(attributes: BTreeMap<String, proto::Value>, place: &str) -> Result<Attributes> {
    let read = attributes.into_iter().map(|(key, value)| {
        let key = name(key).map_err(|reason| PackageError::unsupported(place, reason))?;
        let literal = read_value(value)
            .map_err(|reason| PackageError::unsupported(place, format!("attribute `{key}`: {reason}")))?;
        Ok((key, literal))
    });
    read.collect()
}

/// The name of an argument or attribute.
fn name(key: String) -> std::result::Result<Name, String> {
    match key.as_str() {
        "name" => Ok(Name::Borrowed("name")),
        "val" => Ok(Name::Borrowed("val")),
        _ if identifier(&key) == key => Ok(Name::Owned(key)),
        _ => Err(format!("the name `{}` is no identifier", key.escape_debug())),
    }
}

/// The program for a package. Flexible shapes are left to its description.
pub(super) fn write_program(program: &Program) -> Result<proto::Program> {
    let mut functions = BTreeMap::new();
    for function in &program.functions {
        let written = write_function(function)?;
        if functions.insert(function.name.clone(), written).is_some() {
            let place = format!("function `{}`", function.name);
            return Err(PackageError::inexpressible(place, "another function has this name"));
        }
    }
    let attributes = write_attributes(&program.attributes, "program")?;
    Ok(proto::Program { version: 1, functions, doc_string: String::new(), attributes })
}

fn write_function(function: &Function) -> Result<proto::Function> {
    let place = format!("function `{}`", function.name);
    let opset = Opset::from_name(&function.opset);
    let row = OPSETS.iter().find(|row| Some(row.0) == opset);
    let Some((_, opset, _)) = row else {
        let reason = format!("packages have no operation set `{}`", function.opset.escape_debug());
        return Err(PackageError::inexpressible(place, reason));
    };
    let inexpressible = |reason| PackageError::inexpressible(&place, reason);
    let named = |id: ValueId| {
        let value = function.value(id);
        let ty =
            write_type(&value.ty).map_err(|reason| inexpressible(format!("`{}`: {reason}", value.name)))?;
        Ok::<_, PackageError>(proto::NamedValueType { name: value.name.clone(), r#type: Some(ty) })
    };
    let name = |id: &ValueId| function.value(*id).name.clone();
    let mut operations = Vec::with_capacity(function.ops().len());
    for op in function.ops() {
        let place = format!("{place}, `{}`", op.results.first().map_or_else(|| op.name().to_owned(), name));
        if let Some(opset) = &op.opset {
            let reason =
                format!("packages cannot give one operation the set `{opset}`; the function's is for all");
            return Err(PackageError::inexpressible(place, reason));
        }
        let mut inputs = BTreeMap::new();
        for (key, argument) in &op.arguments {
            let bound = |bound| proto::Binding { binding: Some(bound) };
            let arguments = match argument {
                Argument::Literal(literal) => {
                    let value = write_value(literal)
                        .map_err(|r| PackageError::inexpressible(&place, format!("argument `{key}`: {r}")))?;
                    vec![bound(Bound::Value(value))]
                }
                argument => argument.values().iter().map(|id| bound(Bound::Name(name(id)))).collect(),
            };
            inputs.insert(key.to_string(), proto::Argument { arguments });
        }
        operations.push(proto::Operation {
            r#type: op.name().to_owned(),
            inputs,
            outputs: op.results.iter().map(|&id| named(id)).collect::<Result<_>>()?,
            blocks: Vec::new(),
            attributes: write_attributes(&op.attributes, &place)?,
        });
    }
    let mut attributes = function.attributes.clone();
    attributes.retain(|(name, _)| name != super::flexible::ATTRIBUTE);
    let block = proto::Block {
        inputs: Vec::new(),
        outputs: function.outputs().iter().map(name).collect(),
        operations,
        attributes: BTreeMap::new(),
    };
    Ok(proto::Function {
        inputs: function.inputs().iter().map(|&id| named(id)).collect::<Result<_>>()?,
        opset: (*opset).to_owned(),
        block_specializations: BTreeMap::from([((*opset).to_owned(), block)]),
        attributes: write_attributes(&attributes, &place)?,
    })
}

fn write_attributes(attributes: &Attributes, place: &str) -> Result<BTreeMap<String, proto::Value>> {
    let written = attributes.iter().map(|(key, literal)| {
        let value = write_value(literal)
            .map_err(|reason| PackageError::inexpressible(place, format!("attribute `{key}`: {reason}")))?;
        Ok((key.to_string(), value))
    });
    written.collect()
}
