//! Where the elements of a resized dimension lie in the original one.

/// How a dimension is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampling {
    /// Spacing of the ratio of extents, from the first element.
    Default,
    /// First and last elements stay.
    StrictAlignCorners,
    /// The same, but a single element lies in the middle.
    AlignCorners,
    /// Centres of equal parts of the distance between first and last.
    OffsetCorners,
    /// Centres of equal parts, each element reaching half a spacing to both sides.
    UnalignCorners,
}

impl Sampling {
    pub(super) fn from_name(name: &str) -> Result<Self, String> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "DEFAULT" => Self::Default,
            "STRICT_ALIGN_CORNERS" => Self::StrictAlignCorners,
            "ALIGN_CORNERS" => Self::AlignCorners,
            "OFFSET_CORNERS" => Self::OffsetCorners,
            "UNALIGN_CORNERS" => Self::UnalignCorners,
            _ => return Err(format!("sampling_mode `{}` is not known", name.escape_debug())),
        })
    }

    /// Position of sample `i` of `count` in `extent` elements, between the first and the last of them. Boxes have
    /// extents that are no whole numbers.
    pub(super) fn position(self, i: usize, count: usize, extent: f64) -> f64 {
        let (i, count, last) = (i as f64, count as f64, extent - 1.0);
        let aligned = || if count > 1.0 { i * last / (count - 1.0) } else { 0.0 };
        let position = match self {
            Self::Default => i * extent / count,
            Self::StrictAlignCorners => aligned(),
            Self::AlignCorners if count == 1.0 => last / 2.0,
            Self::AlignCorners => aligned(),
            Self::OffsetCorners => (i + 0.5) * last.max(1.0) / count,
            Self::UnalignCorners => (i + 0.5) * extent / count - 0.5,
        };
        position.max(0.0).min(last.max(0.0))
    }
}

/// A point between two elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Between {
    pub(super) low: usize,
    pub(super) high: usize,
    /// Weight of the element `high`.
    pub(super) part: f32,
}

impl Between {
    /// A position from 0 to `extent − 1`.
    pub(super) fn of(position: f64, extent: usize) -> Self {
        let low = (position.floor().max(0.0) as usize).min(extent.saturating_sub(1));
        Self { low, high: (low + 1).min(extent.saturating_sub(1)), part: (position - low as f64) as f32 }
    }
}

/// An axis of a tensor, and the elements behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) extent: usize,
    pub(super) inner: usize,
}

impl Axis {
    pub(super) fn of(shape: &[usize], axis: usize) -> Self {
        Self { extent: shape[axis], inner: shape[axis + 1..].iter().product() }
    }
}
