//! Conversions with NEON, which every 64-bit Arm processor that the standard library runs on has: `fcvtl` and `fcvtn`
//! are older than the fp16 arithmetic that newer processors add. Their intrinsics are too new for the compiler this
//! workspace promises to build with, so each is one instruction of inline assembly.

use std::arch::aarch64::{
    float32x4_t, uint16x4_t, vcombine_u16, vget_high_u16, vget_low_u16, vld1q_f32, vld1q_u16, vst1q_f32,
    vst1q_u16,
};

use ::half::f16;

use super::by_lanes;

by_lanes!(pub(super), 8, round_8, widen_8, narrow_8);

/// The result of an instruction from one vector register to another.
macro_rules! instruction {
    ($text:literal, $from:expr) => {{
        let to;
        std::arch::asm!(
            $text,
            to = lateout(vreg) to,
            from = in(vreg) $from,
            options(pure, nomem, nostack, preserves_flags)
        );
        to
    }};
}
pub(crate) use instruction;

/// Four fp16 numbers as f32, exactly.
#[inline(always)]
pub(crate) fn widen_4(half: uint16x4_t) -> float32x4_t {
    // SAFETY: an instruction of the baseline, from register to register.
    unsafe { instruction!("fcvtl {to:v}.4s, {from:v}.4h", half) }
}

/// Four numbers to fp16, to nearest even: the rounding mode of Rust's floating-point environment.
#[inline(always)]
fn narrow_4(wide: float32x4_t) -> uint16x4_t {
    // SAFETY: as above.
    unsafe { instruction!("fcvtn {to:v}.4h, {from:v}.4s", wide) }
}

/// # Safety
/// Eight numbers are there.
#[inline(always)]
unsafe fn round_8(values: *mut f32) {
    // SAFETY: by contract.
    unsafe {
        for values in [values, values.add(4)] {
            vst1q_f32(values, widen_4(narrow_4(vld1q_f32(values))));
        }
    }
}

/// # Safety
/// Eight numbers are there, and room for as many.
#[inline(always)]
unsafe fn widen_8(from: *const f16, to: *mut f32) {
    // SAFETY: by contract.
    unsafe {
        let half = vld1q_u16(from.cast());
        vst1q_f32(to, widen_4(vget_low_u16(half)));
        vst1q_f32(to.add(4), widen_4(vget_high_u16(half)));
    }
}

/// # Safety
/// Eight numbers are there, and room for as many.
#[inline(always)]
unsafe fn narrow_8(from: *const f32, to: *mut f16) {
    // SAFETY: by contract.
    unsafe {
        let (low, high) = (narrow_4(vld1q_f32(from)), narrow_4(vld1q_f32(from.add(4))));
        vst1q_u16(to.cast(), vcombine_u16(low, high));
    }
}
