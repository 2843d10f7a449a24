//! Packing with NEON: the bits of the portable code, whatever the numbers. What is left of a line after whole vectors is the
//! portable code's.

use std::arch::aarch64::*;

use super::{Steps, portable};
use crate::Precision;
use crate::half::neon::{instruction, widen_4};
use crate::matrix::ElementType;
use crate::micro::MOST_COLUMNS;

const LANES: usize = 4;

/// Columns of the tiles of all NEON kernels.
pub(super) const WIDTH: usize = 16;

/// Four neighbours as f32.
///
/// # Safety
/// They are there.
#[inline(always)]
unsafe fn load(element: ElementType, from: *const u8) -> float32x4_t {
    // SAFETY: by contract; no alignment is asked for.
    unsafe {
        match element {
            ElementType::F32 => vld1q_f32(from.cast()),
            ElementType::F16 => widen_4(vld1_u16(from.cast())),
            ElementType::Bf16 => vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.cast()))),
            ElementType::I8 => {
                let bytes = vreinterpret_s8_u8(four_bytes(from));
                vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))))
            }
        }
    }
}

/// Four bytes, and four zeros.
///
/// # Safety
/// They are there.
#[inline(always)]
unsafe fn four_bytes(from: *const u8) -> uint8x8_t {
    // SAFETY: by contract; no alignment is asked for.
    unsafe { vcreate_u8(u64::from(from.cast::<u32>().read_unaligned())) }
}

/// Calls `vector` with the address of a vector's elements: those at `from`, of which only the first `count` need be there.
///
/// # Safety
/// They are there.
#[inline(always)]
unsafe fn padded<T>(from: *const u8, size: usize, count: usize, vector: impl Fn(*const u8) -> T) -> T {
    if count >= LANES {
        return vector(from);
    }
    let mut bytes = [0u8; LANES * size_of::<f32>()];
    // SAFETY: by contract; elements are no larger than f32.
    unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), count * size) };
    vector(bytes.as_ptr())
}

/// Four numbers to bf16, to nearest even.
///
/// # Safety
/// The processor has BF16 instructions.
#[target_feature(enable = "neon,bf16")]
#[inline]
unsafe fn round(values: float32x4_t) -> uint16x4_t {
    // SAFETY: from register to register; the processor has the instruction, by contract.
    unsafe { instruction!("bfcvtn {to:v}.4h, {from:v}.4s", values) }
}

/// # Safety
/// As `Packer::line` for neighbours.
pub(super) unsafe fn line_f32(element: ElementType, from: *const u8, k: usize, to: *mut u32) {
    let whole = k - k % LANES;
    // SAFETY: by contract.
    unsafe {
        for i in (0..whole).step_by(LANES) {
            vst1q_f32(to.add(i).cast(), load(element, from.add(i * element.size())));
        }
        portable::line_f32(element, from.add(whole * element.size()), 1, k - whole, to.add(whole));
    }
}

/// # Safety
/// As `Packer::line` for neighbours, and the processor has BF16 instructions.
#[target_feature(enable = "neon,bf16")]
pub(super) unsafe fn line_bf16(element: ElementType, from: *const u8, k: usize, to: *mut u32) {
    let whole = k - k % LANES;
    // SAFETY: by contract; two numbers are a word.
    unsafe {
        for i in (0..whole).step_by(LANES) {
            vst1_u16(to.cast::<u16>().add(i), round(load(element, from.add(i * element.size()))));
        }
        portable::line_bf16(element, from.add(whole * element.size()), 1, k - whole, to.add(whole / 2));
    }
}

/// Packs `steps.k` inner steps of `steps.width` neighbours, inner elements `stride` apart.
///
/// # Safety
/// The elements and the words are there, and for bf16 the processor has its instructions.
pub(super) unsafe fn steps(
    precision: Precision,
    element: ElementType,
    from: *const u8,
    stride: usize,
    flip: u8,
    steps: &Steps,
) {
    // SAFETY: by contract. Types are named in each call, so that each is a loop of its own.
    unsafe {
        match (precision, element) {
            (Precision::F32, ElementType::F32) => steps_f32(ElementType::F32, from, stride, steps),
            (Precision::F32, ElementType::F16) => steps_f32(ElementType::F16, from, stride, steps),
            (Precision::F32, element) => steps_f32(element, from, stride, steps),
            (Precision::Bf16, ElementType::F32) => steps_bf16(ElementType::F32, from, stride, steps),
            (Precision::Bf16, ElementType::F16) => steps_bf16(ElementType::F16, from, stride, steps),
            (Precision::Bf16, element) => steps_bf16(element, from, stride, steps),
            (Precision::Int8, _) => {
                let flip = vdup_n_u8(flip);
                each_step::<4>(from, stride, 1, steps, |line, count, inner| {
                    quad(line, stride, count, inner, flip)
                });
            }
        }
    }
}

/// As [`steps`].
#[inline(always)]
unsafe fn steps_f32(element: ElementType, from: *const u8, stride: usize, steps: &Steps) {
    let size = element.size();
    // SAFETY: by contract.
    unsafe {
        each_step::<1>(from, stride, size, steps, |line, count, _| {
            vreinterpretq_u32_f32(padded(line, size, count, |line| load(element, line)))
        });
    }
}

/// As [`steps`].
#[target_feature(enable = "neon,bf16")]
#[inline]
unsafe fn steps_bf16(element: ElementType, from: *const u8, stride: usize, steps: &Steps) {
    let size = element.size();
    // SAFETY: by contract.
    unsafe {
        each_step::<2>(from, stride, size, steps, |line, count, inner| {
            let half = |line| round(padded(line, size, count, |line| load(element, line)));
            let low = vmovl_u16(half(line));
            if inner < 2 {
                return low;
            }
            vorrq_u32(low, vshll_n_u16::<16>(half(line.wrapping_add(stride * size))))
        });
    }
}

/// Four inner steps of four bytes.
#[inline(always)]
unsafe fn quad(line: *const u8, stride: usize, count: usize, inner: usize, flip: uint8x8_t) -> uint32x4_t {
    // SAFETY: by contract of the caller; lines beyond the last are not read.
    unsafe {
        let bytes = |j: usize| {
            if j >= inner {
                return vdup_n_u8(0);
            }
            let line = line.wrapping_add(j * stride);
            veor_u8(padded(line, 1, count, |line| four_bytes(line)), flip)
        };
        let low = vreinterpret_u16_u8(vzip1_u8(bytes(0), bytes(1)));
        let high = vreinterpret_u16_u8(vzip1_u8(bytes(2), bytes(3)));
        vreinterpretq_u32_u16(vcombine_u16(vzip1_u16(low, high), vzip2_u16(low, high)))
    }
}

/// # Safety
/// As [`steps`]; `words(line, count, inner)` makes the words of four neighbours, of which `count` may be read, from the
/// elements at `line` and those of the `inner` − 1 inner steps after it.
#[inline(always)]
unsafe fn each_step<const GROUP: usize>(
    from: *const u8,
    stride: usize,
    size: usize,
    steps: &Steps,
    words: impl Fn(*const u8, usize, usize) -> uint32x4_t,
) {
    let &Steps { to, width, height, stride: panel, k } = steps;
    for w in 0..k.div_ceil(GROUP) {
        let line = from.wrapping_add(w * GROUP * stride * size);
        let inner = GROUP.min(k - w * GROUP);
        let mut to = to.wrapping_add(w * height);
        for start in (0..width).step_by(height) {
            for part in (0..height).step_by(LANES) {
                let place = to.wrapping_add(part);
                // Neighbours of the next micro-panel may be read, but not be stored.
                let there = width.saturating_sub(start + part);
                let own = there.min(height - part);
                // SAFETY: words of the step.
                unsafe {
                    if own == 0 {
                        place.write_bytes(0, LANES.min(height - part));
                        continue;
                    }
                    let words = words(line.wrapping_add((start + part) * size), there, inner);
                    match own {
                        LANES.. => vst1q_u32(place, words),
                        2 if height - part == 2 => vst1_u32(place, vget_low_u32(words)),
                        _ => {
                            let mut some = [0u32; LANES];
                            vst1q_u32(some.as_mut_ptr(), words);
                            some[own..].fill(0);
                            place.copy_from_nonoverlapping(some.as_ptr(), LANES.min(height - part));
                        }
                    }
                }
            }
            to = to.wrapping_add(panel);
        }
    }
}

/// [`WIDTH`] lines of 16 words to 16 rows of [`WIDTH`].
///
/// # Safety
/// `to` has the words.
pub(super) unsafe fn transpose(lines: &[u32; MOST_COLUMNS * 16], to: *mut u32) {
    for column in (0..WIDTH).step_by(LANES) {
        for word in (0..16).step_by(LANES) {
            // SAFETY: a block of 4 × 4 words of the lines, and its place.
            unsafe {
                let line = |i: usize| vld1q_u32(lines.as_ptr().add((column + i) * 16 + word));
                let [a, b, c, d] = [line(0), line(1), line(2), line(3)];
                let even = [vtrn1q_u32(a, b), vtrn1q_u32(c, d)].map(|pair| vreinterpretq_u64_u32(pair));
                let odd = [vtrn2q_u32(a, b), vtrn2q_u32(c, d)].map(|pair| vreinterpretq_u64_u32(pair));
                let rows = [
                    vtrn1q_u64(even[0], even[1]),
                    vtrn1q_u64(odd[0], odd[1]),
                    vtrn2q_u64(even[0], even[1]),
                    vtrn2q_u64(odd[0], odd[1]),
                ];
                for (i, row) in rows.into_iter().enumerate() {
                    vst1q_u32(to.add((word + i) * WIDTH + column), vreinterpretq_u32_u64(row));
                }
            }
        }
    }
}
