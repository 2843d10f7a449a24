//! Conversions with F16C, and with AVX-512.

use std::arch::x86_64::{
    _MM_FROUND_TO_NEAREST_INT, _mm_loadu_si128, _mm_storeu_si128, _mm256_cvtph_ps, _mm256_cvtps_ph,
    _mm256_loadu_ps, _mm256_storeu_ps,
};

use ::half::f16;

use super::by_lanes;

pub(super) use crate::micro::has_avx2 as is_available;

by_lanes!(pub(super), 8, #[target_feature(enable = "avx2,f16c")] round_8, widen_8, narrow_8);

/// # Safety
/// Eight numbers are there.
#[target_feature(enable = "avx2,f16c")]
#[inline]
unsafe fn round_8(values: *mut f32) {
    // SAFETY: by contract.
    unsafe {
        let half = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(values));
        _mm256_storeu_ps(values, _mm256_cvtph_ps(half));
    }
}

/// # Safety
/// Eight numbers are there, and room for as many.
#[target_feature(enable = "avx2,f16c")]
#[inline]
unsafe fn widen_8(from: *const f16, to: *mut f32) {
    // SAFETY: by contract.
    unsafe { _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm_loadu_si128(from.cast()))) };
}

/// # Safety
/// Eight numbers are there, and room for as many.
#[target_feature(enable = "avx2,f16c")]
#[inline]
unsafe fn narrow_8(from: *const f32, to: *mut f16) {
    // SAFETY: by contract.
    unsafe {
        let half = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(from));
        _mm_storeu_si128(to.cast(), half);
    }
}

/// Sixteen numbers at a time.
pub(super) mod wide {
    use std::arch::x86_64::{
        _MM_FROUND_TO_NEAREST_INT, _mm256_loadu_si256, _mm256_storeu_si256, _mm512_cvtph_ps, _mm512_cvtps_ph,
        _mm512_loadu_ps, _mm512_storeu_ps,
    };

    use ::half::f16;

    use crate::half::by_lanes;

    #[inline]
    pub(in crate::half) fn is_available() -> bool {
        std::arch::is_x86_feature_detected!("avx512f")
    }

    by_lanes!(pub(in crate::half), 16, #[target_feature(enable = "avx512f")] round_16, widen_16, narrow_16);

    /// # Safety
    /// Sixteen numbers are there.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn round_16(values: *mut f32) {
        // SAFETY: by contract.
        unsafe {
            let half = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm512_loadu_ps(values));
            _mm512_storeu_ps(values, _mm512_cvtph_ps(half));
        }
    }

    /// # Safety
    /// Sixteen numbers are there, and room for as many.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn widen_16(from: *const f16, to: *mut f32) {
        // SAFETY: by contract.
        unsafe { _mm512_storeu_ps(to, _mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))) };
    }

    /// # Safety
    /// Sixteen numbers are there, and room for as many.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn narrow_16(from: *const f32, to: *mut f16) {
        // SAFETY: by contract.
        unsafe {
            let half = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm512_loadu_ps(from));
            _mm256_storeu_si256(to.cast(), half);
        }
    }
}
