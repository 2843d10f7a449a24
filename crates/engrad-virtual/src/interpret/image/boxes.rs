//! Boxes cut out of images and resized.

use rayon::prelude::*;

use super::grid::{Between, Sampling};
use super::target;
use crate::interpret::call::Call;
use crate::interpret::tensor::{Tensor, elements};

/// The rows and columns that a box is read at; `None` is outside the image.
type Lines = Vec<Option<Between>>;

/// Samples of a box along one dimension, which may run backwards.
fn lines(sampling: Sampling, [start, end]: [f32; 2], count: usize, extent: usize) -> Lines {
    let (start, end) = (f64::from(start), f64::from(end));
    let length = (end - start).abs() + 1.0;
    let sample = |i: usize| {
        let offset = sampling.position(i, count, length);
        let at = if end < start { start - offset } else { start + offset };
        // Box and image are given in single precision: a point on the last element may come out a little beyond it.
        let at = if (at - at.round()).abs() < 1e-6 { at.round() } else { at };
        (at >= 0.0 && at <= extent as f64 - 1.0).then(|| Between::of(at, extent))
    };
    (0..count).map(sample).collect()
}

/// Start and end of a box along height and width.
fn corners(mode: &str, numbers: &[f32]) -> Result<[[f32; 2]; 2], String> {
    let [a, b, c, d] = numbers[..] else {
        return Err("a box has four numbers".to_owned());
    };
    let around = |center: f32, size: f32| [center - size / 2.0, center + size / 2.0];
    Ok(match mode.to_ascii_uppercase().as_str() {
        "CORNERS_HEIGHT_FIRST" => [[a, c], [b, d]],
        "CORNERS_WIDTH_FIRST" => [[b, d], [a, c]],
        "CENTER_SIZE_HEIGHT_FIRST" => [around(a, c), around(b, d)],
        "CENTER_SIZE_WIDTH_FIRST" => [around(b, d), around(a, c)],
        _ => return Err(format!("box_coordinate_mode `{}` is not known", mode.escape_debug())),
    })
}

/// What is cut: a box, and the images it is cut out of.
struct Crop {
    rows: Lines,
    columns: Lines,
    images: std::ops::Range<usize>,
}

pub(super) fn crop_resize(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor("x")?;
    let [batch, channels, height, width] = x.shape[..] else {
        return Err(format!("x has shape {:?}", x.shape));
    };
    let (rows, columns) = (target(call, "target_height")?, target(call, "target_width")?);
    let sampling = Sampling::from_name(call.string("sampling_mode")?)?;
    let (mode, scale) = (call.string("box_coordinate_mode")?, call.float("spatial_scale")?);
    let (normalized, pad) = (call.bool("normalized_coordinates")?, call.float("pad_value")?);
    let older = call.has("roi");
    let boxes = call.tensor(if older { "roi" } else { "boxes" })?;
    let (count, numbers) = match (&boxes.shape[..], older) {
        (&[count, 1, numbers @ (4 | 5), 1, 1], true) => (count, numbers),
        (&[count, 4], false) => (count, 4),
        (shape, _) => return Err(format!("boxes have shape {shape:?}")),
    };
    let indices = if call.has("box_indices") { Some(call.ints("box_indices")?) } else { None };
    if indices.as_ref().is_some_and(|indices| indices.len() != count) {
        return Err(format!("box_indices does not name {count} images"));
    }
    // In the older form a box without an image is cut out of all of them.
    let each = if older && numbers == 4 { batch } else { 1 };
    let mut shape = vec![count, each, channels, rows, columns];
    let mut y = vec![0.0; elements(&shape)?];
    let values = boxes.to_f32()?;
    let crop = |(i, numbers): (usize, &[f32])| {
        let (image, numbers) = numbers.split_at(numbers.len() - 4);
        let image = match (image, &indices) {
            (&[image], _) => Some(image as i64),
            (_, Some(indices)) => Some(i64::from(indices[i])),
            _ if older => None,
            _ => Some(i as i64),
        };
        let images = match image {
            None => 0..batch,
            Some(image) => match usize::try_from(image) {
                Ok(image) if image < batch => image..image + 1,
                _ => return Err(format!("box {i} is cut out of image {image} of {batch}")),
            },
        };
        let [vertical, horizontal] = corners(mode, numbers)?;
        let place = |ends: [f32; 2], extent: usize| {
            ends.map(|end| end * scale * if normalized { extent as f32 - 1.0 } else { 1.0 })
        };
        Ok(Crop {
            rows: lines(sampling, place(vertical, height), rows, height),
            columns: lines(sampling, place(horizontal, width), columns, width),
            images,
        })
    };
    let crops = if y.is_empty() {
        Vec::new()
    } else {
        values.chunks(numbers).enumerate().map(crop).collect::<Result<Vec<_>, String>>()?
    };
    let images = x.as_floats()?;
    y.par_chunks_mut((rows * columns).max(1)).enumerate().for_each(|(plane, y)| {
        let (crop, rest) = (&crops[plane / (each * channels)], plane % (each * channels));
        let image = crop.images.start + rest / channels;
        let size = height * width;
        let x = &images[(image * channels + rest % channels) * size..][..size];
        for (y, row) in y.chunks_mut(columns).zip(&crop.rows) {
            for (y, column) in y.iter_mut().zip(&crop.columns) {
                *y = match (row, column) {
                    (Some(row), Some(column)) => bilinear(x, width, *row, *column),
                    _ => pad,
                };
            }
        }
    });
    if !older {
        shape.remove(1);
    }
    Ok(vec![Tensor::floats(x.dtype, shape, y)?])
}

fn bilinear(x: &[f32], width: usize, row: Between, column: Between) -> f32 {
    let line = |y: usize| {
        let (a, b) = (x[y * width + column.low], x[y * width + column.high]);
        a + (b - a) * column.part
    };
    let (upper, lower) = (line(row.low), line(row.high));
    upper + (lower - upper) * row.part
}
