//! The oracle: MIL arithmetic in f64, one operation after the other, written to be obviously right.
//!
//! It answers what a program means. The virtual engine is tested against it, gradient checks difference it, and
//! the engine's compiler uses it to fold constants. It is slow, keeps every value, and rounds nothing.

mod axes;
mod functions;
mod normalization;

use std::collections::HashMap;

use engrad_engine::EngineError;
use engrad_mil::{Argument, Function, Op, Operands, Operation, ValueId};
use half::f16;

use crate::Numerics;

/// Runs a function on named inputs, row-major without padding, and returns its outputs by name. Constants enter at
/// their stored precision; nothing is rounded.
///
/// # Errors
/// [`EngineError::Evaluate`] naming an input that is missing or of the wrong length, a constant that is not held
/// inline, or an operation whose arguments break its rule.
pub fn evaluate(
    function: &Function,
    inputs: &HashMap<String, Vec<f64>>,
) -> Result<HashMap<String, Vec<f64>>, EngineError> {
    evaluate_with(function, inputs, Numerics::F32)
}

/// As [`evaluate`]; under [`Numerics::Fast`] the result of each operation of type fp16 is rounded to fp16.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_with(
    function: &Function,
    inputs: &HashMap<String, Vec<f64>>,
    numerics: Numerics,
) -> Result<HashMap<String, Vec<f64>>, EngineError> {
    let mut values: HashMap<ValueId, Vec<f64>> = HashMap::new();
    for &id in function.inputs() {
        let value = function.value(id);
        let data = inputs
            .get(&value.name)
            .ok_or_else(|| EngineError::Evaluate(format!("input `{}` is missing", value.name)))?;
        if data.len() != function.ty(id).elements() {
            return Err(EngineError::Evaluate(format!(
                "input `{}` has {} elements, {} needs {}",
                value.name,
                data.len(),
                value.ty,
                function.ty(id).elements()
            )));
        }
        values.insert(id, data.clone());
    }
    for op in function.ops() {
        let [result] = op.results[..] else { continue };
        let name = &function.value(result).name;
        let fault = |reason| EngineError::Evaluate(format!("`{name}` = {}: {reason}", op.op.name()));
        if let Some(constant) = op.constant() {
            // Text and blob constants have no numbers; only an operation that needs them as a tensor fails.
            if let Some(numbers) = constant.to_f64() {
                values.insert(result, numbers);
            }
            continue;
        }
        let operands = tensor_operands(op)
            .map(|id| values.get(&id).map(Vec::as_slice).ok_or_else(|| no_numbers(function, id)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(fault)?;
        let mut data = apply(function, op, &operands).map_err(fault)?;
        if numerics == Numerics::Fast && function.ty(result).dtype == engrad_mil::DType::Fp16 {
            data.iter_mut().for_each(|v| *v = f16::from_f64(*v).to_f64());
        }
        values.insert(result, data);
    }
    let outputs = function.outputs().iter().map(|id| {
        let data = values.get(id).cloned().ok_or_else(|| EngineError::Evaluate(no_numbers(function, *id)))?;
        Ok((function.value(*id).name.clone(), data))
    });
    outputs.collect()
}

fn no_numbers(function: &Function, id: ValueId) -> String {
    format!("value `{}` has no numbers at hand", function.value(id).name)
}

/// The operands of an operation that are tensors, in the order [`apply`] takes them: `x` before `y`, others behind.
pub(crate) fn tensor_operands(op: &Operation) -> impl Iterator<Item = ValueId> + '_ {
    let tensors = |name: &'static str| op.argument(name).map(Argument::values).unwrap_or_default();
    const NAMES: [&str; 12] =
        ["x", "y", "values", "cond", "a", "b", "weight", "bias", "mean", "variance", "gamma", "beta"];
    NAMES.into_iter().flat_map(tensors).copied()
}

/// One operation on row-major operands, in the order of [`tensor_operands`].
pub(crate) fn apply(function: &Function, op: &Operation, inputs: &[&[f64]]) -> Result<Vec<f64>, String> {
    let operands = Operands::of(function, op);
    let result = op.results.first().ok_or("has no result")?;
    let out = &function.ty(*result).shape[..];
    let shapes: Vec<&[usize]> = tensor_operands(op).map(|id| &function.ty(id).shape[..]).collect();
    let x = *inputs.first().ok_or("has no operand")?;
    let binary = |f: &dyn Fn(f64, f64) -> f64| {
        let y = inputs.get(1).ok_or("has one operand only")?;
        Ok(indices(out)
            .map(|index| f(x[broadcast(&index, shapes[0])], y[broadcast(&index, shapes[1])]))
            .collect())
    };
    let named = |name: &str| {
        let id = op.value(name)?;
        let position = tensor_operands(op).position(|other| other == id)?;
        Some((*inputs.get(position)?, shapes[position]))
    };
    if let Some(function) = functions::unary(op.op, &operands)? {
        return Ok(x.iter().map(|&v| function(v)).collect());
    }
    if let Some(function) = functions::binary(op.op) {
        return binary(&function);
    }
    match op.op {
        Op::Identity | Op::Cast | Op::Reshape | Op::ExpandDims | Op::Squeeze | Op::Flatten2d => {
            Ok(x.to_vec())
        }
        Op::Softmax => Ok(axes::softmax(x, shapes[0], operands.axis("axis", shapes[0].len())?)),
        Op::ReduceSum
        | Op::ReduceMean
        | Op::ReduceMax
        | Op::ReduceL1Norm
        | Op::ReduceL2Norm
        | Op::ReduceSumSquare
        | Op::ReduceLogSum
        | Op::ReduceLogSumExp => {
            Ok(axes::reduce(op.op, x, shapes[0], &operands.axes("axes", shapes[0].len())?))
        }
        Op::Cumsum => {
            let order = (operands.bool("exclusive")?, operands.bool("reverse")?);
            Ok(axes::cumsum(x, shapes[0], operands.axis("axis", shapes[0].len())?, order))
        }
        Op::Select => {
            let parts = [named("cond"), named("a"), named("b")];
            let [Some(cond), Some(a), Some(b)] = parts else {
                return Err("has no three operands".to_owned());
            };
            let at = |index: &[usize], (data, shape): (&[f64], &[usize])| data[broadcast(index, shape)];
            Ok(indices(out).map(|i| at(&i, if at(&i, cond) != 0.0 { a } else { b })).collect())
        }
        Op::Linear => {
            let (weight, shape) = named("weight").ok_or("has no weight")?;
            let rows = [x.len() / shape[1].max(1), shape[1]];
            let mut y = matmul((x, &rows, false), (weight, shape, true), &[rows[0], shape[0]]);
            if let Some((bias, _)) = named("bias") {
                y.iter_mut().enumerate().for_each(|(i, v)| *v += bias[i % bias.len()]);
            }
            Ok(y)
        }
        Op::BatchNorm | Op::InstanceNorm | Op::LayerNorm | Op::L2Norm => {
            normalization::normalised(op.op, &operands, (x, shapes[0]), named)
        }
        Op::Matmul => {
            let transposed = (operands.bool("transpose_x")?, operands.bool("transpose_y")?);
            let y = inputs.get(1).ok_or("has one operand only")?;
            // A vector is one row, or one column of y; the result lacks that dimension.
            let row = [1, *shapes[0].last().ok_or("x is a scalar")?];
            let column = [*shapes[1].last().ok_or("y is a scalar")?, 1];
            let left = if shapes[0].len() == 1 { &row } else { shapes[0] };
            let right = if shapes[1].len() == 1 { &column } else { shapes[1] };
            let mut full = out.to_vec();
            if shapes[1].len() == 1 {
                full.push(1);
            }
            if shapes[0].len() == 1 {
                full.insert(full.len() - 1, 1);
            }
            Ok(matmul((x, left, transposed.0), (y, right, transposed.1), &full))
        }
        Op::Transpose => {
            let rank = shapes[0].len();
            let perm: Vec<usize> = operands.ints("perm")?.iter().map(|&p| wrap(p, rank)).collect();
            Ok(indices(out)
                .map(|index| {
                    let mut from = vec![0; rank];
                    perm.iter().zip(&index).for_each(|(&p, &i)| from[p] = i);
                    x[flat(&from, shapes[0])]
                })
                .collect())
        }
        Op::SliceBySize => {
            let begin = operands.ints("begin")?;
            let begin: Vec<usize> = begin
                .iter()
                .zip(shapes[0])
                .map(
                    |(&b, &extent)| {
                        if b < 0 { extent.saturating_sub(b.unsigned_abs() as usize) } else { b as usize }
                    },
                )
                .collect();
            let shifted = |index: Vec<usize>| {
                let from: Vec<usize> = index.iter().zip(&begin).map(|(i, b)| i + b).collect();
                x[flat(&from, shapes[0])]
            };
            Ok(indices(out).map(shifted).collect())
        }
        Op::Concat => {
            if shapes[0].is_empty() {
                return Ok(inputs.iter().map(|part| part[0]).collect());
            }
            let axis = operands.axis("axis", out.len())?;
            let interleave = operands.bool("interleave")?;
            let pick = |mut index: Vec<usize>| {
                let mut part = 0;
                if interleave {
                    part = index[axis] % shapes.len();
                    index[axis] /= shapes.len();
                }
                while part + 1 < shapes.len() && index[axis] >= shapes[part][axis] {
                    index[axis] -= shapes[part][axis];
                    part += 1;
                }
                inputs[part][flat(&index, shapes[part])]
            };
            Ok(indices(out).map(pick).collect())
        }
        Op::Stack => {
            let axis = operands.axis("axis", out.len())?;
            let pick = |mut index: Vec<usize>| {
                let part = index.remove(axis);
                inputs[part][flat(&index, shapes[part])]
            };
            Ok(indices(out).map(pick).collect())
        }
        Op::Reverse => {
            let axes = operands.axes("axes", out.len())?;
            let pick = |mut index: Vec<usize>| {
                axes.iter().for_each(|&axis| index[axis] = out[axis] - 1 - index[axis]);
                x[flat(&index, shapes[0])]
            };
            Ok(indices(out).map(pick).collect())
        }
        Op::Pad if operands.string("mode")? == "constant" => {
            let margins = operands.ints("pad")?;
            let first = out.len() - margins.len() / 2;
            let value = operands.constant("constant_val").and_then(|c| c.to_f64()?.first().copied());
            let pick = |index: Vec<usize>| {
                let inside = |(axis, &i): (usize, &usize)| {
                    let before = if axis < first { 0 } else { margins[2 * (axis - first)] as usize };
                    i.checked_sub(before).filter(|&i| i < shapes[0][axis])
                };
                let from = index.iter().enumerate().map(inside).collect::<Option<Vec<_>>>();
                from.map_or(value.unwrap_or(0.0), |from| x[flat(&from, shapes[0])])
            };
            Ok(indices(out).map(pick).collect())
        }
        _ => Err("is not arithmetic that the oracle knows".to_owned()),
    }
}

fn wrap(axis: i32, rank: usize) -> usize {
    if axis < 0 { rank.saturating_sub(axis.unsigned_abs() as usize) } else { axis as usize }
}

/// Every index of a shape, in row-major order.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..shape.iter().product()).map(|position| unravel(position, shape))
}

fn unravel(mut position: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &extent) in shape.iter().enumerate().rev() {
        index[i] = position % extent;
        position /= extent;
    }
    index
}

fn flat(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |position, (i, extent)| position * extent + i)
}

/// Position of `index` in an operand that is stretched to the index's shape.
fn broadcast(index: &[usize], shape: &[usize]) -> usize {
    let tail = &index[index.len() - shape.len()..];
    tail.iter().zip(shape).fold(0, |p, (&i, &extent)| p * extent + if extent == 1 { 0 } else { i })
}

type Factor<'a> = (&'a [f64], &'a [usize], bool);

fn matmul(
    (x, x_shape, x_transposed): Factor<'_>,
    (y, y_shape, y_transposed): Factor<'_>,
    out: &[usize],
) -> Vec<f64> {
    let batch = &out[..out.len() - 2];
    let (m, n) = (out[out.len() - 2], out[out.len() - 1]);
    let (x_matrix, y_matrix) = (&x_shape[x_shape.len() - 2..], &y_shape[y_shape.len() - 2..]);
    let k = if x_transposed { x_matrix[0] } else { x_matrix[1] };
    let (x_row, x_step) = if x_transposed { (1, x_matrix[1]) } else { (x_matrix[1], 1) };
    let (y_column, y_step) = if y_transposed { (y_matrix[1], 1) } else { (1, y_matrix[1]) };
    let mut result = Vec::with_capacity(out.iter().product());
    for index in indices(batch) {
        let x = &x[broadcast(&index, &x_shape[..x_shape.len() - 2]) * x_matrix[0] * x_matrix[1]..];
        let y = &y[broadcast(&index, &y_shape[..y_shape.len() - 2]) * y_matrix[0] * y_matrix[1]..];
        for i in 0..m {
            for j in 0..n {
                let products = (0..k).map(|l| x[i * x_row + l * x_step] * y[j * y_column + l * y_step]);
                result.push(products.sum());
            }
        }
    }
    result
}
