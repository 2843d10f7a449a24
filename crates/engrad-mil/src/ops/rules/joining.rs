//! Operations that make larger tensors: joins, copies, margins.

use super::movement::agree;
use super::{Types, add_dims, list, one, times, unify};
use crate::Dim;
use crate::ops::Operands;

/// Scalars join to a vector.
pub(crate) fn concat(operands: &Operands<'_>) -> Types {
    let values = operands.tensors("values")?;
    let mut joined = operands.shaped_of(values[0])?;
    let interleave = operands.bool("interleave")?;
    let scalars = joined.rank() == 0;
    let axis = operands.axis("axis", joined.rank().max(1))?;
    for &value in &values[1..] {
        let part = operands.shaped_of(value)?;
        let misfit = || format!("{part} cannot join {joined} along axis {axis}");
        if part.dtype != joined.dtype || part.rank() != joined.rank() {
            return Err(misfit());
        }
        let dims = joined
            .dims
            .iter()
            .zip(&part.dims)
            .enumerate()
            .map(|(i, (a, b))| if i == axis && !interleave { Some(add_dims(a, b)) } else { unify(a, b) });
        let dims = dims.collect::<Option<Vec<_>>>().ok_or_else(misfit)?;
        joined.dims = dims;
    }
    if scalars {
        joined.dims.push(Dim::Fixed(values.len()));
    } else if interleave {
        joined.dims[axis] = times(&joined.dims[axis], values.len());
    }
    one(joined)
}

pub(crate) fn stack(operands: &Operands<'_>) -> Types {
    let values = operands.tensors("values")?;
    let mut joined = operands.shaped_of(values[0])?;
    for &value in &values[1..] {
        let part = operands.shaped_of(value)?;
        joined.dims = agree(&joined.dims, &part.dims)
            .filter(|_| part.dtype == joined.dtype)
            .ok_or_else(|| format!("{part} cannot be stacked on {joined}"))?;
    }
    let axis = operands.axis("axis", joined.rank() + 1)?;
    joined.dims.insert(axis, Dim::Fixed(values.len()));
    one(joined)
}

pub(crate) fn tile(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let Some(reps) = operands.known_ints("reps")? else {
        return one(x.with(vec![Dim::Any; x.rank()]));
    };
    if reps.len() != x.rank() || reps.iter().any(|&r| r < 1) {
        return Err(format!("reps {reps:?} must be {} positive numbers", x.rank()));
    }
    let dims = x.dims.iter().zip(&reps).map(|(dim, &rep)| times(dim, rep as usize)).collect();
    one(x.with(dims))
}

pub(crate) fn pad(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let mode = operands.string("mode")?;
    if !["constant", "reflect", "replicate"].contains(&mode) {
        return Err(format!("mode must be constant, reflect or replicate, not {mode:?}"));
    }
    let margins = operands.shaped("pad")?;
    let Some(pad) = operands.known_ints("pad")? else {
        let count = 2 * x.rank();
        return match &margins.dims[..] {
            [length] if length.may_equal(&Dim::Fixed(count)) => one(x.with(vec![Dim::Any; x.rank()])),
            other => Err(format!("a pad computed at run time must be [{count}], not {}", list(other))),
        };
    };
    if !pad.len().is_multiple_of(2) || pad.len() / 2 > x.rank() || pad.iter().any(|&p| p < 0) {
        return Err(format!("pad {pad:?} must be pairs of non-negative numbers, at most {}", x.rank()));
    }
    let mut dims = x.dims.clone();
    let first = x.rank() - pad.len() / 2;
    for (dim, pair) in dims[first..].iter_mut().zip(pad.chunks_exact(2)) {
        let added = pair[0] as usize + pair[1] as usize;
        // Nothing can be mirrored or repeated where there is nothing.
        if mode != "constant" && added > 0 && *dim == Dim::Fixed(0) {
            return Err(format!("mode {mode} cannot pad an extent of zero"));
        }
        *dim = if added == 0 { dim.clone() } else { add_dims(dim, &Dim::Fixed(added)) };
    }
    one(x.with(dims))
}
