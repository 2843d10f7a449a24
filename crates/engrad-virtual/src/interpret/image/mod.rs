//! Cutting, resizing and resampling of images, and selection of boxes.

mod boxes;
mod grid;
mod points;
mod suppression;

use engrad_mil::Op;
use rayon::prelude::*;

use self::grid::{Axis, Between, Sampling};
use super::call::{Call, Kernel};
use super::tensor::{Data, Tensor, elements, table_len};

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Affine => points::affine,
        Op::Crop => crop,
        Op::CropResize => boxes::crop_resize,
        Op::Resample => points::resample,
        Op::Resize => resize,
        Op::ResizeBilinear => resize_bilinear,
        Op::ResizeNearestNeighbor => resize_nearest_neighbor,
        Op::UpsampleBilinear => upsample_bilinear,
        Op::UpsampleNearestNeighbor => upsample_nearest_neighbor,
        Op::NonMaximumSuppression => suppression::non_maximum_suppression,
        _ => return None,
    })
}

/// x and the positions of its height and width.
fn planes<'a>(call: &Call<'a>) -> Result<(&'a Tensor, [usize; 2]), String> {
    let x = call.tensor("x")?;
    match x.rank().checked_sub(2) {
        Some(height) => Ok((x, [height, height + 1])),
        None => Err(format!("x has shape {:?}", x.shape)),
    }
}

/// The elements of an axis at these positions.
fn pick_along(x: &Tensor, axis: usize, positions: &[usize]) -> Result<Tensor, String> {
    fn each<T: Copy + Default + Send + Sync>(x: &[T], axis: Axis, positions: &[usize], len: usize) -> Vec<T> {
        let Axis { extent, inner } = axis;
        let mut y = vec![T::default(); len];
        let lines = y.par_chunks_mut((positions.len() * inner).max(1)).enumerate();
        lines.for_each(|(outer, y)| {
            let x = &x[outer * extent * inner..][..extent * inner];
            if inner == 1 {
                y.iter_mut().zip(positions).for_each(|(y, &p)| *y = x[p]);
            } else {
                let rows = y.chunks_mut(inner.max(1)).zip(positions);
                rows.for_each(|(y, &p)| y.copy_from_slice(&x[p * inner..(p + 1) * inner]));
            }
        });
        y
    }
    let mut shape = x.shape.clone();
    shape[axis] = positions.len();
    let len = elements(&shape)?;
    if positions.iter().any(|&p| p >= x.shape[axis]) {
        return Err(format!("a position is outside dimension {axis} of {:?}", x.shape));
    }
    let part = Axis::of(&x.shape, axis);
    let data = match &x.data {
        Data::Floats(v) => Data::Floats(each(v, part, positions, len)),
        Data::Ints(v) => Data::Ints(each(v, part, positions, len)),
        Data::Bytes(v) => Data::Bytes(each(v, part, positions, len)),
        Data::Texts(_) => return Err("needs numbers, not texts".to_owned()),
    };
    Ok(Tensor { dtype: x.dtype, shape, data })
}

/// A floating-point tensor interpolated linearly along an axis.
fn interpolate(x: &Tensor, axis: usize, points: &[Between]) -> Result<Tensor, String> {
    let mut shape = x.shape.clone();
    shape[axis] = points.len();
    let mut y = vec![0.0; elements(&shape)?];
    let Axis { extent, inner } = Axis::of(&x.shape, axis);
    if extent == 0 {
        return Err(format!("dimension {axis} of {:?} is empty", x.shape));
    }
    let x_values = x.as_floats()?;
    let lines = y.par_chunks_mut((points.len() * inner).max(1)).enumerate();
    lines.for_each(|(outer, y)| {
        let x = &x_values[outer * extent * inner..][..extent * inner];
        if inner == 1 {
            for (y, p) in y.iter_mut().zip(points) {
                *y = x[p.low] + (x[p.high] - x[p.low]) * p.part;
            }
            return;
        }
        for (y, p) in y.chunks_mut(inner.max(1)).zip(points) {
            let (low, high) = (&x[p.low * inner..][..inner], &x[p.high * inner..][..inner]);
            for ((y, a), b) in y.iter_mut().zip(low).zip(high) {
                *y = a + (b - a) * p.part;
            }
        }
    });
    Tensor::floats(x.dtype, shape, y)
}

fn crop(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, axes) = planes(call)?;
    let mut y = x.clone();
    for (axis, name) in axes.into_iter().zip(["crop_height", "crop_width"]) {
        let [before, after] = call.sizes(name)?[..] else {
            return Err(format!("argument `{name}` needs two numbers"));
        };
        let end = x.shape[axis].checked_sub(after).filter(|&end| end > before);
        let end = end.ok_or_else(|| format!("`{name}` leaves nothing of {:?}", x.shape))?;
        y = pick_along(&y, axis, &(before..end).collect::<Vec<_>>())?;
    }
    Ok(vec![y])
}

/// A wanted extent.
fn target(call: &Call<'_>, name: &str) -> Result<usize, String> {
    let extent = usize::try_from(call.int(name)?).ok().filter(|&extent| extent > 0);
    table_len(extent.ok_or_else(|| format!("argument `{name}` must be positive"))?)
}

/// Positions of samples along one dimension; refuses extents that no result may have.
fn points(sampling: Sampling, count: usize, extent: usize) -> Result<Vec<Between>, String> {
    table_len(count)?;
    let position = |i: usize| sampling.position(i, count, extent as f64);
    Ok((0..count).map(|i| Between::of(position(i), extent)).collect())
}

/// The nearest element at or before each sample.
fn floors(count: usize, extent: usize) -> Result<Vec<usize>, String> {
    table_len(count)?;
    Ok((0..count).map(|i| i * extent / count).collect())
}

/// Axes at other extents with linear interpolation. The first axis goes first, so that later ones are done on less.
fn linear(x: &Tensor, sampling: Sampling, targets: &[(usize, usize)]) -> Result<Tensor, String> {
    let mut y = Tensor::floats(x.dtype, x.shape.clone(), x.to_f32()?.into_owned())?;
    for &(axis, count) in targets {
        // At the same extent, every mode but one has its samples on the elements.
        if count != x.shape[axis] || sampling == Sampling::OffsetCorners {
            y = interpolate(&y, axis, &points(sampling, count, x.shape[axis])?)?;
        }
    }
    Ok(y)
}

fn resize_bilinear(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, [height, width]) = planes(call)?;
    let sampling = Sampling::from_name(call.string("sampling_mode")?)?;
    let targets =
        [(height, target(call, "target_size_height")?), (width, target(call, "target_size_width")?)];
    Ok(vec![linear(x, sampling, &targets)?])
}

fn resize_nearest_neighbor(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, [height, width]) = planes(call)?;
    let y = pick_along(x, height, &floors(target(call, "target_size_height")?, x.shape[height])?)?;
    Ok(vec![pick_along(&y, width, &floors(target(call, "target_size_width")?, x.shape[width])?)?])
}

/// The scaled extent of an axis: as the result is declared, or else rounded down.
fn scaled(call: &Call<'_>, name: &str, axis: usize, extent: usize) -> Result<usize, String> {
    let declared = call.results.first().and_then(|ty| ty.dims());
    let declared = declared.and_then(|dims| dims.get(axis).and_then(engrad_mil::Dim::fixed));
    let scale = call.float(name)?;
    let computed = (scale * extent as f32).floor();
    if !(scale > 0.0 && computed.is_finite() && computed >= 1.0) {
        return Err(format!("{name} {scale} does not fit {extent} elements"));
    }
    // Compilers differ by one where the product is close to a whole number.
    let computed = computed as usize;
    Ok(declared.filter(|&d| d > 0 && d.abs_diff(computed) <= 1).unwrap_or(computed))
}

fn upsample_bilinear(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, [height, width]) = planes(call)?;
    let aligned = call.bool("align_corners")?;
    let halves = if call.has("half_pixel_centers") { call.bool("half_pixel_centers")? } else { !aligned };
    let sampling = match (aligned, halves) {
        (true, false) => Sampling::StrictAlignCorners,
        (false, true) => Sampling::UnalignCorners,
        (false, false) => Sampling::Default,
        (true, true) => return Err("align_corners and half_pixel_centers exclude each other".to_owned()),
    };
    let targets = [
        (height, scaled(call, "scale_factor_height", height, x.shape[height])?),
        (width, scaled(call, "scale_factor_width", width, x.shape[width])?),
    ];
    Ok(vec![linear(x, sampling, &targets)?])
}

fn upsample_nearest_neighbor(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, [height, width]) = planes(call)?;
    let rows = scaled(call, "scale_factor_height", height, x.shape[height])?;
    let columns = scaled(call, "scale_factor_width", width, x.shape[width])?;
    // Rows last: they are copied whole.
    let y = pick_along(x, width, &floors(columns, x.shape[width])?)?;
    Ok(vec![pick_along(&y, height, &floors(rows, x.shape[height])?)?])
}

fn resize(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor("x")?;
    let shape = call.sizes("shape")?;
    let count = usize::try_from(call.int("resized_dims")?).unwrap_or(usize::MAX);
    if count > shape.len() || shape.len() > x.rank() {
        return Err(format!("{count} extents of {shape:?} do not fit x {:?}", x.shape));
    }
    let sampling = Sampling::from_name(call.string("sampling_mode")?)?;
    let first = x.rank() - count;
    let wanted = shape[shape.len() - count..].iter().enumerate();
    let extent =
        |(i, &extent): (usize, &usize)| (first + i, if extent == 0 { x.shape[first + i] } else { extent });
    let targets: Vec<(usize, usize)> = wanted.map(extent).collect();
    let mode = call.string("interpolation_mode")?;
    if mode.eq_ignore_ascii_case("linear") {
        let y = linear(x, sampling, &targets)?;
        if x.dtype.is_float() {
            return Ok(vec![y]);
        }
        let rounded = y.as_floats()?.iter().map(|v| v.round() as i32).collect();
        return Ok(vec![Tensor::ints(x.dtype, y.shape.clone(), rounded)?]);
    }
    if !mode.eq_ignore_ascii_case("nearest_neighbor") {
        return Err(format!("interpolation_mode `{}` is not known", mode.escape_debug()));
    }
    let mut y = x.clone();
    for (axis, count) in targets {
        table_len(count)?;
        let extent = x.shape[axis];
        // A sample half-way between two elements takes the first: doubling repeats each element twice.
        let nearest = |i: usize| (sampling.position(i, count, extent as f64) - 0.5).ceil().max(0.0) as usize;
        y = pick_along(&y, axis, &(0..count).map(nearest).collect::<Vec<_>>())?;
    }
    Ok(vec![y])
}

#[cfg(test)]
mod tests;
