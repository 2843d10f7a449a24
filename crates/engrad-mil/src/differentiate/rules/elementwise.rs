//! Rules of operations on single elements. At the jumps of a slope the right-hand one is not promised.

use super::super::Vjp;
use super::{Rule, number, one_minus, plus, scaled, sloped, unary};
use crate::{Argument, DType, MilError, Op, ValueId};

type Made = Result<ValueId, MilError>;

/// cos x.
pub(crate) fn sin(v: &mut Vjp<'_, '_>) -> Rule {
    sloped(v, |v, name, x| v.build().cos(name, x))
}

/// −sin x.
pub(crate) fn cos(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    sloped(v, |v, name, primal| {
        let sine = v.build().sin(name, primal)?;
        scaled(v, x, sine, -1.0)
    })
}

/// 1 + y².
pub(crate) fn tan(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    sloped(v, |v, name, _| {
        let y = v.primal_result()?;
        let squared = v.build().square(name, y)?;
        plus(v, x, squared, 1.0)
    })
}

/// cosh x.
pub(crate) fn sinh(v: &mut Vjp<'_, '_>) -> Rule {
    sloped(v, |v, name, x| v.build().cosh(name, x))
}

/// sinh x.
pub(crate) fn cosh(v: &mut Vjp<'_, '_>) -> Rule {
    sloped(v, |v, name, x| v.build().sinh(name, x))
}

/// 1/√(1 − x²).
pub(crate) fn asin(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    sloped(v, |v, name, primal| circle(v, name, x, primal))
}

/// −1/√(1 − x²).
pub(crate) fn acos(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    sloped(v, |v, name, primal| {
        let slope = circle(v, name, x, primal)?;
        scaled(v, x, slope, -1.0)
    })
}

fn circle(v: &mut Vjp<'_, '_>, name: &str, x: ValueId, primal: ValueId) -> Made {
    let squared = v.build().square(name, primal)?;
    let rest = one_minus(v, x, squared)?;
    v.build().rsqrt(name, rest, 0.0)
}

/// 1/(1 + x²).
pub(crate) fn atan(v: &mut Vjp<'_, '_>) -> Rule {
    sloped(v, |v, name, x| {
        let squared = v.build().square(name, x)?;
        v.build().inverse(name, squared, 1.0)
    })
}

/// 1/(1 − x²).
pub(crate) fn atanh(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    sloped(v, |v, name, primal| {
        let squared = v.build().square(name, primal)?;
        let rest = one_minus(v, x, squared)?;
        v.build().inverse(name, rest, 0.0)
    })
}

/// 2/√π·e^(−x²).
pub(crate) fn erf(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    sloped(v, |v, name, primal| {
        let squared = v.build().square(name, primal)?;
        let negated = scaled(v, x, squared, -1.0)?;
        let bell = v.build().exp(name, negated)?;
        scaled(v, x, bell, std::f32::consts::FRAC_2_SQRT_PI)
    })
}

/// ln 2·y.
pub(crate) fn exp2(v: &mut Vjp<'_, '_>) -> Rule {
    let x = v.argument("x")?;
    sloped(v, |v, _, _| {
        let y = v.primal_result()?;
        scaled(v, x, y, std::f32::consts::LN_2)
    })
}

/// The sign of x.
pub(crate) fn abs(v: &mut Vjp<'_, '_>) -> Rule {
    sloped(v, |v, name, x| v.build().sign(name, x))
}

/// x̄ = ȳ·n·x^(n − 1), n̄ = ȳ·y·ln x for y = x^n.
pub(crate) fn pow(v: &mut Vjp<'_, '_>) -> Rule {
    let (x, exponent) = (v.argument("x")?, v.argument("y")?);
    let cotangent = v.cotangent;
    if v.wants(x)? {
        let (base, n, name) = (v.primal(x)?, v.primal(exponent)?, v.name(x));
        let less = plus(v, x, n, -1.0)?;
        let power = v.build().pow(&name, base, less)?;
        let slope = v.build().mul(&name, n, power)?;
        let share = v.build().mul(&name, cotangent, slope)?;
        v.give(x, share)?;
    }
    if v.wants(exponent)? {
        let (base, y, name) = (v.primal(x)?, v.primal_result()?, v.name(exponent));
        let logarithm = v.build().log(&name, base, 0.0)?;
        let slope = v.build().mul(&name, y, logarithm)?;
        let share = v.build().mul(&name, cotangent, slope)?;
        v.give(exponent, share)?;
    }
    Ok(())
}

/// ȳ to whichever is larger; to x where both are equal.
pub(crate) fn maximum(v: &mut Vjp<'_, '_>) -> Rule {
    extreme(v, Op::GreaterEqual)
}

/// ȳ to whichever is smaller; to x where both are equal.
pub(crate) fn minimum(v: &mut Vjp<'_, '_>) -> Rule {
    extreme(v, Op::LessEqual)
}

fn extreme(v: &mut Vjp<'_, '_>, x_wins: Op) -> Rule {
    let (x, y) = (v.argument("x")?, v.argument("y")?);
    let (wants_x, wants_y) = (v.wants(x)?, v.wants(y)?);
    let (first, second) = (v.primal(x)?, v.primal(y)?);
    let (name, dtype) = (v.name(x), v.ty(x).dtype);
    let operands = vec![("x", Argument::Value(first)), ("y", Argument::Value(second))];
    let wins = v.build().op(x_wins, &name, operands)?;
    let share = v.build().cast(&name, wins, dtype)?;
    let cotangent = v.cotangent;
    if wants_x {
        let given = v.build().mul(&name, cotangent, share)?;
        v.give(x, given)?;
    }
    if wants_y {
        let rest = one_minus(v, y, share)?;
        let name = v.name(y);
        let given = v.build().mul(&name, cotangent, rest)?;
        v.give(y, given)?;
    }
    Ok(())
}

/// ȳ to whichever was selected.
pub(crate) fn select(v: &mut Vjp<'_, '_>) -> Rule {
    let [cond, a, b] = [v.argument("cond")?, v.argument("a")?, v.argument("b")?];
    let (name, dtype, cotangent) = (v.name(a), v.ty(a).dtype, v.cotangent);
    let cond = v.primal(cond)?;
    let share = v.build().cast(&format!("{name}_share"), cond, dtype)?;
    if v.wants(a)? {
        let given = v.build().mul(&name, cotangent, share)?;
        v.give(a, given)?;
    }
    if v.wants(b)? {
        let rest = one_minus(v, b, share)?;
        let name = v.name(b);
        let given = v.build().mul(&name, cotangent, rest)?;
        v.give(b, given)?;
    }
    Ok(())
}

/// 1 between the bounds, 0 outside.
pub(crate) fn clip(v: &mut Vjp<'_, '_>) -> Rule {
    let (alpha, beta) = (number(v, "alpha")?, number(v, "beta")?);
    inside(v, alpha, beta)
}

/// The slope of a clipping: both distances of y from its bounds are positive inside, and one is zero outside.
pub(super) fn inside(v: &mut Vjp<'_, '_>, low: f32, high: f32) -> Rule {
    let x = v.argument("x")?;
    sloped(v, |v, name, _| {
        let y = v.primal_result()?;
        let above = plus(v, x, y, -low)?;
        let below = plus(v, x, y, -high)?;
        let below = scaled(v, x, below, -1.0)?;
        let [above, below] = [v.build().sign(name, above)?, v.build().sign(name, below)?];
        v.build().mul(name, above, below)
    })
}

/// x̄ = ȳ where x is above the bound.
pub(crate) fn threshold(v: &mut Vjp<'_, '_>) -> Rule {
    let alpha = v.argument("alpha")?;
    unary(v, |v, x, cotangent| {
        let bound = v.primal(alpha)?;
        let dtype = v.ty(x).dtype;
        let (name, y) = (v.name(x), v.primal_result()?);
        let bound = if v.ty(alpha).dtype == dtype { bound } else { v.build().cast(&name, bound, dtype)? };
        let above = v.build().sub(&name, y, bound)?;
        let share = v.build().sign(&name, above)?;
        v.build().mul(&name, cotangent, share)
    })
}

/// 1 where x is positive, 0 elsewhere.
pub(super) fn step(v: &mut Vjp<'_, '_>, name: &str, x: ValueId) -> Made {
    let positive = v.build().relu(name, x)?;
    v.build().sign(name, positive)
}

/// Whether an operation computes in floating point; integers have no slope.
pub(super) fn require_float(v: &Vjp<'_, '_>, dtype: DType) -> Rule {
    if dtype.is_float() { Ok(()) } else { Err(v.fault(format!("{dtype} has no derivative"))) }
}
