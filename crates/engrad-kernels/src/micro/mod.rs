//! Micro-kernels: one register tile of a product, for each instruction set and precision.
//!
//! All share one form. Panels are made of 32-bit *words* that hold 1, 2 or 4 neighbours along the inner dimension
//! (f32, bf16, int8), and one step of the inner loop multiplies the words of a column of A with those of a row of B:
//! a broadcast, a load and a multiply-add, whether it is `vfmadd`, `vdpbf16ps` or `vpdpbusd`. So the blocking, the
//! panels' shapes and the register tiles are the same for every precision.
//!
//! Instructions that multiply 2 × 2 blocks take the words of two steps at once and pair them in registers
//! (`neon.rs`), from the same panels.
//!
//! A tile with fewer rows does the same operations in the same order for the rows it has: the bits of a result do
//! not depend on where it stands in a tile.

mod lines;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub use x86::{has_avx2, has_avx512};

pub(crate) use lines::Lines;
use lines::PER_LINE;

use crate::Precision;

/// Most words of one block along the inner dimension. A micro-panel of B (32 columns) then fills a first-level cache of 48 KiB,
/// a block of A some 260 KiB of the second level. From 192 to 512 words nothing else was measurably faster.
pub(crate) const KC: usize = 384;
/// Words of each block along an inner dimension of `words`, but the last, which has what is left: blocks of one size, as few
/// as [`KC`] allows. A short last block would leave no time to ask for the block after it.
pub(crate) fn block_words(words: usize) -> usize {
    words.div_ceil(words.div_ceil(KC).max(1)).next_multiple_of(16).min(KC)
}

/// Words from one row to the next in panels of A laid out by rows: one line more than a block, so that the rows of a
/// tile fall in different sets of the cache.
pub(crate) const ROW: usize = KC + 16;

/// How a micro-panel of A lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PanelLayout {
    /// Rows one after the other, [`ROW`] words apart: sources contiguous along the inner dimension need no transpose.
    Rows,
    /// For each step of the inner dimension the words of all rows: sources contiguous along rows need no transpose.
    Steps,
}

/// Where a tile's result goes: `c = alpha · tile + beta · c`. Whole words of integer tiles are added if `beta` is not
/// zero, and `alpha` is not used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    pub(crate) c: *mut f32,
    pub(crate) row_stride: usize,
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
}

/// Computes `rows` × `columns` numbers (`columns` of the kernel) over `k` words, and asks for some of the lines on the way.
pub(crate) type Run = unsafe fn(
    rows: usize,
    layout: PanelLayout,
    k: usize,
    a: *const u32,
    b: *const u32,
    out: &Out,
    ahead: &mut Lines,
);

/// Instruction sets, as far as packing needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "not every processor has every set")]
pub(crate) enum Isa {
    Portable,
    Avx2,
    Avx512,
    Neon,
}

/// A micro-kernel and its register tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MicroKernel {
    pub(crate) name: &'static str,
    pub(crate) isa: Isa,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Whether bytes of the left factor are stored with 128 added, for an instruction that takes them unsigned.
    pub(crate) offset: bool,
    /// # Safety
    /// `rows` is from 1 to the kernel's; `a` has a micro-panel of the layout with `k` ≤ [`KC`] steps, `b` has
    /// `k · columns` words aligned to 64 bytes; `out` has that many rows of `columns` words. The processor has the
    /// kernel's instruction set.
    pub(crate) run: Run,
}

/// Most rows and columns of any kernel's tile.
pub(crate) const MOST_ROWS: usize = 14;
pub(crate) const MOST_COLUMNS: usize = 32;

/// The best kernel of this processor for a precision.
pub(crate) fn kernel(precision: Precision) -> MicroKernel {
    kernels(precision).into_iter().next().unwrap_or_else(|| portable::kernel(precision))
}

/// All kernels this processor can run for a precision, best first; the portable one is last.
pub(crate) fn kernels(precision: Precision) -> Vec<MicroKernel> {
    #[allow(unused_mut, reason = "stays empty on processors without kernels of their own")]
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    x86::find(precision, &mut found);
    #[cfg(target_arch = "aarch64")]
    neon::find(precision, &mut found);
    found.push(portable::kernel(precision));
    found
}

/// Vector operations of one instruction set and precision.
trait Lanes: Copy {
    /// A vector of words.
    type Words: Copy;
    /// A vector of sums.
    type Sums: Copy;
    const LANES: usize;
    /// # Safety
    /// For this and the other functions: the processor has the instructions, and addresses have a vector's words.
    unsafe fn zero() -> Self::Sums;
    unsafe fn load(words: *const u32) -> Self::Words;
    unsafe fn splat(word: *const u32) -> Self::Words;
    unsafe fn multiply_add(sums: Self::Sums, a: Self::Words, b: Self::Words) -> Self::Sums;
    unsafe fn store(sums: Self::Sums, to: *mut f32, alpha: f32, beta: f32);
    /// Asks for a line to write soon.
    #[inline(always)]
    fn prefetch(_: *const f32) {}
    /// Asks for a line to read after some tiles.
    #[inline(always)]
    fn prefetch_far(_: *const u8) {}
}

/// The tile: `R` rows by `V` vectors of columns. `STEP` words from one inner step of A to the next, `A_ROW` from one
/// row to the next.
///
/// # Safety
/// As for [`MicroKernel::run`].
#[inline(always)]
unsafe fn tile<L: Lanes, const R: usize, const V: usize, const A_ROW: usize, const STEP: usize>(
    k: usize,
    a: *const u32,
    b: *const u32,
    out: &Out,
    ahead: &mut Lines,
) {
    // SAFETY: offsets stay inside the panels and the result by contract.
    unsafe {
        for i in 0..R {
            for j in 0..V {
                L::prefetch(out.c.add(i * out.row_stride + j * L::LANES));
            }
        }
        let mut sums = [[L::zero(); V]; R];
        let (mut a, mut b) = (a, b);
        // Apart from the caller's, in registers.
        let mut lines = *ahead;
        let mut asking = lines.for_tile(k);
        let mut left = k;
        while left > 0 {
            let mut count = left;
            if asking > 0 {
                asking -= 1;
                L::prefetch_far(lines.next());
                count = PER_LINE;
            }
            for _ in 0..count {
                let mut columns = [L::load(b); V];
                for (j, column) in columns.iter_mut().enumerate().skip(1) {
                    *column = L::load(b.add(j * L::LANES));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = L::splat(a.add(i * A_ROW));
                    for (sum, &column) in sums.iter_mut().zip(&columns) {
                        *sum = L::multiply_add(*sum, x, column);
                    }
                }
                a = a.add(STEP);
                b = b.add(V * L::LANES);
            }
            left -= count;
        }
        *ahead = lines;
        for (i, sums) in sums.iter().enumerate() {
            for (j, &sum) in sums.iter().enumerate() {
                L::store(sum, out.c.add(i * out.row_stride + j * L::LANES), out.alpha, out.beta);
            }
        }
    }
}

/// Defines a kernel's function: one instance of a tile's code, [`tile`] or one of the same form, for each number of rows
/// and layout.
macro_rules! micro_kernel {
    (
        $name:ident, $tile:ident::<$lanes:ty, $vectors:literal>,
        $most:literal, [$($rows:literal)*] $(, $feature:literal)?
    ) => {
        unsafe fn $name(
            rows: usize,
            layout: $crate::micro::PanelLayout,
            k: usize,
            a: *const u32,
            b: *const u32,
            out: &$crate::micro::Out,
            ahead: &mut $crate::micro::Lines,
        ) {
            $(#[target_feature(enable = $feature)])?
            unsafe fn sized<const R: usize, const A_ROW: usize, const STEP: usize>(
                k: usize,
                a: *const u32,
                b: *const u32,
                out: &$crate::micro::Out,
                ahead: &mut $crate::micro::Lines,
            ) {
                // SAFETY: passed on.
                unsafe { $tile::<$lanes, R, $vectors, A_ROW, STEP>(k, a, b, out, ahead) }
            }
            use $crate::micro::PanelLayout::{Rows, Steps};
            // SAFETY: by the contract of the caller.
            unsafe {
                match (rows, layout) {
                    $(
                        ($rows, Rows) => sized::<$rows, { $crate::micro::ROW }, 1>(k, a, b, out, ahead),
                        ($rows, Steps) => sized::<$rows, 1, $most>(k, a, b, out, ahead),
                    )*
                    _ => debug_assert!(false, "no tile of {rows} rows"),
                }
            }
        }
    };
}
use micro_kernel;
