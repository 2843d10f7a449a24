//! Images at given points.

use rayon::prelude::*;

use super::target;
use crate::interpret::call::Call;
use crate::interpret::tensor::{Tensor, elements};

/// What coordinates count.
#[derive(Debug, Clone, Copy)]
enum Coordinates {
    Unnormalized,
    MinusOneToOne,
    ZeroToOne,
}

impl Coordinates {
    fn of(call: &Call<'_>) -> Result<Self, String> {
        let name = call.string("coordinates_mode")?;
        Ok(match name.to_ascii_lowercase().as_str() {
            "unnormalized" => Self::Unnormalized,
            "normalized_minus_one_to_one" => Self::MinusOneToOne,
            "normalized_zero_to_one" => Self::ZeroToOne,
            _ => return Err(format!("coordinates_mode `{}` is not known", name.escape_debug())),
        })
    }

    /// Position among `extent` elements. Aligned, the ends are the centres of the outer elements, else their edges.
    fn position(self, value: f32, extent: usize, aligned: bool) -> f32 {
        let unit = match self {
            Self::Unnormalized => return value,
            Self::MinusOneToOne => (value + 1.0) / 2.0,
            Self::ZeroToOne => value,
        };
        if aligned { unit * (extent as f32 - 1.0) } else { unit * extent as f32 - 0.5 }
    }
}

/// What lies outside an image.
#[derive(Debug, Clone, Copy)]
enum Outside {
    /// The same number everywhere.
    Constant(f32),
    /// The nearest element.
    Border,
    /// The image mirrored at its outer elements.
    Reflection,
    /// The image mirrored at its edges.
    Symmetric,
}

impl Outside {
    fn of(call: &Call<'_>) -> Result<Self, String> {
        let name = call.string("padding_mode")?;
        Ok(match name.to_ascii_lowercase().as_str() {
            "constant" => Self::Constant(call.float("padding_value")?),
            "border" => Self::Border,
            "reflection" => Self::Reflection,
            "symmetric" => Self::Symmetric,
            _ => return Err(format!("padding_mode `{}` is not known", name.escape_debug())),
        })
    }

    /// The point inside the image that stands at a point outside it.
    fn fold(self, value: f32, extent: usize) -> f32 {
        let last = extent as f32 - 1.0;
        // Mirrored at both ends of a range.
        let mirror = |low: f32, high: f32| {
            if high <= low {
                return low;
            }
            let beyond = (value - low).rem_euclid(2.0 * (high - low));
            low + beyond.min(2.0 * (high - low) - beyond)
        };
        match self {
            Self::Constant(_) => value,
            Self::Border => value.clamp(0.0, last),
            Self::Reflection => mirror(0.0, last),
            Self::Symmetric => mirror(-0.5, last + 0.5).clamp(0.0, last),
        }
    }

    /// The element that stands at a position; `None` is the constant.
    fn element(self, position: i64, extent: usize) -> Option<usize> {
        let extent = extent as i64;
        let mirrored = |period: i64, fold: i64| {
            let p = position.rem_euclid(period);
            if p < extent { p } else { fold - p }
        };
        let inside = match self {
            Self::Constant(_) if !(0..extent).contains(&position) => return None,
            Self::Constant(_) => position,
            Self::Border => position.clamp(0, extent - 1),
            Self::Reflection if extent == 1 => 0,
            Self::Reflection => mirrored(2 * extent - 2, 2 * extent - 2),
            Self::Symmetric => mirrored(2 * extent, 2 * extent - 1),
        };
        usize::try_from(inside).ok()
    }
}

/// One image plane and how to read it anywhere.
#[derive(Debug, Clone, Copy)]
struct Plane<'a> {
    values: &'a [f32],
    height: usize,
    width: usize,
    outside: Outside,
}

impl Plane<'_> {
    fn at(&self, y: i64, x: i64) -> f32 {
        match (self.outside.element(y, self.height), self.outside.element(x, self.width), self.outside) {
            (Some(y), Some(x), _) => self.values[y * self.width + x],
            (.., Outside::Constant(value)) => value,
            _ => 0.0,
        }
    }

    /// At a point, the four elements around it in proportion.
    fn bilinear(&self, y: f32, x: f32) -> f32 {
        let (y0, x0) = (y.floor(), x.floor());
        let (dy, dx) = (y - y0, x - x0);
        let (y0, x0) = (whole(y0), whole(x0));
        let row = |y: i64| {
            let left = self.at(y, x0);
            left + (if dx == 0.0 { left } else { self.at(y, x0 + 1) } - left) * dx
        };
        let upper = row(y0);
        upper + (if dy == 0.0 { upper } else { row(y0 + 1) } - upper) * dy
    }

    /// A point half-way takes the even element, counted inside the image.
    fn nearest(&self, y: f32, x: f32) -> f32 {
        let element = |v: f32, extent| whole(self.outside.fold(v, extent).round_ties_even());
        self.at(element(y, self.height), element(x, self.width))
    }
}

/// A whole number, far from the ends of its type: positions beyond are outside all the same.
fn whole(value: f32) -> i64 {
    value.clamp(-1e12, 1e12) as i64
}

/// Every plane of `[batch, channels, height, width]` at the points of its image: `point(batch, position)` gives row and
/// column.
fn sample(
    x: &Tensor,
    [rows, columns]: [usize; 2],
    outside: Outside,
    nearest: bool,
    point: impl Fn(usize, usize) -> [f32; 2] + Sync,
) -> Result<Tensor, String> {
    let [batch, channels, height, width] = x.shape[..] else {
        return Err(format!("x has shape {:?}", x.shape));
    };
    let shape = vec![batch, channels, rows, columns];
    let mut y = vec![0.0; elements(&shape)?];
    let values = x.as_floats()?;
    if !y.is_empty() && (height == 0 || width == 0) {
        return Err(format!("x {:?} is empty", x.shape));
    }
    y.par_chunks_mut((rows * columns).max(1)).enumerate().for_each(|(i, y)| {
        let size = height * width;
        let plane = Plane { values: &values[i * size..(i + 1) * size], height, width, outside };
        for (position, y) in y.iter_mut().enumerate() {
            let [row, column] = point(i / channels, position);
            *y = if nearest { plane.nearest(row, column) } else { plane.bilinear(row, column) };
        }
    });
    Tensor::floats(x.dtype, shape, y)
}

pub(super) fn resample(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, points) = (call.tensor("x")?, call.tensor("coordinates")?);
    let ([batch, _, height, width], [images, rows, columns, 2]) = (&x.shape[..], &points.shape[..]) else {
        return Err(format!("x {:?} and coordinates {:?} do not fit", x.shape, points.shape));
    };
    if batch != images {
        return Err(format!("x {:?} and coordinates {:?} do not fit", x.shape, points.shape));
    }
    let (coordinates, aligned) = (Coordinates::of(call)?, call.bool("align_corners")?);
    let mode = call.string("sampling_mode")?;
    let nearest = mode.eq_ignore_ascii_case("nearest");
    if !nearest && !mode.eq_ignore_ascii_case("bilinear") {
        return Err(format!("sampling_mode `{}` is not known", mode.escape_debug()));
    }
    let numbers = points.to_f32()?;
    let size = rows * columns;
    let point = |image: usize, position: usize| {
        let at = 2 * (image * size + position);
        [
            coordinates.position(numbers[at + 1], *height, aligned),
            coordinates.position(numbers[at], *width, aligned),
        ]
    };
    Ok(vec![sample(x, [*rows, *columns], Outside::of(call)?, nearest, point)?])
}

pub(super) fn affine(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, matrix) = (call.tensor("x")?, call.tensor("transform_matrix")?);
    let ([batch, _, height, width], [matrices, 6]) = (&x.shape[..], &matrix.shape[..]) else {
        return Err(format!("x {:?} and transform_matrix {:?} do not fit", x.shape, matrix.shape));
    };
    if matrices != batch && *matrices != 1 {
        return Err(format!("{matrices} matrices do not fit {batch} images"));
    }
    let mode = call.string("sampling_mode")?;
    if !mode.eq_ignore_ascii_case("bilinear") {
        return Err(format!("sampling_mode `{}` is not known", mode.escape_debug()));
    }
    let (rows, columns) = (target(call, "output_height")?, target(call, "output_width")?);
    let (coordinates, aligned) = (Coordinates::of(call)?, call.bool("align_corners")?);
    let numbers = matrix.to_f32()?;
    // The coordinate of an element of the result, in the unit that the map is written in.
    let unit = |i: usize, count: usize| {
        let (i, n) = (i as f32, count as f32);
        let zero_to_one = match aligned {
            true if count > 1 => i / (n - 1.0),
            true => 0.5,
            false => (i + 0.5) / n,
        };
        match coordinates {
            Coordinates::Unnormalized => i,
            Coordinates::ZeroToOne => zero_to_one,
            Coordinates::MinusOneToOne => 2.0 * zero_to_one - 1.0,
        }
    };
    let point = |image: usize, position: usize| {
        let map = &numbers[if *matrices == 1 { 0 } else { 6 * image }..][..6];
        let (y, x) = (unit(position / columns, rows), unit(position % columns, columns));
        [
            coordinates.position(map[3] * x + map[4] * y + map[5], *height, aligned),
            coordinates.position(map[0] * x + map[1] * y + map[2], *width, aligned),
        ]
    };
    Ok(vec![sample(x, [rows, columns], Outside::of(call)?, false, point)?])
}
