//! NEON kernels: f32; bf16 by `bfmmla`; bytes by `smmla`, or `sdot` on processors without it. The last three have no stable
//! intrinsics, so each is one instruction of inline assembly.
//!
//! Processors with `bfmmla` have `bfdot` too, and those with `smmla` have `usdot`: these multiply half as much at a time,
//! and are not used. Nothing here asks for memory ahead of time.

use std::arch::aarch64::*;
use std::arch::asm;
use std::arch::is_aarch64_feature_detected as has;

use super::{Isa, Lanes, Lines, MicroKernel, Out, micro_kernel, tile};
use crate::Precision;

const ROWS: usize = 6;
const COLUMNS: usize = 16;

/// Adds the kernels this processor has for a precision, best first.
pub(super) fn find(precision: Precision, found: &mut Vec<MicroKernel>) {
    let kernel =
        |name, run| MicroKernel { name, isa: Isa::Neon, rows: ROWS, columns: COLUMNS, offset: false, run };
    match precision {
        Precision::F32 => found.push(kernel("neon", f32_neon)),
        Precision::Bf16 => {
            if has!("bf16") {
                found.push(kernel("neon_bf16", bf16_bfmmla));
            }
        }
        Precision::Int8 => {
            if has!("i8mm") {
                found.push(kernel("neon_i8mm", int8_smmla));
            }
            if has!("dotprod") {
                found.push(kernel("neon_dotprod", int8_sdot));
            }
        }
    }
}

micro_kernel!(f32_neon, tile::<F32x4, 4>, 6, [1 2 3 4 5 6], "neon");
micro_kernel!(bf16_bfmmla, block_tile::<Bf16x2x2, 4>, 6, [1 2 3 4 5 6], "neon,bf16");
micro_kernel!(int8_smmla, block_tile::<Int8x2x2, 4>, 6, [1 2 3 4 5 6], "neon,i8mm");
micro_kernel!(int8_sdot, tile::<Int8x4, 4>, 6, [1 2 3 4 5 6], "neon,dotprod");

/// Loads and stores that all share, and the multiply-add of each.
macro_rules! lanes {
    ($name:ident, $sums:ty, |$sum:ident, $a:ident, $b:ident| $madd:expr, |$value:ident, $to:ident, $alpha:ident, $beta:ident| $store:expr) => {
        #[derive(Clone, Copy)]
        struct $name;
        impl Lanes for $name {
            type Words = uint32x4_t;
            type Sums = $sums;
            const LANES: usize = 4;
            #[inline(always)]
            unsafe fn zero() -> Self::Sums {
                // SAFETY: all bits zero is a vector of zeros.
                unsafe { std::mem::zeroed() }
            }
            #[inline(always)]
            unsafe fn load(words: *const u32) -> uint32x4_t {
                // SAFETY: a vector's words, by contract.
                unsafe { vld1q_u32(words) }
            }
            #[inline(always)]
            unsafe fn splat(word: *const u32) -> uint32x4_t {
                // SAFETY: a word, by contract.
                unsafe { vld1q_dup_u32(word) }
            }
            #[inline(always)]
            unsafe fn multiply_add($sum: Self::Sums, $a: uint32x4_t, $b: uint32x4_t) -> Self::Sums {
                // SAFETY: the processor has the instruction, by contract.
                unsafe { $madd }
            }
            #[inline(always)]
            unsafe fn store($value: Self::Sums, $to: *mut f32, $alpha: f32, $beta: f32) {
                // SAFETY: a vector's words, by contract.
                unsafe { $store }
            }
        }
    };
}

/// Defines the multiply-add of an instruction `sums, words, words`. To the compiler it has effects and uses memory, so that
/// it stays in its place among others and among loads: loads moved up would take registers that sums are in, and up to half of
/// a loop's instructions would be copies from one register to another.
macro_rules! instruction {
    ($text:literal, $sum:ident, $a:ident, $b:ident) => {{
        let mut sum = $sum;
        asm!(
            $text,
            sum = inout(vreg) sum,
            a = in(vreg) $a,
            b = in(vreg) $b,
            options(nostack, preserves_flags)
        );
        sum
    }};
}

#[inline(always)]
unsafe fn store_f32(value: float32x4_t, to: *mut f32, alpha: f32, beta: f32) {
    // SAFETY: a vector's words, by contract of the caller.
    unsafe {
        let scaled = vmulq_n_f32(value, alpha);
        let result = if beta == 0.0 { scaled } else { vaddq_f32(scaled, vmulq_n_f32(vld1q_f32(to), beta)) };
        vst1q_f32(to, result);
    }
}

#[inline(always)]
unsafe fn store_i32(value: int32x4_t, to: *mut f32, beta: f32) {
    // SAFETY: a vector's words, by contract of the caller.
    unsafe {
        let to = to.cast::<i32>();
        vst1q_s32(to, if beta == 0.0 { value } else { vaddq_s32(value, vld1q_s32(to)) });
    }
}

lanes!(
    F32x4,
    float32x4_t,
    |sum, a, b| vfmaq_f32(sum, vreinterpretq_f32_u32(a), vreinterpretq_f32_u32(b)),
    |value, to, alpha, beta| store_f32(value, to, alpha, beta)
);
lanes!(
    Int8x4,
    int32x4_t,
    |sum, a, b| instruction!("sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b", sum, a, b),
    |value, to, _alpha, beta| store_i32(value, to, beta)
);
lanes!(
    Bf16x2x2,
    uint32x4_t,
    |sum, a, b| instruction!("bfmmla {sum:v}.4s, {a:v}.8h, {b:v}.8h", sum, a, b),
    |value, to, alpha, beta| store_f32(vreinterpretq_f32_u32(value), to, alpha, beta)
);
lanes!(
    Int8x2x2,
    uint32x4_t,
    |sum, a, b| instruction!("smmla {sum:v}.4s, {a:v}.16b, {b:v}.16b", sum, a, b),
    |value, to, _alpha, beta| store_i32(vreinterpretq_s32_u32(value), to, beta)
);

/// As [`tile`], of 2 × 2 blocks of sums: an instruction multiplies the words of two rows at two steps with those of two
/// columns. A last step without another is paired with zeros; a last row without another gives a block whose other half is
/// not stored.
///
/// # Safety
/// As for [`MicroKernel::run`].
#[inline(always)]
unsafe fn block_tile<L, const R: usize, const V: usize, const A_ROW: usize, const STEP: usize>(
    k: usize,
    a: *const u32,
    b: *const u32,
    out: &Out,
    _: &mut Lines,
) where
    L: Lanes<Words = uint32x4_t, Sums = uint32x4_t>,
{
    // SAFETY: offsets stay inside the panels and the result by contract.
    unsafe {
        let mut sums = [[[L::zero(); ROWS / 2]; 2]; V];
        let pairs = k - k % 2;
        for step in (0..pairs).step_by(2) {
            let (a, b) = (a.add(step * STEP), b.add(step * V * L::LANES));
            multiply_blocks::<L, R, V, A_ROW, STEP, true>(&mut sums, a, b);
        }
        if pairs < k {
            let (a, b) = (a.add(pairs * STEP), b.add(pairs * V * L::LANES));
            multiply_blocks::<L, R, V, A_ROW, STEP, false>(&mut sums, a, b);
        }
        for i in 0..R {
            for (j, [left, right]) in sums.iter().enumerate() {
                let [left, right] = [vreinterpretq_u64_u32(left[i / 2]), vreinterpretq_u64_u32(right[i / 2])];
                let row = if i % 2 == 0 { vzip1q_u64(left, right) } else { vzip2q_u64(left, right) };
                let to = out.c.add(i * out.row_stride + j * L::LANES);
                L::store(vreinterpretq_u32_u64(row), to, out.alpha, out.beta);
            }
        }
    }
}

/// Adds the products of two steps to a tile's blocks, or of one step if not `TWO`.
///
/// # Safety
/// The panels have these steps, and more is as for [`MicroKernel::run`].
#[inline(always)]
unsafe fn multiply_blocks<
    L,
    const R: usize,
    const V: usize,
    const A_ROW: usize,
    const STEP: usize,
    const TWO: bool,
>(
    sums: &mut [[[uint32x4_t; ROWS / 2]; 2]; V],
    a: *const u32,
    b: *const u32,
) where
    L: Lanes<Words = uint32x4_t, Sums = uint32x4_t>,
{
    // SAFETY: by contract.
    unsafe {
        let mut rows = [L::zero(); ROWS / 2];
        for i in (0..R).step_by(2) {
            rows[i / 2] = pair_rows::<A_ROW, STEP, TWO>(a.add(i * A_ROW), i + 1 < R);
        }
        for (j, sums) in sums.iter_mut().enumerate() {
            let first = L::load(b.add(j * L::LANES));
            let second = if TWO { L::load(b.add((V + j) * L::LANES)) } else { L::zero() };
            let columns = [vzip1q_u32(first, second), vzip2q_u32(first, second)];
            for (sums, columns) in sums.iter_mut().zip(columns) {
                for (sum, &rows) in sums.iter_mut().zip(&rows).take(R.div_ceil(2)) {
                    *sum = L::multiply_add(*sum, rows, columns);
                }
            }
        }
    }
}

/// The words of two rows, each with its words of two steps side by side, or with a zero for the second step if not `TWO`. If
/// no other row is `there`, its words are any.
///
/// # Safety
/// The panel has the steps and the rows; one laid out by steps has an even number of rows.
#[inline(always)]
unsafe fn pair_rows<const A_ROW: usize, const STEP: usize, const TWO: bool>(
    a: *const u32,
    there: bool,
) -> uint32x4_t {
    // SAFETY: by contract.
    unsafe {
        if A_ROW == 1 {
            let second = if TWO { vld1_u32(a.add(STEP)) } else { vdup_n_u32(0) };
            let first = vld1_u32(a);
            return vcombine_u32(vzip1_u32(first, second), vzip2_u32(first, second));
        }
        let other = if there { a.add(A_ROW) } else { a };
        if TWO {
            vcombine_u32(vld1_u32(a), vld1_u32(other))
        } else {
            vcombine_u32(vcreate_u32(u64::from(*a)), vcreate_u32(u64::from(*other)))
        }
    }
}
