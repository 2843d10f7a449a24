//! Kernels of the operations that give elements other shapes and orders.

use engrad_mil::{Dim, Op};

use super::call::{Call, Kernel, resolve_axis};
use super::strided::{View, blank, copy, read};
use super::tensor::{Data, Tensor, elements};

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Reshape => reshape,
        Op::ReshapeLike => reshape_like,
        Op::ExpandDims => expand_dims,
        Op::Squeeze => squeeze,
        Op::Transpose => transpose,
        Op::Flatten2d => flatten2d,
        Op::Reverse => reverse,
        Op::ReverseSequence => reverse_sequence,
        Op::SlidingWindows => sliding_windows,
        Op::DepthToSpace | Op::PixelShuffle => channels_to_blocks,
        Op::SpaceToDepth | Op::PixelUnshuffle => blocks_to_channels,
        Op::BatchToSpace => batch_to_space,
        Op::SpaceToBatch => space_to_batch,
        Op::BandPart => band_part,
        _ => return None,
    })
}

type Results = Result<Vec<Tensor>, String>;

fn one(tensor: Result<Tensor, String>) -> Results {
    tensor.map(|tensor| vec![tensor])
}

/// A number of at least one.
pub(super) fn positive(call: &Call<'_>, name: &str) -> Result<usize, String> {
    let value = call.int(name)?;
    usize::try_from(value)
        .ok()
        .filter(|&value| value > 0)
        .ok_or_else(|| format!("{name} must be positive, not {value}"))
}

fn reshape(call: &Call<'_>) -> Results {
    let (x, wanted) = (call.tensor("x")?, call.ints("shape")?);
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (position, &extent) in wanted.iter().enumerate() {
        shape.push(match extent {
            -1 if open.replace(position).is_some() => {
                return Err(format!("shape {wanted:?} has two extents of −1"));
            }
            -1 => 1,
            // The dimension of x at that place from the right.
            0 => (position + x.rank()).checked_sub(wanted.len()).map_or(1, |from| x.shape[from]),
            _ => usize::try_from(extent).map_err(|_| format!("shape {wanted:?} has a negative extent"))?,
        });
    }
    if let Some(open) = open {
        shape[open] = x.len().checked_div(elements(&shape)?).unwrap_or(0);
    }
    one(x.clone().reshaped(shape))
}

fn reshape_like(call: &Call<'_>) -> Results {
    let references = call.tensors("ref_tensors")?;
    let (begins, ends) = (call.tensors("begins")?, call.tensors("ends")?);
    let masks = call.tensors("end_masks")?;
    if [begins.len(), ends.len(), masks.len()] != [references.len(); 3] {
        return Err("begins, ends, end_masks and ref_tensors must be of one length".to_owned());
    }
    let number = |tensor: &Tensor| tensor.as_ints()?.first().copied().ok_or("needs a number".to_owned());
    let mut shape = Vec::new();
    for (i, reference) in references.iter().enumerate() {
        let rank = reference.rank() as i64;
        let clamp = |v: i32| (if v < 0 { i64::from(v) + rank } else { i64::from(v) }).clamp(0, rank) as usize;
        let (begin, end) = (clamp(number(begins[i])?), clamp(number(ends[i])?));
        let end = if number(masks[i])? != 0 { reference.rank() } else { end };
        shape.extend(reference.shape.get(begin..end).unwrap_or_default());
    }
    one(call.tensor("x")?.clone().reshaped(shape))
}

fn expand_dims(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let rank = x.rank() + call.ints("axes")?.len();
    let axes = call.axes("axes", rank)?;
    let mut rest = x.shape.iter().copied();
    let shape = (0..rank).map(|i| if axes.contains(&i) { Some(1) } else { rest.next() });
    let shape = shape.collect::<Option<Vec<_>>>().ok_or("axes do not fit x")?;
    one(x.clone().reshaped(shape))
}

/// Of the dimensions that may go, as many go as the declared rank asks for: an extent that was not known to be one when
/// the type was declared stays.
fn squeeze(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let axes = call.axes("axes", x.rank())?;
    let goes = |i: usize| axes.contains(&i) && x.shape[i] == 1;
    let declared = call.results.first().and_then(|ty| ty.dims());
    let certain = (0..x.rank()).filter(|&i| !goes(i)).count();
    let mut spare = declared.as_ref().map_or(0, |dims| dims.len().saturating_sub(certain));
    let mut shape = Vec::with_capacity(x.rank());
    for (i, &extent) in x.shape.iter().enumerate() {
        let stays = goes(i) && spare > 0 && {
            let dim = declared.as_ref().and_then(|dims| dims.get(shape.len()));
            dim.is_some_and(|dim| dim.fixed().is_none() || *dim == Dim::Fixed(1))
        };
        spare -= usize::from(stays);
        if stays || !goes(i) {
            shape.push(extent);
        }
    }
    one(x.clone().reshaped(shape))
}

fn transpose(call: &Call<'_>) -> Results {
    let (x, perm) = (call.tensor("x")?, call.ints("perm")?);
    if call.axes("perm", x.rank())?.len() != x.rank() {
        return Err(format!("perm {perm:?} does not order {} dimensions", x.rank()));
    }
    let order = perm.iter().map(|&p| resolve_axis(p, x.rank())).collect::<Result<Vec<_>, _>>()?;
    let dense = View::dense(&x.shape);
    let strides = order.iter().map(|&axis| dense.strides[axis]).collect();
    let shape = order.iter().map(|&axis| x.shape[axis]).collect();
    one(read(x, shape, &View { offset: 0, strides }))
}

fn flatten2d(call: &Call<'_>) -> Results {
    let (x, axis) = (call.tensor("x")?, i64::from(call.int("axis")?));
    let rank = x.rank() as i64;
    if axis < -rank || axis > rank {
        return Err(format!("axis {axis} is out of range for rank {rank}"));
    }
    let (before, after) = x.shape.split_at((if axis < 0 { axis + rank } else { axis }) as usize);
    one(x.clone().reshaped(vec![elements(before)?, elements(after)?]))
}

fn reverse(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let mut view = View::dense(&x.shape);
    for axis in call.axes("axes", x.rank())? {
        view.offset += view.strides[axis] * (x.shape[axis] as i64 - 1);
        view.strides[axis] = -view.strides[axis];
    }
    one(read(x, x.shape.clone(), &view))
}

fn reverse_sequence(call: &Call<'_>) -> Results {
    let (x, lengths) = (call.tensor("x")?, call.sizes("lengths")?);
    let sequence = call.axis("seq_axis", x.rank())?;
    let batch = call.axis("batch_axis", x.rank())?;
    if lengths.len() != x.shape[batch] || sequence == batch {
        return Err(format!("{} lengths for shape {:?} along axis {batch}", lengths.len(), x.shape));
    }
    let mut result = x.clone();
    for (i, &length) in lengths.iter().enumerate() {
        if length > x.shape[sequence] {
            return Err(format!("length {length} is longer than the sequence of {}", x.shape[sequence]));
        }
        let mut shape = x.shape.clone();
        (shape[batch], shape[sequence]) = (1, length);
        let mut to = View::dense(&x.shape);
        to.offset = to.strides[batch] * i as i64;
        let mut from = to.clone();
        from.offset += from.strides[sequence] * (length as i64 - 1);
        from.strides[sequence] = -from.strides[sequence];
        copy(&shape, &mut result, &to, x, &from)?;
    }
    Ok(vec![result])
}

fn sliding_windows(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let axis = call.axis("axis", x.rank())?;
    let (size, stride) = (positive(call, "size")?, positive(call, "stride")?);
    let count =
        x.shape[axis].checked_sub(size).ok_or_else(|| format!("windows of {size} do not fit"))? / stride + 1;
    let (mut shape, mut view) = (x.shape.clone(), View::dense(&x.shape));
    shape[axis] = count;
    shape.insert(axis + 1, size);
    view.strides.insert(axis, view.strides[axis].saturating_mul(stride as i64));
    one(read(x, shape, &view))
}

/// The extents of `x` and its distances, if it has four dimensions.
fn four(x: &Tensor) -> Result<([usize; 4], [i64; 4]), String> {
    let shape = <[usize; 4]>::try_from(x.shape.as_slice());
    let shape = shape.map_err(|_| format!("x must have four dimensions, not {:?}", x.shape))?;
    let [n, c, h, w] = View::dense(&shape).strides[..] else {
        return Err("x must have four dimensions".to_owned());
    };
    Ok((shape, [n, c, h, w]))
}

/// `extent / parts`, which must come out even.
fn divided(extent: usize, parts: usize) -> Result<usize, String> {
    if parts == 0 || !extent.is_multiple_of(parts) {
        return Err(format!("an extent of {extent} is not a multiple of {parts}"));
    }
    Ok(extent / parts)
}

/// A channel is block row, block column, result channel for `depth_to_space`; the result channel comes first for
/// `pixel_shuffle`.
fn channels_to_blocks(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let shuffle = call.op == Op::PixelShuffle;
    let block = positive(call, if shuffle { "upscale_factor" } else { "block_size" })?;
    let ([n, c, h, w], [to_n, to_c, to_h, to_w]) = four(x)?;
    let channels = divided(c, block.saturating_mul(block))?;
    let shape = vec![n, channels, h.saturating_mul(block), w.saturating_mul(block)];
    // The block is not larger than the result, however few channels there are.
    elements(&shape)?;
    let b = block as i64;
    let (channel, row, column) = if shuffle {
        (to_c * b * b, to_c * b, to_c)
    } else {
        (to_c, to_c * b * channels as i64, to_c * channels as i64)
    };
    let strides = vec![to_n, channel, to_h, row, to_w, column];
    let moved = read(x, vec![n, channels, h, block, w, block], &View { offset: 0, strides })?;
    one(moved.reshaped(shape))
}

/// The inverse of [`channels_to_blocks`].
fn blocks_to_channels(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let unshuffle = call.op == Op::PixelUnshuffle;
    let block = positive(call, if unshuffle { "downscale_factor" } else { "block_size" })?;
    let ([n, c, h, w], [to_n, to_c, to_h, to_w]) = four(x)?;
    let (rows, columns, b) = (divided(h, block)?, divided(w, block)?, block as i64);
    let (shape, strides) = if unshuffle {
        (vec![n, c, block, block, rows, columns], vec![to_n, to_c, to_h, to_w, to_h * b, to_w * b])
    } else {
        (vec![n, block, block, c, rows, columns], vec![to_n, to_h, to_w, to_c, to_h * b, to_w * b])
    };
    let channels = c.saturating_mul(block.saturating_mul(block));
    one(read(x, shape, &View { offset: 0, strides })?.reshaped(vec![n, channels, rows, columns]))
}

/// `block_shape` and the four margins of `name`.
fn block(call: &Call<'_>, name: &str) -> Result<([usize; 2], [usize; 4]), String> {
    let (block, margins) = (call.sizes("block_shape")?, call.sizes(name)?);
    let block = <[usize; 2]>::try_from(block).ok().filter(|block| !block.contains(&0));
    let block = block.ok_or("block_shape must be two positive numbers")?;
    let margins = <[usize; 4]>::try_from(margins).map_err(|_| format!("{name} must be four numbers"))?;
    Ok((block, margins))
}

/// An image of a batch is block row, block column, image of the result.
fn batch_to_space(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let ([rows, columns], [top, bottom, left, right]) = block(call, "crops")?;
    let ([n, c, h, w], [to_n, to_c, to_h, to_w]) = four(x)?;
    let images = divided(n, rows.saturating_mul(columns))?;
    let (row, column) = (to_n * (columns * images) as i64, to_n * images as i64);
    let strides = vec![to_n, to_c, to_h, row, to_w, column];
    let moved = read(x, vec![images, c, h, rows, w, columns], &View { offset: 0, strides })?;
    let moved = moved.reshaped(vec![images, c, h * rows, w * columns])?;
    let cropped = |extent: usize, margin: usize| {
        extent.checked_sub(margin).ok_or_else(|| format!("crops of {margin} are larger than {extent}"))
    };
    let shape = vec![
        images,
        c,
        cropped(h * rows, top.saturating_add(bottom))?,
        cropped(w * columns, left.saturating_add(right))?,
    ];
    let mut view = View::dense(&moved.shape);
    view.offset = view.strides[2] * top as i64 + left as i64;
    one(read(&moved, shape, &view))
}

/// The inverse of [`batch_to_space`].
fn space_to_batch(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let ([rows, columns], [top, bottom, left, right]) = block(call, "paddings")?;
    let ([n, c, h, w], _) = four(x)?;
    let padded =
        |extent: usize, before: usize, after: usize| extent.saturating_add(before).saturating_add(after);
    let mut image = blank(x, vec![n, c, padded(h, top, bottom), padded(w, left, right)])?;
    let mut view = View::dense(&image.shape);
    view.offset = view.strides[2] * top as i64 + left as i64;
    copy(&x.shape, &mut image, &view, x, &View::dense(&x.shape))?;
    let ([_, _, h, w], [to_n, to_c, to_h, to_w]) = four(&image)?;
    let (h, w) = (divided(h, rows)?, divided(w, columns)?);
    let strides = vec![to_h, to_w, to_n, to_c, to_h * rows as i64, to_w * columns as i64];
    let moved = read(&image, vec![rows, columns, n, c, h, w], &View { offset: 0, strides })?;
    one(moved.reshaped(vec![rows * columns * n, c, h, w]))
}

fn band_part(call: &Call<'_>) -> Results {
    let mut x = call.tensor("x")?.clone();
    let (lower, upper) = (i64::from(call.int("lower")?), i64::from(call.int("upper")?));
    let [.., rows, columns] = x.shape[..] else {
        return Err(format!("needs matrices, not {:?}", x.shape));
    };
    let outside = |position: usize| {
        let (row, column) = ((position / columns % rows) as i64, (position % columns) as i64);
        (lower >= 0 && row - column > lower) || (upper >= 0 && column - row > upper)
    };
    fn clear<T: std::default::Default>(values: &mut [T], outside: impl Fn(usize) -> bool) {
        values.iter_mut().enumerate().filter(|(i, _)| outside(*i)).for_each(|(_, v)| *v = T::default());
    }
    match &mut x.data {
        Data::Floats(v) => clear(v, outside),
        Data::Ints(v) => clear(v, outside),
        Data::Bytes(v) => clear(v, outside),
        Data::Texts(v) => clear(v, outside),
    }
    Ok(vec![x])
}
