//! Rules of activations: the slope of each.

use super::super::Vjp;
use super::elementwise::{inside, step};
use super::{Rule, number, one_minus, plus, scaled, sloped};
use crate::{MilError, ValueId};

/// 1 where x is positive, else 0; the result shows which.
pub(crate) fn relu(v: &mut Vjp<'_, '_>) -> Rule {
    sloped(v, |v, name, _| {
        let y = v.primal_result()?;
        v.build().sign(name, y)
    })
}

/// 1 between 0 and 6.
pub(crate) fn relu6(v: &mut Vjp<'_, '_>) -> Rule {
    inside(v, 0.0, 6.0)
}

/// 1 where x is positive, else alpha.
pub(crate) fn leaky_relu(v: &mut Vjp<'_, '_>) -> Rule {
    let (x, alpha) = (v.argument("x")?, number(v, "alpha")?);
    sloped(v, |v, name, primal| {
        let step = step(v, name, primal)?;
        let rise = scaled(v, x, step, 1.0 - alpha)?;
        plus(v, x, rise, alpha)
    })
}

/// 1 where x is positive, else alpha·e^x.
pub(crate) fn elu(v: &mut Vjp<'_, '_>) -> Rule {
    let (x, alpha) = (v.argument("x")?, number(v, "alpha")?);
    sloped(v, |v, name, primal| {
        let step = step(v, name, primal)?;
        let rest = one_minus(v, x, step)?;
        // e^x of the negative part: of a large x it would overflow, and overflow times zero is no number.
        let negative = v.build().mul(name, primal, rest)?;
        let exponential = v.build().exp(name, negative)?;
        let fall = scaled(v, x, exponential, alpha)?;
        let fall = v.build().mul(name, fall, rest)?;
        v.build().add(name, step, fall)
    })
}

/// Φ(x) + x·Φ′(x) in each mode's own Φ.
pub(crate) fn gelu(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    let mode = v.operands().string("mode").map(str::to_owned).map_err(|e| v.fault(e))?;
    sloped(v, |v, name, primal| match mode.as_str() {
        "TANH_APPROXIMATION" => {
            // a = √(2/π)·(x + 0.044715·x³), Φ = (1 + tanh a)/2
            let root = (2.0 / std::f32::consts::PI).sqrt();
            let squared = v.build().square(name, primal)?;
            let cubic = scaled(v, x, squared, 0.044_715 * root)?;
            let factor = plus(v, x, cubic, root)?;
            let argument = v.build().mul(name, primal, factor)?;
            let tanh = v.build().tanh(name, argument)?;
            let half = scaled(v, x, tanh, 0.5)?;
            let phi = plus(v, x, half, 0.5)?;
            let cubic = scaled(v, x, squared, 3.0 * 0.044_715 * root)?;
            let inner = plus(v, x, cubic, root)?;
            let squared = v.build().square(name, tanh)?;
            let outer = one_minus(v, x, squared)?;
            let density = v.build().mul(name, outer, inner)?;
            let density = scaled(v, x, density, 0.5)?;
            rising(v, name, primal, phi, density)
        }
        "SIGMOID_APPROXIMATION" => {
            let argument = scaled(v, x, primal, 1.702)?;
            let phi = v.build().sigmoid(name, argument)?;
            let rest = one_minus(v, x, phi)?;
            let density = v.build().mul(name, phi, rest)?;
            let density = scaled(v, x, density, 1.702)?;
            rising(v, name, primal, phi, density)
        }
        _ => {
            let argument = scaled(v, x, primal, std::f32::consts::FRAC_1_SQRT_2)?;
            let erf = v.build().erf(name, argument)?;
            let half = scaled(v, x, erf, 0.5)?;
            let phi = plus(v, x, half, 0.5)?;
            let squared = v.build().square(name, primal)?;
            let exponent = scaled(v, x, squared, -0.5)?;
            let bell = v.build().exp(name, exponent)?;
            let density = scaled(v, x, bell, 1.0 / std::f32::consts::TAU.sqrt())?;
            rising(v, name, primal, phi, density)
        }
    })
}

/// Φ + x·density.
fn rising(
    v: &mut Vjp<'_, '_>,
    name: &str,
    x: ValueId,
    phi: ValueId,
    density: ValueId,
) -> Result<ValueId, MilError> {
    let product = v.build().mul(name, x, density)?;
    v.build().add(name, phi, product)
}

/// sigmoid(x).
pub(crate) fn softplus(v: &mut Vjp<'_, '_>) -> Rule {
    sloped(v, |v, name, x| v.build().sigmoid(name, x))
}

/// 1/(1 + |x|)².
pub(crate) fn softsign(v: &mut Vjp<'_, '_>) -> Rule {
    sloped(v, |v, name, x| {
        let magnitude = v.build().abs(name, x)?;
        let inverse = v.build().inverse(name, magnitude, 1.0)?;
        v.build().square(name, inverse)
    })
}

/// alpha.
pub(crate) fn linear_activation(v: &mut Vjp<'_, '_>) -> Rule {
    let alpha = number(v, "alpha")?;
    super::unary(v, |v, x, cotangent| scaled(v, x, cotangent, alpha))
}

/// alpha·beta·(1 − tanh²(beta·x)).
pub(crate) fn scaled_tanh(v: &mut Vjp<'_, '_>) -> Rule {
    let (x, alpha, beta) = (v.argument("x")?, number(v, "alpha")?, number(v, "beta")?);
    sloped(v, |v, name, primal| {
        let argument = scaled(v, x, primal, beta)?;
        let tanh = v.build().tanh(name, argument)?;
        let squared = v.build().square(name, tanh)?;
        let rest = one_minus(v, x, squared)?;
        scaled(v, x, rest, alpha * beta)
    })
}

/// alpha where the result is strictly between 0 and 1.
pub(crate) fn sigmoid_hard(v: &mut Vjp<'_, '_>) -> Rule {
    let (x, alpha) = (v.argument("x")?, number(v, "alpha")?);
    sloped(v, |v, name, _| {
        let y = v.primal_result()?;
        let rest = one_minus(v, x, y)?;
        let [above, below] = [v.build().sign(name, y)?, v.build().sign(name, rest)?];
        let inside = v.build().mul(name, above, below)?;
        scaled(v, x, inside, alpha)
    })
}
