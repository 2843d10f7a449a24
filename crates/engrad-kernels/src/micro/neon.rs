//! NEON kernels: f32, bf16 by `bfdot`, bytes by `usdot` or `sdot`. The last three have no stable intrinsics, so each is
//! one instruction of inline assembly.

use std::arch::aarch64::*;
use std::arch::asm;
use std::arch::is_aarch64_feature_detected as has;

use super::{Isa, Lanes, MicroKernel, micro_kernel};
use crate::Precision;

const ROWS: usize = 6;
const COLUMNS: usize = 16;

/// Adds the kernels this processor has for a precision, best first.
pub(super) fn find(precision: Precision, found: &mut Vec<MicroKernel>) {
    let kernel =
        |name, run, offset| MicroKernel { name, isa: Isa::Neon, rows: ROWS, columns: COLUMNS, offset, run };
    match precision {
        Precision::F32 => found.push(kernel("neon", f32_neon, false)),
        Precision::Bf16 => {
            if has!("bf16") {
                found.push(kernel("neon_bf16", bf16_neon, false));
            }
        }
        Precision::Int8 => {
            if has!("i8mm") {
                found.push(kernel("neon_i8mm", int8_usdot, true));
            }
            if has!("dotprod") {
                found.push(kernel("neon_dotprod", int8_sdot, false));
            }
        }
    }
}

micro_kernel!(f32_neon, F32x4, 4, 6, [1 2 3 4 5 6], "neon");
micro_kernel!(bf16_neon, Bf16x4, 4, 6, [1 2 3 4 5 6], "neon,bf16");
micro_kernel!(int8_usdot, MixedInt8x4, 4, 6, [1 2 3 4 5 6], "neon,i8mm");
micro_kernel!(int8_sdot, SignedInt8x4, 4, 6, [1 2 3 4 5 6], "neon,dotprod");

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

/// Defines the multiply-add of an instruction `sums, words, words`.
macro_rules! instruction {
    ($text:literal, $sum:ident, $a:ident, $b:ident) => {{
        let mut sum = $sum;
        asm!(
            $text,
            sum = inout(vreg) sum,
            a = in(vreg) $a,
            b = in(vreg) $b,
            options(pure, nomem, nostack, preserves_flags)
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
    Bf16x4,
    float32x4_t,
    |sum, a, b| instruction!("bfdot {sum:v}.4s, {a:v}.8h, {b:v}.8h", sum, a, b),
    |value, to, alpha, beta| store_f32(value, to, alpha, beta)
);
lanes!(
    MixedInt8x4,
    int32x4_t,
    |sum, a, b| instruction!("usdot {sum:v}.4s, {a:v}.16b, {b:v}.16b", sum, a, b),
    |value, to, _alpha, beta| store_i32(value, to, beta)
);
lanes!(
    SignedInt8x4,
    int32x4_t,
    |sum, a, b| instruction!("sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b", sum, a, b),
    |value, to, _alpha, beta| store_i32(value, to, beta)
);
