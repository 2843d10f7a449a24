//! The vector-Jacobian rule of each differentiable operation.
//!
//! A rule receives the result's cotangent ȳ and gives each wanted operand its share. Rules use the forward result
//! where that is cheaper than the operand (exp, sigmoid, softmax …).

pub(crate) mod activation;
pub(crate) mod elementwise;
pub(crate) mod linear;
pub(crate) mod normalization;
pub(crate) mod reduction;

use super::{Contraction, Vjp};
use crate::{MilError, ValueId};

type Rule = Result<(), MilError>;

/// ȳ to both operands.
pub(crate) fn add(v: &mut Vjp<'_, '_>) -> Rule {
    for operand in [v.argument("x")?, v.argument("y")?] {
        if v.wants(operand)? {
            v.give(operand, v.cotangent)?;
        }
    }
    Ok(())
}

/// ȳ and −ȳ.
pub(crate) fn sub(v: &mut Vjp<'_, '_>) -> Rule {
    let (x, y) = (v.argument("x")?, v.argument("y")?);
    if v.wants(x)? {
        v.give(x, v.cotangent)?;
    }
    if v.wants(y)? {
        let negated = scaled(v, y, v.cotangent, -1.0)?;
        v.give(y, negated)?;
    }
    Ok(())
}

/// ȳ·other; a weight operand's gradient is left to the host.
pub(crate) fn mul(v: &mut Vjp<'_, '_>) -> Rule {
    let (x, y) = (v.argument("x")?, v.argument("y")?);
    for (this, other) in [(x, y), (y, x)] {
        if v.is_weight(this) {
            let product = v.result_ty().shape.clone();
            let weight = v.ty(this).shape.clone();
            if v.ty(other).shape != product || weight.len() != product.len() {
                return Err(v.fault("a weight must be broadcast to the other operand, with equal ranks"));
            }
            v.weight_gradient(this, other, Contraction::Elementwise { product, weight })?;
        } else if v.wants(this)? {
            let factor = v.primal(other)?;
            let name = v.name(this);
            let cotangent = v.cotangent;
            let share = v.build().mul(&name, cotangent, factor)?;
            v.give(this, share)?;
        }
    }
    Ok(())
}

/// x̄ = ȳ/d, d̄ = −ȳ·y/d for y = x/d.
pub(crate) fn real_div(v: &mut Vjp<'_, '_>) -> Rule {
    let (x, divisor) = (v.argument("x")?, v.argument("y")?);
    let d = v.primal(divisor)?;
    let (name, cotangent) = (v.name(x), v.cotangent);
    let quotient = v.build().real_div(&name, cotangent, d)?;
    if v.wants(x)? {
        v.give(x, quotient)?;
    }
    if v.wants(divisor)? {
        let y = v.primal_result()?;
        let name = v.name(divisor);
        let product = v.build().mul(&name, quotient, y)?;
        let negated = scaled(v, divisor, product, -1.0)?;
        v.give(divisor, negated)?;
    }
    Ok(())
}

/// x̄ = ȳ·y.
pub(crate) fn exp(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let y = v.primal_result()?;
        let name = v.name(x);
        v.build().mul(&name, cotangent, y)
    })
}

/// x̄ = ȳ/(x + ε).
pub(crate) fn log(v: &mut Vjp<'_, '_>) -> Rule {
    let epsilon = epsilon(v)?;
    unary(v, |v, x, cotangent| {
        let primal = v.primal(x)?;
        let name = v.name(x);
        let reciprocal = v.build().inverse(&name, primal, epsilon)?;
        v.build().mul(&name, cotangent, reciprocal)
    })
}

/// x̄ = ȳ/(2y).
pub(crate) fn sqrt(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let y = v.primal_result()?;
        let half = scaled(v, x, cotangent, 0.5)?;
        let name = v.name(x);
        v.build().real_div(&name, half, y)
    })
}

/// x̄ = −ȳ·y³/2.
pub(crate) fn rsqrt(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let y = v.primal_result()?;
        let name = v.name(x);
        // ȳ·y first: y³ alone leaves fp16's range long before the product does.
        let once = v.build().mul(&name, cotangent, y)?;
        let squared = v.build().square(&name, y)?;
        let thrice = v.build().mul(&name, once, squared)?;
        scaled(v, x, thrice, -0.5)
    })
}

/// x̄ = −ȳ·y².
pub(crate) fn inverse(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let y = v.primal_result()?;
        let name = v.name(x);
        let once = v.build().mul(&name, cotangent, y)?;
        let twice = v.build().mul(&name, once, y)?;
        scaled(v, x, twice, -1.0)
    })
}

/// x̄ = 2·ȳ·x.
pub(crate) fn square(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let primal = v.primal(x)?;
        let name = v.name(x);
        let product = v.build().mul(&name, cotangent, primal)?;
        scaled(v, x, product, 2.0)
    })
}

/// x̄ = ȳ·y·(1 − y).
pub(crate) fn sigmoid(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let y = v.primal_result()?;
        let rest = one_minus(v, x, y)?;
        let name = v.name(x);
        let slope = v.build().mul(&name, y, rest)?;
        v.build().mul(&name, cotangent, slope)
    })
}

/// x̄ = ȳ·s·(1 + x·(1 − s)) with s = sigmoid(x).
pub(crate) fn silu(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let primal = v.primal(x)?;
        let name = v.name(x);
        let s = v.build().sigmoid(&format!("{name}_sigmoid"), primal)?;
        let rest = one_minus(v, x, s)?;
        let ramp = v.build().mul(&name, primal, rest)?;
        let dtype = v.ty(x).dtype;
        let one = v.build().scalar(&format!("{name}_one"), dtype, 1.0)?;
        let bracket = v.build().add(&name, ramp, one)?;
        let slope = v.build().mul(&name, s, bracket)?;
        v.build().mul(&name, cotangent, slope)
    })
}

/// x̄ = ȳ·(1 − y²).
pub(crate) fn tanh(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let y = v.primal_result()?;
        let name = v.name(x);
        let squared = v.build().square(&name, y)?;
        let slope = one_minus(v, x, squared)?;
        v.build().mul(&name, cotangent, slope)
    })
}

/// x̄ = ȳ.
pub(crate) fn identity(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |_, _, cotangent| Ok(cotangent))
}

/// x̄ = ȳ in x's type.
pub(crate) fn cast(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let (name, dtype) = (v.name(x), v.ty(x).dtype);
        v.build().cast(&name, cotangent, dtype)
    })
}

/// x̄ = (ȳ − Σ ȳ·y)·y along the axis.
pub(crate) fn softmax(v: &mut Vjp<'_, '_>) -> Rule {
    let axis = v.operands().int("axis").map_err(|e| v.fault(e))?;
    unary(v, |v, x, cotangent| {
        let y = v.primal_result()?;
        let name = v.name(x);
        let weighted = v.build().mul(&name, cotangent, y)?;
        let sum = v.build().reduce_sum(&name, weighted, &[axis])?;
        let centred = v.build().sub(&name, cotangent, sum)?;
        v.build().mul(&name, centred, y)
    })
}

/// x̄ = ȳ stretched back over the axes.
pub(crate) fn reduce_sum(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| stretched(v, x, cotangent, 1.0))
}

/// x̄ = ȳ/n stretched back over the axes of n elements.
pub(crate) fn reduce_mean(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let count = v.ty(x).elements() / v.result_ty().elements().max(1);
        stretched(v, x, cotangent, 1.0 / count as f32)
    })
}

/// For C = A·B: Ā = C̄·Bᵀ, B̄ = Aᵀ·C̄, with the transposes the forward product asked for.
///
/// A weight may be the left operand, with the other one not transposed: features are rows, positions columns.
pub(crate) fn matmul(v: &mut Vjp<'_, '_>) -> Rule {
    let (x, y) = (v.argument("x")?, v.argument("y")?);
    let flag = |v: &Vjp<'_, '_>, name| v.operands().bool(name).map_err(|e| v.fault(e));
    let (tx, ty) = (flag(v, "transpose_x")?, flag(v, "transpose_y")?);
    // A vector is one row, or one column of y; the cotangent gets the dimension that its product lacks.
    let (row, column) = (v.ty(x).rank() == 1, v.ty(y).rank() == 1);
    let mut cotangent = v.cotangent;
    if row || column {
        if v.is_weight(x) {
            return Err(v.fault("a weight's product needs two matrices"));
        }
        let mut shape = v.result_ty().shape.clone();
        if column {
            shape.push(1);
        }
        if row {
            shape.insert(shape.len() - 1, 1);
        }
        let name = v.name(x);
        cotangent = v.reshape(&name, cotangent, &shape)?;
    }
    if v.is_weight(x) {
        let shape = &v.result_ty().shape;
        let leading: usize = shape[..shape.len() - 2].iter().product();
        if ty || leading != 1 {
            return Err(v.fault("a weight's other operand must be one features × positions matrix"));
        }
        let contraction = if tx { Contraction::InputByOutput } else { Contraction::OutputByInput };
        v.weight_gradient(x, y, contraction)?;
    } else if v.wants(x)? {
        let (name, other) = (v.name(x), as_matrix(v, y, false)?);
        let share = if tx {
            v.build().matmul(&name, (other, ty), (cotangent, true))?
        } else {
            v.build().matmul(&name, (cotangent, false), (other, !ty))?
        };
        v.give(x, share)?;
    }
    if v.wants(y)? {
        let (name, other) = (v.name(y), as_matrix(v, x, true)?);
        let mut share = if ty {
            v.build().matmul(&name, (cotangent, true), (other, tx))?
        } else {
            v.build().matmul(&name, (other, !tx), (cotangent, false))?
        };
        if column {
            let mut shape = v.build().ty(share).shape.clone();
            shape.pop();
            share = v.reshape(&name, share, &shape)?;
        }
        v.give(y, share)?;
    }
    Ok(())
}

/// A forward operand of a product; a vector as one row, or one column.
fn as_matrix(v: &mut Vjp<'_, '_>, id: ValueId, row: bool) -> Result<ValueId, MilError> {
    let primal = v.primal(id)?;
    match v.ty(id).shape[..] {
        [extent] => {
            let name = v.name(id);
            v.reshape(&name, primal, &if row { [1, extent] } else { [extent, 1] })
        }
        _ => Ok(primal),
    }
}

/// x̄ = ȳ in x's shape: reshape, expand_dims, squeeze.
pub(crate) fn reshape_like(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let (name, shape) = (v.name(x), v.ty(x).shape.clone());
        v.reshape(&name, cotangent, &shape)
    })
}

/// x̄ = ȳ with the inverse permutation.
pub(crate) fn transpose(v: &mut Vjp<'_, '_>) -> Rule {
    let perm = v.operands().ints("perm").map_err(|e| v.fault(e))?.to_vec();
    unary(v, |v, x, cotangent| {
        let rank = perm.len() as i32;
        let mut inverse = vec![0i32; perm.len()];
        for (to, &from) in perm.iter().enumerate() {
            inverse[(if from < 0 { from + rank } else { from }) as usize] = to as i32;
        }
        let name = v.name(x);
        v.build().transpose(&name, cotangent, &inverse)
    })
}

/// ȳ placed where it was cut from.
pub(crate) fn slice_by_size(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    if !v.wants(x)? {
        return Ok(());
    }
    let begin = v.operands().ints("begin").map_err(|e| v.fault(e))?;
    let (from, to) = (v.ty(x).shape.clone(), v.result_ty().shape.clone());
    // The type rule holds these within x.
    let absolute =
        |(&b, &extent): (&i32, &usize)| if b < 0 { i64::from(b) + extent as i64 } else { i64::from(b) };
    let begin: Vec<usize> = begin.iter().zip(&from).map(|pair| absolute(pair).max(0) as usize).collect();
    let cut: Vec<usize> = (0..from.len()).filter(|&i| from[i] != to[i]).collect();
    let mut share = v.cotangent;
    match cut.split_last() {
        None => v.give(x, share)?,
        // All cut axes but one are padded at once; the last waits for slices that may fill its gaps.
        Some((&last, others)) => {
            for &axis in others {
                share = v.pad(x, share, axis, begin[axis], from[axis])?;
            }
            v.give_slice(x, last, begin[last], share);
        }
    }
    Ok(())
}

/// To each part, its block of ȳ.
pub(crate) fn concat(v: &mut Vjp<'_, '_>) -> Rule {
    let rank = v.result_ty().rank();
    let axis = v.operands().axis("axis", rank).map_err(|e| v.fault(e))?;
    if v.operands().bool("interleave").map_err(|e| v.fault(e))? {
        return Err(v.fault("an interleaved one has no derivative rule"));
    }
    let mut begin = 0;
    for part in v.tuple("values") {
        // A scalar is one element of the result.
        let shape = v.ty(part).shape.clone();
        let extent = shape.get(axis).copied().unwrap_or(1);
        if v.wants(part)? {
            let (name, cotangent) = (v.name(part), v.cotangent);
            let mut share = v.build().slice_axis(&name, cotangent, axis, begin, extent)?;
            if shape.is_empty() {
                share = v.reshape(&name, share, &shape)?;
            }
            v.give(part, share)?;
        }
        begin += extent;
    }
    Ok(())
}

/// Applies a rule of one tensor operand `x`, if its cotangent is wanted.
pub(super) fn unary<'p, 'f>(
    v: &mut Vjp<'p, 'f>,
    rule: impl FnOnce(&mut Vjp<'p, 'f>, ValueId, ValueId) -> Result<ValueId, MilError>,
) -> Rule {
    let x = v.argument("x")?;
    if v.wants(x)? {
        let share = rule(v, x, v.cotangent)?;
        v.give(x, share)?;
    }
    Ok(())
}

fn epsilon(v: &Vjp<'_, '_>) -> Result<f32, MilError> {
    number(v, "epsilon")
}

/// `value · factor`, on the way to the cotangent of `toward`.
fn scaled(v: &mut Vjp<'_, '_>, toward: ValueId, value: ValueId, factor: f32) -> Result<ValueId, MilError> {
    let (name, dtype) = (v.name(toward), v.ty(toward).dtype);
    let factor = v.build().scalar(&format!("{name}_factor"), dtype, factor)?;
    v.build().mul(&name, value, factor)
}

/// `1 − value`.
fn one_minus(v: &mut Vjp<'_, '_>, toward: ValueId, value: ValueId) -> Result<ValueId, MilError> {
    let (name, dtype) = (v.name(toward), v.ty(toward).dtype);
    let one = v.build().scalar(&format!("{name}_one"), dtype, 1.0)?;
    v.build().sub(&name, one, value)
}

/// `value + term`.
fn plus(v: &mut Vjp<'_, '_>, toward: ValueId, value: ValueId, term: f32) -> Result<ValueId, MilError> {
    let (name, dtype) = (v.name(toward), v.ty(toward).dtype);
    let term = v.build().scalar(&format!("{name}_term"), dtype, term)?;
    v.build().add(&name, value, term)
}

/// A floating-point argument that is one number.
fn number(v: &Vjp<'_, '_>, name: &str) -> Result<f32, MilError> {
    v.operands().float(name).map(|number| number as f32).map_err(|e| v.fault(e))
}

/// x̄ = ȳ·slope, where the rule gives the slope at x.
fn sloped<'p, 'f>(
    v: &mut Vjp<'p, 'f>,
    slope: impl FnOnce(&mut Vjp<'p, 'f>, &str, ValueId) -> Result<ValueId, MilError>,
) -> Rule {
    unary(v, |v, x, cotangent| {
        let (name, primal) = (v.name(x), v.primal(x)?);
        let slope = slope(v, &name, primal)?;
        v.build().mul(&name, cotangent, slope)
    })
}

/// A reduction's cotangent, times `factor`, at the operand's full shape. Stretching is a product with a constant of
/// that shape: broadcasting is the only way MIL repeats values that every engine accepts.
fn stretched(v: &mut Vjp<'_, '_>, x: ValueId, cotangent: ValueId, factor: f32) -> Result<ValueId, MilError> {
    let ty = v.ty(x).clone();
    let axes = v.operands().axes("axes", ty.rank()).map_err(|e| v.fault(e))?;
    let kept: Vec<usize> = ty
        .shape
        .iter()
        .enumerate()
        .map(|(i, &d)| if axes.binary_search(&i).is_ok() { 1 } else { d })
        .collect();
    let name = v.name(x);
    let kept = v.build().reshape(&name, cotangent, &kept)?;
    let filled = crate::Constant::floats(ty.dtype, ty.shape.clone(), &vec![factor; ty.elements()])?;
    let filled = v.build().constant(&format!("{name}_stretch"), filled);
    v.build().mul(&name, kept, filled)
}
