//! Packing with AVX-512. Conversions round to nearest even, as everywhere.

use std::arch::x86_64::*;

use super::{AHEAD, Steps};
use crate::Precision;
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

/// Sixteen numbers to bf16.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn round(values: __m512) -> __m256i {
    // SAFETY: 32 bytes of any bits either way.
    unsafe { std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(values)) }
}

/// # Safety
/// As `Packer::line`, and the processor has AVX-512 with BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn line_bf16(element: ElementType, from: *const u8, k: usize, to: *mut u32) {
    let to = to.cast::<u16>();
    // SAFETY: by contract; an odd line's last word is written whole.
    unsafe {
        let mut i = 0;
        while i + LANES <= k {
            let part = round(load(element, from.add(i * element.size()), !0));
            _mm256_storeu_si256(to.add(i).cast(), part);
            i += LANES;
        }
        if i < k {
            let part = load(element, from.add(i * element.size()), first(k - i));
            let mask = first((k - i).next_multiple_of(2));
            _mm256_mask_storeu_epi16(to.add(i).cast(), mask, round(part));
        }
    }
}

/// Packs `steps.k` inner steps of `steps.width` neighbours, inner elements `stride` apart, whole micro-panels at a time.
///
/// # Safety
/// The elements and the words are there, and the processor has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn steps(
    precision: Precision,
    element: ElementType,
    from: *const u8,
    stride: usize,
    flip: u8,
    steps: &Steps,
) {
    // SAFETY: by contract. Elements are named in each call, so that each is a loop of its own.
    unsafe {
        match (precision, element) {
            (Precision::F32, ElementType::F32) => {
                each_step::<1>(from, stride, 4, steps, |line, mask, _| {
                    _mm512_castps_si512(load(ElementType::F32, line, mask))
                });
            }
            (Precision::F32, ElementType::F16) => {
                each_step::<1>(from, stride, 2, steps, |line, mask, _| {
                    _mm512_castps_si512(load(ElementType::F16, line, mask))
                });
            }
            (Precision::F32, element) => {
                let size = element.size();
                each_step::<1>(from, stride, size, steps, |line, mask, _| {
                    _mm512_castps_si512(load(element, line, mask))
                });
            }
            (Precision::Bf16, element) => steps_bf16(element, from, stride, steps),
            (Precision::Int8, _) => {
                each_step::<4>(from, stride, 1, steps, |line, mask, inner| {
                    quad(line, stride, mask, inner, flip)
                });
            }
        }
    }
}

/// # Safety
/// As [`steps`]; `words(line, mask, inner)` makes the words of the neighbours in the mask from the elements at `line`
/// and those of the `inner` − 1 inner steps after it.
#[inline(always)]
unsafe fn each_step<const GROUP: usize>(
    from: *const u8,
    stride: usize,
    size: usize,
    steps: &Steps,
    words: impl Fn(*const u8, __mmask16, usize) -> __m512i,
) {
    let &Steps { to, width, height, stride: panel, k } = steps;
    let count = k.div_ceil(GROUP);
    for w in 0..count {
        let line = from.wrapping_add(w * GROUP * stride * size);
        let inner = GROUP.min(k - w * GROUP);
        for ahead in 0..GROUP {
            let next = line.wrapping_add((AHEAD * GROUP + ahead) * stride * size);
            for byte in (0..width * size).step_by(64) {
                // SAFETY: a hint; any address will do.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(byte).cast()) };
            }
        }
        // A whole vector may be stored where the next step of the same micro-panel overwrites what is too much.
        let narrow = if w + 1 < count { !0 } else { first(height) };
        let to = to.wrapping_add(w * height);
        // SAFETY: words of the step, or of the next one; neighbours outside the mask are not read.
        let vector = |index: usize, part: usize, read: __mmask16, write: __mmask16| unsafe {
            let words = words(line.wrapping_add((index * height + part) * size), read, inner);
            _mm512_mask_storeu_epi32(to.wrapping_add(index * panel + part).cast(), write, words);
        };
        // Masks are the same for all whole micro-panels.
        let masks = [first(height), first(height.saturating_sub(LANES))];
        let whole = width / height;
        if height < LANES {
            (0..whole).for_each(|index| vector(index, 0, masks[0], narrow));
        } else {
            for index in 0..whole {
                for part in (0..height).step_by(LANES) {
                    vector(index, part, masks[part / LANES], masks[part / LANES]);
                }
            }
        }
        for part in (0..if width % height > 0 { height } else { 0 }).step_by(LANES) {
            let read = first((width - whole * height).saturating_sub(part));
            vector(whole, part, read, if height < LANES { narrow } else { masks[part / LANES] });
        }
    }
}

/// As [`steps`]; the precision is bf16, for which kernels need its instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn steps_bf16(element: ElementType, from: *const u8, stride: usize, steps: &Steps) {
    // SAFETY: by contract.
    unsafe {
        match element {
            ElementType::F16 => each_step::<2>(from, stride, 2, steps, |line, mask, inner| {
                pair(ElementType::F16, line, stride, mask, inner)
            }),
            ElementType::F32 => each_step::<2>(from, stride, 4, steps, |line, mask, inner| {
                pair(ElementType::F32, line, stride, mask, inner)
            }),
            element => each_step::<2>(from, stride, element.size(), steps, |line, mask, inner| {
                pair(element, line, stride, mask, inner)
            }),
        }
    }
}

/// Two inner steps of neighbours as bf16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[inline]
unsafe fn pair(
    element: ElementType,
    line: *const u8,
    stride: usize,
    mask: __mmask16,
    inner: usize,
) -> __m512i {
    // SAFETY: elements outside the masks are not read.
    unsafe {
        let low = load(element, line, mask);
        let second = if inner > 1 { mask } else { 0 };
        let high = load(element, line.wrapping_add(stride * element.size()), second);
        let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
        let order: [u16; 2 * LANES] = std::array::from_fn(|i| (i / 2 + i % 2 * LANES) as u16);
        _mm512_permutexvar_epi16(_mm512_loadu_si512(order.as_ptr().cast()), both)
    }
}

/// Four inner steps of bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
unsafe fn quad(line: *const u8, stride: usize, mask: __mmask16, inner: usize, flip: u8) -> __m512i {
    // SAFETY: elements outside the masks are not read.
    unsafe {
        let flip = _mm_set1_epi8(flip as i8);
        let line = |j: usize| {
            let mask = if j < inner { mask } else { 0 };
            let bytes = _mm_maskz_loadu_epi8(mask, line.wrapping_add(j * stride).cast());
            _mm512_cvtepu8_epi32(_mm_xor_si128(bytes, flip))
        };
        let low = _mm512_or_si512(line(0), _mm512_slli_epi32::<8>(line(1)));
        let high = _mm512_or_si512(line(2), _mm512_slli_epi32::<8>(line(3)));
        _mm512_or_si512(low, _mm512_slli_epi32::<16>(high))
    }
}

/// Adds the sum of each column's bytes, of `words` rows of 32 words, to `sums`: a product with ones.
///
/// # Safety
/// The words are there, aligned to 64 bytes, and 32 sums; the processor has AVX-512 with VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn column_sums(panel: *const u32, words: usize, sums: *mut i32) {
    // SAFETY: by contract.
    unsafe {
        let ones = _mm512_set1_epi8(1);
        for half in [0, LANES] {
            let sums = sums.add(half);
            let mut sum = _mm512_loadu_si512(sums.cast());
            for w in 0..words {
                let row = _mm512_load_si512(panel.add(w * MOST_COLUMNS + half).cast());
                sum = _mm512_dpbusd_epi32(sum, ones, row);
            }
            _mm512_storeu_si512(sums.cast(), sum);
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
