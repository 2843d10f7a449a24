//! The squares of each row of a result, summed from its tiles while they are in the first-level cache.

use std::ops::Range;

use crate::driver::Finish;
use crate::finish::{Steps, wide};

/// Running sums of a row: one sum would be a chain of dependent additions.
pub(crate) const LANES: usize = 16;

/// Does a product's finishing steps and then sums the squares of its rows. Tiles of a row must come from one thread at a
/// time and from left to right, so that a sum is the same in every run.
pub(crate) struct Squares<'s> {
    pub(crate) steps: Option<&'s Steps<'s>>,
    /// Elements of a row.
    pub(crate) columns: usize,
    /// Where the sums go, one for each row.
    pub(crate) sums: *mut f64,
    /// Running sums, [`LANES`] for each row; not initialised.
    pub(crate) lanes: *mut f32,
}

// SAFETY: sums and running sums belong to the product's caller alone, and a row's to the thread that computes the row.
unsafe impl Sync for Squares<'_> {}

impl Finish for Squares<'_> {
    const IN_ROWS: bool = true;

    #[inline]
    unsafe fn tile(&self, at: (usize, usize), size: (usize, usize), c: *mut f32, stride: usize) {
        // SAFETY: passed on; these rows' running sums are the thread's.
        unsafe {
            if let Some(steps) = self.steps {
                steps.tile(at, size, c, stride);
            }
            add(self.lanes.add(at.0 * LANES), at.1 > 0, size, c, stride);
        }
    }

    unsafe fn block(&self, rows: Range<usize>, columns: Range<usize>, _: *mut f32, _: usize) {
        if columns.end < self.columns {
            return;
        }
        for row in rows {
            // SAFETY: all tiles of the row have been here, on this thread or on one that was waited for.
            unsafe {
                let lanes = std::slice::from_raw_parts(self.lanes.add(row * LANES), LANES);
                *self.sums.add(row) = lanes.iter().map(|&lane| f64::from(lane)).sum();
            }
        }
    }
}

wide! {
    /// Adds the squares of a tile's rows to their running sums, or begins them if not `more`.
    ///
    /// # Safety
    /// The tile and the running sums are the caller's.
    unsafe fn add(lanes: *mut f32, more: bool, size: (usize, usize), c: *const f32, stride: usize) {
        for i in 0..size.0 {
            // SAFETY: a row of the tile, and its sums.
            let (line, lanes) = unsafe {
                let line = std::slice::from_raw_parts(c.add(i * stride), size.1);
                (line, &mut *lanes.add(i * LANES).cast::<[f32; LANES]>())
            };
            let mut sums = if more { *lanes } else { [0.0; LANES] };
            let (chunks, rest) = line.as_chunks::<LANES>();
            for chunk in chunks {
                sums.iter_mut().zip(chunk).for_each(|(sum, &value)| *sum += value * value);
            }
            sums.iter_mut().zip(rest).for_each(|(sum, &value)| *sum += value * value);
            *lanes = sums;
        }
    }
}
