//! Convolution as matrix products.

use engrad_kernels::{Matrix, MatrixMut, Threads, matmul};
use rayon::prelude::*;

use super::{Extents, columns};

/// Most elements of a block of columns: it should stay in the caches between its making and its use.
const BLOCK: usize = 1 << 20;
/// Columns of a block at least, where there are as many, unless they are [`MOST`] elements or more.
const LEAST_COLUMNS: usize = 256;
const MOST: usize = 64 << 20;
/// Below so many multiplications, threads cost more than they save.
const SMALL: usize = 1 << 18;

/// Adds the convolution of `x` with `weight` to `y`; none is empty.
pub(super) fn convolve(extents: &Extents, x: &[f32], weight: &[f32], y: &mut [f32]) {
    let Extents { batch, groups, inputs, outputs, geometry } = *extents;
    let (positions, kernel) = (geometry.output_len(), geometry.kernel_len());
    let (inner, channels) = (inputs * kernel, inputs * geometry.input_len());
    let task = |(i, y): (usize, &mut [f32]), threads: Threads| {
        let x = &x[i * channels..(i + 1) * channels];
        let weight = &weight[i % groups * outputs * inner..][..outputs * inner];
        group(extents, x, Matrix::new(weight, outputs, inner, inner), y, threads);
    };
    let parts = y.chunks_mut(outputs * positions).enumerate();
    if batch * groups >= 8 {
        parts.collect::<Vec<_>>().into_par_iter().for_each(|part| task(part, Threads::One));
    } else {
        let small = outputs.saturating_mul(positions).saturating_mul(inner) < SMALL;
        parts.for_each(|part| task(part, if small { Threads::One } else { Threads::Pool }));
    }
}

/// One group of one image: `[outputs, positions]` from `[inputs, …]`.
fn group(extents: &Extents, x: &[f32], weight: Matrix<'_>, y: &mut [f32], threads: Threads) {
    let Extents { inputs, outputs, geometry, .. } = extents;
    let (positions, plane) = (geometry.output_len(), geometry.input_len());
    if geometry.is_pointwise() {
        let x = Matrix::new(x, *inputs, plane, plane);
        return matmul(MatrixMut::new(y, *outputs, positions, positions), 1.0, 1.0, weight, x, threads);
    }
    let places = columns::places(geometry);
    let inner = inputs * places.len();
    let block = (BLOCK / inner).max((MOST / inner).min(LEAST_COLUMNS)).clamp(1, positions);
    let mut matrix = vec![0.0; inner * block];
    for start in (0..positions).step_by(block) {
        let len = block.min(positions - start);
        let fill = |(r, row): (usize, &mut [f32])| {
            let channel = &x[r / places.len() * plane..][..plane];
            columns::gather(row, channel, geometry, places[r % places.len()], start);
        };
        let rows = &mut matrix[..inner * len];
        match threads {
            Threads::One => rows.chunks_mut(len).enumerate().for_each(fill),
            Threads::Pool => rows.par_chunks_mut(len).enumerate().for_each(fill),
        }
        let part = MatrixMut::new(&mut y[start..], *outputs, len, positions);
        matmul(part, 1.0, 1.0, weight, Matrix::new(&matrix, inner, len, len), threads);
    }
}
