//! Packing with AVX-512. Conversions round to nearest even, as everywhere.

use std::arch::x86_64::*;

use crate::matrix::ElementType;
use crate::micro::MOST_COLUMNS;

const LANES: usize = 16;

/// Sixteen neighbours, or the first of them that the mask names, as f32.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
unsafe fn load(element: ElementType, from: *const u8, mask: __mmask16) -> __m512 {
    // SAFETY: masked-out elements are not read.
    unsafe {
        match element {
            ElementType::F32 => _mm512_maskz_loadu_ps(mask, from.cast()),
            ElementType::F16 => _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, from.cast())),
            ElementType::Bf16 => {
                let bits = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from.cast()));
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
            }
            ElementType::I8 => {
                _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, from.cast())))
            }
        }
    }
}

/// The first `count` lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    if count >= LANES { !0 } else { (1 << count) - 1 }
}

/// # Safety
/// As `Packer::line`, and the processor has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn line_f32(element: ElementType, from: *const u8, k: usize, to: *mut u32) {
    // SAFETY: by contract.
    unsafe {
        let mut i = 0;
        while i + LANES <= k {
            _mm512_storeu_ps(to.add(i).cast(), load(element, from.add(i * element.size()), !0));
            i += LANES;
        }
        if i < k {
            let mask = first(k - i);
            let part = load(element, from.add(i * element.size()), mask);
            _mm512_mask_storeu_ps(to.add(i).cast(), mask, part);
        }
    }
}

/// Rounds to bf16 by arithmetic, so that processors without the instruction have it too. NaN stays NaN.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn round_bf16(values: __m512) -> __m512i {
    let bits = _mm512_castps_si512(values);
    let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
    let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(values, values);
    let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x0040_0000));
    _mm512_srli_epi32::<16>(_mm512_mask_mov_epi32(rounded, nan, quiet))
}

/// # Safety
/// As `Packer::line`, and the processor has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn line_bf16(element: ElementType, from: *const u8, k: usize, to: *mut u32) {
    let to = to.cast::<u16>();
    // SAFETY: by contract; an odd line's last word is written whole.
    unsafe {
        let mut i = 0;
        while i + LANES <= k {
            let part = _mm512_cvtepi32_epi16(round_bf16(load(element, from.add(i * element.size()), !0)));
            _mm256_storeu_si256(to.add(i).cast(), part);
            i += LANES;
        }
        if i < k {
            let part = load(element, from.add(i * element.size()), first(k - i));
            let mask = first((k - i).next_multiple_of(2));
            _mm256_mask_storeu_epi16(to.add(i).cast(), mask, _mm512_cvtepi32_epi16(round_bf16(part)));
        }
    }
}

/// # Safety
/// As `Packer::step`, and the processor has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn step_f32(
    element: ElementType,
    from: *const u8,
    width: usize,
    to: *mut u32,
    full: usize,
) {
    // SAFETY: by contract.
    unsafe {
        let mut i = 0;
        while i < full {
            let part = load(element, from.wrapping_add(i * element.size()), first(width.saturating_sub(i)));
            _mm512_mask_storeu_ps(to.add(i).cast(), first(full - i), part);
            i += LANES;
        }
    }
}

/// # Safety
/// As `Packer::step`, and the processor has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn step_bf16(
    element: ElementType,
    from: *const u8,
    stride: usize,
    inner: usize,
    width: usize,
    to: *mut u32,
    full: usize,
) {
    // SAFETY: by contract; the second line is read only if it is there.
    unsafe {
        let mut i = 0;
        while i < full {
            let mask = first(width.saturating_sub(i));
            let from = from.wrapping_add(i * element.size());
            let low = round_bf16(load(element, from, mask));
            let second = if inner > 1 { mask } else { 0 };
            let high = round_bf16(load(element, from.wrapping_add(stride * element.size()), second));
            let words = _mm512_or_si512(low, _mm512_slli_epi32::<16>(high));
            _mm512_mask_storeu_epi32(to.add(i).cast(), first(full - i), words);
            i += LANES;
        }
    }
}

/// # Safety
/// As `Packer::step`, and the processor has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn step_int8(
    from: *const u8,
    stride: usize,
    inner: usize,
    width: usize,
    flip: u8,
    to: *mut u32,
    full: usize,
) {
    // SAFETY: by contract; lines that are not there are not read.
    unsafe {
        let flip = _mm_set1_epi8(flip as i8);
        let mut i = 0;
        while i < full {
            let mask = first(width.saturating_sub(i));
            let line = |j: usize| {
                let mask = if j < inner { mask } else { 0 };
                let bytes = _mm_maskz_loadu_epi8(mask, from.wrapping_add(i + j * stride).cast());
                _mm512_cvtepu8_epi32(_mm_xor_si128(bytes, flip))
            };
            let low = _mm512_or_si512(line(0), _mm512_slli_epi32::<8>(line(1)));
            let high = _mm512_or_si512(line(2), _mm512_slli_epi32::<8>(line(3)));
            let words = _mm512_or_si512(low, _mm512_slli_epi32::<16>(high));
            _mm512_mask_storeu_epi32(to.add(i).cast(), first(full - i), words);
            i += LANES;
        }
    }
}

/// 32 lines of 16 words to 16 rows of 32.
///
/// # Safety
/// `to` has the words; the processor has AVX-512.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn transpose(lines: &[u32; MOST_COLUMNS * LANES], to: *mut u32) {
    for half in 0..2 {
        // SAFETY: lines of the half, and its place in each row.
        unsafe {
            let mut r = [_mm512_setzero_si512(); LANES];
            for (i, r) in r.iter_mut().enumerate() {
                *r = _mm512_loadu_si512(lines.as_ptr().add((half * LANES + i) * LANES).cast());
            }
            let mut t = r;
            for i in 0..LANES / 2 {
                t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
            }
            // Quads of lines: q[4g + c] holds column c of each 128-bit lane for lines 4g … 4g + 3.
            let mut q = t;
            for g in 0..LANES / 4 {
                let [a, b, c, d] = [t[4 * g], t[4 * g + 1], t[4 * g + 2], t[4 * g + 3]];
                q[4 * g] = _mm512_unpacklo_epi64(a, c);
                q[4 * g + 1] = _mm512_unpackhi_epi64(a, c);
                q[4 * g + 2] = _mm512_unpacklo_epi64(b, d);
                q[4 * g + 3] = _mm512_unpackhi_epi64(b, d);
            }
            // Lanes of four quads change places: a 4 × 4 transpose of 128-bit lanes.
            for c in 0..4 {
                let [a, b, e, f] = [q[c], q[4 + c], q[8 + c], q[12 + c]];
                let ab_low = _mm512_shuffle_i32x4::<0b1000_1000>(a, b); // a0 a2 b0 b2
                let ab_high = _mm512_shuffle_i32x4::<0b1101_1101>(a, b); // a1 a3 b1 b3
                let ef_low = _mm512_shuffle_i32x4::<0b1000_1000>(e, f);
                let ef_high = _mm512_shuffle_i32x4::<0b1101_1101>(e, f);
                let rows = [
                    _mm512_shuffle_i32x4::<0b1000_1000>(ab_low, ef_low), // a0 b0 e0 f0
                    _mm512_shuffle_i32x4::<0b1000_1000>(ab_high, ef_high),
                    _mm512_shuffle_i32x4::<0b1101_1101>(ab_low, ef_low),
                    _mm512_shuffle_i32x4::<0b1101_1101>(ab_high, ef_high),
                ];
                for (lane, row) in rows.into_iter().enumerate() {
                    let place = (4 * lane + c) * 2 * LANES + half * LANES;
                    _mm512_storeu_si512(to.add(place).cast(), row);
                }
            }
        }
    }
}
