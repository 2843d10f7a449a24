//! Kernels of the operations that take or replace parts of a tensor.

use engrad_mil::Op;

use super::call::{Call, Kernel};
use super::movement::positive;
use super::strided::{View, copy, read};
use super::tensor::Tensor;

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::SliceByIndex => slice_by_index,
        Op::SliceBySize => slice_by_size,
        Op::SliceUpdate => slice_update,
        Op::Split => split,
        _ => return None,
    })
}

type Results = Result<Vec<Tensor>, String>;

/// Part of a tensor: where it lies, and its extents with and without the squeezed dimensions.
struct Part {
    view: View,
    shape: Vec<usize>,
    squeezed: Vec<usize>,
}

/// What begin, end, strides and masks describe: bounds count from the end where negative, and are cut to the extent.
fn part(call: &Call<'_>, x: &Tensor) -> Result<Part, String> {
    let rank = x.rank();
    let (begin, end, stride) = (call.ints("begin")?, call.ints("end")?, call.ints("stride")?);
    let begin_mask = call.bools("begin_mask")?;
    let (end_mask, squeeze) = (call.bools("end_mask")?, call.bools("squeeze_mask")?);
    let lengths = [begin.len(), end.len(), stride.len(), begin_mask.len(), end_mask.len(), squeeze.len()];
    if lengths != [rank; 6] {
        return Err(format!("bounds, strides and masks of {lengths:?} numbers for {rank} dimensions"));
    }
    let mut part = Part { view: View::dense(&x.shape), shape: Vec::new(), squeezed: Vec::new() };
    for i in 0..rank {
        let (extent, by) = (x.shape[i] as i64, i64::from(stride[i]));
        let absolute = |bound: i32| if bound < 0 { i64::from(bound) + extent } else { i64::from(bound) };
        let (from, count) = if squeeze[i] {
            let index = if begin_mask[i] { 0 } else { absolute(begin[i]) };
            if !(0..extent).contains(&index) {
                return Err(format!("dimension {i}: index {} is outside {extent}", begin[i]));
            }
            (index, 1)
        } else {
            let (low, high, first, last) = match by {
                1.. => (0, extent, 0, extent),
                0 => return Err(format!("dimension {i}: the stride is zero")),
                _ => (-1, extent - 1, extent - 1, -1),
            };
            // Before the first element there is the first one, also running backwards, where it is then left out; an
            // extent of one stays whole.
            let lowest = if extent == 1 { low } else { 0 };
            let bound = |bound: i32| match bound {
                0.. => i64::from(bound).min(high),
                _ => absolute(bound).max(lowest).min(high),
            };
            let from = if begin_mask[i] { first } else { bound(begin[i]) };
            let to = if end_mask[i] { last } else { bound(end[i]) };
            let distance = if by > 0 { to - from } else { from - to };
            (from, (distance.max(0) as usize).div_ceil(by.unsigned_abs() as usize))
        };
        part.view.offset += part.view.strides[i] * from;
        part.view.strides[i] = part.view.strides[i].saturating_mul(by);
        part.shape.push(count);
        if !squeeze[i] {
            part.squeezed.push(count);
        }
    }
    Ok(part)
}

fn slice_by_index(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let part = part(call, x)?;
    Ok(vec![read(x, part.shape, &part.view)?.reshaped(part.squeezed)?])
}

fn slice_update(call: &Call<'_>) -> Results {
    let (x, update) = (call.tensor("x")?, call.tensor("update")?);
    let part = part(call, x)?;
    if update.shape != part.squeezed || update.dtype != x.dtype {
        return Err(format!(
            "update is {} {:?}, the part {} {:?}",
            update.dtype, update.shape, x.dtype, part.squeezed
        ));
    }
    let mut result = x.clone();
    copy(&part.shape, &mut result, &part.view, update, &View::dense(&part.shape))?;
    Ok(vec![result])
}

fn slice_by_size(call: &Call<'_>) -> Results {
    let (x, begin, size) = (call.tensor("x")?, call.ints("begin")?, call.ints("size")?);
    if [begin.len(), size.len()] != [x.rank(); 2] {
        return Err(format!("begin and size need {} numbers", x.rank()));
    }
    let (mut view, mut shape) = (View::dense(&x.shape), Vec::with_capacity(x.rank()));
    for (i, &extent) in x.shape.iter().enumerate() {
        let extent = extent as i64;
        let from = if begin[i] < 0 { i64::from(begin[i]) + extent } else { i64::from(begin[i]) };
        let count = if size[i] == -1 { extent - from } else { i64::from(size[i]) };
        if from < 0 || count < 0 || from + count > extent {
            return Err(format!(
                "dimension {i}: {} elements from {} are not inside {extent}",
                size[i], begin[i]
            ));
        }
        view.offset += view.strides[i] * from;
        shape.push(count as usize);
    }
    Ok(vec![read(x, shape, &view)?])
}

fn split(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let axis = call.axis("axis", x.rank())?;
    let extent = x.shape[axis];
    let sizes = if call.has("split_sizes") {
        call.sizes("split_sizes")?
    } else {
        let count = positive(call, "num_splits")?;
        if !extent.is_multiple_of(count) || count > extent.max(1) {
            return Err(format!("{extent} elements cannot be split into {count} equal parts"));
        }
        vec![extent / count; count]
    };
    if sizes.iter().fold(0usize, |sum, &size| sum.saturating_add(size)) != extent {
        return Err(format!("split_sizes {sizes:?} do not add up to {extent}"));
    }
    let mut view = View::dense(&x.shape);
    let part = |size: usize| {
        let mut shape = x.shape.clone();
        shape[axis] = size;
        let part = read(x, shape, &view);
        view.offset += view.strides[axis] * size as i64;
        part
    };
    sizes.into_iter().map(part).collect()
}
