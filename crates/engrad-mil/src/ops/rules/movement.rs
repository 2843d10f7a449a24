//! Operations that move elements without computing: other shapes, orders, parts and joins.

use super::{Types, add_dims, list, one, unify};
use crate::Dim;
use crate::ops::Operands;

pub(crate) fn reshape(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let Some(wanted) = operands.known_ints("shape")? else {
        return one(x.with(operands.extents("shape")?));
    };
    let known = wanted
        .iter()
        .filter(|&&d| d != -1)
        .try_fold(1usize, |product, &d| usize::try_from(d).ok().and_then(|d| product.checked_mul(d)));
    let known = known.ok_or_else(|| format!("shape {wanted:?} has an extent that is negative and not −1"))?;
    let open = wanted.iter().filter(|&&d| d == -1).count();
    let refuse = || Err(format!("{} cannot become {wanted:?}", list(&x.dims)));
    let rest = match (open, x.elements()) {
        (0, Some(elements)) if elements != known => return refuse(),
        (1, Some(elements)) if known == 0 || !elements.is_multiple_of(known) => return refuse(),
        (2.., _) => return refuse(),
        (1, Some(elements)) => Dim::Fixed(elements / known),
        _ => Dim::Any,
    };
    one(x.with(wanted.iter().map(|&d| if d == -1 { rest.clone() } else { Dim::Fixed(d as usize) }).collect()))
}

pub(crate) fn expand_dims(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let rank = x.rank() + operands.ints("axes")?.len();
    let axes = operands.axes("axes", rank)?;
    let mut rest = x.dims.iter().cloned();
    let dims = (0..rank).filter_map(|i| if axes.contains(&i) { Some(Dim::Fixed(1)) } else { rest.next() });
    one(x.with(dims.collect()))
}

pub(crate) fn squeeze(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let axes = if operands.has("axes") {
        operands.axes("axes", x.rank())?
    } else {
        (0..x.rank()).filter(|&i| x.dims[i] == Dim::Fixed(1)).collect()
    };
    if let Some(axis) = axes.iter().find(|&&a| x.dims[a].fixed().is_some_and(|extent| extent != 1)) {
        return Err(format!("axis {axis} of {} is not of extent one", list(&x.dims)));
    }
    let dims = x.dims.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, dim)| dim.clone());
    one(x.with(dims.collect()))
}

pub(crate) fn transpose(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let perm = operands.ints("perm")?;
    let axes = operands.axes("perm", x.rank())?;
    if axes.len() != x.rank() {
        return Err(format!("perm {perm:?} does not order {} dimensions", x.rank()));
    }
    let rank = x.rank() as i32;
    let dims = perm.iter().map(|&p| x.dims[(if p < 0 { p + rank } else { p }) as usize].clone());
    one(x.with(dims.collect()))
}

pub(crate) fn slice_by_size(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let (begin, size) = (operands.known_ints("begin")?, operands.known_ints("size")?);
    for (name, list) in [("begin", &begin), ("size", &size)] {
        if list.as_ref().is_some_and(|list| list.len() != x.rank()) {
            return Err(format!("{name} needs {} numbers", x.rank()));
        }
    }
    let dim = |i: usize| {
        let begin = begin.as_ref().map(|list| i64::from(list[i]));
        let Some(size) = size.as_ref().map(|list| i64::from(list[i])) else {
            return Ok(Dim::Any);
        };
        let extent = x.dims[i].fixed().map(|extent| extent as i64);
        let size = match (size, begin, extent) {
            (-1, Some(begin), Some(extent)) => extent - begin,
            (-1, ..) => return Ok(Dim::Any),
            (size, ..) => size,
        };
        let inside = begin.zip(extent).is_none_or(|(begin, extent)| begin + size <= extent);
        (begin.is_none_or(|begin| begin >= 0) && size >= 0 && inside)
            .then_some(Dim::Fixed(size.max(0) as usize))
            .ok_or_else(|| {
                let begin = begin.unwrap_or(0);
                format!("dimension {i}: {size} elements from {begin} are not inside {}", x.dims[i])
            })
    };
    one(x.with((0..x.rank()).map(dim).collect::<Result<_, _>>()?))
}

pub(crate) fn concat(operands: &Operands<'_>) -> Types {
    let values = operands.tensors("values")?;
    let mut joined = operands.shaped_of(values[0])?;
    let axis = operands.axis("axis", joined.rank())?;
    let interleave = operands.bool("interleave")?;
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
    if interleave {
        let total = joined.dims[axis].fixed().map(|extent| extent.saturating_mul(values.len()));
        joined.dims[axis] = total.map_or(Dim::Any, Dim::Fixed);
    }
    one(joined)
}
