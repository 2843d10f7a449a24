//! The blocked product: which panel is packed when, by whom, and which tile is computed from it.
//!
//! ```text
//! for columns (n) and stretches of the inner dimension such that B's panels stay in the last-level cache:
//!     pack B's panels, shared by all threads
//!     for blocks of rows (m), in parallel:
//!         for blocks of at most KC words of the inner dimension:
//!             pack A's block into the thread's own words (second-level cache)
//!             for groups of B's micro-panels that stay in the second-level cache:
//!                 for micro-panels of A, for micro-panels of the group: one register tile
//! ```
//!
//! So a row of tiles is written from left to right, which memory likes better than from top to bottom, and both factors
//! come from the second-level cache. Meanwhile the next block of A is asked for (`ahead.rs`).
//!
//! Blocks of the inner dimension depend on its extent alone, and all else only decides which thread computes a tile
//! when: every element of the result is the same chain of operations for any number of threads and on any run.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::ahead;
use crate::finish::wide;
use crate::matrix::{RawMatrix, Source};
use crate::micro::{KC, Lines, MOST_COLUMNS, MOST_ROWS, MicroKernel, Out, PanelLayout, ROW, block_words};
use crate::pack::{Packer, Side};
use crate::{Precision, micro};

/// Words of B's panels packed at once: 4 MiB, a share of the last-level cache.
const SHARED: usize = 1 << 20;
/// Words of inner dimension packed at once, at least; fewer columns are taken instead.
const LEAST_STRETCH: usize = 2 * KC;
/// Micro-panels of A in a block: with [`KC`] words each some 130 KiB of second-level cache, beside [`GROUP`] words of B and
/// the memory of the next block.
const BLOCK_PANELS: usize = 6;
/// Inner steps of B that one task packs, of all columns.
const TASK_STEPS: usize = 96;
/// Words of B's panels that rows of tiles run over: a share of the second-level cache.
const GROUP: usize = 96 << 10;
/// Words of a result's block that are held: a share of the second-level cache.
const MOST_HELD: usize = 48 << 10;
/// Products of fewer multiply-adds than this are not worth waking a thread for.
const LEAST_PARALLEL: usize = 1 << 17;

/// What is done to each part of a result once its sums are complete.
pub trait Finish: Sync {
    /// Whether tiles of a row must come one after the other, from left to right: results of few rows are then not divided
    /// by columns among threads.
    const IN_ROWS: bool = false;

    /// Called once for each tile: `rows` × `columns` numbers whose rows are `stride` apart, still in the first-level
    /// cache. The first stands at (`row`, `column`) of the result.
    ///
    /// # Safety
    /// The caller owns the numbers for the time of the call.
    unsafe fn tile(&self, at: (usize, usize), size: (usize, usize), c: *mut f32, stride: usize);

    /// Called after all tiles of a part of the result are finished, by the thread that computed them. Parts have whole
    /// rows unless the result has too few for all threads, or too many columns to be computed at once.
    ///
    /// Its first element is at `c`, and its rows are `stride` apart.
    ///
    /// # Safety
    /// The caller owns that part of the result for the time of the call.
    unsafe fn block(&self, rows: Range<usize>, columns: Range<usize>, c: *mut f32, stride: usize) {
        let _ = (rows, columns, c, stride);
    }
}

/// Where a product's result goes.
#[derive(Debug, Clone, Copy)]
pub enum Destination {
    /// To the memory at that address.
    Memory(*mut f32),
    /// Nowhere: a block of whole rows at a time is held behind the thread's words for A, for [`Finish::block`] to do something
    /// with. Only for results that [`can_be_held`], with contiguous rows and a `beta` of zero.
    Held,
}

/// A product by addresses: `c = alpha · a · b + beta · c`, then `finish`.
#[derive(Clone, Copy)]
pub struct Product<'a, F> {
    /// Rows, columns and inner extent; none is zero.
    pub size: (usize, usize, usize),
    /// What multiplicands are rounded to.
    pub precision: Precision,
    /// Left factor, rows × inner.
    pub a: Source<'a>,
    /// Right factor, inner × columns.
    pub b: Source<'a>,
    /// Where the result goes.
    pub c: Destination,
    /// Elements from one row of the result to the next.
    pub row_stride: usize,
    /// Elements from one column of the result to the next.
    pub column_stride: usize,
    /// Factor of the product; products of bytes ignore it.
    pub alpha: f32,
    /// Factor of what the result held; zero: not read. Zero for products of bytes.
    pub beta: f32,
    /// Last work on each tile.
    pub finish: &'a F,
    /// Whether the current rayon pool shares the work.
    pub parallel: bool,
    /// Whether the shared words of the workspace hold `b`'s panels: those of a product with the same right factor, if
    /// they fit there whole ([`right_stays`]), or those of [`crate::pack_columns`].
    pub right_is_packed: bool,
}

// SAFETY: addresses and numbers; `run` states who may touch what.
unsafe impl<F: Sync> Send for Product<'_, F> {}
// SAFETY: as above.
unsafe impl<F: Sync> Sync for Product<'_, F> {}

/// Words that a product packs panels into.
///
/// # Safety
/// `shared` gives at least [`shared_words`], to one product at a time, aligned to 64 bytes; `local` gives at least
/// [`local_words`], and [`held_words`] behind them for a result that is held, that belong to the calling thread alone for
/// the time of the call, aligned likewise.
pub unsafe trait Workspace: Sync {
    /// Words for B's panels.
    fn shared(&self) -> *mut u32;
    /// Calls `work` with words for a block of A.
    fn local(&self, work: impl FnOnce(*mut u32));
}

/// Words of a [`Workspace`] shared by the threads of a product of that size.
pub fn shared_words((_, n, k): (usize, usize, usize), precision: Precision) -> usize {
    let kernel = micro::kernel(precision);
    let blocking = Blocking::new(&kernel, (1, n, k), precision);
    blocking.columns.min(n).next_multiple_of(kernel.columns) * (blocking.stretch.min(blocking.words) + 1)
        + MOST_COLUMNS
}

/// Whether the shared words hold all of the right factor's panels when a product of that size is done.
pub fn right_stays((_, n, k): (usize, usize, usize), precision: Precision) -> bool {
    let blocking = Blocking::new(&micro::kernel(precision), (1, n, k), precision);
    n <= blocking.columns && blocking.words <= blocking.stretch
}

/// Whether a product of that size can be computed without memory for its result, block by block.
pub fn can_be_held(size: (usize, usize, usize), precision: Precision) -> bool {
    right_stays(size, precision) && held_words(size) <= MOST_HELD
}

/// Words of a block of a result that is held, with at most that many columns.
pub fn held_words((_, n, _): (usize, usize, usize)) -> usize {
    BLOCK_PANELS * MOST_ROWS * n
}

/// Words of a [`Workspace`] for each thread; behind them come the [`held_words`] of a result that is held.
pub fn local_words() -> usize {
    Packer::left_words(&MicroKernel { rows: MOST_ROWS, ..micro::kernel(Precision::F32) }, BLOCK_PANELS)
}

/// Extents of the outer loops.
#[derive(Debug, Clone, Copy)]
struct Blocking {
    /// Words of the inner dimension.
    words: usize,
    /// Columns packed at once.
    columns: usize,
    /// Words of the inner dimension in a block.
    block: usize,
    /// Words of the inner dimension packed at once: a multiple of those of a block.
    stretch: usize,
}

impl Blocking {
    fn new(kernel: &MicroKernel, (_, n, k): (usize, usize, usize), precision: Precision) -> Self {
        let words = k.div_ceil(precision.group());
        let block = block_words(words);
        let least = LEAST_STRETCH.min(words.next_multiple_of(block));
        let columns = (SHARED / least / kernel.columns * kernel.columns).max(kernel.columns);
        let columns = columns.min(n.next_multiple_of(kernel.columns));
        let stretch = (SHARED / columns / block * block).max(block).min(words.next_multiple_of(block));
        Self { words, columns, block, stretch }
    }
}

/// Runs a product.
///
/// # Safety
/// Factors have the product's shape and their elements are in memory that nothing writes meanwhile; the elements of
/// the result are distinct, in memory that nothing else touches, and apart from the factors. `kernel` is one of this
/// processor's for the precision; packed factors were packed for it.
pub(crate) unsafe fn run_with<F: Finish>(
    product: &Product<'_, F>,
    kernel: MicroKernel,
    workspace: &impl Workspace,
) {
    let (m, n, k) = product.size;
    let parallel = product.parallel && m.saturating_mul(n).saturating_mul(k) >= LEAST_PARALLEL;
    let blocking = Blocking::new(&kernel, product.size, product.precision);
    let threads = if parallel { rayon::current_num_threads() } else { 1 };
    let run = Run { product, kernel, blocking, parallel };
    for column0 in (0..n).step_by(blocking.columns) {
        let columns = blocking.columns.min(n - column0);
        let panels = columns.div_ceil(kernel.columns);
        let shared = Shared {
            words: workspace.shared(),
            sums: panels * kernel.columns * blocking.stretch.min(blocking.words),
        };
        for word0 in (0..blocking.words).step_by(blocking.stretch) {
            let words = blocking.stretch.min(blocking.words - word0);
            if let (Source::Strided(b), false) = (&product.b, product.right_is_packed) {
                // SAFETY: the columns and the stretch lie inside; shared words are this product's.
                unsafe { run.pack_right(b, shared, (column0, columns), (word0, words)) };
            }
            let grid = Grid::new(m.div_ceil(kernel.rows), panels, threads, F::IN_ROWS);
            let next = AtomicUsize::new(0);
            let claim = || {
                let take = |done| grid.block(done).map(|(_, _, end)| end);
                let done = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
                let (rows, columns, _) = grid.block(done)?;
                Some((rows.start * kernel.rows..m.min(rows.end * kernel.rows), columns))
            };
            // Each thread takes the next block until none is left, one ahead, so that it knows what it will read.
            each(threads, parallel, |_| {
                let mut block = claim();
                while let Some((rows, columns_of_block)) = block {
                    block = claim();
                    let after = block.as_ref().map_or(m, |(rows, _)| rows.start);
                    // SAFETY: blocks are disjoint parts of the result, local words are the thread's.
                    workspace.local(|local| unsafe {
                        let columns = (column0, columns, columns_of_block);
                        run.block(shared, local, (rows, after), columns, (word0, words));
                    });
                }
            });
        }
    }
}

/// Where B's panels are, and behind them the sums of their columns.
#[derive(Clone, Copy)]
struct Shared {
    words: *mut u32,
    sums: usize,
}

impl Shared {
    fn panels(self) -> *mut u32 {
        self.words
    }

    /// Sums of the columns of a micro-panel.
    fn sums(self, panel: usize, width: usize) -> *mut i32 {
        self.words.wrapping_add(self.sums + panel * width).cast()
    }
}

// SAFETY: an address; who writes what is said where it is used.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Blocks of one stretch in the order in which threads take them: some rows of tiles, or, of a result with fewer rows of
/// tiles than there are threads, a part of one.
///
/// Blocks have [`BLOCK_PANELS`] micro-panels until few are left, then fewer and fewer, so that threads end together
/// whenever they began.
#[derive(Debug, Clone, Copy)]
struct Grid {
    threads: usize,
    row_panels: usize,
    column_panels: usize,
    column_parts: usize,
}

impl Grid {
    fn new(row_panels: usize, column_panels: usize, threads: usize, in_rows: bool) -> Self {
        let column_parts = match in_rows || row_panels >= threads {
            true => 1,
            false => (2 * threads).div_ceil(row_panels).min(column_panels),
        };
        Self { threads, row_panels, column_panels, column_parts }
    }

    /// The block after `done` cells (a row of tiles, or a part of one): its micro-panels of rows and of columns, and the
    /// cells that are done with it. `None` if none is left.
    fn block(&self, done: usize) -> Option<(Range<usize>, Range<usize>, usize)> {
        let (row, part) = (done / self.column_parts, done % self.column_parts);
        let left = self.row_panels.checked_sub(row).filter(|&left| left > 0)?;
        let rows = match (self.threads, self.column_parts) {
            (1, _) => BLOCK_PANELS,
            // A share of what is left that is two blocks for each thread.
            (threads, 1) => left.div_ceil(2 * threads).min(BLOCK_PANELS),
            _ => 1,
        };
        let rows = rows.min(left);
        let column = |part: usize| part * self.column_panels / self.column_parts;
        Some((row..row + rows, column(part)..column(part + 1), done + rows))
    }
}

/// Calls `task` for each number below `count`, on the current rayon pool if `parallel`.
pub(crate) fn each(count: usize, parallel: bool, task: impl Fn(usize) + Sync + Send) {
    if parallel && count > 1 {
        (0..count).into_par_iter().with_max_len(1).for_each(task);
    } else {
        (0..count).for_each(task);
    }
}

struct Run<'a, F> {
    product: &'a Product<'a, F>,
    kernel: MicroKernel,
    blocking: Blocking,
    parallel: bool,
}

impl<F: Finish> Run<'_, F> {
    /// Inner elements from a word on, in `words` words.
    fn elements(&self, word0: usize, words: usize) -> (usize, usize) {
        let (_, _, k) = self.product.size;
        let group = self.product.precision.group();
        (word0 * group, (words * group).min(k - word0 * group))
    }

    /// Packs a stretch of columns as blocks of the inner dimension, each a sequence of micro-panels.
    ///
    /// # Safety
    /// As [`run_with`].
    unsafe fn pack_right(
        &self,
        b: &RawMatrix,
        shared: Shared,
        (column0, columns): (usize, usize),
        (word0, words): (usize, usize),
    ) {
        let (kernel, precision) = (self.kernel, self.product.precision);
        let packer = Packer { precision, side: Side::Right, kernel };
        let width = kernel.columns;
        let panels = columns.div_ceil(width);
        let most = self.blocking.block;
        let bytes = kernel.offset;
        let parallel = self.parallel && panels * words * width >= 1 << 14;
        if !bytes && Packer::is_right_by_steps(b) {
            // A task packs some inner steps of all columns.
            let parts = most.div_ceil(TASK_STEPS);
            each(words.div_ceil(most) * parts, parallel, |task| {
                let (block, step) = (task / parts * most, task % parts * TASK_STEPS);
                let len = most.min(words - block);
                if step < len {
                    let own = self.elements(word0 + block + step, TASK_STEPS.min(len - step));
                    // SAFETY: tasks have steps of their own.
                    unsafe {
                        let to = shared.panels().add(block * panels * width + step * width);
                        packer.right_steps(b, own, (column0, columns), (to, len * width));
                    }
                }
            });
            return;
        }
        // A task packs a micro-panel for all its blocks: some 64 KiB or more of one.
        each(panels, parallel, |panel| {
            // SAFETY: panels are disjoint parts of the shared words.
            unsafe {
                let sums = shared.sums(panel, width);
                if bytes && word0 == 0 {
                    sums.write_bytes(0, width);
                }
                let own = (column0 + panel * width, width.min(columns - panel * width));
                for block in (0..words).step_by(most) {
                    let len = most.min(words - block);
                    let to = shared.panels().add(block * panels * width + panel * len * width);
                    packer.right(b, self.elements(word0 + block, len), own, to);
                    if bytes {
                        packer.column_sums(to, len, sums);
                    }
                }
            }
        });
    }

    /// Computes the tiles of some rows and some micro-panels of columns over one stretch.
    ///
    /// # Safety
    /// As [`run_with`]; the tiles and the local words are the caller's alone.
    unsafe fn block(
        &self,
        shared: Shared,
        local: *mut u32,
        (rows, after): (Range<usize>, usize),
        (column0, columns, panels): (usize, usize, Range<usize>),
        (word0, words): (usize, usize),
    ) {
        let (product, kernel) = (self.product, &self.kernel);
        let width = kernel.columns;
        let all_panels = columns.div_ceil(width);
        let packer = Packer { precision: product.precision, side: Side::Left, kernel: *kernel };
        // Blocks of a serial product may have many panels; local words hold BLOCK_PANELS.
        let most = BLOCK_PANELS * kernel.rows;
        for row0 in (rows.start..rows.end).step_by(most) {
            let height = most.min(rows.end - row0);
            let c = match product.c {
                Destination::Memory(c) => c,
                // Counted from the result's first element, as if the rows before were there too.
                Destination::Held => {
                    local.wrapping_add(local_words()).cast::<f32>().wrapping_sub(row0 * product.row_stride)
                }
            };
            let most_words = self.blocking.block;
            for block in (0..words).step_by(most_words) {
                let len = most_words.min(words - block);
                let word = word0 + block;
                let last = word + len == self.blocking.words;
                // SAFETY: by contract, here and below.
                let (layout, a, step) = unsafe {
                    match &product.a {
                        Source::Strided(a) => {
                            packer.left(a, (row0, height), self.elements(word, len), local);
                            let layout = Packer::left_layout(a);
                            let step = if layout == PanelLayout::Rows { ROW } else { len };
                            (layout, local.cast_const(), step * kernel.rows)
                        }
                        Source::Packed(a) => a.left(row0, word),
                    }
                };
                let beta = if word == 0 { product.beta } else { 1.0 };
                // What this thread most likely packs or reads next.
                let (next_row, next_word) = if block + len < words {
                    (row0, word + len)
                } else {
                    (if row0 + height < rows.end { row0 + height } else { after }, word0)
                };
                let next_rows = (next_row, most.min(product.size.0 - next_row));
                let (k0, k) = self.elements(next_word, most_words.min(word0 + words - next_word));
                let tiles = panels.len() * height.div_ceil(kernel.rows);
                let mut ahead = ahead::lines(&product.a, kernel, next_rows, (next_word, k0, k), tiles);
                // SAFETY: the panels were packed, or are in the packed factor; they stand one behind the other.
                let right = unsafe {
                    match &product.b {
                        Source::Strided(_) => shared.words.add(block * all_panels * width).cast_const(),
                        Source::Packed(b) => b.right(column0, word),
                    }
                };
                let group = (GROUP / (len * width)).max(1);
                for first in panels.clone().step_by(group) {
                    let group = first..panels.end.min(first + group);
                    for (i, row) in (row0..row0 + height).step_by(kernel.rows).enumerate() {
                        for panel in group.clone() {
                            let column = column0 + panel * width;
                            let tile_columns = width.min(column0 + columns - column);
                            let sums = match (kernel.offset, &product.b) {
                                (true, Source::Strided(_)) => shared.sums(panel, width).cast_const(),
                                (true, Source::Packed(b)) => b.sums(column),
                                (false, _) => std::ptr::null(),
                            };
                            let size = (kernel.rows.min(row0 + height - row), tile_columns);
                            // SAFETY: the tile lies in the result; panels have `len` steps.
                            unsafe {
                                self.tile(
                                    c,
                                    (row, column),
                                    size,
                                    layout,
                                    len,
                                    (a.add(i * step), right.add(panel * len * width)),
                                    (beta, last, sums),
                                    &mut ahead,
                                )
                            };
                        }
                    }
                }
            }
            if word0 + words == self.blocking.words {
                let first = column0 + panels.start * width;
                let end = (column0 + panels.end * width).min(column0 + columns);
                let c = c.wrapping_add(row0 * product.row_stride + first * product.column_stride);
                // SAFETY: these tiles are complete, and the caller's.
                unsafe { product.finish.block(row0..row0 + height, first..end, c, product.row_stride) };
            }
        }
    }

    /// # Safety
    /// As [`Run::block`].
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "the body of three loops with their state")]
    unsafe fn tile(
        &self,
        c: *mut f32,
        (row, column): (usize, usize),
        (rows, columns): (usize, usize),
        layout: PanelLayout,
        k: usize,
        (a, b): (*const u32, *const u32),
        (beta, last, sums): (f32, bool, *const i32),
        ahead: &mut Lines,
    ) {
        let (product, kernel) = (self.product, &self.kernel);
        let integers = product.precision == Precision::Int8;
        // SAFETY: by contract.
        unsafe {
            let c = c.wrapping_add(row * product.row_stride + column * product.column_stride);
            // What is gone over several times stays apart from a result whose rows may fall in one set of the cache.
            if product.column_stride == 1 && columns == kernel.columns && !(integers && last) {
                let out = Out { c, row_stride: product.row_stride, alpha: product.alpha, beta };
                (kernel.run)(rows, layout, k, a, b, &out, ahead);
                if last {
                    product.finish.tile((row, column), (rows, columns), c, product.row_stride);
                }
                return;
            }
            // By way of a tile of its own: the result has no room for a whole one, or no contiguous rows, or sums of bytes
            // become numbers first.
            #[repr(align(64))]
            struct Tile(#[expect(dead_code, reason = "written by address")] [f32; MOST_ROWS * MOST_COLUMNS]);
            // Only the rows that the kernel writes are read.
            let mut tile = MaybeUninit::<Tile>::uninit();
            let stride = kernel.columns;
            let whole = tile.as_mut_ptr().cast::<f32>();
            let out = Out { c: whole, row_stride: stride, alpha: product.alpha, beta: 0.0 };
            (kernel.run)(rows, layout, k, a, b, &out, ahead);
            let place = |i: usize, j: usize| c.add(i * product.row_stride + j * product.column_stride);
            let add = |sum: *mut f32, before: *const f32| {
                if integers {
                    let sum = sum.cast::<i32>();
                    sum.write(sum.read().wrapping_add(before.cast::<i32>().read()));
                } else {
                    sum.write(sum.read() + beta * before.read());
                }
            };
            if beta != 0.0 {
                for i in 0..rows {
                    let sums = whole.add(i * stride);
                    if product.column_stride == 1 {
                        // Neighbours, which become vectors.
                        let before = place(i, 0);
                        (0..columns).for_each(|j| add(sums.add(j), before.add(j)));
                    } else {
                        (0..columns).for_each(|j| add(sums.add(j), place(i, j)));
                    }
                }
            }
            if last {
                if integers {
                    to_floats(whole, stride, (rows, columns), sums);
                }
                product.finish.tile((row, column), (rows, columns), whole, stride);
            }
            for i in 0..rows {
                if product.column_stride == 1 {
                    place(i, 0).copy_from_nonoverlapping(whole.add(i * stride), columns);
                } else {
                    (0..columns).for_each(|j| place(i, j).write(whole.add(i * stride + j).read()));
                }
            }
        }
    }
}

wide! {
    /// Sums of products of bytes to floating point, less what the 128 added to the left ones contributed.
    ///
    /// # Safety
    /// The tile is the caller's; `sums` has a number for each column, or is null: nothing was added.
    unsafe fn to_floats(c: *mut f32, stride: usize, size: (usize, usize), sums: *const i32) {
        let (rows, columns) = size;
        // On the stack, so that the loops below are seen to touch nothing else and become vectors.
        let mut added = [0i32; MOST_COLUMNS];
        if !sums.is_null() {
            for (j, added) in added.iter_mut().enumerate().take(columns) {
                // SAFETY: by contract.
                *added = unsafe { *sums.add(j) }.wrapping_mul(128);
            }
        }
        for i in 0..rows {
            // SAFETY: a row of the tile.
            let row = unsafe { std::slice::from_raw_parts_mut(c.add(i * stride), columns) };
            for (value, added) in row.iter_mut().zip(&added) {
                *value = (value.to_bits() as i32).wrapping_sub(*added) as f32;
            }
        }
    }
}

/// Runs a product with this processor's best kernel.
///
/// # Safety
/// Factors have the product's shape and their elements are in memory that nothing writes meanwhile; the elements of
/// the result are distinct, in memory that nothing else touches, and apart from the factors. Factors are of bytes
/// exactly if the precision is [`Precision::Int8`], and then `beta` is zero; packed factors are of that precision and
/// side. If the right factor is said to be packed, the last product with these shared words had the same one, which was
/// not written since, in the same size and precision.
pub unsafe fn run<F: Finish>(product: &Product<'_, F>, workspace: &impl Workspace) {
    // SAFETY: passed on; a factor is packed for the best kernel.
    unsafe { run_with(product, micro::kernel(product.precision), workspace) };
}
