//! The vector-Jacobian rules of operations that only move elements; those of the simplest are in [`super::rules`].

use super::Vjp;
use super::rules::unary;
use crate::{Argument, Constant, MilError, Op};

type Rule = Result<(), MilError>;

/// To each part, its slice of ȳ.
pub(crate) fn stack(v: &mut Vjp<'_, '_>) -> Rule {
    let rank = v.result_ty().rank();
    let axis = v.operands().axis("axis", rank).map_err(|e| v.fault(e))?;
    for (position, part) in v.tuple("values").into_iter().enumerate() {
        if v.wants(part)? {
            let (name, cotangent, shape) = (v.name(part), v.cotangent, v.ty(part).shape.clone());
            let slice = v.build().slice_axis(&name, cotangent, axis, position, 1)?;
            let share = v.reshape(&name, slice, &shape)?;
            v.give(part, share)?;
        }
    }
    Ok(())
}

/// ȳ without the margins, which are constant.
pub(crate) fn pad(v: &mut Vjp<'_, '_>) -> Rule {
    let (mode, margins) = (v.operands().string("mode"), v.operands().ints("pad"));
    let (mode, margins) = (mode.map_err(|e| v.fault(e))?, margins.map_err(|e| v.fault(e))?);
    if mode != "constant" {
        return Err(v.fault(format!("mode {mode} has no rule")));
    }
    unary(v, |v, x, cotangent| {
        let (name, shape) = (v.name(x), v.ty(x).shape.clone());
        let first = shape.len() - margins.len() / 2;
        let mut share = cotangent;
        for (axis, margin) in (first..).zip(margins.chunks_exact(2)) {
            if margin.iter().any(|&m| m != 0) {
                share = v.build().slice_axis(&name, share, axis, margin[0] as usize, shape[axis])?;
            }
        }
        Ok(share)
    })
}

/// x̄ = ȳ reversed along the same axes.
pub(crate) fn reverse(v: &mut Vjp<'_, '_>) -> Rule {
    let rank = v.result_ty().rank();
    let axes = v.operands().axes("axes", rank).map_err(|e| v.fault(e))?;
    let axes: Vec<i32> = axes.into_iter().map(|axis| axis as i32).collect();
    unary(v, |v, x, cotangent| {
        let name = v.name(x);
        let axes = v.build().constant(&format!("{name}_axes"), Constant::ints(&axes));
        let arguments = vec![("axes", Argument::Value(axes)), ("x", Argument::Value(cotangent))];
        v.build().op(Op::Reverse, &name, arguments)
    })
}
