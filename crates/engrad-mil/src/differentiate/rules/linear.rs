//! Rules of products beside `matmul`.

use super::super::Vjp;
use super::Rule;

/// For y = x·Wᵀ + b: x̄ = ȳ·W, W̄ = ȳᵀ·x over all positions, b̄ = Σ ȳ.
///
/// A trainable weight enters as the left operand of `matmul` instead, where features are rows.
pub(crate) fn linear(v: &mut Vjp<'_, '_>) -> Rule {
    let (x, weight) = (v.argument("x")?, v.argument("weight")?);
    let cotangent = v.cotangent;
    if v.wants(x)? {
        let (name, other) = (v.name(x), v.primal(weight)?);
        let flat = matrix(&v.result_ty().shape);
        let rows = v.reshape(&name, cotangent, &flat)?;
        let share = v.build().matmul(&name, (rows, false), (other, false))?;
        let shape = v.ty(x).shape.clone();
        let share = v.reshape(&name, share, &shape)?;
        v.give(x, share)?;
    }
    if v.wants(weight)? {
        let (name, other) = (v.name(weight), v.primal(x)?);
        let (from, to) = (matrix(&v.ty(x).shape), matrix(&v.result_ty().shape));
        let other = v.reshape(&name, other, &from)?;
        let rows = v.reshape(&name, cotangent, &to)?;
        let share = v.build().matmul(&name, (rows, true), (other, false))?;
        v.give(weight, share)?;
    }
    if v.operands().has("bias") {
        let bias = v.argument("bias")?;
        if v.wants(bias)? {
            v.give(bias, cotangent)?;
        }
    }
    Ok(())
}

/// All positions by the features.
fn matrix(shape: &[usize]) -> [usize; 2] {
    match shape {
        [leading @ .., last] => [leading.iter().product(), *last],
        [] => [1, 1],
    }
}
