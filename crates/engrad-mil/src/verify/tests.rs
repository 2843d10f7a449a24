use super::*;
use crate::Value;
use crate::{Argument, Builder, Literal, Name, ValueId};

/// `y = x · w` with a softmax behind it: every kind of part a rule can be broken in.
fn program() -> Program {
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::channels(DType::Fp16, 4, 8));
    let w = b.constant("w", Constant::floats(DType::Fp16, [1, 4, 1, 1], &[1.0; 4]).unwrap());
    let y = b.mul("y", x, w).unwrap();
    let s = b.softmax("s", y, -1).unwrap();
    Program::new(b.finish(&[s]).unwrap())
}

/// The codes found after breaking the function, each once.
fn codes(broken: impl FnOnce(&mut Function)) -> Vec<&'static str> {
    let mut program = program();
    broken(&mut program.functions[0]);
    program_codes(&program)
}

fn program_codes(program: &Program) -> Vec<&'static str> {
    let mut codes: Vec<_> =
        verify(program).map_or_else(|v| v.0, |()| Vec::new()).iter().map(|v| v.code).collect();
    codes.dedup();
    // A refused program can still be looked at.
    program.to_text();
    codes
}

fn id(function: &Function, name: &str) -> ValueId {
    function.find(name).unwrap()
}

fn op<'a>(function: &'a mut Function, result: &str) -> &'a mut Operation {
    let result = id(function, result);
    function.ops.iter_mut().find(|op| op.results == [result]).unwrap()
}

fn set_type(function: &mut Function, name: &str, ty: TensorType) {
    let id = id(function, name);
    function.values[id.index()].ty = Type::Tensor(ty);
}

fn set_value(function: &mut Function, result: &str, constant: Constant) {
    op(function, result).set_attribute(Name::Borrowed("val"), Literal::Tensor(constant));
}

#[test]
fn a_built_program_passes() {
    assert_eq!(verify(&program()), Ok(()));
}

#[test]
fn e0001_to_e0003_program_level() {
    let mut version = program();
    version.version = (2, 0);
    assert_eq!(program_codes(&version), ["E0001"]);

    let mut empty = program();
    empty.functions.clear();
    assert_eq!(program_codes(&empty), ["E0002"]);

    let mut twins = program();
    twins.functions.push(twins.functions[0].clone());
    assert_eq!(program_codes(&twins), ["E0003"]);
}

#[test]
fn e0004_names_that_text_cannot_hold() {
    for name in ["", "1st", "a b", "x\"; }", "é"] {
        assert_eq!(codes(|f| f.name = name.to_owned()), ["E0004"]);
        assert_eq!(codes(|f| f.opset = name.to_owned()), ["E0004"]);
        assert_eq!(codes(|f| f.values[0].name = name.to_owned()), ["E0004"]);
    }
}

#[test]
fn e0005_two_values_of_one_name() {
    assert_eq!(codes(|f| f.values[0].name = "y".to_owned()), ["E0005"]);
}

#[test]
fn e0006_numbering_is_no_invariant_of_the_type() {
    assert_eq!(codes(|f| f.values[2].definition = Definition::Input(7)), ["E0006"]);
    assert_eq!(codes(|f| f.values.truncate(2)), ["E0006", "E0007"]);
    assert_eq!(codes(|f| f.inputs.push(ValueId(900))), ["E0006"]);
    assert_eq!(codes(|f| f.ops.swap(0, 1)), ["E0006", "E0007"]);
    assert!(codes(|f| op(f, "y").results.clear()).contains(&"E0006"));
    let fused = |f: &mut Function| {
        // Two results where the rule gives one.
        let last = f.ops.len() - 1;
        let again = Value { name: "again".to_owned(), ..f.values[f.values.len() - 1].clone() };
        let added = f.push_value(again, Definition::Result { op: last, result: 1 });
        f.ops[last].results.push(added);
    };
    assert_eq!(codes(fused), ["E0010"]);
}

#[test]
fn e0007_use_before_definition() {
    let late = |f: &mut Function| {
        let s = id(f, "s");
        op(f, "y").arguments[0].1 = Argument::Value(s);
    };
    assert_eq!(codes(late), ["E0007"]);
    assert_eq!(codes(|f| op(f, "y").arguments[0].1 = Argument::Tuple(vec![ValueId(77)])), ["E0007"]);
    assert_eq!(codes(|f| f.outputs.push(ValueId(77))), ["E0007"]);
}

#[test]
fn e0008_arguments() {
    assert_eq!(codes(|f| drop(op(f, "y").arguments.pop())), ["E0008"]);
    assert_eq!(codes(|f| op(f, "y").arguments.reverse()), [""; 0]);
    assert_eq!(codes(|f| op(f, "y").arguments[0].0 = "z".into()), ["E0008"]);
    let twice = |f: &mut Function| {
        let first = op(f, "y").arguments[0].clone();
        op(f, "y").arguments.push(first);
    };
    assert_eq!(codes(twice), ["E0008"]);
    let run_time_axis = |f: &mut Function| {
        let x = id(f, "x");
        op(f, "s").arguments[0].1 = Argument::Value(x);
    };
    assert_eq!(codes(run_time_axis), ["E0008"]);
}

#[test]
fn e0009_e0010_types() {
    let axis_out_of_range = |f: &mut Function| set_value(f, "s_axis", Constant::int(9));
    assert_eq!(codes(axis_out_of_range), ["E0009"]);
    assert_eq!(codes(|f| set_type(f, "s", TensorType::channels(DType::Fp32, 4, 8))), ["E0010"]);
}

#[test]
fn e0011_types_out_of_bounds() {
    let huge = TensorType::new(DType::Fp16, [usize::MAX, 2]);
    for ty in [TensorType::new(DType::Fp16, [1; 17]), huge] {
        assert!(codes(|f| set_type(f, "x", ty)).contains(&"E0011"));
    }
}

#[test]
fn e0012_to_e0014_payloads() {
    assert_eq!(codes(|f| op(f, "w").attributes.clear()), ["E0012"]);
    let retyped = |f: &mut Function| {
        set_value(f, "w", Constant::floats(DType::Fp16, [4], &[0.0; 4]).unwrap());
    };
    assert_eq!(codes(retyped), ["E0013"]);
    let data = |data: ConstantData| {
        codes(|f| {
            set_value(f, "w", Constant { ty: TensorType::new(DType::Fp16, [1, 4, 1, 1]), data });
        })
    };
    assert_eq!(data(ConstantData::Fp16(Vec::new())), ["E0014"]);
    assert_eq!(data(ConstantData::Fp32(vec![0.0; 4])), ["E0014"]);
}

#[test]
fn e0015_blob_references() {
    let blob = |path: &str, offset| {
        let data = ConstantData::Blob { path: path.to_owned(), offset };
        codes(|f| {
            set_value(f, "w", Constant { ty: TensorType::new(DType::Fp16, [1, 4, 1, 1]), data });
        })
    };
    assert_eq!(blob("@model_path/weights/w.bin", 64), [""; 0]);
    assert_eq!(blob("", 64), ["E0015"]);
    assert_eq!(blob("w", 0), ["E0015"]);
    assert_eq!(blob("w", 100), ["E0015"]);
}

#[test]
fn e0016_to_e0018_ports() {
    assert_eq!(codes(|f| f.outputs.clear()), ["E0016"]);
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::scalar(DType::String));
    assert_eq!(program_codes(&Program::new(b.finish(&[x]).unwrap())), ["E0018"]);
}

#[test]
fn every_violation_is_reported_in_one_line_each() {
    let mut program = program();
    program.version = (3, 0);
    program.functions[0].opset = "ios\n18".to_owned();
    program.functions[0].outputs.clear();
    let violations = verify(&program).unwrap_err();
    assert_eq!(violations.0.len(), 3);
    assert_eq!(
        MilError::from(violations).to_string(),
        "program is not valid MIL: E0001: version 3.0 is not known; 1.x is; \
         E0004 main: `ios\\n18` is not an identifier; E0016 main: the function has no outputs",
    );
}

fn warnings(text: &str) -> Vec<String> {
    check(&crate::parse(text).unwrap()).iter().map(Violation::to_string).collect()
}

#[test]
fn what_cannot_be_checked_is_a_warning_and_not_a_refusal() {
    let text = "program(1.3) { func main<ios15>(fp16 x) {
        fp16 w = const()[val = fp16(1)];
        fp16 y = someones_own(x = x, z = w)[name = string(\"y\")];
        fp16 q = relu(x = y, slope = w);
        fp16 r = relu<ios99>(x = q);
        fp16 g = quantum<ios17>(x = r);
    } -> (w, g); }";
    assert_eq!(
        warnings(text),
        [
            "W0001 main/y: operation `someones_own` is not in the op table",
            "W0002 main/q: relu has no argument `slope`",
            "W0001 main/g: operation `quantum` is not in the op table",
            "W0003 main/w: the output is a constant",
        ]
    );
}

#[test]
fn flexible_shapes_name_inputs_and_fit_them() {
    let text = |information: &str| {
        format!(
            "program(1.3) {{ func main<ios17>(tensor<fp16, [1, ?]> x)
            [FlexibleShapeInformation = tuple<tuple<string, dict<string, tensor<int32, [?]>>>,
            tuple<string, dict<string, list<tensor<int32, [2]>, ?>>>>({information})]
            {{ tensor<fp16, [1, ?]> y = relu(x = x); }} -> (y); }}"
        )
    };
    let good = r#"(("DefaultShapes", {{"x", [1, 4]}}), ("RangeDims", {{"x", [[1, 1], [1, -1]]}}))"#;
    assert_eq!(warnings(&text(good)), [""; 0]);
    for (bad, message) in [
        (
            r#"(("DefaultShapes", {{"z", [1, 4]}}), ("RangeDims", {}))"#,
            "E0019 main: DefaultShapes names `z`, which is no input",
        ),
        (
            r#"(("DefaultShapes", {{"x", [1]}}), ("RangeDims", {}))"#,
            "E0019 main: DefaultShapes gives 1 extents for `x`, which has 2",
        ),
        (
            r#"(("DefaultShapes", {{"x", [2, 4]}}), ("RangeDims", {}))"#,
            "E0019 main: DefaultShapes gives 2 for dimension 0 of `x`, which is 1",
        ),
        (
            r#"(("DefaultShapes", {}), ("RangeDims", {{"x", [[1, 1], [9, 3]]}}))"#,
            "E0019 main: RangeDims of `x` has the empty range 9 to 3",
        ),
    ] {
        assert_eq!(warnings(&text(bad)), [message]);
    }
}

#[test]
fn every_code_is_explained_once() {
    let mut codes: Vec<_> = RULES.iter().map(|rule| rule.code).collect();
    codes.dedup();
    assert_eq!(codes.len(), RULES.len());
    assert!(RULES.iter().all(|rule| rule.rule.ends_with('.') && !rule.advice.is_empty()));
}
