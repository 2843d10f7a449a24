//! Every tensor of elements in a program, wherever it stands.

use std::collections::HashSet;

use crate::{
    Argument, ArgumentKind, ConstantData, DType, Function, Literal, MilError, Op, OpInfo, Payload, Program,
    Type, ValueId,
};

/// A tensor of elements that is being visited.
pub(super) struct Tensor<'a> {
    pub(super) dtype: DType,
    pub(super) shape: &'a [usize],
    /// Whether it is the value of something that takes tensors: weights and activations. Values that types are inferred
    /// from (axes, shapes) and metadata are not.
    pub(super) is_weight: bool,
    pub(super) data: &'a mut ConstantData,
}

type Visit<'v> = &'v mut dyn FnMut(Tensor<'_>) -> Result<(), MilError>;

pub(super) fn program(program: &mut Program, visit: Visit<'_>) -> Result<(), MilError> {
    for (_, literal) in &mut program.attributes {
        self::literal(literal, false, visit)?;
    }
    for function in &mut program.functions {
        for (_, literal) in &mut function.attributes {
            self::literal(literal, false, visit)?;
        }
        let attributes = attributes(function);
        for op in &mut function.ops {
            let weight_constant = op.op == Op::Const && !op.results.iter().any(|r| attributes.contains(r));
            let info = op.op.info();
            for (name, literal) in &mut op.attributes {
                let is_weight = if op.op == Op::Const {
                    weight_constant && name == "val"
                } else {
                    takes_tensor(info, name)
                };
                self::literal(literal, is_weight, visit)?;
            }
            for (name, argument) in &mut op.arguments {
                if let Argument::Literal(literal) = argument {
                    self::literal(literal, takes_tensor(info, name), visit)?;
                }
            }
        }
    }
    Ok(())
}

fn takes_tensor(info: &OpInfo, name: &str) -> bool {
    let kind = info.argument(name).map(|spec| spec.kind);
    matches!(kind, Some(ArgumentKind::Tensor | ArgumentKind::Tensors | ArgumentKind::Constant))
}

/// Values passed for an argument that takes no tensor, or that the op table lacks.
fn attributes(function: &Function) -> HashSet<ValueId> {
    let arguments = function.ops.iter().flat_map(|op| op.arguments.iter().map(|argument| (op.op, argument)));
    arguments
        .filter(|(op, (name, _))| !takes_tensor(op.info(), name))
        .flat_map(|(_, (_, argument))| argument.values().iter().copied())
        .collect()
}

fn literal(literal: &mut Literal, is_weight: bool, visit: Visit<'_>) -> Result<(), MilError> {
    match literal {
        Literal::Tensor(constant) => visit(Tensor {
            dtype: constant.ty.dtype,
            shape: &constant.ty.shape,
            is_weight,
            data: &mut constant.data,
        }),
        Literal::Composite { ty, value } => payload(ty, value, visit),
    }
}

/// Types are as deep as values at most, and both as deep as their reader allows.
fn payload(ty: &Type, value: &mut Payload, visit: Visit<'_>) -> Result<(), MilError> {
    match (ty, value) {
        (ty, Payload::Elements { shape, data }) => match ty.dtype() {
            Some(dtype) => visit(Tensor { dtype, shape, is_weight: false, data }),
            None => Ok(()),
        },
        (Type::List(item, _), Payload::List(items)) => {
            items.iter_mut().try_for_each(|value| payload(item, value, visit))
        }
        (Type::Tuple(types), Payload::Tuple(items)) => {
            types.iter().zip(items).try_for_each(|(ty, value)| payload(ty, value, visit))
        }
        (Type::Dict(key, item), Payload::Dict(pairs)) => pairs.iter_mut().try_for_each(|(k, value)| {
            payload(key, k, visit)?;
            payload(item, value, visit)
        }),
        // A value that is not of its type: nothing to visit.
        _ => Ok(()),
    }
}
