//! Operations from text for tests.

use engrad_mil::{Argument, DType, Literal, Operands, ValueId, infer, parse};

use super::call::{Call, Passed};
use super::kernels::kernel;
use super::run::{Executable, States};
use super::tensor::{Data, Tensor};
use crate::Numerics;

/// The first result of a call; see [`run`].
pub(super) fn call_on(inputs: &[(&str, Tensor)], call: &str) -> Result<Tensor, String> {
    Ok(run(call, inputs)?.swap_remove(0))
}

/// The results of a call such as `relu(x = x)` on these inputs, of the types that the op table infers. Passes verification,
/// the interpreter's preparation and its check of the results against the types.
pub(super) fn run(call: &str, inputs: &[(&str, Tensor)]) -> Result<Vec<Tensor>, String> {
    let parameter = |(name, tensor): &(&str, Tensor)| match &tensor.shape[..] {
        [] => format!("{} {name}", tensor.dtype),
        shape => format!("tensor<{}, {shape:?}> {name}", tensor.dtype),
    };
    let parameters: Vec<String> = inputs.iter().map(parameter).collect();
    let text = |results: &[String]| {
        let parameters = parameters.join(", ");
        let declared =
            results.iter().enumerate().map(|(i, ty)| format!("{ty} result{i}")).collect::<Vec<_>>();
        let names = (0..results.len()).map(|i| format!("result{i}")).collect::<Vec<_>>();
        let (declared, names) = (declared.join(", "), names.join(", "));
        format!("program(1.3) {{ func main<ios18>({parameters}) {{ {declared} = {call}; }} -> ({names}); }}")
    };
    let untyped = parse(&text(&["bool".to_owned()])).map_err(|e| e.to_string())?;
    let function = &untyped.functions[0];
    let op = function.ops().last().ok_or("no operation")?;
    let types: Vec<String> =
        infer(op.op, &Operands::of(function, op))?.iter().map(ToString::to_string).collect();
    let program = parse(&text(&types)).map_err(|e| e.to_string())?;
    engrad_mil::verify(&program).map_err(|e| e.to_string())?;
    let executable = Executable::new(&program.functions[0], Numerics::F32).map_err(|e| e.to_string())?;
    let given = inputs.iter().map(|(_, tensor)| Some(tensor.clone())).collect();
    let results = executable.run(given, &mut States::new()).map_err(|e| e.to_string())?;
    Ok(results.iter().map(|tensor| tensor.as_ref().clone()).collect())
}

/// Calls a kernel whatever the type rule says: extents may turn out otherwise than the rule saw them.
pub(super) fn run_unchecked(call: &str, inputs: &[(&str, Tensor)]) -> Result<Vec<Tensor>, String> {
    let parameters: Vec<_> =
        inputs.iter().map(|(name, t)| format!("tensor<{}, {:?}> {name}", t.dtype, t.shape)).collect();
    let parameters = parameters.join(", ");
    let text = format!("program(1.3) {{ func main<ios18>({parameters}) {{ bool y = {call}; }} -> (y); }}");
    let program = parse(&text).unwrap();
    let function = &program.functions[0];
    let op = function.ops().last().unwrap();
    let literal = |literal: &Literal| Tensor::constant(literal.tensor().unwrap()).unwrap();
    let value = |id: &ValueId| {
        let name = &function.value(*id).name;
        inputs.iter().find(|(n, _)| n == name).unwrap().1.clone()
    };
    let given = op.arguments.iter().map(|(name, argument)| match argument {
        Argument::Literal(l) => (name, literal(l)),
        other => (name, value(&other.values()[0])),
    });
    let given: Vec<_> = given.collect();
    let arguments = given.iter().map(|(name, tensor)| (name.as_ref(), Passed::One(tensor))).collect();
    let kernel = kernel(op.op).ok_or("there is no kernel")?;
    kernel(&Call { op: op.op, arguments, results: &[] })
}

/// A single-precision tensor.
pub(super) fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::floats(DType::Fp32, shape.to_vec(), values.to_vec()).unwrap()
}

/// An fp32 input.
pub(super) fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::floats(DType::Fp32, shape.to_vec(), values.to_vec()).unwrap()
}

/// An int32 input.
pub(super) fn ints(shape: &[usize], values: &[i32]) -> Tensor {
    Tensor::ints(DType::Int32, shape.to_vec(), values.to_vec()).unwrap()
}

/// Checks that numbers agree to six digits, NaN with NaN.
#[track_caller]
pub(super) fn assert_close(found: &Tensor, shape: &[usize], expected: &[f32]) {
    assert_eq!(found.shape, shape);
    let values = found.to_f32().unwrap();
    assert_eq!(values.len(), expected.len());
    for (i, (&a, &b)) in values.iter().zip(expected).enumerate() {
        let close = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-6 * b.abs().max(1.0);
        assert!(close, "element {i}: {a}, expected {b}");
    }
}

/// The integers of a result, and their type.
#[track_caller]
pub(super) fn assert_ints(found: &Tensor, dtype: DType, expected: &[i32]) {
    assert_eq!(found.dtype, dtype);
    assert!(!matches!(found.data, Data::Floats(_)));
    assert_eq!(found.as_ints().unwrap().as_ref(), expected);
}
