//! Operations that give elements other shapes and orders without computing. Parts are in `slicing`, joins in `joining`.

use super::{Types, list, one, product, times, unify};
use crate::ops::Operands;
use crate::{Dim, ShapedType};

/// A constant integer of at least one.
pub(super) fn positive(operands: &Operands<'_>, name: &str) -> Result<usize, String> {
    let value = operands.int(name)?;
    usize::try_from(value)
        .ok()
        .filter(|&value| value > 0)
        .ok_or_else(|| format!("{name} must be positive, not {value}"))
}

/// The dimensions of `x`, which must have four.
fn four(operands: &Operands<'_>) -> Result<(ShapedType, [Dim; 4]), String> {
    let x = operands.shaped("x")?;
    match <[Dim; 4]>::try_from(x.dims.clone()) {
        Ok(dims) => Ok((x, dims)),
        Err(dims) => Err(format!("x must have four dimensions, not {}", list(&dims))),
    }
}

/// An extent divided into equal parts.
fn divided(dim: &Dim, parts: usize, what: &str) -> Result<Dim, String> {
    match dim {
        _ if parts == 1 => Ok(dim.clone()),
        Dim::Fixed(extent) if extent.is_multiple_of(parts) => Ok(Dim::Fixed(extent / parts)),
        Dim::Fixed(extent) => Err(format!("{what} {extent} is not a multiple of {parts}")),
        _ => Ok(Dim::Any),
    }
}

/// One extent may be −1; a 0 stands for the dimension of x at that place from the right, or for one where x has none
/// (older operation sets allow it only at equal ranks, where both readings agree).
pub(crate) fn reshape(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let Some(wanted) = operands.known_ints("shape")? else {
        return one(x.with(operands.extents("shape")?));
    };
    let inherited = |position: usize| match (position + x.rank()).checked_sub(wanted.len()) {
        // Compilers leave the zero in the type when x is flexible.
        Some(_) if x.elements().is_none() => Dim::Any,
        Some(from) => x.dims[from].clone(),
        None => Dim::Fixed(1),
    };
    let mut dims = Vec::with_capacity(wanted.len());
    for (position, &extent) in wanted.iter().enumerate() {
        dims.push(match extent {
            -1 => Dim::Any,
            0 => inherited(position),
            _ => Dim::Fixed(
                usize::try_from(extent)
                    .map_err(|_| format!("shape {wanted:?} has an extent that is negative and not −1"))?,
            ),
        });
    }
    let mut open = wanted.iter().enumerate().filter(|&(_, &extent)| extent == -1).map(|(i, _)| i);
    let refuse = || Err(format!("{} cannot become {wanted:?}", list(&x.dims)));
    let (first, second) = (open.next(), open.next());
    if second.is_some() {
        return refuse();
    }
    let Some(elements) = x.elements() else {
        return one(x.with(dims));
    };
    let known =
        dims.iter().filter_map(Dim::fixed).try_fold(1usize, |n, extent| n.checked_mul(extent)).unwrap_or(0);
    match first {
        Some(_) if known == 0 || !elements.is_multiple_of(known) => return refuse(),
        Some(position) => dims[position] = Dim::Fixed(elements / known),
        None if known != elements => return refuse(),
        None => {}
    }
    one(x.with(dims))
}

/// The shape is put together from slices of other tensors' shapes.
pub(crate) fn reshape_like(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let references = operands.tensors("ref_tensors")?;
    let (begins, ends) = (scalars(operands, "begins")?, scalars(operands, "ends")?);
    let masks = scalars(operands, "end_masks")?;
    if [begins.len(), ends.len(), masks.len()] != [references.len(); 3] {
        return Err("begins, ends, end_masks and ref_tensors must be of one length".to_owned());
    }
    let mut dims = Vec::new();
    for (i, &reference) in references.iter().enumerate() {
        let shape = operands.shaped_of(reference)?.dims;
        let rank = shape.len() as i64;
        let clamp = |v: i64| (if v < 0 { v + rank } else { v }).clamp(0, rank) as usize;
        let (begin, end) = (clamp(begins[i]), if masks[i] != 0 { shape.len() } else { clamp(ends[i]) });
        dims.extend(shape.get(begin..end).unwrap_or_default().iter().cloned());
    }
    if !product(&x.dims).may_equal(&product(&dims)) {
        return Err(format!("{} cannot become {}", list(&x.dims), list(&dims)));
    }
    one(x.with(dims))
}

/// The numbers of a tuple of constant scalars.
fn scalars(operands: &Operands<'_>, name: &str) -> Result<Vec<i64>, String> {
    let scalar = |&id| match operands.constant_of(id)?.to_i64()?[..] {
        [value] => Some(value),
        _ => None,
    };
    let values = operands.tensors(name)?.iter().map(scalar).collect::<Option<Vec<_>>>();
    values.ok_or_else(|| format!("{name} must be a tuple of constant scalars"))
}

pub(crate) fn expand_dims(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let rank = x.rank() + operands.ints("axes")?.len();
    let axes = operands.axes("axes", rank)?;
    let mut rest = x.dims.iter().cloned();
    let dims = (0..rank).filter_map(|i| if axes.contains(&i) { Some(Dim::Fixed(1)) } else { rest.next() });
    one(x.with(dims.collect()))
}

/// Only extents known to be one go: a named axis of another extent stays, as in PyTorch.
pub(crate) fn squeeze(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let axes = operands.axes("axes", x.rank())?;
    let stays = |&(i, dim): &(usize, &Dim)| !axes.contains(&i) || *dim != Dim::Fixed(1);
    let dims = x.dims.iter().enumerate().filter(stays).map(|(_, dim)| dim.clone());
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

pub(crate) fn flatten2d(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let (axis, rank) = (i64::from(operands.int("axis")?), x.rank() as i64);
    if axis < -rank || axis > rank {
        return Err(format!("axis {axis} is out of range for rank {rank}"));
    }
    let (before, after) = x.dims.split_at((if axis < 0 { axis + rank } else { axis }) as usize);
    one(x.with(vec![product(before), product(after)]))
}

pub(crate) fn reverse(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    operands.axes("axes", x.rank())?;
    one(x)
}

pub(crate) fn reverse_sequence(operands: &Operands<'_>) -> Types {
    let (x, lengths) = (operands.shaped("x")?, operands.shaped("lengths")?);
    operands.axis("seq_axis", x.rank())?;
    let batch = &x.dims[operands.axis("batch_axis", x.rank())?];
    match &lengths.dims[..] {
        [count] if count.may_equal(batch) => one(x),
        other => Err(format!("lengths must be [{batch}], not {}", list(other))),
    }
}

pub(crate) fn band_part(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    if x.rank() < 2 {
        return Err(format!("needs matrices, not {}", list(&x.dims)));
    }
    one(x)
}

pub(crate) fn sliding_windows(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let axis = operands.axis("axis", x.rank())?;
    let (size, stride) = (positive(operands, "size")?, positive(operands, "stride")?);
    let mut dims = x.dims.clone();
    dims[axis] = match x.dims[axis].fixed() {
        Some(extent) if size > extent => {
            return Err(format!("windows of {size} do not fit into {extent}"));
        }
        Some(extent) => Dim::Fixed((extent - size) / stride + 1),
        None => Dim::Any,
    };
    dims.insert(axis + 1, Dim::Fixed(size));
    one(x.with(dims))
}

/// Channels become blocks of pixels.
fn channels_to_blocks(operands: &Operands<'_>, factor: &str) -> Types {
    let (x, [n, c, h, w]) = four(operands)?;
    let block = positive(operands, factor)?;
    let c = divided(&c, block.saturating_mul(block), "the number of channels")?;
    one(x.with(vec![n, c, times(&h, block), times(&w, block)]))
}

/// Blocks of pixels become channels.
fn blocks_to_channels(operands: &Operands<'_>, factor: &str) -> Types {
    let (x, [n, c, h, w]) = four(operands)?;
    let block = positive(operands, factor)?;
    let (h, w) = (divided(&h, block, "height")?, divided(&w, block, "width")?);
    one(x.with(vec![n, times(&c, block.saturating_mul(block)), h, w]))
}

pub(crate) fn depth_to_space(operands: &Operands<'_>) -> Types {
    channels_to_blocks(operands, "block_size")
}

pub(crate) fn pixel_shuffle(operands: &Operands<'_>) -> Types {
    channels_to_blocks(operands, "upscale_factor")
}

pub(crate) fn space_to_depth(operands: &Operands<'_>) -> Types {
    blocks_to_channels(operands, "block_size")
}

pub(crate) fn pixel_unshuffle(operands: &Operands<'_>) -> Types {
    blocks_to_channels(operands, "downscale_factor")
}

/// `block_shape` of two positive numbers, and the two by two margins of `name`.
fn blocks(operands: &Operands<'_>, name: &str) -> Result<([usize; 2], [[usize; 2]; 2]), String> {
    let block = operands.ints("block_shape")?;
    let block: Vec<usize> =
        block.iter().filter_map(|&b| usize::try_from(b).ok().filter(|&b| b > 0)).collect();
    let block = <[usize; 2]>::try_from(block).map_err(|_| "block_shape must be two positive numbers")?;
    let margins = operands.constant(name).filter(|constant| constant.ty.shape == [2, 2]);
    let margins = margins.and_then(|constant| constant.to_i64()).unwrap_or_default();
    let margins: Vec<usize> = margins.iter().filter_map(|&m| usize::try_from(m).ok()).collect();
    match margins[..] {
        [top, bottom, left, right] => Ok((block, [[top, bottom], [left, right]])),
        _ => Err(format!("{name} must be a constant of shape [2, 2] without negative numbers")),
    }
}

pub(crate) fn space_to_batch(operands: &Operands<'_>) -> Types {
    let (x, [n, c, h, w]) = four(operands)?;
    let (block, paddings) = blocks(operands, "paddings")?;
    let extent = |dim: &Dim, i: usize| {
        let padded = match dim.fixed() {
            Some(extent) => Dim::Fixed(extent.saturating_add(paddings[i][0]).saturating_add(paddings[i][1])),
            None => Dim::Any,
        };
        divided(&padded, block[i], "the padded extent")
    };
    one(x.with(vec![times(&n, block[0].saturating_mul(block[1])), c, extent(&h, 0)?, extent(&w, 1)?]))
}

pub(crate) fn batch_to_space(operands: &Operands<'_>) -> Types {
    let (x, [n, c, h, w]) = four(operands)?;
    let (block, crops) = blocks(operands, "crops")?;
    let extent = |dim: &Dim, i: usize| match dim.fixed() {
        Some(extent) => extent
            .saturating_mul(block[i])
            .checked_sub(crops[i][0].saturating_add(crops[i][1]))
            .map(Dim::Fixed)
            .ok_or_else(|| format!("crops {:?} are larger than the extent", crops[i])),
        None => Ok(Dim::Any),
    };
    let n = divided(&n, block[0].saturating_mul(block[1]), "the batch")?;
    one(x.with(vec![n, c, extent(&h, 0)?, extent(&w, 1)?]))
}

/// Whichever of the extents of two shapes that must agree is known.
pub(super) fn agree(a: &[Dim], b: &[Dim]) -> Option<Vec<Dim>> {
    (a.len() == b.len()).then(|| a.iter().zip(b).map(|(a, b)| unify(a, b)).collect())?
}
