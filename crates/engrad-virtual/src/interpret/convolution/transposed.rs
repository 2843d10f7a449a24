//! Transposed convolution: products that spread every element of x over a window, which are then added up.

use engrad_kernels::{Matrix, MatrixMut, Threads, matmul};
use rayon::prelude::*;

use super::{Extents, columns};

/// Most elements of a block of spread windows.
const BLOCK: usize = 4 << 20;

/// Adds the transposed convolution of `x` with `weight` to `y`; none is empty. The geometry is that of the convolution from `y` to `x`.
pub(super) fn convolve(extents: &Extents, x: &[f32], weight: &[f32], y: &mut [f32]) {
    let Extents { groups, inputs, outputs, ref geometry, .. } = *extents;
    let (plane, positions) = (geometry.input_len(), geometry.output_len());
    let places = columns::places(geometry);
    let span = (BLOCK / places.len()).clamp(1, positions);
    let block = (BLOCK / (places.len() * span)).clamp(1, outputs);
    let mut matrix = vec![0.0; block * places.len() * span];
    for (i, y) in y.chunks_mut(outputs * plane).enumerate() {
        let x = &x[i * inputs * positions..][..inputs * positions];
        let weight = &weight[i % groups * inputs * outputs * places.len()..];
        for start in (0..positions).step_by(span) {
            let len = span.min(positions - start);
            let x = Matrix::new(&x[start..], inputs, len, positions);
            for (b, y) in y.chunks_mut(block * plane).enumerate() {
                let rows = y.len() / plane * places.len();
                let first = b * block * places.len();
                let weight = Matrix::new(&weight[first..], inputs, rows, outputs * places.len());
                let windows = MatrixMut::new(&mut matrix, rows, len, len);
                matmul(windows, 0.0, 1.0, weight.transposed(), x, Threads::Pool);
                let windows = matrix.par_chunks(places.len() * len);
                y.par_chunks_mut(plane).zip(windows).for_each(|(y, windows)| {
                    for (row, &k) in windows.chunks(len).zip(&places) {
                        columns::scatter(row, y, geometry, k, start);
                    }
                });
            }
        }
    }
}
