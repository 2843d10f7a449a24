//! Runs one operation, written as in a program, on tensors: for the tests of the kernels.

use engrad_mil::{Argument, DType, Op, Program, Type, infer, parse};

use super::call::{Call, Passed};
use super::kernels::kernel;
use super::tensor::Tensor;

/// A single-precision tensor.
pub(crate) fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::floats(DType::Fp32, shape.to_vec(), values.to_vec()).unwrap()
}

/// A function of one operation on inputs of these types, or what is wrong with it.
fn program(op: &str, inputs: &[(&str, Tensor)], result: &str) -> Program {
    let inputs: Vec<_> =
        inputs.iter().map(|(name, t)| format!("tensor<{}, {:?}> {name}", t.dtype, t.shape)).collect();
    let text = format!(
        "program(1.3)\n{{\n    func main<ios18>({}) {{\n        {result} = {op};\n    }} -> (r0);\n}}\n",
        inputs.join(", ")
    );
    parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Checks an operation such as `relu(x = x)` against its type rule and runs it.
///
/// # Errors
/// What the rule or the kernel says.
pub(crate) fn run(op: &str, inputs: &[(&str, Tensor)]) -> Result<Vec<Tensor>, String> {
    // One result is declared first, for the operation to be read at all; its rule then says how many there are.
    let program = program(op, inputs, "tensor<fp32, [1]> r0");
    let function = &program.functions[0];
    let operation = function.ops().last().unwrap();
    let operands = engrad_mil::Operands::of(function, operation);
    let types = infer(operation.op, &operands)?;
    let results: Vec<&Type> = types.iter().collect();
    let literal = |literal: &engrad_mil::Literal| Tensor::constant(literal.tensor().unwrap()).unwrap();
    let given: Vec<(String, Vec<Tensor>)> = operation
        .arguments
        .iter()
        .map(|(name, argument)| {
            let value = |id: &engrad_mil::ValueId| {
                let name = &function.value(*id).name;
                inputs.iter().find(|(n, _)| n == name).unwrap().1.clone()
            };
            let tensors = match argument {
                Argument::Literal(l) => vec![literal(l)],
                other => other.values().iter().map(value).collect(),
            };
            (name.to_string(), tensors)
        })
        .chain(operation.attributes.iter().map(|(name, l)| (name.to_string(), vec![literal(l)])))
        .collect();
    let arguments = given
        .iter()
        .map(|(name, tensors)| match &tensors[..] {
            [one] => (name.as_str(), Passed::One(one)),
            many => (name.as_str(), Passed::Many(many.iter().collect())),
        })
        .collect();
    let call = Call { op: operation.op, arguments, results: &results };
    let computed = kernel_of(operation.op)(&call)?;
    assert_eq!(computed.len(), types.len(), "{op}");
    for (tensor, ty) in computed.iter().zip(&types) {
        let made = Type::Tensor(engrad_mil::TensorType::new(tensor.dtype, tensor.shape.clone()));
        assert!(made.may_equal(ty), "{op}: computed {made}, inferred {ty}");
    }
    Ok(computed)
}

fn kernel_of(op: Op) -> super::call::Kernel {
    kernel(op).unwrap_or_else(|| panic!("{} has no kernel", op.name()))
}
