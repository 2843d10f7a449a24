//! Tiles by themselves: every height, both layouts, and nothing used that lies beside a tile's words.

use half::bf16;

use super::{KC, Lines, MicroKernel, Out, PanelLayout, ROW, kernels};
use crate::Precision;
use crate::buffer::Buffer;

/// Not a number in floating point, and in a sum of bytes no zero.
const POISON: u32 = u32::MAX;

/// A word of numbers between -1 and 1, or of any bytes; different for each place.
fn word(precision: Precision, place: usize) -> u32 {
    let bits = (place as u32 ^ 0x5BD1_E995).wrapping_mul(0x9E37_79B1);
    let bits = (bits ^ bits >> 15).wrapping_mul(0x85EB_CA77);
    let number = |bits: u32| bits as i32 as f32 / 2f32.powi(31);
    match precision {
        Precision::F32 => number(bits).to_bits(),
        Precision::Bf16 => {
            let half = |bits| u32::from(bf16::from_f32(number(bits)).to_bits());
            half(bits) | half(bits << 16) << 16
        }
        Precision::Int8 => bits,
    }
}

/// The numbers in a word.
fn numbers(precision: Precision, word: u32, unsigned: bool) -> Vec<f64> {
    match precision {
        Precision::F32 => vec![f64::from(f32::from_bits(word))],
        Precision::Bf16 => {
            [word << 16, word & 0xFFFF_0000].map(|bits| f64::from(f32::from_bits(bits))).into()
        }
        Precision::Int8 if unsigned => word.to_le_bytes().map(f64::from).into(),
        Precision::Int8 => word.to_le_bytes().map(|byte| f64::from(byte as i8)).into(),
    }
}

fn poisoned(len: usize) -> Buffer {
    let mut buffer = Buffer::new(len);
    // SAFETY: the buffer's own words.
    unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr(), len) }.fill(POISON);
    buffer
}

/// Factors of whole tiles over `k` words, and all around their words poison.
struct Tile {
    kernel: MicroKernel,
    k: usize,
    /// Words of the left factor by rows.
    left: Vec<u32>,
    /// Words of the right factor by steps.
    right: Vec<u32>,
}

impl Tile {
    fn new(precision: Precision, kernel: MicroKernel, k: usize) -> Self {
        let left = (0..kernel.rows * k).map(|i| word(precision, i)).collect();
        let right = (0..k * kernel.columns).map(|i| word(precision, i + (1 << 20))).collect();
        Self { kernel, k, left, right }
    }

    /// Bits of the result's first `rows` rows, as a tile of that many gives them.
    fn run(&self, rows: usize, layout: PanelLayout) -> Vec<u32> {
        let Self { kernel, k, .. } = *self;
        let width = kernel.columns;
        let (row, step) = match layout {
            PanelLayout::Rows => (ROW, 1),
            PanelLayout::Steps => (1, kernel.rows),
        };
        let mut a = poisoned(kernel.rows * if layout == PanelLayout::Rows { ROW } else { k });
        let mut b = poisoned((k + 1) * width);
        let stride = width + 3;
        let mut c = vec![f32::from_bits(POISON); kernel.rows * stride];
        let out = Out { c: c.as_mut_ptr(), row_stride: stride, alpha: 1.0, beta: 0.0 };
        // SAFETY: places inside the panels; the processor has the kernels it is said to have.
        unsafe {
            for i in 0..rows {
                for s in 0..k {
                    a.as_mut_ptr().add(i * row + s * step).write(self.left[i * k + s]);
                }
            }
            b.as_mut_ptr().copy_from(self.right.as_ptr(), k * width);
            (kernel.run)(rows, layout, k, a.as_ptr(), b.as_ptr(), &out, &mut { Lines::NONE });
        }
        let inside = |at: usize| at / stride < rows && at % stride < width;
        let (result, around): (Vec<_>, Vec<_>) =
            c.iter().map(|v| v.to_bits()).enumerate().partition(|&(at, _)| inside(at));
        assert!(around.iter().all(|&(_, bits)| bits == POISON), "{}: written beside the tile", kernel.name);
        result.into_iter().map(|(_, bits)| bits).collect()
    }

    /// A number of the result.
    fn expected(&self, precision: Precision, row: usize, column: usize) -> f64 {
        let products = (0..self.k).flat_map(|s| {
            let a = numbers(precision, self.left[row * self.k + s], self.kernel.offset);
            let b = numbers(precision, self.right[s * self.kernel.columns + column], false);
            a.into_iter().zip(b).map(|(a, b)| a * b)
        });
        products.sum()
    }
}

#[test]
fn a_row_has_the_same_bits_in_a_tile_of_any_height_and_from_either_layout() {
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        for kernel in kernels(precision) {
            for k in [1, 2, 3, 4, 9, KC - 1, KC] {
                let tile = Tile::new(precision, kernel, k);
                let whole = tile.run(kernel.rows, PanelLayout::Rows);
                for (at, &bits) in whole.iter().enumerate() {
                    let (row, column) = (at / kernel.columns, at % kernel.columns);
                    let want = tile.expected(precision, row, column);
                    let (got, tolerance) = match precision {
                        Precision::Int8 => (f64::from(bits as i32), 0.0),
                        _ => (f64::from(f32::from_bits(bits)), 1e-6 * (k * precision.group()) as f64),
                    };
                    let close = (got - want).abs() <= tolerance;
                    assert!(close, "{} over {k}: ({row}, {column}) is {got}, not {want}", kernel.name);
                }
                for rows in 1..=kernel.rows {
                    for layout in [PanelLayout::Rows, PanelLayout::Steps] {
                        let same = tile.run(rows, layout) == whole[..rows * kernel.columns];
                        assert!(same, "{} over {k}: {rows} rows, {layout:?}", kernel.name);
                    }
                }
            }
        }
    }
}
