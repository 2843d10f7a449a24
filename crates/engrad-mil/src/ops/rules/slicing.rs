//! Operations that take or replace parts of a tensor.

use super::movement::agree;
use super::{Types, list, one};
use crate::ops::Operands;
use crate::{Dim, ShapedType};

pub(crate) fn slice_by_size(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let (begin, size) = (bounds(operands, "begin", x.rank())?, bounds(operands, "size", x.rank())?);
    let dim = |i: usize| {
        let begin = begin.as_ref().map(|list| i64::from(list[i]));
        let Some(size) = size.as_ref().map(|list| i64::from(list[i])) else {
            return Ok(Dim::Any);
        };
        let extent = x.dims[i].fixed().map(|extent| extent as i64);
        // A negative begin counts from the end.
        let begin = match (begin, extent) {
            (Some(begin), Some(extent)) if begin < 0 => Some(begin + extent),
            (Some(begin), None) if begin < 0 => None,
            _ => begin,
        };
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

/// One number for each dimension, if they are known.
fn bounds(operands: &Operands<'_>, name: &str, rank: usize) -> Result<Option<Vec<i32>>, String> {
    let needs = || Err(format!("{name} needs {rank} numbers"));
    match operands.known_ints(name)? {
        Some(list) if list.len() != rank => needs(),
        None if operands.extents(name)?.len() != rank => needs(),
        list => Ok(list),
    }
}

/// The slice of one dimension.
struct Slice {
    /// `None` if it is computed at run time; a masked bound is not read.
    begin: Option<i64>,
    end: Option<i64>,
    begin_mask: bool,
    end_mask: bool,
    stride: i64,
}

impl Slice {
    /// Number of elements it takes of an extent.
    fn taken(&self, extent: &Dim) -> Result<Dim, String> {
        let stride = self.stride;
        let steps =
            |distance: i64| Dim::Fixed((distance.max(0) as usize).div_ceil(stride.unsigned_abs() as usize));
        if self.begin_mask && self.end_mask {
            return Ok(match extent {
                Dim::Fixed(extent) => steps(*extent as i64),
                _ if stride.abs() == 1 => extent.clone(),
                _ => Dim::Any,
            });
        }
        let begin = if self.begin_mask { None } else { self.begin };
        let end = if self.end_mask { None } else { self.end };
        if let (Some(begin), Some(end)) = (begin, end) {
            // Both bounds count from the same side: empty and single slices are so whatever the extent.
            let forward = begin >= 0 && end >= 0 && stride > 0;
            let backward = begin < 0 && end < 0 && stride < 0;
            let distance = if forward { end - begin } else { begin - end };
            if (forward || backward) && distance < 0 {
                return Err(format!("from {begin} to {end} by {stride} goes the wrong way"));
            }
            if (forward || backward) && distance <= stride.abs() {
                return Ok(match extent {
                    Dim::Fixed(extent) => certain(self.taken_of(*extent as i64, begin, end), steps(distance)),
                    _ => steps(distance),
                });
            }
        }
        match (extent, begin, end) {
            (_, Some(-1), None) if self.end_mask && stride > 0 => Ok(Dim::Fixed(1)),
            (_, Some(0), None) if self.end_mask && stride < 0 => Ok(Dim::Fixed(1)),
            (Dim::Fixed(extent), ..)
                if (begin.is_some() || self.begin_mask) && (end.is_some() || self.end_mask) =>
            {
                let extent = *extent as i64;
                let begin = begin.unwrap_or(if stride > 0 { 0 } else { extent - 1 });
                let taken = match (end, stride > 0) {
                    (Some(end), _) => self.taken_of(extent, begin, end),
                    (None, true) => self.taken_of(extent, begin, extent),
                    (None, false) => steps(self.absolute(extent, begin) + 1),
                };
                Ok(if extent == 1 { certain(taken, Dim::Fixed(1)) } else { taken })
            }
            _ => Ok(Dim::Any),
        }
    }

    /// A bound of a known extent, counted from the end where negative, and cut. Before the first element there is the first
    /// one, also running backwards, where it is then left out; an extent of one stays whole.
    fn absolute(&self, extent: i64, bound: i64) -> i64 {
        let bound = match bound {
            0.. => bound,
            _ if extent == 1 => bound + extent,
            _ => (bound + extent).max(0),
        };
        if self.stride > 0 { bound.clamp(0, extent) } else { bound.clamp(-1, extent - 1) }
    }

    fn taken_of(&self, extent: i64, begin: i64, end: i64) -> Dim {
        let (begin, end) = (self.absolute(extent, begin), self.absolute(extent, end));
        let distance = if self.stride > 0 { end - begin } else { begin - end };
        Dim::Fixed((distance.max(0) as usize).div_ceil(self.stride.unsigned_abs() as usize))
    }
}

/// What slicing gives, unless compilers are known to declare something else.
fn certain(taken: Dim, declared: Dim) -> Dim {
    if taken == declared { taken } else { Dim::Any }
}

/// Extents of the part of `x` that begin, end, strides and masks describe, squeezed dimensions left out.
fn part(operands: &Operands<'_>, x: &ShapedType) -> Result<Vec<Dim>, String> {
    let rank = x.rank();
    let (begin, end) = (bounds(operands, "begin", rank)?, bounds(operands, "end", rank)?);
    let stride = operands.ints("stride")?;
    let mask = |name: &str| match operands.bools(name)? {
        mask if mask.len() == rank => Ok(mask),
        _ => Err(format!("{name} needs {rank} truth values")),
    };
    let (begin_mask, end_mask, squeeze) = (mask("begin_mask")?, mask("end_mask")?, mask("squeeze_mask")?);
    if stride.len() != rank || stride.contains(&0) {
        return Err(format!("stride {stride:?} needs {rank} numbers other than zero"));
    }
    let mut dims = Vec::with_capacity(rank);
    for (i, extent) in x.dims.iter().enumerate() {
        let at = |list: &Option<Vec<i32>>| list.as_ref().map(|list| i64::from(list[i]));
        let slice = Slice {
            begin: at(&begin),
            end: at(&end),
            begin_mask: begin_mask[i],
            end_mask: end_mask[i],
            stride: i64::from(stride[i]),
        };
        if !squeeze[i] {
            dims.push(slice.taken(extent).map_err(|e| format!("dimension {i}: {e}"))?);
            continue;
        }
        let index = if slice.begin_mask { None } else { slice.begin };
        if let (Some(index), Some(extent)) = (index, extent.fixed().map(|extent| extent as i64))
            && !(-extent..extent).contains(&index)
        {
            return Err(format!("dimension {i}: index {index} is outside {extent}"));
        }
    }
    Ok(dims)
}

pub(crate) fn slice_by_index(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let dims = part(operands, &x)?;
    one(x.with(dims))
}

pub(crate) fn slice_update(operands: &Operands<'_>) -> Types {
    let (x, update) = (operands.shaped("x")?, operands.shaped("update")?);
    let dims = part(operands, &x)?;
    if update.dtype != x.dtype || agree(&dims, &update.dims).is_none() {
        return Err(format!("update must be {}, not {update}", x.with(dims)));
    }
    one(x)
}

pub(crate) fn split(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let axis = operands.axis("axis", x.rank())?;
    let extent = x.dims[axis].fixed();
    let count =
        operands.has("num_splits").then(|| super::movement::positive(operands, "num_splits")).transpose()?;
    let sizes = operands.has("split_sizes").then(|| operands.extents("split_sizes")).transpose()?;
    let sizes = match (count, sizes) {
        (None, None) => return Err("needs num_splits or split_sizes".to_owned()),
        (count, Some(sizes)) => {
            if let Some(count) = count.filter(|&count| count != sizes.len()) {
                return Err(format!("num_splits is {count}, but there are {} split_sizes", sizes.len()));
            }
            if !super::sum(&sizes).may_equal(&x.dims[axis]) {
                return Err(format!("split_sizes {} do not add up to {}", list(&sizes), x.dims[axis]));
            }
            sizes
        }
        (Some(count), None) => match extent {
            Some(extent) if !extent.is_multiple_of(count) => {
                return Err(format!("{extent} elements cannot be split into {count} equal parts"));
            }
            Some(extent) if count <= extent.max(1) => vec![Dim::Fixed(extent / count); count],
            None if count <= MAX_PARTS => vec![Dim::Any; count],
            _ => return Err(format!("{count} parts are too many")),
        },
    };
    let part = |size: Dim| {
        let mut dims = x.dims.clone();
        dims[axis] = size;
        x.with(dims).into()
    };
    Ok(sizes.into_iter().map(part).collect())
}

/// Most parts of an extent that is not known.
const MAX_PARTS: usize = 1 << 16;
