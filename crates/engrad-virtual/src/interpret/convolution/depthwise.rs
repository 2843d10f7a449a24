//! Convolution of single channels, row by row.

use rayon::prelude::*;

use super::{Extents, Geometry, columns};
use crate::kernels::multiversion;

/// Adds the convolution of `x`, one channel to a group, with `weight` to `y`; none is empty.
pub(super) fn convolve(extents: &Extents, x: &[f32], weight: &[f32], y: &mut [f32]) {
    let Extents { groups, outputs, ref geometry, .. } = *extents;
    let (plane, positions, kernel) = (geometry.input_len(), geometry.output_len(), geometry.kernel_len());
    let places = columns::places(geometry);
    y.par_chunks_mut(positions).enumerate().for_each(|(i, y)| {
        let channel = &x[i / outputs * plane..][..plane];
        channel_by_rows(geometry, &places, channel, &weight[i % (groups * outputs) * kernel..], y);
    });
}

multiversion! {
    /// Every row of the result collects all its rows of the input while it is in the first-level cache.
    fn channel_by_rows(geometry: &Geometry, places: &[[usize; 3]], x: &[f32], weight: &[f32], y: &mut [f32]) {
        let [_, height, width] = geometry.output;
        let stride = geometry.windows[2].stride;
        for (line, row) in y.chunks_mut(width).enumerate() {
            let at = [line / height, line % height];
            for (k, &a) in places.iter().zip(weight) {
                let within = |d: usize| {
                    let (low, high) = geometry.inside(d, k[d]);
                    (low..high).contains(&at[d])
                };
                let (low, high) = geometry.inside(2, k[2]);
                if !within(0) || !within(1) || low >= high {
                    continue;
                }
                let line = geometry.position(0, at[0], k[0]) * geometry.input[1] + geometry.position(1, at[1], k[1]);
                let source = &x[line * geometry.input[2]..][geometry.position(2, low, k[2])..geometry.input[2]];
                let target = &mut row[low..high];
                if stride == 1 {
                    target.iter_mut().zip(source).for_each(|(y, x)| *y += a * x);
                } else {
                    target.iter_mut().zip(source.iter().step_by(stride)).for_each(|(y, x)| *y += a * x);
                }
            }
        }
    }
}
