//! Kernels of the operations that make larger tensors: joins, copies, margins.

use engrad_mil::Op;

use super::call::{Call, Kernel};
use super::construction::filled;
use super::strided::{View, blank, copy, read, select};
use super::tensor::Tensor;

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Concat => concat,
        Op::Stack => stack,
        Op::Tile => tile,
        Op::Pad => pad,
        _ => return None,
    })
}

type Results = Result<Vec<Tensor>, String>;

/// Checks that parts agree in element type, and in extents but for that of `axis`.
fn agree(parts: &[&Tensor], axis: Option<usize>) -> Result<(), String> {
    let first = parts.first().ok_or("there is nothing to join")?;
    for part in parts {
        let mut shape = part.shape.clone();
        if let Some((extent, expected)) = axis.and_then(|axis| shape.get_mut(axis).zip(first.shape.get(axis)))
        {
            *extent = *expected;
        }
        if part.dtype != first.dtype || shape != first.shape {
            return Err(format!(
                "{} {:?} cannot join {} {:?}",
                part.dtype, part.shape, first.dtype, first.shape
            ));
        }
    }
    Ok(())
}

fn concat(call: &Call<'_>) -> Results {
    let parts = call.tensors("values")?;
    let first = *parts.first().ok_or("there is nothing to join")?;
    if first.rank() == 0 {
        return join_along_new_axis(&parts, 0);
    }
    let axis = call.axis("axis", first.rank())?;
    let interleave = call.bool("interleave")?;
    agree(&parts, (!interleave).then_some(axis))?;
    let mut shape = first.shape.clone();
    shape[axis] = parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.shape[axis]));
    let mut joined = blank(first, shape)?;
    let mut view = View::dense(&joined.shape);
    let stride = view.strides[axis];
    if interleave {
        view.strides[axis] *= parts.len() as i64;
    }
    for part in &parts {
        copy(&part.shape, &mut joined, &view, part, &View::dense(&part.shape))?;
        view.offset += stride * if interleave { 1 } else { part.shape[axis] as i64 };
    }
    Ok(vec![joined])
}

fn join_along_new_axis(parts: &[&Tensor], axis: usize) -> Results {
    agree(parts, None)?;
    let mut shape = parts[0].shape.clone();
    shape.insert(axis, parts.len());
    let mut joined = blank(parts[0], shape)?;
    let mut view = View::dense(&joined.shape);
    let stride = view.strides.remove(axis);
    for part in parts {
        copy(&part.shape, &mut joined, &view, part, &View::dense(&part.shape))?;
        view.offset += stride;
    }
    Ok(vec![joined])
}

fn stack(call: &Call<'_>) -> Results {
    let parts = call.tensors("values")?;
    let rank = parts.first().map_or(0, |part| part.rank());
    join_along_new_axis(&parts, call.axis("axis", rank + 1)?)
}

/// A view with a dimension of distance zero before each of x.
fn tile(call: &Call<'_>) -> Results {
    let (x, reps) = (call.tensor("x")?, call.sizes("reps")?);
    if reps.len() != x.rank() {
        return Err(format!("{} reps for {} dimensions", reps.len(), x.rank()));
    }
    let dense = View::dense(&x.shape);
    let strides = dense.strides.iter().flat_map(|&stride| [0, stride]).collect();
    let shape = reps.iter().zip(&x.shape).flat_map(|(&rep, &extent)| [rep, extent]).collect();
    let tiled = read(x, shape, &View { offset: 0, strides })?;
    tiled.reshaped(reps.iter().zip(&x.shape).map(|(&rep, &extent)| rep * extent).collect()).map(|y| vec![y])
}

fn pad(call: &Call<'_>) -> Results {
    let (x, pad, mode) = (call.tensor("x")?, call.sizes("pad")?, call.string("mode")?);
    if !pad.len().is_multiple_of(2) || pad.len() / 2 > x.rank() {
        return Err(format!("pad {pad:?} is not a pair for each of at most {} dimensions", x.rank()));
    }
    let first = x.rank() - pad.len() / 2;
    let margins = |axis: usize| pad.chunks_exact(2).nth(axis - first).map_or((0, 0), |p| (p[0], p[1]));
    let padded = |axis: usize| {
        let (before, after) = margins(axis);
        x.shape[axis].saturating_add(before).saturating_add(after)
    };
    if mode == "constant" {
        let shape =
            (0..x.rank()).map(|axis| if axis < first { x.shape[axis] } else { padded(axis) }).collect();
        let mut result = filled(x.dtype, shape, call.optional("constant_val")?, 0)?;
        let mut view = View::dense(&result.shape);
        view.offset = (first..x.rank()).map(|axis| view.strides[axis] * margins(axis).0 as i64).sum();
        copy(&x.shape, &mut result, &view, x, &View::dense(&x.shape))?;
        return Ok(vec![result]);
    }
    let source: fn(i64, i64) -> i64 = match mode {
        "replicate" => |position, extent| position.clamp(0, extent - 1),
        "reflect" => mirrored,
        other => return Err(format!("mode {other:?} is not known")),
    };
    let mut result = x.clone();
    for axis in first..x.rank() {
        let ((before, after), extent) = (margins(axis), x.shape[axis]);
        if before == 0 && after == 0 {
            continue;
        }
        if extent == 0 {
            return Err(format!("mode {mode} cannot pad an extent of zero"));
        }
        // Refused before a list of that length is made.
        let mut shape = result.shape.clone();
        shape[axis] = padded(axis);
        super::tensor::elements(&shape)?;
        let positions = -(before as i64)..(extent + after) as i64;
        let positions: Vec<usize> = positions.map(|p| source(p, extent as i64) as usize).collect();
        result = select(&result, axis, &positions)?;
    }
    Ok(vec![result])
}

/// The position that mirrors at both edges, which are not repeated; wide margins mirror more than once.
fn mirrored(position: i64, extent: i64) -> i64 {
    let period = 2 * (extent - 1);
    if period == 0 {
        return 0;
    }
    let within = position.rem_euclid(period);
    within.min(period - within)
}
