//! Runs one operation, written as in a program, on tensors: for the tests of the kernels.

use engrad_mil::{
    Argument, DType, Function, Literal, Operands, Operation, Program, TensorType, Type, ValueId, infer, parse,
};

use super::call::{Call, Passed};
use super::kernels::kernel;
use super::tensor::Tensor;

/// A single-precision tensor.
pub(crate) fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::floats(DType::Fp32, shape.to_vec(), values.to_vec()).unwrap()
}

/// Checks an operation such as `relu(x = x)` against its type rule and runs it.
///
/// # Errors
/// What the rule or the kernel says.
pub(crate) fn run(op: &str, inputs: &[(&str, Tensor)]) -> Result<Vec<Tensor>, String> {
    let program = program(op, inputs);
    let function = &program.functions[0];
    let operation = function.ops().last().unwrap();
    let types = infer(operation.op, &Operands::of(function, operation))?;
    let computed = compute(function, operation, inputs, &types)?;
    assert_eq!(computed.len(), types.len(), "{op}");
    for (tensor, ty) in computed.iter().zip(&types) {
        let made = Type::Tensor(TensorType::new(tensor.dtype, tensor.shape.clone()));
        assert!(made.may_equal(ty), "{op}: computed {made}, inferred {ty}");
    }
    Ok(computed)
}

/// Runs an operation that its type rule may refuse: extents may turn out otherwise than the rule saw them.
///
/// # Errors
/// What the kernel says.
pub(crate) fn run_unchecked(op: &str, inputs: &[(&str, Tensor)]) -> Result<Vec<Tensor>, String> {
    let program = program(op, inputs);
    let function = &program.functions[0];
    compute(function, function.ops().last().unwrap(), inputs, &[])
}

/// A function of one operation on inputs of these types.
fn program(op: &str, inputs: &[(&str, Tensor)]) -> Program {
    let inputs: Vec<_> =
        inputs.iter().map(|(name, t)| format!("tensor<{}, {:?}> {name}", t.dtype, t.shape)).collect();
    // One result is declared for the operation to be read at all; its rule says how many there are.
    let text = format!(
        "program(1.3)\n{{\n    func main<ios18>({}) {{\n        tensor<fp32, [1]> y = {op};\n    }} -> (y);\n}}\n",
        inputs.join(", ")
    );
    parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn compute(
    function: &Function,
    operation: &Operation,
    inputs: &[(&str, Tensor)],
    types: &[Type],
) -> Result<Vec<Tensor>, String> {
    let literal = |literal: &Literal| Tensor::constant(literal.tensor().unwrap()).unwrap();
    let value = |id: &ValueId| {
        let name = &function.value(*id).name;
        inputs.iter().find(|(n, _)| n == name).unwrap().1.clone()
    };
    let arguments = operation.arguments.iter().map(|(name, argument)| {
        let tensors = match argument {
            Argument::Literal(l) => vec![literal(l)],
            other => other.values().iter().map(value).collect(),
        };
        (name.to_string(), tensors)
    });
    let attributes = operation.attributes.iter().map(|(name, l)| (name.to_string(), vec![literal(l)]));
    let given: Vec<(String, Vec<Tensor>)> = arguments.chain(attributes).collect();
    let arguments = given
        .iter()
        .map(|(name, tensors)| match &tensors[..] {
            [one] => (name.as_str(), Passed::One(one)),
            many => (name.as_str(), Passed::Many(many.iter().collect())),
        })
        .collect();
    let results: Vec<&Type> = types.iter().collect();
    let kernel = kernel(operation.op).unwrap_or_else(|| panic!("{} has no kernel", operation.op.name()));
    kernel(&Call { op: operation.op, arguments, results: &results })
}
