//! `metadata.json` of a compiled model: a list of one object that describes it to people and tools.
//!
//! What is written follows from the program and the [`Metadata`], in the shape that Core ML's compiler writes. Two entries
//! are close to the compiler's and not equal: names in `mlProgramOperationTypeHistogram` have the operation set of the
//! function in front (the compiler has that of each operation's newest revision), and `storagePrecision` counts weights in
//! files. Entries of a file that was read and that do not follow from the program stay.

use std::collections::{BTreeMap, BTreeSet};

use engrad_mil::{Argument, Constant, ConstantData, DType, Function, Literal, Op, Operation, Program, Type};
use serde_json::{Map, Value, json};

use crate::package::{Feature, Flexibility, Interface, format_version};
use crate::{Metadata, PackageError};

/// Format version, then the first version of each system that reads it: macOS, iOS (also tvOS and Catalyst), watchOS,
/// visionOS.
const AVAILABILITY: [(i32, [&str; 4]); 5] = [
    (6, ["12.0", "15.0", "8.0", "1.0"]),
    (7, ["13.0", "16.0", "9.0", "1.0"]),
    (8, ["14.0", "17.0", "10.0", "1.0"]),
    (9, ["15.0", "18.0", "11.0", "2.0"]),
    (10, ["26.0", "26.0", "26.0", "26.0"]),
];

/// What a `metadata.json` says of the model beyond its program.
pub(crate) fn metadata(json: &Value) -> Metadata {
    let text = |key: &str| {
        object(json).and_then(|o| o.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let user = object(json).and_then(|o| o.get("userDefinedMetadata")).and_then(Value::as_object);
    let pairs =
        user.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    Metadata {
        description: text("shortDescription"),
        version: text("version"),
        author: text("author"),
        license: text("license"),
        user_defined: pairs.collect(),
    }
}

fn object(json: &Value) -> Option<&Map<String, Value>> {
    json.as_array().and_then(|list| list.first()).unwrap_or(json).as_object()
}

/// The text of a `metadata.json`; `original` is one that was read.
pub(crate) fn write(
    program: &Program,
    metadata: &Metadata,
    original: Option<&Value>,
    name: &str,
) -> Result<String, PackageError> {
    let mut json = Map::new();
    for (key, text) in [
        ("shortDescription", &metadata.description),
        ("version", &metadata.version),
        ("author", &metadata.author),
        ("license", &metadata.license),
    ] {
        if !text.is_empty() {
            json.insert(key.to_owned(), text.as_str().into());
        }
    }
    let old = original.and_then(object);
    if let Some(main) = program.main().or(program.functions.first()) {
        json.append(&mut schemas(main, old)?);
    }
    if program.functions.len() > 1 {
        let functions = program.functions.iter().map(|function| {
            let mut function_json = schemas(function, None)?;
            function_json.insert("name".to_owned(), function.name.as_str().into());
            Ok(Value::Object(function_json))
        });
        json.insert("functions".to_owned(), functions.collect::<Result<Vec<_>, PackageError>>()?.into());
    }
    let least = if program.functions.len() > 1 { 9 } else { 6 };
    let version =
        program.functions.iter().filter_map(|f| format_version(&f.opset)).max().unwrap_or(least).max(least);
    let common = json!({
        "metadataOutputVersion": "3.0",
        "modelParameters": [],
        "specificationVersion": version,
        "mlProgramOperationTypeHistogram": histogram(program),
        "computePrecision": mixed(compute(program)),
        "isUpdatable": "0",
        "availability": availability(version),
        "modelType": { "name": "MLModelType_mlProgram" },
        "userDefinedMetadata": metadata.user_defined,
        "generatedClassName": class_name(old, name),
        "method": "predict",
    });
    if let Value::Object(mut common) = common {
        json.append(&mut common);
    }
    let storage = storage(program);
    if !storage.is_empty() {
        json.insert("storagePrecision".to_owned(), mixed(storage).into());
    }
    for (key, value) in old.into_iter().flatten() {
        json.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let list = Value::Array(vec![Value::Object(json)]);
    Ok(format!("{list:#}\n"))
}

fn class_name(old: Option<&Map<String, Value>>, name: &str) -> String {
    let old = old.and_then(|o| o.get("generatedClassName")).and_then(Value::as_str);
    old.map_or_else(|| engrad_mil::identifier(name).replace(['.', '$', '@'], "_"), str::to_owned)
}

fn availability(version: i32) -> Value {
    let row = AVAILABILITY.iter().rev().find(|row| row.0 <= version).map_or(AVAILABILITY[0].1, |row| row.1);
    let [mac, phone, watch, vision] = row;
    json!({ "macOS": mac, "iOS": phone, "tvOS": phone, "macCatalyst": phone, "watchOS": watch, "visionOS": vision })
}

fn schemas(
    function: &Function,
    old: Option<&Map<String, Value>>,
) -> Result<Map<String, Value>, PackageError> {
    let interface = Interface::of(function)?;
    let schema = |key: &str, features: &[Feature]| {
        let old = old.and_then(|o| o.get(key)).and_then(Value::as_array);
        let described = |name: &str| {
            let entry =
                old.into_iter().flatten().find(|e| e.get("name").and_then(Value::as_str) == Some(name));
            entry.and_then(|e| e.get("shortDescription")).and_then(Value::as_str).unwrap_or_default()
        };
        let list: Vec<Value> = features.iter().map(|f| feature(f, described(&f.name))).collect();
        (key.to_owned(), Value::from(list))
    };
    Ok(Map::from_iter([
        schema("inputSchema", &interface.inputs),
        schema("outputSchema", &interface.outputs),
        schema("stateSchema", &interface.states),
    ]))
}

fn feature(feature: &Feature, description: &str) -> Value {
    let kind = match (&feature.ty, feature.ty.dtype()) {
        (Type::Dict(..), _) => "Dictionary",
        (Type::State(_), _) => "State",
        (_, Some(DType::String)) => "String",
        _ => "MultiArray",
    };
    let mut json = Map::new();
    let mut put = |key: &str, value: String| json.insert(key.to_owned(), value.into());
    put("name", feature.name.clone());
    put("type", kind.to_owned());
    put("isOptional", "0".to_owned());
    put("shortDescription", description.to_owned());
    let Some(dtype) = feature.ty.dtype().filter(|&d| d != DType::String) else {
        put("formattedType", kind.to_owned());
        return Value::Object(json);
    };
    let shape = feature.shape.clone().unwrap_or_default();
    let dims = if shape.is_empty() { String::new() } else { format!(" {}", times(&shape)) };
    put("dataType", type_name(dtype));
    put("formattedType", format!("{kind} ({}{dims})", type_name(dtype)));
    put("shape", format!("{shape:?}"));
    match &feature.flexibility {
        Flexibility::None => put("hasShapeFlexibility", "0".to_owned()),
        Flexibility::Enumerated(shapes) => {
            put("enumeratedShapes", format!("{shapes:?}"));
            put("shapeFlexibility", shapes.iter().map(|shape| times(shape)).collect::<Vec<_>>().join(" | "));
            put("hasShapeFlexibility", "1".to_owned())
        }
        Flexibility::Ranges(ranges) => {
            let pairs: Vec<[i64; 2]> = ranges.iter().map(|&(low, high)| [low, high]).collect();
            put("shapeRange", format!("{pairs:?}"));
            let range = |&(low, high): &(i64, i64)| {
                if low == high { low.to_string() } else { format!("{low}...{high}") }
            };
            put("shapeFlexibility", ranges.iter().map(range).collect::<Vec<_>>().join(" × "));
            put("hasShapeFlexibility", "1".to_owned())
        }
    };
    Value::Object(json)
}

fn times(shape: &[i64]) -> String {
    shape.iter().map(i64::to_string).collect::<Vec<_>>().join(" × ")
}

/// `Float16`, `UInt8` …
fn type_name(dtype: DType) -> String {
    let name = dtype.name();
    if let Some(bits) = name.strip_prefix("fp").filter(|bits| bits.bytes().all(|b| b.is_ascii_digit())) {
        return format!("Float{bits}");
    }
    match name.strip_prefix("uint") {
        Some(bits) => format!("UInt{bits}"),
        None => capitalized(name),
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

fn mixed(names: BTreeSet<String>) -> String {
    let names: Vec<String> = names.into_iter().collect();
    match &names[..] {
        [only] => only.clone(),
        names => format!("Mixed ({})", names.join(", ")),
    }
}

/// How often each operation stands in the program, constants excepted.
fn histogram(program: &Program) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for function in &program.functions {
        for op in function.ops().iter().filter(|op| op.op != Op::Const) {
            let words: String = op.name().split('_').map(capitalized).collect();
            let name = match function.opset.as_str() {
                "ios15" => words,
                opset => {
                    let (first, rest) = words.split_at(words.len().min(1));
                    format!("{}.{}{rest}", capitalized(opset), first.to_ascii_lowercase())
                }
            };
            *counts.entry(name).or_default() += 1;
        }
    }
    counts
}

/// Number types of the program's values.
fn compute(program: &Program) -> BTreeSet<String> {
    let values = program.functions.iter().flat_map(Function::values);
    let dtypes = values.filter_map(|value| value.ty.dtype());
    dtypes.filter(|d| d.is_float() || d.is_integer()).map(type_name).collect()
}

/// Forms of the weights in files.
fn storage(program: &Program) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    for op in program.functions.iter().flat_map(Function::ops) {
        let constants = constants(op).filter(|(_, c)| matches!(c.data, ConstantData::Blob { .. }));
        let dtypes = constants.map(|(_, constant)| type_name(constant.ty.dtype)).collect::<BTreeSet<_>>();
        if dtypes.is_empty() {
            continue;
        }
        let palette = constants_of(op, "lut").map(|lut| match lut.ty.shape[..] {
            [entries] => entries,
            [.., entries, _] => entries,
            [] => 1,
        });
        match palette {
            Some(entries) => {
                forms.insert(format!("Palettized ({} bits)", entries.max(1).ilog2()));
            }
            None => forms.extend(dtypes),
        }
    }
    forms
}

fn constants_of<'a>(op: &'a Operation, name: &str) -> Option<&'a Constant> {
    constants(op).find(|(n, _)| *n == name).map(|(_, constant)| constant)
}

fn constants(op: &Operation) -> impl Iterator<Item = (&str, &Constant)> {
    let arguments = op.arguments.iter().filter_map(|(name, argument)| match argument {
        Argument::Literal(literal) => Some((name, literal)),
        _ => None,
    });
    let attributes = op.attributes.iter().map(|(name, literal)| (name, literal));
    attributes.chain(arguments).filter_map(|(name, literal)| match literal {
        Literal::Tensor(constant) => Some((name.as_ref(), constant)),
        Literal::Composite { .. } => None,
    })
}
