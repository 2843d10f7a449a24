//! Geometry of sliding windows: how convolutions and pools pad, and how many results they give. Shape rules and engines
//! share it, so that they cannot disagree.

/// The window along one spatial dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Elements taken, at least one.
    pub kernel: usize,
    /// Distance between neighbouring windows, at least one.
    pub stride: usize,
    /// Distance between neighbouring elements of a window, at least one.
    pub dilation: usize,
}

/// How the ends of a spatial dimension are padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Not at all.
    Valid,
    /// So that there is one result for each stride; an odd element stands behind.
    Same,
    /// As [`Padding::Same`], but an odd element stands in front.
    SameLower,
    /// By given amounts.
    Custom,
}

impl Padding {
    const NAMES: [(&'static str, Self); 4] = [
        ("valid", Self::Valid),
        ("same", Self::Same),
        ("same_lower", Self::SameLower),
        ("custom", Self::Custom),
    ];

    /// The padding that a `pad_type` names.
    ///
    /// # Errors
    /// If it names none.
    pub fn from_name(name: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(n, _)| name.eq_ignore_ascii_case(n));
        found.map(|row| row.1).ok_or_else(|| {
            format!("pad_type `{}` is not valid, same, same_lower or custom", name.escape_debug())
        })
    }

    /// Cuts a total into what stands in front and what stands behind.
    fn cut(self, total: usize) -> [usize; 2] {
        let small = total / 2;
        if self == Self::SameLower { [total - small, small] } else { [small, total - small] }
    }

    /// Elements before and after `input` elements; `custom` is what the program gives.
    pub fn amounts(self, window: Window, input: usize, custom: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Valid => [0, 0],
            Self::Custom => custom,
            Self::Same | Self::SameLower => {
                let strides = input.div_ceil(window.stride).saturating_mul(window.stride);
                let needed = strides.saturating_add(window.extent());
                self.cut(needed.saturating_sub(input.saturating_add(window.stride)))
            }
        }
    }

    /// What a transposed convolution cuts off in front of its full result of [`Window::spread`] elements, if `output`
    /// elements remain.
    pub fn cut_in_front(self, window: Window, input: usize, output: usize, custom: [usize; 2]) -> usize {
        match self {
            Self::Valid => 0,
            Self::Custom => custom[0],
            Self::Same | Self::SameLower => self.cut(window.spread(input).saturating_sub(output))[0],
        }
    }
}

impl Window {
    /// Elements from the first to the last of a window.
    pub fn extent(self) -> usize {
        self.kernel.saturating_sub(1).saturating_mul(self.dilation).saturating_add(1)
    }

    /// Number of windows that fit `input` elements padded so; `None` if none does. In ceil mode a last window may hang
    /// over, but not if it would begin in the padding behind.
    pub fn count(self, input: usize, pad: [usize; 2], ceil: bool) -> Option<usize> {
        let padded = input.saturating_add(pad[0]).saturating_add(pad[1]);
        let slack =
            padded.saturating_add(if ceil { self.stride - 1 } else { 0 }).checked_sub(self.extent())?;
        let count = slack / self.stride + 1;
        let in_padding = (count - 1).saturating_mul(self.stride) >= input.saturating_add(pad[0]);
        let drops = ceil && pad[0].saturating_add(pad[1]) > 0 && in_padding;
        Some(count - usize::from(drops)).filter(|&count| count > 0)
    }

    /// Extent of the result of a transposed convolution of `input` elements before anything is cut off.
    pub fn spread(self, input: usize) -> usize {
        match input {
            0 => 0,
            _ => (input - 1).saturating_mul(self.stride).saturating_add(self.extent()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn window(kernel: usize, stride: usize, dilation: usize) -> Window {
        Window { kernel, stride, dilation }
    }

    #[test]
    fn same_padding_depends_on_the_stride_and_puts_the_odd_element_behind() {
        assert_eq!(Padding::Same.amounts(window(3, 2, 1), 7, [0, 0]), [1, 1]);
        assert_eq!(Padding::Same.amounts(window(3, 2, 1), 8, [0, 0]), [0, 1]);
        assert_eq!(Padding::SameLower.amounts(window(3, 2, 1), 8, [0, 0]), [1, 0]);
        assert_eq!(Padding::Same.amounts(window(1, 3, 1), 8, [0, 0]), [0, 0]);
    }

    #[test]
    fn no_padding_makes_a_window_of_nothing() {
        let window = window(3, 1, 1);
        assert_eq!(window.count(0, Padding::Same.amounts(window, 0, [0, 0]), false), None);
    }

    #[test]
    fn ceil_mode_drops_a_window_that_would_begin_in_the_padding() {
        assert_eq!(window(2, 2, 1).count(5, [0, 0], false), Some(2));
        assert_eq!(window(2, 2, 1).count(5, [0, 0], true), Some(3));
        assert_eq!(window(2, 2, 1).count(3, [1, 1], true), Some(2));
        assert_eq!(window(1, 3, 1).count(2, [1, 1], true), Some(1));
    }

    #[test]
    fn no_window_fits_what_is_smaller_than_it() {
        assert_eq!(window(3, 1, 2).count(4, [0, 0], false), None);
        assert_eq!(window(3, 1, 2).count(5, [0, 0], false), Some(1));
        assert_eq!(window(usize::MAX, 1, usize::MAX).count(5, [0, 0], false), None);
    }
}
