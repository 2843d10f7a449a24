//! Factors packed once and used in many products.

use crate::buffer::Buffer;
use crate::driver::{each, right_stays};
use crate::matrix::{Operand, RawMatrix};
use crate::micro::{self, KC, MicroKernel, PanelLayout, ROW, block_words};
use crate::pack::{Packer, Side};
use crate::{Int8Operand, Precision, Threads};

/// Micro-panels of a left factor that one task packs.
const TASK_PANELS: usize = 8;

/// Where panels go.
#[derive(Clone, Copy)]
struct Panels(*mut u32);

// SAFETY: an address; tasks write parts of their own.
unsafe impl Send for Panels {}
// SAFETY: as above.
unsafe impl Sync for Panels {}

impl Panels {
    fn at(self, word: usize) -> *mut u32 {
        self.0.wrapping_add(word)
    }
}

/// Packs a right factor of a product: panels, and behind them the sums of their columns.
///
/// # Safety
/// As [`PackedMatrix::from_raw`]; `to` has [`PackedMatrix::words_for`] it.
unsafe fn fill_right(source: &RawMatrix, precision: Precision, to: Panels, parallel: bool) {
    let kernel = micro::kernel(precision);
    let packer = Packer { precision, side: Side::Right, kernel };
    let (rows, columns, group) = (source.rows, source.columns, precision.group());
    let (width, padded) = (kernel.columns, columns.next_multiple_of(kernel.columns));
    let words = rows.div_ceil(group);
    let most = block_words(words);
    each(padded / width, parallel, |panel| {
        let column = panel * width;
        // SAFETY: passed on; tasks have panels of their own, with the sums of their columns.
        unsafe {
            let sums = to.at(padded * words + column).cast::<i32>();
            sums.write_bytes(0, width);
            for word in (0..words).step_by(most) {
                let len = most.min(words - word);
                let to = to.at(word * padded + panel * len * width);
                let k = (len * group).min(rows - word * group);
                let own = (column, width.min(columns - column));
                packer.right(source, (word * group, k), own, to);
                if kernel.offset {
                    packer.column_sums(to, len, sums);
                }
            }
        }
    });
}

/// Whether the panels of a right factor's columns serve products with the first ones among them too: it is packed in one go,
/// as one block of the inner dimension, so that micro-panels stand where they would stand without the others.
pub fn columns_are_prefixes((rows, columns): (usize, usize), precision: Precision) -> bool {
    rows.div_ceil(precision.group()) <= KC && right_stays((1, columns, rows), precision)
}

/// Packs a right factor of which that is so, by the calling thread, for products of its first columns
/// ([`crate::driver::Product::right_is_packed`]).
///
/// # Safety
/// As [`PackedMatrix::from_raw`]; `to` has [`PackedMatrix::words_for`] the factor, aligned to 64 bytes.
pub unsafe fn pack_columns(source: &RawMatrix, precision: Precision, to: *mut u32) {
    debug_assert!(columns_are_prefixes((source.rows, source.columns), precision));
    // SAFETY: passed on.
    unsafe { fill_right(source, precision, Panels(to), false) };
}

/// Which factor of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Factor {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

/// A factor packed into this processor's panels: later products read it without conversion or transposition.
///
/// Results are bit for bit those of the unpacked factor. The memory is about 4 bytes an element in f32, 2 in bf16, 1 in
/// int8.
#[derive(Debug)]
pub struct PackedMatrix {
    panels: Buffer,
    factor: Factor,
    precision: Precision,
    /// Whose panels they are.
    kernel: MicroKernel,
    /// Of a left factor's panels.
    layout: PanelLayout,
    rows: usize,
    columns: usize,
}

fn unpacked(operand: Operand<'_>) -> RawMatrix {
    match operand {
        Operand::F32(m) => m.raw(),
        Operand::F16(m) => m.raw(),
        Operand::Bf16(m) => m.raw(),
        Operand::Packed(_) => panic!("packed already"),
    }
}

impl PackedMatrix {
    /// Packs a floating-point matrix.
    ///
    /// # Panics
    /// If it is packed already, or the precision is that of bytes.
    pub fn new<'a>(matrix: impl Into<Operand<'a>>, factor: Factor, precision: Precision) -> Self {
        assert!(precision != Precision::Int8, "bytes are packed with `new_int8`");
        // SAFETY: the view was checked when it was made, and is borrowed.
        unsafe { Self::from_raw(&unpacked(matrix.into()), factor, precision, false) }
    }

    /// Packs another matrix of floating-point numbers, of any shape, for the same side and precision in this one's place,
    /// whose memory grows if it must.
    ///
    /// # Panics
    /// If it is packed already, or these are bytes.
    pub fn replace<'a>(&mut self, matrix: impl Into<Operand<'a>>, threads: Threads) {
        assert!(self.precision != Precision::Int8, "bytes are packed with `new_int8`");
        let source = unpacked(matrix.into());
        (self.rows, self.columns) = (source.rows, source.columns);
        self.layout = Packer::left_layout(&source);
        let words = Self::words_for((self.rows, self.columns), self.factor, self.precision);
        if self.panels.len() < words {
            self.panels = Buffer::new(words);
        }
        // SAFETY: the view was checked when it was made, and is borrowed.
        unsafe { self.fill(&source, threads == Threads::Pool) };
    }

    /// Packs a matrix of bytes.
    pub fn new_int8(matrix: Int8Operand<'_>, factor: Factor) -> Self {
        // SAFETY: as above.
        unsafe { Self::from_raw(&matrix.raw(), factor, Precision::Int8, false) }
    }

    /// Packs a matrix by address, on the current rayon pool if `parallel`.
    ///
    /// # Safety
    /// Its elements are in memory that nothing writes meanwhile; they are bytes exactly if the precision is that of
    /// bytes.
    pub unsafe fn from_raw(source: &RawMatrix, factor: Factor, precision: Precision, parallel: bool) -> Self {
        let (rows, columns) = (source.rows, source.columns);
        let panels = Buffer::new(Self::words_for((rows, columns), factor, precision));
        let layout = Packer::left_layout(source);
        let kernel = micro::kernel(precision);
        let mut packed = Self { panels, factor, precision, kernel, layout, rows, columns };
        // SAFETY: passed on; the panels were just sized for it.
        unsafe { packed.fill(source, parallel) };
        packed
    }

    /// Packs a matrix of the same shape and direction in the place of the one before.
    ///
    /// # Safety
    /// As [`PackedMatrix::from_raw`].
    ///
    /// # Panics
    /// If the shape is another, or rows are contiguous where columns were.
    pub unsafe fn refill(&mut self, source: &RawMatrix, parallel: bool) {
        assert_eq!((self.rows, self.columns), (source.rows, source.columns), "shape");
        assert_eq!(self.layout, Packer::left_layout(source), "direction");
        // SAFETY: passed on.
        unsafe { self.fill(source, parallel) };
    }

    /// Words of the panels of a matrix of that shape.
    pub fn words_for((rows, columns): (usize, usize), factor: Factor, precision: Precision) -> usize {
        let kernel = micro::kernel(precision);
        let (inner, outer) = if factor == Factor::Left { (columns, rows) } else { (rows, columns) };
        let words = inner.div_ceil(precision.group());
        let blocks = words.div_ceil(block_words(words));
        match factor {
            Factor::Left => blocks * Packer::left_words(&kernel, outer.div_ceil(kernel.rows)),
            Factor::Right => {
                let columns = outer.next_multiple_of(kernel.columns);
                // Behind the panels stand the sums of the columns.
                columns * (inner.div_ceil(precision.group()) + 1)
            }
        }
    }

    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Which factor it may be.
    pub fn factor(&self) -> Factor {
        self.factor
    }

    /// What its elements were rounded to.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Bytes of memory it holds.
    pub fn bytes(&self) -> usize {
        self.panels.len() * size_of::<u32>()
    }

    /// # Safety
    /// As [`PackedMatrix::from_raw`].
    unsafe fn fill(&mut self, source: &RawMatrix, parallel: bool) {
        let (kernel, precision) = (self.kernel, self.precision);
        let group = precision.group();
        let to = Panels(self.panels.as_mut_ptr());
        let (rows, columns) = (self.rows, self.columns);
        match self.factor {
            Factor::Left => {
                let packer = Packer { precision, side: Side::Left, kernel };
                let panels = rows.div_ceil(kernel.rows);
                let (block, step) = (Packer::left_words(&kernel, panels), TASK_PANELS * kernel.rows);
                let tasks = rows.div_ceil(step);
                let most = self.block_words() * group;
                each(columns.div_ceil(most) * tasks, parallel, |task| {
                    let (i, row) = (task / tasks, task % tasks * step);
                    let k0 = i * most;
                    let k = most.min(columns - k0);
                    let panel_words = match self.layout {
                        PanelLayout::Rows => ROW,
                        PanelLayout::Steps => k.div_ceil(group),
                    };
                    // SAFETY: passed on; tasks have panels of their own, in the words that were sized for them.
                    unsafe {
                        let to = to.at(i * block + row * panel_words);
                        packer.left(source, (row, step.min(rows - row)), (k0, k), to);
                    }
                });
            }
            // SAFETY: passed on; the panels were sized for it.
            Factor::Right => unsafe { fill_right(source, precision, to, parallel) },
        }
    }

    /// Words of the inner dimension.
    fn inner_words(&self) -> usize {
        let inner = if self.factor == Factor::Left { self.columns } else { self.rows };
        inner.div_ceil(self.precision.group())
    }

    /// Words of each block of it.
    fn block_words(&self) -> usize {
        block_words(self.inner_words())
    }

    /// The micro-panel of a left factor that begins at `row`, a multiple of the kernel's, in the block of that word:
    /// its layout, its place, and words from one micro-panel to the next.
    pub(crate) fn left(&self, row: usize, word: usize) -> (PanelLayout, *const u32, usize) {
        let kernel = &self.kernel;
        let block = Packer::left_words(kernel, self.rows.div_ceil(kernel.rows));
        let step = match self.layout {
            PanelLayout::Rows => ROW,
            PanelLayout::Steps => self.block_words().min(self.inner_words() - word),
        };
        let place = self.panels.as_ptr().wrapping_add(word / self.block_words() * block + row * step);
        (self.layout, place, step * kernel.rows)
    }

    /// The micro-panel of a right factor that begins at `column`, a multiple of the kernel's, in the block that begins
    /// at that word.
    pub(crate) fn right(&self, column: usize, word: usize) -> *const u32 {
        let width = self.kernel.columns;
        let len = self.block_words().min(self.inner_words() - word);
        let padded = self.columns.next_multiple_of(width);
        self.panels.as_ptr().wrapping_add(word * padded + column * len)
    }

    /// Sums of the columns from `column` on.
    pub(crate) fn sums(&self, column: usize) -> *const i32 {
        let padded = self.columns.next_multiple_of(self.kernel.columns);
        let words = self.rows.div_ceil(self.precision.group());
        self.panels.as_ptr().wrapping_add(padded * words + column).cast()
    }
}
