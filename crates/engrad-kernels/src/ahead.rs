//! The memory that comes next: the lines of a block of the left factor, asked for while the block before it is computed.
//!
//! A weight is read from memory once for each pass of a product; without this the cores wait for it at the start of each
//! block, since blocks are cut along two dimensions and processors guess along one.

use crate::matrix::Source;
use crate::micro::{Lines, MicroKernel, PanelLayout, ROW};
use crate::pack::Packer;

/// The lines of `rows` rows and `k` inner elements of a left factor that was not packed, from (`row`, `k0`), or of its
/// panels, spread over `tiles` tiles.
pub(crate) fn lines(
    a: &Source<'_>,
    kernel: &MicroKernel,
    (row, rows): (usize, usize),
    (word, k0, k): (usize, usize, usize),
    tiles: usize,
) -> Lines {
    let (start, bytes, runs) = match a {
        _ if rows == 0 => return Lines::NONE,
        Source::Strided(a) => {
            let size = a.element.size();
            match Packer::left_layout(a) {
                PanelLayout::Steps => (a.at(row, k0), rows * size, (k, a.column_stride * size)),
                PanelLayout::Rows => (a.at(row, k0), k * size, (rows, a.row_stride * size)),
            }
        }
        Source::Packed(a) => match a.left(row, word) {
            // Rows are shorter than the room they have.
            (PanelLayout::Rows, start, _) => {
                let word_bytes = size_of::<u32>();
                let bytes = k.div_ceil(a.precision().group()) * word_bytes;
                (start.cast(), bytes, (rows, ROW * word_bytes))
            }
            (PanelLayout::Steps, start, panel) => {
                (start.cast(), panel * rows.div_ceil(kernel.rows) * size_of::<u32>(), (1, 0))
            }
        },
    };
    Lines::new(start, bytes, runs, tiles)
}
