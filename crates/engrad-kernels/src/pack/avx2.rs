//! Packing to f32 with AVX2 and F16C: the bits of the portable code. What is left of a line after whole vectors is the
//! portable code's, as are bytes.

use std::arch::x86_64::*;

use super::{AHEAD, Steps, portable};
use crate::matrix::ElementType;
use crate::micro::MOST_COLUMNS;

const LANES: usize = 8;

/// Columns of the tiles of all AVX2 kernels.
pub(super) const WIDTH: usize = 16;

/// Eight neighbours as f32.
///
/// # Safety
/// They are there.
#[target_feature(enable = "avx2,f16c")]
#[inline]
unsafe fn load(element: ElementType, from: *const u8) -> __m256 {
    // SAFETY: by contract; no alignment is asked for.
    unsafe {
        match element {
            ElementType::F32 => _mm256_loadu_ps(from.cast()),
            ElementType::F16 => _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
            ElementType::Bf16 => {
                let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
            }
            ElementType::I8 => _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))),
        }
    }
}

/// The first `count` of eight neighbours as f32, and zeros.
///
/// # Safety
/// They are there.
#[target_feature(enable = "avx2,f16c")]
#[inline]
unsafe fn load_some(element: ElementType, from: *const u8, count: usize) -> __m256 {
    let mut bytes = [0u8; LANES * size_of::<f32>()];
    // SAFETY: by contract; elements are no larger than f32.
    unsafe {
        std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), count * element.size());
        load(element, bytes.as_ptr())
    }
}

/// # Safety
/// As `Packer::line` for neighbours, and the processor has AVX2 and F16C.
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn line_f32(element: ElementType, from: *const u8, k: usize, to: *mut u32) {
    let whole = k - k % LANES;
    // SAFETY: by contract.
    unsafe {
        for i in (0..whole).step_by(LANES) {
            _mm256_storeu_ps(to.add(i).cast(), load(element, from.add(i * element.size())));
        }
        portable::line_f32(element, from.add(whole * element.size()), 1, k - whole, to.add(whole));
    }
}

/// Packs `steps.k` inner steps of `steps.width` neighbours, inner elements `stride` apart, to f32.
///
/// # Safety
/// The elements and the words are there, and the processor has AVX2 and F16C.
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn steps_f32(element: ElementType, from: *const u8, stride: usize, steps: &Steps) {
    // SAFETY: by contract. Types are named in each call, so that each is a loop of its own.
    unsafe {
        match element {
            ElementType::F32 => each_step(ElementType::F32, from, stride, steps),
            ElementType::F16 => each_step(ElementType::F16, from, stride, steps),
            element => each_step(element, from, stride, steps),
        }
    }
}

/// As [`steps_f32`].
#[target_feature(enable = "avx2,f16c")]
#[inline]
unsafe fn each_step(element: ElementType, from: *const u8, stride: usize, steps: &Steps) {
    let &Steps { to, width, height, stride: panel, k } = steps;
    let size = element.size();
    for step in 0..k {
        let line = from.wrapping_add(step * stride * size);
        for byte in (0..width * size).step_by(64) {
            let next = line.wrapping_add(AHEAD * stride * size + byte);
            _mm_prefetch::<_MM_HINT_T0>(next.cast());
        }
        let mut to = to.wrapping_add(step * height);
        for start in (0..width).step_by(height) {
            for part in (0..height).step_by(LANES) {
                // Neighbours of the next micro-panel may be read; a whole vector may be stored where the micro-panel's next
                // step overwrites what is too much.
                let there = width.saturating_sub(start + part);
                let room = height - part;
                let place = to.wrapping_add(part).cast::<f32>();
                // SAFETY: elements that are there; words of the step, or of the next one.
                unsafe {
                    let numbers = match there >= LANES {
                        true => load(element, line.wrapping_add((start + part) * size)),
                        false => load_some(element, line.wrapping_add((start + part) * size), there),
                    };
                    if room >= LANES || step + 1 < k {
                        _mm256_storeu_ps(place, numbers);
                    } else {
                        let mut some = [0f32; LANES];
                        _mm256_storeu_ps(some.as_mut_ptr(), numbers);
                        place.copy_from_nonoverlapping(some.as_ptr(), room);
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
/// `to` has the words, and the processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn transpose(lines: &[u32; MOST_COLUMNS * 16], to: *mut u32) {
    for column in (0..WIDTH).step_by(LANES) {
        for word in (0..16).step_by(LANES) {
            // SAFETY: a block of 8 × 8 words of the lines, and its place.
            unsafe {
                let line = |i: usize| _mm256_loadu_ps(lines.as_ptr().add((column + i) * 16 + word).cast());
                // Pairs of lines, then quads; in each 128-bit half word c of lines 0…3, and of 4…7.
                let quads = |first: usize| {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|i| line(first + i));
                    let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
                    let (ab_high, cd_high) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
                    [
                        _mm256_shuffle_ps::<0x44>(ab, cd),
                        _mm256_shuffle_ps::<0xEE>(ab, cd),
                        _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
                        _mm256_shuffle_ps::<0xEE>(ab_high, cd_high),
                    ]
                };
                for (i, (low, high)) in quads(0).into_iter().zip(quads(4)).enumerate() {
                    let place = |row: usize| to.add((word + row) * WIDTH + column).cast::<f32>();
                    _mm256_storeu_ps(place(i), _mm256_permute2f128_ps::<0x20>(low, high));
                    _mm256_storeu_ps(place(i + 4), _mm256_permute2f128_ps::<0x31>(low, high));
                }
            }
        }
    }
}
