//! Cutting, resizing and resampling of images, and selection of boxes.

use super::{Types, list, one};
use crate::ops::Operands;
use crate::{Constant, DType, Dim, ShapedType, Type};

const SAMPLING: &[&str] =
    &["DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "OFFSET_CORNERS", "UNALIGN_CORNERS"];
const BOXES: &[&str] =
    &["CORNERS_HEIGHT_FIRST", "CORNERS_WIDTH_FIRST", "CENTER_SIZE_HEIGHT_FIRST", "CENTER_SIZE_WIDTH_FIRST"];
const COORDINATES: &[&str] = &["unnormalized", "normalized_minus_one_to_one", "normalized_zero_to_one"];

/// A text that is one of a few.
fn choice(operands: &Operands<'_>, name: &str, allowed: &[&str]) -> Result<(), String> {
    let given = operands.string(name)?;
    if allowed.iter().any(|a| a.eq_ignore_ascii_case(given)) {
        return Ok(());
    }
    Err(format!("{name} `{}` is none of {}", given.escape_debug(), allowed.join(", ")))
}

/// x, whose last two dimensions are height and width.
fn planes(operands: &Operands<'_>) -> Result<ShapedType, String> {
    let x = operands.shaped("x")?;
    if x.rank() < 3 {
        return Err(format!("x must have at least three dimensions, not {x}"));
    }
    Ok(x)
}

/// x as `[batch, channels, height, width]`.
fn images(operands: &Operands<'_>) -> Result<ShapedType, String> {
    let x = operands.shaped("x")?;
    if x.rank() != 4 {
        return Err(format!("x must be [batch, channels, height, width], not {x}"));
    }
    Ok(x)
}

/// An extent given as a constant.
fn extent(operands: &Operands<'_>, name: &str) -> Result<Dim, String> {
    let value = operands.int(name)?;
    match usize::try_from(value) {
        Ok(extent) if extent > 0 => Ok(Dim::Fixed(extent)),
        _ => Err(format!("{name} must be positive, not {value}")),
    }
}

/// Planes of another height and width.
fn resized(x: &ShapedType, height: Dim, width: Dim) -> Types {
    let mut dims = x.dims[..x.rank() - 2].to_vec();
    dims.extend([height, width]);
    one(x.with(dims))
}

pub(crate) fn crop(operands: &Operands<'_>) -> Types {
    let x = planes(operands)?;
    let cut = |name: &str, dim: &Dim| {
        let given = operands.ints(name)?;
        let [before, after] = given[..] else {
            return Err(format!("{name} needs two numbers, not {}", given.len()));
        };
        if before < 0 || after < 0 {
            return Err(format!("{name} {given:?} must not be negative"));
        }
        let Some(extent) = dim.fixed() else {
            return Ok(Dim::Any);
        };
        let rest = extent.checked_sub(before as usize + after as usize).filter(|&rest| rest > 0);
        rest.map(Dim::Fixed).ok_or_else(|| format!("{name} {given:?} leaves nothing of {extent}"))
    };
    let (height, width) = (&x.dims[x.rank() - 2], &x.dims[x.rank() - 1]);
    resized(&x, cut("crop_height", height)?, cut("crop_width", width)?)
}

pub(crate) fn affine(operands: &Operands<'_>) -> Types {
    let x = images(operands)?;
    let matrix = operands.shaped("transform_matrix")?;
    let fits = match &matrix.dims[..] {
        [rows, columns] => {
            columns.may_equal(&Dim::Fixed(6))
                && (rows.may_equal(&Dim::Fixed(1)) || rows.may_equal(&x.dims[0]))
        }
        _ => false,
    };
    if !fits {
        return Err(format!("transform_matrix must be [1 or {}, 6], not {}", x.dims[0], list(&matrix.dims)));
    }
    choice(operands, "sampling_mode", &["bilinear"])?;
    choice(operands, "padding_mode", &["constant"])?;
    choice(operands, "coordinates_mode", COORDINATES)?;
    resized(&x, extent(operands, "output_height")?, extent(operands, "output_width")?)
}

pub(crate) fn resample(operands: &Operands<'_>) -> Types {
    let x = images(operands)?;
    let points = operands.shaped("coordinates")?;
    choice(operands, "sampling_mode", &["bilinear", "nearest"])?;
    choice(operands, "padding_mode", &["constant", "border", "reflection", "symmetric"])?;
    choice(operands, "coordinates_mode", COORDINATES)?;
    match &points.dims[..] {
        [batch, height, width, two] if batch.may_equal(&x.dims[0]) && two.may_equal(&Dim::Fixed(2)) => {
            resized(&x, height.clone(), width.clone())
        }
        _ => {
            Err(format!("coordinates must be [{}, height, width, 2], not {}", x.dims[0], list(&points.dims)))
        }
    }
}

pub(crate) fn resize_bilinear(operands: &Operands<'_>) -> Types {
    choice(operands, "sampling_mode", SAMPLING)?;
    resize_to_target(operands)
}

pub(crate) fn resize_to_target(operands: &Operands<'_>) -> Types {
    let x = planes(operands)?;
    resized(&x, extent(operands, "target_size_height")?, extent(operands, "target_size_width")?)
}

/// A scaled extent, rounded down. Compilers differ in whether they multiply in single or double precision: where that
/// matters the extent is left open.
fn scaled(operands: &Operands<'_>, name: &str, dim: &Dim) -> Result<Dim, String> {
    let scale = match operands.constant(name).map(Constant::to_f64) {
        None => 1.0,
        Some(values) => match values.as_deref() {
            Some(&[scale]) => scale,
            _ => return Err(format!("argument `{name}` must be one number")),
        },
    };
    if !(scale.is_finite() && scale > 0.0) {
        return Err(format!("{name} must be positive, not {scale}"));
    }
    let Some(extent) = dim.fixed() else {
        return Ok(if scale == 1.0 { dim.clone() } else { Dim::Any });
    };
    let (double, single) = ((scale * extent as f64).floor(), (scale as f32 * extent as f32).floor());
    match (double as usize, single as usize) {
        (0, 0) => Err(format!("{name} {scale} leaves nothing of {extent}")),
        (double, single) if double == single => Ok(Dim::Fixed(double)),
        _ => Ok(Dim::Any),
    }
}

pub(crate) fn upsample_bilinear(operands: &Operands<'_>) -> Types {
    let halves = operands.has("half_pixel_centers") && operands.bool("half_pixel_centers")?;
    if halves && operands.bool("align_corners")? {
        return Err("align_corners and half_pixel_centers exclude each other".to_owned());
    }
    upsample(operands)
}

pub(crate) fn upsample(operands: &Operands<'_>) -> Types {
    let x = planes(operands)?;
    let (height, width) = (&x.dims[x.rank() - 2], &x.dims[x.rank() - 1]);
    let height = scaled(operands, "scale_factor_height", height)?;
    resized(&x, height, scaled(operands, "scale_factor_width", width)?)
}

pub(crate) fn resize(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let shape = operands.shaped("shape")?;
    choice(operands, "sampling_mode", SAMPLING)?;
    choice(operands, "interpolation_mode", &["LINEAR", "NEAREST_NEIGHBOR"])?;
    let given = operands.known_ints("shape")?;
    let length = match (&shape.dims[..], &given) {
        (_, Some(given)) => Some(given.len()),
        ([length], None) => length.fixed(),
        _ => return Err(format!("shape must be a list, not {shape}")),
    };
    let count = operands.int("resized_dims")?;
    let bound = length.unwrap_or(x.rank()).min(x.rank());
    let count = usize::try_from(count).ok().filter(|&count| count <= bound);
    let count = count.ok_or_else(|| format!("resized_dims must be at most {bound}"))?;
    if length.is_some_and(|length| length > x.rank()) {
        return Err(format!("shape has more numbers than x {} has dimensions", list(&x.dims)));
    }
    let mut dims = x.dims.clone();
    let first = x.rank() - count;
    for (i, dim) in dims[first..].iter_mut().enumerate() {
        match given.as_ref().map(|given| given[given.len() - count + i]) {
            None => *dim = Dim::Any,
            Some(0) => {}
            Some(extent) => {
                *dim = Dim::Fixed(
                    usize::try_from(extent).map_err(|_| format!("shape has the extent {extent}"))?,
                );
            }
        }
    }
    one(x.with(dims))
}

pub(crate) fn crop_resize(operands: &Operands<'_>) -> Types {
    let x = images(operands)?;
    choice(operands, "sampling_mode", SAMPLING)?;
    choice(operands, "box_coordinate_mode", BOXES)?;
    let (height, width) = (extent(operands, "target_height")?, extent(operands, "target_width")?);
    match (operands.has("roi"), operands.has("boxes")) {
        (true, false) => {
            let roi = operands.shaped("roi")?;
            let one_extent = |i: usize| roi.dims[i].may_equal(&Dim::Fixed(1));
            let numbers = |n: usize| roi.dims[2].may_equal(&Dim::Fixed(n));
            if roi.rank() != 5 || !one_extent(3) || !one_extent(4) || !(numbers(4) || numbers(5)) {
                return Err(format!("roi must be [N, 1, 4 or 5, 1, 1], not {}", list(&roi.dims)));
            }
            // A box that names its image gives one crop; converters declare one for each image all the same.
            let crops = if numbers(5) && x.dims[0] != Dim::Fixed(1) { Dim::Any } else { x.dims[0].clone() };
            one(x.with(vec![roi.dims[0].clone(), crops, x.dims[1].clone(), height, width]))
        }
        (false, true) => {
            let boxes = operands.shaped("boxes")?;
            let [count, four] = &boxes.dims[..] else {
                return Err(format!("boxes must be [N, 4], not {}", list(&boxes.dims)));
            };
            if !four.may_equal(&Dim::Fixed(4)) {
                return Err(format!("boxes must be [N, 4], not {}", list(&boxes.dims)));
            }
            check_box_indices(operands, count, &x.dims[0])?;
            one(x.with(vec![count.clone(), x.dims[1].clone(), height, width]))
        }
        _ => Err("needs either roi or boxes".to_owned()),
    }
}

fn check_box_indices(operands: &Operands<'_>, count: &Dim, images: &Dim) -> Result<(), String> {
    if !operands.has("box_indices") {
        return match (count.fixed(), images.fixed()) {
            (Some(count), Some(images)) if count > images => {
                Err(format!("{count} boxes for {images} images need box_indices"))
            }
            _ => Ok(()),
        };
    }
    let indices = operands.shaped("box_indices")?;
    match &indices.dims[..] {
        [length] if length.may_equal(count) => {}
        _ => return Err(format!("box_indices must be [{count}], not {}", list(&indices.dims))),
    }
    let known = operands.constant("box_indices").and_then(Constant::to_i64).unwrap_or_default();
    match (known.iter().max(), images.fixed()) {
        (Some(&largest), Some(images)) if usize::try_from(largest).is_ok_and(|largest| largest >= images) => {
            Err(format!("box_indices names image {largest} of {images}"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn non_maximum_suppression(operands: &Operands<'_>) -> Types {
    let (boxes, scores) = (operands.shaped("boxes")?, operands.shaped("scores")?);
    let most = extent(operands, "max_boxes")?;
    // Until ios16 coordinates and classes stand last, and the number of boxes is a result.
    let older = operands.has("score_threshold");
    let (count, inner) = if older { (1, 2) } else { (2, 1) };
    let fits = boxes.rank() == 3
        && scores.rank() == 3
        && boxes.dims[inner].may_equal(&Dim::Fixed(4))
        && boxes.dims[0].may_equal(&scores.dims[0])
        && boxes.dims[count].may_equal(&scores.dims[count]);
    if !fits {
        let wanted = if older { "[n, B, 4] and [n, B, K]" } else { "[n, 4, B] and [n, K, B]" };
        return Err(format!(
            "boxes and scores must be {wanted}, not {} and {}",
            list(&boxes.dims),
            list(&scores.dims)
        ));
    }
    let batch = scores.dims[0].clone();
    let selected = |ty: &ShapedType| {
        let mut dims = ty.dims.clone();
        dims[0] = batch.clone();
        dims[count] = most.clone();
        Type::from(ty.with(dims))
    };
    let integers = |dims: Vec<Dim>| Type::from(ShapedType { dtype: DType::Int32, dims });
    let mut types = vec![selected(&boxes), selected(&scores), integers(vec![batch.clone(), most.clone()])];
    if older {
        types.push(integers(vec![batch]));
    }
    Ok(types)
}
