use engrad_mil::{Severity, parse, verify};
use prost::Message;

use super::*;
use crate::proto::{self, Bound, TypeKind};

/// One of everything: see `examples/fuzz_seeds.rs` for where the same files come from.
const SEEDS: [(&str, &[u8]); 5] = [
    ("constexpr", include_bytes!("../../../../fuzz/seeds/package/constexpr")),
    ("flexible", include_bytes!("../../../../fuzz/seeds/package/flexible")),
    ("operations", include_bytes!("../../../../fuzz/seeds/package/operations")),
    ("state", include_bytes!("../../../../fuzz/seeds/package/state")),
    ("values", include_bytes!("../../../../fuzz/seeds/package/values")),
];

/// What holds for every file; whether it was read.
fn holds(bytes: &[u8]) -> bool {
    let Ok(spec) = read(bytes) else {
        return false;
    };
    let text = spec.program.to_text();
    assert_eq!(parse(&text).as_ref(), Ok(&spec.program), "{text}");
    let _ = verify::check(&spec.program);
    if let Ok(bytes) = spec.to_bytes() {
        assert_eq!(read(&bytes).unwrap().program, spec.program, "{text}");
    }
    true
}

#[test]
fn what_is_read_prints_and_goes_through_a_package_unchanged() {
    for (name, bytes) in SEEDS {
        assert!(holds(bytes), "{name}");
        let spec = read(bytes).unwrap();
        let errors: Vec<_> =
            verify::check(&spec.program).into_iter().filter(|v| v.severity() == Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused_or_read_and_never_panics() {
    for (_, bytes) in SEEDS {
        for length in 0..bytes.len() {
            holds(&bytes[..length]);
        }
    }
}

#[test]
fn a_file_with_changed_bytes_is_refused_or_read_and_never_panics() {
    // xorshift: the same changes on every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let mut read = 0;
    for round in 0..4000 {
        let mut bytes = SEEDS[round % SEEDS.len()].1.to_vec();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] ^= 1 << random(8),
                2 => drop(bytes.drain(at..bytes.len().min(at + 1 + random(8)))),
                _ => bytes.insert(at, random(256) as u8),
            }
        }
        read += usize::from(holds(&bytes));
    }
    assert!(read > 100, "changed files that are read at all: {read}");
}

fn model(function: proto::Function) -> Vec<u8> {
    let functions = [("main".to_owned(), function)].into();
    let ml_program = Some(proto::Program { version: 1, functions, ..Default::default() });
    proto::Model { specification_version: 7, ml_program, ..Default::default() }.encode_to_vec()
}

fn function(operations: Vec<proto::Operation>, outputs: &[&str]) -> proto::Function {
    let block = proto::Block {
        outputs: outputs.iter().map(|&o| o.to_owned()).collect(),
        operations,
        ..Default::default()
    };
    proto::Function {
        opset: "CoreML6".to_owned(),
        block_specializations: [("CoreML6".to_owned(), block)].into(),
        ..Default::default()
    }
}

fn named(name: &str, ty: Option<TypeKind>) -> proto::NamedValueType {
    proto::NamedValueType { name: name.to_owned(), r#type: Some(proto::ValueType { kind: ty }) }
}

fn fp16(shape: &[u64]) -> Option<TypeKind> {
    let dimensions = shape.iter().map(|&size| proto::Dimension {
        kind: Some(proto::DimensionKind::Constant(proto::ConstantDimension { size })),
    });
    Some(TypeKind::Tensor(proto::TensorType {
        data_type: proto::DataType::Float16 as i32,
        rank: shape.len() as i64,
        dimensions: dimensions.collect(),
        ..Default::default()
    }))
}

fn relu(input: &str, output: &str) -> proto::Operation {
    let binding = proto::Binding { binding: Some(Bound::Name(input.to_owned())) };
    proto::Operation {
        r#type: "relu".to_owned(),
        inputs: [("x".to_owned(), proto::Argument { arguments: vec![binding] })].into(),
        outputs: vec![named(output, fp16(&[2]))],
        ..Default::default()
    }
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn nested_blocks_are_refused_by_the_name_of_their_operation() {
    let mut operation = relu("x", "y");
    operation.r#type = "cond".to_owned();
    operation.blocks.push(proto::Block::default());
    let mut f = function(vec![operation], &["y"]);
    f.inputs.push(named("x", fp16(&[2])));
    assert_eq!(
        refusal(&model(f)),
        "function `main`, operation `cond` of `y`: nested blocks (control flow); a program has none"
    );
}

#[test]
fn names_that_are_no_identifiers_are_rewritten_and_still_found() {
    let mut f = function(vec![relu("a/b", "a_b"), relu("a_b", "a:b"), relu("a:b", "1")], &["1", "a/b"]);
    f.inputs.push(named("a/b", fp16(&[2])));
    let program = read(&model(f)).unwrap().program;
    let main = program.main().unwrap();
    let names: Vec<_> = main.values().iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["a_b_2", "a_b", "a_b_3", "_1"]);
    assert!(holds(&write(&program, &Metadata::default()).unwrap()));
}

#[test]
fn nesting_is_bounded() {
    // A list of lists of …, each a message in a message. Few levels are beyond text, many beyond the decoder.
    let nested = |depth: usize| {
        let mut ty = proto::ValueType { kind: fp16(&[]) };
        for _ in 0..depth {
            let list = proto::ListType {
                r#type: Some(Box::new(ty)),
                length: Some(proto::Dimension {
                    kind: Some(proto::DimensionKind::Unknown(proto::UnknownDimension { variadic: false })),
                }),
            };
            ty = proto::ValueType { kind: Some(TypeKind::List(Box::new(list))) };
        }
        let mut f = function(Vec::new(), &["x"]);
        f.inputs.push(proto::NamedValueType { name: "x".to_owned(), r#type: Some(ty) });
        model(f)
    };
    assert!(holds(&nested(32)));
    assert!(matches!(read(&nested(40)), Err(PackageError::Unsupported { .. })));
    assert!(matches!(read(&nested(500)), Err(PackageError::Decode(_))));
}

#[test]
fn sizes_that_no_memory_has_are_refused() {
    for shape in [&[1 << 40, 1 << 40][..], &[u64::MAX], &[0, u64::MAX], &[1; 17]] {
        let mut f = function(Vec::new(), &["x"]);
        f.inputs.push(named("x", fp16(shape)));
        assert!(matches!(read(&model(f)), Err(PackageError::Unsupported { .. })), "{shape:?}");
    }
}

#[test]
fn what_a_program_has_no_form_for_is_refused() {
    let with_input = |operations, outputs: &[&str]| {
        let mut f = function(operations, outputs);
        f.inputs.push(named("x", fp16(&[2])));
        f
    };
    let undefined = with_input(vec![relu("z", "y")], &["y"]);
    let twice = with_input(vec![relu("x", "x")], &["x"]);
    let no_output = with_input(Vec::new(), &["y"]);
    let mut no_block = with_input(Vec::new(), &["x"]);
    no_block.opset = "CoreML7".to_owned();
    let mut odd_name = relu("x", "y");
    odd_name.r#type = "re lu".to_owned();
    let mut odd_argument = relu("x", "y");
    odd_argument.inputs.insert("a b".to_owned(), proto::Argument::default());
    let mut unbound = relu("x", "y");
    unbound.inputs.insert("z".to_owned(), proto::Argument { arguments: vec![proto::Binding::default()] });
    let untyped = proto::NamedValueType { name: "x".to_owned(), r#type: None };
    let mut no_type = function(Vec::new(), &["x"]);
    no_type.inputs.push(untyped);
    let functions = [
        undefined,
        twice,
        no_output,
        no_block,
        with_input(vec![odd_name], &["x"]),
        with_input(vec![odd_argument], &["x"]),
        with_input(vec![unbound], &["x"]),
        no_type,
    ];
    for (number, function) in functions.into_iter().enumerate() {
        assert!(matches!(read(&model(function)), Err(PackageError::Unsupported { .. })), "{number}");
    }
    let older = proto::Model { neural_network: Some(Vec::new()), ..Default::default() };
    assert_eq!(
        refusal(&older.encode_to_vec()),
        "model: a neural network of the older format; an ML program is read"
    );
    assert!(matches!(read(&[0xff; 16]), Err(PackageError::Decode(_))));
}

#[test]
fn what_a_package_has_no_form_for_is_refused() {
    let body = |signature: &str, statement: &str| {
        format!(
            "program(1.3)\n{{\n    func main<{signature} {{\n            {statement}\n        }} -> (y);\n}}\n"
        )
    };
    let x = "ios18>(tensor<fp16, [2]> x)";
    for text in [
        body(x, "tensor<fp16, [2]> y = relu<ios17>(x = x);"),
        body("ios18>(tensor_buffer<fp16, [2], strides = [1]> x)", "tensor<fp16, [2]> y = relu(x = x);"),
        body("ios18>(tensor<bool, [2]> x)", "tensor<bool, [2]> y = logical_not(x = x);"),
        body("ios99>(tensor<fp16, [2]> x)", "tensor<fp16, [2]> y = relu(x = x);"),
    ] {
        let program = parse(&text).unwrap();
        let written = write(&program, &Metadata::default());
        assert!(matches!(written, Err(PackageError::Inexpressible { .. })), "{text}: {written:?}");
    }
}

#[test]
fn format_versions_are_those_that_the_program_needs() {
    let version = |text: &str| {
        let bytes = write(&parse(text).unwrap(), &Metadata::default()).unwrap();
        proto::Model::decode(&bytes[..]).unwrap().specification_version
    };
    let program = |opset: &str, dtype: &str| {
        format!(
            "program(1.0)\n{{\n    func main<{opset}>(tensor<{dtype}, [2]> x) {{\n            tensor<{dtype}, [2]> y = relu(x = x);\n        }} -> (y);\n}}\n"
        )
    };
    assert_eq!(version(&program("ios15", "fp32")), 6);
    assert_eq!(version(&program("ios15", "fp16")), 7);
    assert_eq!(version(&program("ios17", "fp16")), 8);
    assert_eq!(version(&program("ios18", "fp16")), 9);
    assert_eq!(version(&program("ios15", "int8")), 10);
}

#[test]
fn texts_and_images_of_a_description_stay() {
    let text = "program(1.0)\n{\n    func main<ios15>(tensor<fp32, [1, 3, 4, 4]> x) {\n            tensor<fp32, [1, 3, 4, 4]> y = relu(x = x);\n        } -> (y);\n}\n";
    let bytes =
        write(&parse(text).unwrap(), &Metadata { author: "someone".to_owned(), ..Metadata::default() })
            .unwrap();
    let mut model = proto::Model::decode(&bytes[..]).unwrap();
    let input = &mut model.description.as_mut().unwrap().input[0];
    input.short_description = "a picture".to_owned();
    let image = proto::FeatureKind::Image(proto::ImageFeatureType {
        width: 4,
        height: 4,
        color_space: 20,
        ..Default::default()
    });
    input.r#type.as_mut().unwrap().kind = Some(image.clone());
    let spec = read(&model.encode_to_vec()).unwrap();
    assert_eq!(spec.metadata.author, "someone");
    let again = proto::Model::decode(&spec.to_bytes().unwrap()[..]).unwrap();
    assert_eq!(again, model);
}
