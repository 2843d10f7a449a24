//! Rules of normalisations.

use super::super::Vjp;
use super::{Rule, number, unary};
use crate::{MilError, ValueId};

type Made = Result<ValueId, MilError>;

/// For y = γ·x̂ + β with x̂ = (x − mean)·r over axes, and g = ȳ·γ:
/// x̄ = r·(g − mean(g) − x̂·mean(g·x̂)), γ̄ = Σ ȳ·x̂, β̄ = Σ ȳ.
fn standardised(v: &mut Vjp<'_, '_>, axes: &[usize], parameter: &[usize]) -> Rule {
    let epsilon = number(v, "epsilon")?;
    let axes: Vec<i32> = axes.iter().map(|&axis| axis as i32).collect();
    let x = v.argument("x")?;
    let (name, primal, cotangent) = (v.name(x), v.primal(x)?, v.cotangent);
    let mean = v.build().reduce_mean(&name, primal, &axes)?;
    let centred = v.build().sub(&name, primal, mean)?;
    let squared = v.build().square(&name, centred)?;
    let variance = v.build().reduce_mean(&name, squared, &axes)?;
    let scale = v.build().rsqrt(&name, variance, epsilon)?;
    let normal = v.build().mul(&name, centred, scale)?;
    if v.wants(x)? {
        let mut inner = cotangent;
        if v.operands().has("gamma") {
            let gamma = v.argument("gamma")?;
            let gamma = v.primal(gamma)?;
            let gamma = v.reshape(&name, gamma, parameter)?;
            inner = v.build().mul(&name, cotangent, gamma)?;
        }
        let along = v.build().mul(&name, inner, normal)?;
        let along = v.build().reduce_mean(&name, along, &axes)?;
        let along = v.build().mul(&name, normal, along)?;
        let mean = v.build().reduce_mean(&name, inner, &axes)?;
        let rest = v.build().sub(&name, inner, mean)?;
        let rest = v.build().sub(&name, rest, along)?;
        let share = v.build().mul(&name, rest, scale)?;
        v.give(x, share)?;
    }
    if v.operands().has("gamma") {
        let gamma = v.argument("gamma")?;
        if v.wants(gamma)? {
            let product = v.build().mul(&name, cotangent, normal)?;
            give_parameter(v, gamma, product, parameter)?;
        }
    }
    if v.operands().has("beta") {
        let beta = v.argument("beta")?;
        if v.wants(beta)? {
            give_parameter(v, beta, cotangent, parameter)?;
        }
    }
    Ok(())
}

/// Sums a value of x's shape over the dimensions along which the parameter, of shape `stretched`, was repeated.
fn give_parameter(v: &mut Vjp<'_, '_>, parameter: ValueId, value: ValueId, stretched: &[usize]) -> Rule {
    let name = v.name(parameter);
    let repeated: Vec<i32> = (0..stretched.len()).filter(|&i| stretched[i] == 1).map(|i| i as i32).collect();
    let summed = if repeated.is_empty() { value } else { v.build().reduce_sum(&name, value, &repeated)? };
    let shape = v.ty(parameter).shape.clone();
    let share = v.reshape(&name, summed, &shape)?;
    v.give(parameter, share)
}

/// The shape of x with ones in place of all dimensions but these.
fn only(shape: &[usize], dims: &[usize]) -> Vec<usize> {
    shape.iter().enumerate().map(|(i, &extent)| if dims.contains(&i) { extent } else { 1 }).collect()
}

pub(crate) fn layer_norm(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    let shape = v.ty(x).shape.clone();
    let axes = v.operands().axes("axes", shape.len()).map_err(|e| v.fault(e))?;
    standardised(v, &axes, &only(&shape, &axes))
}

pub(crate) fn instance_norm(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    let shape = v.ty(x).shape.clone();
    let axes: Vec<usize> = (2..shape.len()).collect();
    standardised(v, &axes, &only(&shape, &[1]))
}

/// x̄ = ȳ·γ/√(variance + ε). Mean, variance, γ and β are constants in inference; nothing is given to them.
pub(crate) fn batch_norm(v: &mut Vjp<'_, '_>) -> Rule {
    for name in ["mean", "variance", "gamma", "beta"] {
        if v.operands().has(name) {
            let parameter = v.argument(name)?;
            if v.wants(parameter)? {
                return Err(v.fault(format!("`{name}` must be a constant")));
            }
        }
    }
    let epsilon = number(v, "epsilon")?;
    unary(v, |v, x, cotangent| {
        let name = v.name(x);
        let channels = only(&v.ty(x).shape, &[1]);
        let mut scale = by_channel(v, &name, "variance", &channels)?;
        scale = v.build().rsqrt(&name, scale, epsilon)?;
        if v.operands().has("gamma") {
            let gamma = by_channel(v, &name, "gamma", &channels)?;
            scale = v.build().mul(&name, scale, gamma)?;
        }
        v.build().mul(&name, cotangent, scale)
    })
}

fn by_channel(v: &mut Vjp<'_, '_>, name: &str, parameter: &str, shape: &[usize]) -> Made {
    let id = v.argument(parameter)?;
    let value = v.primal(id)?;
    v.reshape(name, value, shape)
}

/// x̄ = r·(ȳ − y·Σ y·ȳ) for y = x·r.
pub(crate) fn l2_norm(v: &mut Vjp<'_, '_>) -> Rule {
    let epsilon = number(v, "epsilon")?;
    unary(v, |v, x, cotangent| {
        let (name, primal, y) = (v.name(x), v.primal(x)?, v.primal_result()?);
        let axes = [-3, -2, -1];
        let squared = v.build().square(&name, primal)?;
        let total = v.build().reduce_sum(&name, squared, &axes)?;
        let scale = v.build().rsqrt(&name, total, epsilon)?;
        let along = v.build().mul(&name, y, cotangent)?;
        let along = v.build().reduce_sum(&name, along, &axes)?;
        let along = v.build().mul(&name, y, along)?;
        let rest = v.build().sub(&name, cotangent, along)?;
        v.build().mul(&name, rest, scale)
    })
}
