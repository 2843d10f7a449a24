//! Token embedding: rows of a `[vocab, dim]` table become columns of the activation, and back.

use rayon::prelude::*;

/// Features of a column moved at a time: a cache line of the table's row.
const BLOCK: usize = 16;

/// Writes `[dim, positions]` from the table's rows; positions without a row become zero.
pub(crate) fn gather(table: &[f32], dim: usize, rows: &[Option<usize>], out: &mut [f32]) {
    out.par_chunks_mut(BLOCK * rows.len()).enumerate().for_each(|(block, lines)| {
        lines.fill(0.0);
        let first = block * BLOCK;
        for (position, row) in rows.iter().enumerate() {
            if let Some(row) = row {
                let values = &table[row * dim + first..];
                for (line, value) in lines.chunks_mut(rows.len()).zip(values) {
                    line[position] = *value;
                }
            }
        }
    });
}

/// Columns of an activation's gradient summed by the table row they came from.
#[derive(Debug)]
pub(crate) struct RowSums {
    /// Rows in ascending order, each once.
    pub(crate) rows: Vec<usize>,
    /// `[rows, dim]`.
    pub(crate) values: Vec<f32>,
}

/// Sums the columns of `d_x`, `[dim, positions]`, by row. Positions are sorted by their row, so that each row is summed
/// by one thread, in order of position.
pub(crate) fn sum_by_row(d_x: &[f32], dim: usize, rows: &[Option<usize>]) -> RowSums {
    let positions = rows.len();
    let mut order: Vec<(usize, usize)> =
        rows.iter().enumerate().filter_map(|(position, row)| Some(((*row)?, position))).collect();
    order.sort_unstable();
    let groups: Vec<&[(usize, usize)]> = order.chunk_by(|a, b| a.0 == b.0).collect();
    let mut values = vec![0.0; groups.len() * dim];
    values.par_chunks_mut(dim).zip(&groups).with_min_len(8).for_each(|(sum, group)| {
        for &(_, position) in *group {
            for (sum, line) in sum.iter_mut().zip(d_x.chunks(positions)) {
                *sum += line[position];
            }
        }
    });
    RowSums { rows: groups.iter().map(|group| group[0].0).collect(), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_ids_and_padding_come_back_to_their_rows() {
        let (dim, rows) = (17, [Some(2), None, Some(0), Some(2)]);
        let table: Vec<f32> = (0..3 * dim).map(|i| i as f32).collect();
        let mut x = vec![f32::NAN; dim * rows.len()];
        gather(&table, dim, &rows, &mut x);
        for feature in 0..dim {
            let row = |r: usize| (r * dim + feature) as f32;
            assert_eq!(x[feature * 4..feature * 4 + 4], [row(2), 0.0, row(0), row(2)]);
        }
        let sums = sum_by_row(&x, dim, &rows);
        assert_eq!(sums.rows, [0, 2]);
        for feature in 0..dim {
            assert_eq!(sums.values[feature], feature as f32);
            assert_eq!(sums.values[dim + feature], 2.0 * (2 * dim + feature) as f32);
        }
    }
}
