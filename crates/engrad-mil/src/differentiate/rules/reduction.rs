//! Rules of operations along axes.

use super::super::Vjp;
use super::elementwise::require_float;
use super::{Rule, scaled, stretched, unary};
use crate::{Argument, Constant, MilError, Op, ValueId};

/// x̄ = ȳ·sign x, ȳ stretched.
pub(crate) fn reduce_l1_norm(v: &mut Vjp<'_, '_>) -> Rule {
    times(v, |v, name, x, cotangent| {
        let sign = v.build().sign(name, x)?;
        Ok((cotangent, sign))
    })
}

/// x̄ = (ȳ/y)·x, ȳ/y stretched.
pub(crate) fn reduce_l2_norm(v: &mut Vjp<'_, '_>) -> Rule {
    times(v, |v, name, x, cotangent| {
        let y = v.primal_result()?;
        let quotient = v.build().real_div(name, cotangent, y)?;
        Ok((quotient, x))
    })
}

/// x̄ = 2·ȳ·x, ȳ stretched.
pub(crate) fn reduce_sum_square(v: &mut Vjp<'_, '_>) -> Rule {
    let toward = v.argument("x")?;
    times(v, |v, _, x, cotangent| {
        let doubled = scaled(v, toward, cotangent, 2.0)?;
        Ok((doubled, x))
    })
}

/// x̄ = ȳ·e^−y stretched.
pub(crate) fn reduce_log_sum(v: &mut Vjp<'_, '_>) -> Rule {
    unary(v, |v, x, cotangent| {
        let (name, y) = (v.name(x), v.primal_result()?);
        let negated = scaled(v, x, y, -1.0)?;
        let inverse = v.build().exp(&name, negated)?;
        let share = v.build().mul(&name, cotangent, inverse)?;
        stretched(v, x, share, 1.0)
    })
}

/// x̄ = ȳ·e^(x − y), both stretched.
pub(crate) fn reduce_log_sum_exp(v: &mut Vjp<'_, '_>) -> Rule {
    let toward = v.argument("x")?;
    times(v, |v, name, x, cotangent| {
        let y = v.primal_result()?;
        let y = stretched(v, toward, y, 1.0)?;
        let difference = v.build().sub(name, x, y)?;
        let share = v.build().exp(name, difference)?;
        Ok((cotangent, share))
    })
}

/// x̄ = the product of a stretched value, of the result's shape, and one of x's shape.
fn times<'p, 'f>(
    v: &mut Vjp<'p, 'f>,
    factors: impl FnOnce(&mut Vjp<'p, 'f>, &str, ValueId, ValueId) -> Result<(ValueId, ValueId), MilError>,
) -> Rule {
    unary(v, |v, x, cotangent| {
        let (name, primal, dtype) = (v.name(x), v.primal(x)?, v.ty(x).dtype);
        require_float(v, dtype)?;
        let (reduced, full) = factors(v, &name, primal, cotangent)?;
        let reduced = stretched(v, x, reduced, 1.0)?;
        v.build().mul(&name, reduced, full)
    })
}

/// x̄ = the running sums of ȳ from the other end.
pub(crate) fn cumsum(v: &mut Vjp<'_, '_>) -> Rule {
    let fault = |v: &Vjp<'_, '_>, e: String| v.fault(e);
    let axis = v.operands().int("axis").map_err(|e| fault(v, e))?;
    let exclusive = v.operands().bool("exclusive").map_err(|e| fault(v, e))?;
    let reverse = v.operands().bool("reverse").map_err(|e| fault(v, e))?;
    unary(v, |v, x, cotangent| {
        let name = v.name(x);
        let b = v.build();
        let axis = b.constant(&format!("{name}_axis"), Constant::int(axis));
        let exclusive = b.constant(&format!("{name}_exclusive"), Constant::bool(exclusive));
        let reverse = b.constant(&format!("{name}_reverse"), Constant::bool(!reverse));
        let arguments = vec![
            ("axis", Argument::Value(axis)),
            ("exclusive", Argument::Value(exclusive)),
            ("reverse", Argument::Value(reverse)),
            ("x", Argument::Value(cotangent)),
        ];
        b.op(Op::Cumsum, &name, arguments)
    })
}
