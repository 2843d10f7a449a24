use super::*;
use crate::{Argument, Builder, ValueId};

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
    function.values[id.index()].ty = ty;
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
    assert_eq!(codes(|f| op(f, "y").arguments.reverse()), ["E0008"]);
    assert_eq!(codes(|f| op(f, "y").arguments[0].0 = "z"), ["E0008"]);
    let run_time_axis = |f: &mut Function| {
        let x = id(f, "x");
        op(f, "s").arguments[0].1 = Argument::Value(x);
    };
    assert_eq!(codes(run_time_axis), ["E0008"]);
}

#[test]
fn e0009_e0010_types() {
    let axis_out_of_range = |f: &mut Function| op(f, "s_axis").constant = Some(Constant::int(9));
    assert_eq!(codes(axis_out_of_range), ["E0009"]);
    assert_eq!(codes(|f| set_type(f, "s", TensorType::channels(DType::Fp32, 4, 8))), ["E0010"]);
}

#[test]
fn e0011_types_out_of_bounds() {
    let huge = TensorType::new(DType::Fp16, [usize::MAX, 2]);
    for ty in [TensorType::new(DType::Fp16, [1; 6]), TensorType::new(DType::Fp16, [0]), huge] {
        assert!(codes(|f| set_type(f, "x", ty)).contains(&"E0011"));
    }
}

#[test]
fn e0012_to_e0014_payloads() {
    assert_eq!(codes(|f| op(f, "w").constant = None), ["E0012"]);
    assert_eq!(codes(|f| op(f, "s").constant = Some(Constant::int(1))), ["E0012"]);
    let retyped = |f: &mut Function| {
        op(f, "w").constant = Some(Constant::floats(DType::Fp16, [4], &[0.0; 4]).unwrap());
    };
    assert_eq!(codes(retyped), ["E0013"]);
    let data = |data: ConstantData| {
        codes(|f| {
            op(f, "w").constant = Some(Constant { ty: TensorType::new(DType::Fp16, [1, 4, 1, 1]), data })
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
            op(f, "w").constant = Some(Constant { ty: TensorType::new(DType::Fp16, [1, 4, 1, 1]), data })
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
    assert_eq!(codes(|f| f.outputs = vec![id(f, "w")]), ["E0017"]);
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
