//! Strided views: which element of a buffer stands at which index of a tensor.

/// Most dimensions of a value (ane-facts 2.1: ranks 0…5).
pub(crate) const MAX_RANK: usize = 5;

/// A view of a flat buffer: extents, strides and start, all in elements.
///
/// Strides are never negative; a stride of zero repeats. The rank is at most [`MAX_RANK`]; unused places hold an
/// extent of one and a stride of zero. So do used places of extent one, which makes equal views compare equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    rank: usize,
    shape: [usize; MAX_RANK],
    strides: [usize; MAX_RANK],
    pub(crate) offset: usize,
}

impl Layout {
    fn new(shape: &[usize], strides: &[usize], offset: usize) -> Self {
        let mut layout = Self { rank: shape.len(), shape: [1; MAX_RANK], strides: [0; MAX_RANK], offset };
        for (i, (&extent, &stride)) in shape.iter().zip(strides).enumerate().take(MAX_RANK) {
            layout.shape[i] = extent;
            layout.strides[i] = if extent == 1 { 0 } else { stride };
        }
        layout
    }

    /// Row-major, without gaps, from the start of the buffer. `shape` has at most [`MAX_RANK`] extents.
    pub(crate) fn dense(shape: &[usize]) -> Self {
        Self::rows(shape, shape.last().copied().unwrap_or(1))
    }

    /// Row-major with `row` elements from one row (last dimension) to the next.
    pub(crate) fn rows(shape: &[usize], row: usize) -> Self {
        let mut strides = [0; MAX_RANK];
        let mut stride = 1;
        for i in (0..shape.len().min(MAX_RANK)).rev() {
            strides[i] = stride;
            stride *= if i + 1 == shape.len() { row } else { shape[i] };
        }
        Self::new(shape, &strides, 0)
    }

    /// The same view from another start.
    pub(crate) fn at(self, offset: usize) -> Self {
        Self { offset, ..self }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape[..self.rank]
    }

    pub(crate) fn strides(&self) -> &[usize] {
        &self.strides[..self.rank]
    }

    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// One past the last element touched.
    pub(crate) fn end(&self) -> usize {
        let last: usize = self.shape.iter().zip(&self.strides).map(|(d, s)| (d - 1) * s).sum();
        self.offset + last + 1
    }

    /// Dimension `i` of the result is dimension `perm[i]`; a shorter `perm` keeps only those dimensions, at index 0
    /// of the others.
    pub(crate) fn permute(&self, perm: &[usize]) -> Self {
        let shape: Vec<usize> = perm.iter().map(|&p| self.shape[p]).collect();
        let strides: Vec<usize> = perm.iter().map(|&p| self.strides[p]).collect();
        Self::new(&shape, &strides, self.offset)
    }

    /// `size` elements from `begin` in each dimension.
    pub(crate) fn slice(&self, begin: &[usize], size: &[usize]) -> Self {
        let skipped: usize = begin.iter().zip(self.strides()).map(|(b, s)| b * s).sum();
        Self::new(size, self.strides(), self.offset + skipped)
    }

    /// Stretched to `shape`, aligned at the last dimension; extents other than one must agree.
    pub(crate) fn broadcast(&self, shape: &[usize]) -> Self {
        let mut strides = vec![0; shape.len()];
        let added = shape.len() - self.rank;
        strides[added..].copy_from_slice(self.strides());
        Self::new(shape, &strides, self.offset)
    }

    /// The same elements in row-major order under another shape, if strides can say it.
    pub(crate) fn reshape(&self, shape: &[usize]) -> Option<Self> {
        let from = self.collapse();
        // Fill the collapsed dimensions from the innermost outwards.
        let mut strides = vec![0; shape.len()];
        let mut position = from.rank;
        let (mut left, mut stride) = (1, 0);
        for i in (0..shape.len()).rev() {
            let extent = shape[i];
            if extent == 1 {
                continue;
            }
            if left == 1 {
                position = position.checked_sub(1)?;
                (left, stride) = (from.shape[position], from.strides[position]);
            }
            if left % extent != 0 {
                return None;
            }
            strides[i] = stride;
            stride *= extent;
            left /= extent;
        }
        (left == 1 && position == 0 || from.elements() == 1).then(|| Self::new(shape, &strides, self.offset))
    }

    /// The same sequence of elements with as few dimensions as possible, none of extent one.
    pub(crate) fn collapse(&self) -> Self {
        let (mut shape, mut strides) = ([1; MAX_RANK], [0; MAX_RANK]);
        let mut rank = 0;
        for (&extent, &stride) in self.shape().iter().zip(self.strides()) {
            if extent == 1 {
                continue;
            }
            if rank > 0 && strides[rank - 1] == extent * stride {
                shape[rank - 1] *= extent;
                strides[rank - 1] = stride;
            } else {
                (shape[rank], strides[rank]) = (extent, stride);
                rank += 1;
            }
        }
        Self { rank, shape, strides, offset: self.offset }
    }

    /// For a collapsed layout: whether its elements follow each other without gaps.
    pub(crate) fn is_contiguous(&self) -> bool {
        self.rank == 0 || (self.rank == 1 && self.strides[0] == 1)
    }

    /// For a collapsed layout: whether it is one element, repeated or not.
    pub(crate) fn is_scalar(&self) -> bool {
        self.rank == 0 || (self.rank == 1 && self.strides[0] == 0)
    }

    /// Extent and stride of the innermost dimension.
    pub(crate) fn inner(&self) -> (usize, usize) {
        match self.rank {
            0 => (1, 1),
            rank => (self.shape[rank - 1], self.strides[rank - 1]),
        }
    }

    /// Buffer offset of the element at a row-major index.
    pub(crate) fn offset_of(&self, mut index: usize) -> usize {
        let mut offset = self.offset;
        for i in (0..self.rank).rev() {
            offset += index % self.shape[i] * self.strides[i];
            index /= self.shape[i];
        }
        offset
    }

    /// Where `len` elements from row-major index `start` stand, if they follow each other without gaps within one
    /// innermost dimension.
    pub(crate) fn run(&self, start: usize, len: usize) -> Option<usize> {
        let (extent, stride) = self.inner();
        // Divisions cost more than what is done to a few numbers.
        let (outer, inside) = if self.rank <= 1 { (0, start) } else { (start / extent, start % extent) };
        if stride != 1 || inside + len > extent {
            return None;
        }
        let outer = if outer == 0 { self.offset } else { self.offset_of(outer * extent) };
        Some(outer + inside)
    }

    /// Calls `run(position, offset, count)` for each stretch of `len` elements from row-major index `start` that
    /// lies within one innermost dimension: `count` elements, the innermost stride apart, from buffer `offset`, at
    /// `position` of the stretch asked for. Order is row-major.
    #[inline(always)]
    pub(crate) fn runs(&self, start: usize, len: usize, mut run: impl FnMut(usize, usize, usize)) {
        let (extent, stride) = self.inner();
        let outer = self.rank.saturating_sub(1);
        let mut index = [0; MAX_RANK];
        let mut inside = start % extent;
        let mut rest = start / extent;
        let mut offset = self.offset;
        for i in (0..outer).rev() {
            index[i] = rest % self.shape[i];
            rest /= self.shape[i];
            offset += index[i] * self.strides[i];
        }
        let mut position = 0;
        while position < len {
            let count = (extent - inside).min(len - position);
            run(position, offset + inside * stride, count);
            position += count;
            inside = 0;
            for i in (0..outer).rev() {
                index[i] += 1;
                offset += self.strides[i];
                if index[i] < self.shape[i] {
                    break;
                }
                offset -= self.shape[i] * self.strides[i];
                index[i] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(layout: &Layout) -> Vec<usize> {
        (0..layout.elements()).map(|i| layout.offset_of(i)).collect()
    }

    #[test]
    fn a_reshape_of_a_transposed_or_sliced_view_is_a_view_only_where_strides_can_say_it() {
        let x = Layout::dense(&[2, 3, 4]);
        let t = x.permute(&[1, 0, 2]);
        assert_eq!(t.reshape(&[6, 4]), None);
        let split = t.reshape(&[3, 2, 2, 2]).unwrap();
        assert_eq!(offsets(&split), offsets(&t));
        let slice = x.slice(&[0, 1, 1], &[2, 2, 3]);
        assert_eq!(slice.reshape(&[4, 3]), None);
        assert_eq!(offsets(&slice.reshape(&[2, 1, 2, 3, 1]).unwrap()), offsets(&slice));
        assert_eq!(x.reshape(&[24]).unwrap().strides(), [1]);
        assert_eq!(Layout::dense(&[1, 1]).reshape(&[]), Some(Layout::dense(&[])));
    }

    #[test]
    fn runs_visit_the_elements_that_offset_of_names() {
        let layout = Layout::dense(&[3, 4, 5]).permute(&[2, 0, 1]).slice(&[1, 0, 1], &[3, 2, 3]).collapse();
        for start in 0..layout.elements() {
            for len in 0..=layout.elements() - start {
                let mut seen = vec![usize::MAX; len];
                let stride = layout.inner().1;
                layout.runs(start, len, |p, offset, count| {
                    (0..count).for_each(|i| seen[p + i] = offset + i * stride);
                });
                let expected: Vec<_> = (start..start + len).map(|i| layout.offset_of(i)).collect();
                assert_eq!(seen, expected);
                if let Some(first) = layout.run(start, len) {
                    assert!(expected.iter().copied().eq(first..first + len));
                }
            }
        }
    }

    #[test]
    fn a_run_ends_with_the_innermost_dimension() {
        let rows = Layout::rows(&[3, 4], 6).at(1).collapse();
        assert_eq!([rows.run(4, 4), rows.run(5, 3), rows.run(3, 2)], [Some(7), Some(8), None]);
        assert_eq!(Layout::dense(&[3, 4]).permute(&[1, 0]).collapse().run(0, 2), None, "not neighbours");
    }

    #[test]
    fn broadcast_views_collapse_to_repeats() {
        let column = Layout::dense(&[1, 4, 1]).broadcast(&[2, 4, 6]).collapse();
        assert_eq!((column.shape(), column.strides()), (&[2, 4, 6][..], &[0, 1, 0][..]));
        assert!(Layout::dense(&[]).broadcast(&[2, 4]).collapse().is_scalar());
        assert_eq!(Layout::dense(&[2, 4]).end(), 8);
    }
}
