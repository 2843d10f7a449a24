//! Token embedding: rows of a `[vocab, dim]` table become columns of the activation, and back.

use rayon::prelude::*;

/// Writes `[dim, positions]` from the table rows `rows`; positions beyond them become zero.
pub(crate) fn gather(table: &[f32], dim: usize, rows: &[usize], positions: usize, out: &mut [f32]) {
    out.par_chunks_mut(positions).take(dim).with_min_len(16).enumerate().for_each(|(feature, line)| {
        line.fill(0.0);
        for (value, &row) in line.iter_mut().zip(rows) {
            *value = table[row * dim + feature];
        }
    });
}

/// Adds columns of `d_x` (`[dim, positions]`) to the table rows they came from, in order of position.
pub(crate) fn scatter(d_x: &[f32], dim: usize, rows: &[usize], positions: usize, d_table: &mut [f32]) {
    for (position, &row) in rows.iter().enumerate() {
        for (feature, value) in d_table[row * dim..(row + 1) * dim].iter_mut().enumerate() {
            *value += d_x[feature * positions + position];
        }
    }
}
