//! Matrix products in f32, in tiles, rounded tile by tile.
//!
//! A product is cut along the longer side of its result into tiles whose size depends on the shape alone, so the
//! number of threads changes neither the order of any sum nor a bit of the result. Each tile is a call of `gemm`,
//! which takes any strides, so transposed and sliced operands cost nothing.
//!
//! The operand that spans the longer side may be an fp16 port: a weight. Each tile then widens its own part of it,
//! piece by piece, into scratch that stays in the second-level cache, so that the weight is read from memory once,
//! at half the width.
//!
//! `gemm` keeps its packing buffers in thread-local storage or on the heap as it sees fit: the one place where an
//! evaluation may allocate.

use ::half::f16;
use gemm::Parallelism;

use super::memory::Words;
use super::{half, parallel};
use crate::plan::View;

/// Extents of a tile along the longer side: at most the last, and multiples of the first, which fills `gemm`'s
/// register blocks.
const TILES: (usize, usize) = (48, 192);
/// Tiles that a product is cut into before they grow, for the sake of many cores.
const LEAST_TILES: usize = 8;
/// Words of scratch for the widened piece of one tile.
const PIECE: usize = 256 << 10;

/// `target = x · y` for each index of the batch.
#[derive(Debug)]
pub(crate) struct Matmul {
    /// `[batch, batch, batch, rows, inner]`
    pub(crate) x: View,
    /// `[batch, batch, batch, inner, columns]`
    pub(crate) y: View,
    /// `[batch, batch, batch, rows, columns]`
    pub(crate) target: View,
    /// Whether results are rounded to fp16.
    pub(crate) round: bool,
    /// Whether the operand of the longer side is read from an fp16 port.
    pub(crate) widens: bool,
}

/// The numbers of an operand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operand<'a> {
    Words(Words<'a>),
    /// Of the longer side only.
    Half(&'a [f16]),
}

impl Matmul {
    /// Extent of a tile along the longer side, and of a widened piece along the inner one.
    fn tile(&self) -> (usize, usize) {
        let [.., m, n] = five(self.target.layout.shape());
        let [.., k] = five(self.x.layout.shape());
        let long = m.max(n);
        let tile = long.div_ceil(LEAST_TILES).next_multiple_of(TILES.0).min(TILES.1).min(long);
        let pieces = (tile * k.min(PIECE)).div_ceil(PIECE).max(k.div_ceil(PIECE));
        (tile, k.div_ceil(pieces))
    }

    /// Words of scratch a thread needs.
    pub(crate) fn scratch(&self) -> usize {
        let (tile, piece) = self.tile();
        if self.widens { tile * piece } else { 0 }
    }
}

/// Runs a product. `scratch` gives the calling thread's own [`Matmul::scratch`] words.
///
/// # Safety
/// The plan contract holds for the step, and scratch belongs to the thread alone. If the step widens, the longer
/// side's operand is [`Operand::Half`] with the whole port, and the other is not; otherwise neither is.
pub(crate) unsafe fn run<'a>(
    step: &Matmul,
    (x, y): (Operand<'_>, Operand<'_>),
    target: Words<'a>,
    scratch: impl Fn() -> Words<'a> + Sync + Send,
) {
    let [a, b, c, m, n] = five(step.target.layout.shape());
    let [.., k] = five(step.x.layout.shape());
    let by_rows = m >= n;
    let long = m.max(n);
    let (tile, piece) = step.tile();
    let tiles = long.div_ceil(tile);
    parallel(a * b * c * tiles, |task| {
        let (batch, start) = (task / tiles, task % tiles * tile);
        let index = [batch / c / b, batch / c % b, batch % c];
        let len = tile.min(long - start);
        let (m0, n0, m, n) = if by_rows { (start, 0, len, n) } else { (0, start, m, len) };
        let x_tile = Tile::of(&step.x, index, m0, 0);
        let y_tile = Tile::of(&step.y, index, 0, n0);
        let out = Tile::of(&step.target, index, m0, n0);
        // SAFETY: tiles are of the three views, which lie inside their bases; the operands are not written in this
        // step and result tiles are disjoint. A piece has `len` by at most `piece` words, which scratch has.
        unsafe {
            match (x, y) {
                (Operand::Words(x), Operand::Words(y)) => {
                    product((m, n, k), (target, out), (x, x_tile), (y, y_tile), false);
                }
                (Operand::Half(x), Operand::Words(y)) => {
                    for k0 in (0..k).step_by(piece) {
                        let k = piece.min(k - k0);
                        let part = widen(x, x_tile.shifted(0, k0), (len, k), scratch());
                        let y_part = y_tile.shifted(k0, 0);
                        product((m, n, k), (target, out), (scratch(), part), (y, y_part), k0 > 0);
                    }
                }
                (Operand::Words(x), Operand::Half(y)) => {
                    for k0 in (0..k).step_by(piece) {
                        let k = piece.min(k - k0);
                        let part = widen(y, y_tile.shifted(k0, 0), (k, len), scratch());
                        let x_part = x_tile.shifted(0, k0);
                        product((m, n, k), (target, out), (x, x_part), (scratch(), part), k0 > 0);
                    }
                }
                // Excluded by contract.
                (Operand::Half(_), Operand::Half(_)) => {}
            }
            if step.round {
                round(target, out, m, n);
            }
        }
    });
}

/// A matrix in memory: where it starts, and its strides.
#[derive(Debug, Clone, Copy)]
struct Tile {
    start: usize,
    row: usize,
    column: usize,
}

impl Tile {
    fn of(view: &View, index: [usize; 3], row: usize, column: usize) -> Self {
        let strides = five(view.layout.strides());
        let batch: usize = index.iter().zip(strides).map(|(i, s)| i * s).sum();
        Self { start: view.layout.offset + batch, row: strides[3], column: strides[4] }.shifted(row, column)
    }

    fn shifted(self, row: usize, column: usize) -> Self {
        Self { start: self.start + row * self.row + column * self.column, ..self }
    }
}

/// The five numbers of a rank-5 shape.
fn five(numbers: &[usize]) -> [usize; 5] {
    numbers.try_into().unwrap_or([1; 5])
}

/// `out = x · y`, or `out += x · y`.
///
/// # Safety
/// The tiles lie inside their words; nothing else touches the result's, nothing writes the operands'.
unsafe fn product(
    (m, n, k): (usize, usize, usize),
    (target, out): (Words<'_>, Tile),
    (x_words, x): (Words<'_>, Tile),
    (y_words, y): (Words<'_>, Tile),
    accumulate: bool,
) {
    // SAFETY: by contract. Strides are below 2^63: the views lie in memory.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            target.pointer(out.start),
            out.column as isize,
            out.row as isize,
            accumulate,
            x_words.pointer(x.start),
            x.column as isize,
            x.row as isize,
            y_words.pointer(y.start),
            y.column as isize,
            y.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Widens a matrix into the start of `scratch`, its contiguous direction kept, and says how it lies there.
///
/// # Safety
/// Scratch has the matrix's words and is the thread's alone.
unsafe fn widen(from: &[f16], tile: Tile, (rows, columns): (usize, usize), scratch: Words<'_>) -> Tile {
    let (by_rows, (outer, inner), stride) = if tile.column <= 1 {
        (true, (rows, columns), tile.row)
    } else {
        (false, (columns, rows), tile.column)
    };
    for i in 0..outer {
        let line = tile.start + i * stride;
        // SAFETY: lines follow each other in scratch.
        half::widen(&from[line..line + inner], unsafe { scratch.write(i * inner, inner) });
    }
    Tile { start: 0, row: if by_rows { inner } else { 1 }, column: if by_rows { 1 } else { inner } }
}

/// # Safety
/// The tile lies inside and nothing else touches it.
unsafe fn round(words: Words<'_>, tile: Tile, rows: usize, columns: usize) {
    let (outer, inner) = if tile.column <= 1 {
        ((rows, tile.row), (columns, tile.column))
    } else {
        ((columns, tile.column), (rows, tile.row))
    };
    for i in 0..outer.0 {
        let line = tile.start + i * outer.1;
        if inner.1 <= 1 {
            // SAFETY: a contiguous line of the tile.
            half::round(unsafe { words.write(line, inner.0) });
        } else {
            for j in 0..inner.0 {
                // SAFETY: an element of the tile.
                half::round(unsafe { words.write(line + j * inner.1, 1) });
            }
        }
    }
}
