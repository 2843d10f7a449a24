//! The memory that comes next: the lines of a block of the left factor, asked for while the block before it is computed.
//!
//! A weight is read from memory once for each pass of a product; without this the cores wait for it at the start of each
//! block, since blocks are cut along two dimensions and processors guess along one.

use crate::matrix::Source;
use crate::micro::{KC_LINES, MicroKernel, PanelLayout, ROW};
use crate::pack::Packer;

/// Bytes of a line.
const LINE: usize = 64;

/// Contiguous runs of bytes, walked line by line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ahead {
    start: *const u8,
    /// Bytes of a run, and from one run to the next.
    bytes: usize,
    stride: usize,
    runs: usize,
    /// Where the walk is: run, and byte in it.
    at: (usize, usize),
    /// Lines for each tile.
    lines: usize,
}

impl Ahead {
    /// The lines of `rows` rows and `k` inner elements of a left factor that was not packed, from (`row`, `k0`), or of its
    /// panels, spread over `tiles` tiles.
    pub(crate) fn new(
        a: &Source<'_>,
        kernel: &MicroKernel,
        (row, rows): (usize, usize),
        (word, k0, k): (usize, usize, usize),
        tiles: usize,
    ) -> Self {
        let (start, bytes, stride, runs) = match a {
            _ if rows == 0 => (std::ptr::null(), 0, 0, 0),
            Source::Strided(a) => {
                let size = a.element.size();
                match Packer::left_layout(a) {
                    PanelLayout::Steps => (a.at(row, k0), rows * size, a.column_stride * size, k),
                    PanelLayout::Rows => (a.at(row, k0), k * size, a.row_stride * size, rows),
                }
            }
            Source::Packed(a) => match a.left(row, word) {
                // Rows are shorter than the room they have.
                (PanelLayout::Rows, start, _) => {
                    let word_bytes = size_of::<u32>();
                    (start.cast(), k.div_ceil(a.precision().group()) * word_bytes, ROW * word_bytes, rows)
                }
                (PanelLayout::Steps, start, panel) => {
                    (start.cast(), panel * rows.div_ceil(kernel.rows) * size_of::<u32>(), 0, 1)
                }
            },
        };
        // A run that does not begin with a line has part of one more.
        let lines = (bytes.div_ceil(LINE) + 1) * runs;
        Self { start, bytes, stride, runs, at: (0, 0), lines: lines.div_ceil(tiles.max(1)) }
    }

    /// The next tile's lines.
    #[inline]
    pub(crate) fn next<'l>(&mut self, lines: &'l mut [*const u8; KC_LINES]) -> &'l [*const u8] {
        let most = self.lines.min(KC_LINES);
        let mut count = 0;
        while count < most && self.at.0 < self.runs {
            let (run, byte) = self.at;
            let from = self.start.wrapping_add(run * self.stride + byte);
            let left = (self.bytes + LINE).saturating_sub(byte).div_ceil(LINE);
            let here = left.min(most - count);
            for (i, line) in lines[count..count + here].iter_mut().enumerate() {
                *line = from.wrapping_add(i * LINE);
            }
            count += here;
            self.at = if here == left { (run + 1, 0) } else { (run, byte + here * LINE) };
        }
        &lines[..count]
    }
}
