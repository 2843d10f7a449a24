//! AVX2 and AVX-512 kernels.

use std::arch::is_x86_feature_detected as has;
use std::arch::x86_64::*;

use super::{Isa, Lanes, MicroKernel, micro_kernel, tile};
use crate::Precision;

/// Whether the processor has the AVX-512 sets that kernels are compiled for, and elementwise work here and elsewhere.
#[inline]
pub fn has_avx512() -> bool {
    has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512dq")
}

/// As [`has_avx512`], for vectors of 256 bits: AVX2 and F16C. Kernels need FMA besides.
#[inline]
pub fn has_avx2() -> bool {
    has!("avx2") && has!("f16c")
}

/// Adds the kernels this processor has for a precision, best first.
pub(super) fn find(precision: Precision, found: &mut Vec<MicroKernel>) {
    let wide = has_avx512();
    match precision {
        Precision::F32 => {
            if wide {
                found.push(MicroKernel {
                    name: "avx512",
                    isa: Isa::Avx512,
                    rows: 14,
                    columns: 32,
                    offset: false,
                    run: f32_avx512,
                });
            }
            if has_avx2() && has!("fma") {
                found.push(MicroKernel {
                    name: "avx2",
                    isa: Isa::Avx2,
                    rows: 6,
                    columns: 16,
                    offset: false,
                    run: f32_avx2,
                });
            }
        }
        Precision::Bf16 => {
            if wide && has!("avx512bf16") {
                found.push(MicroKernel {
                    name: "avx512_bf16",
                    isa: Isa::Avx512,
                    rows: 14,
                    columns: 32,
                    offset: false,
                    run: bf16_avx512,
                });
            }
        }
        Precision::Int8 => {
            if wide && has!("avx512vnni") {
                found.push(MicroKernel {
                    name: "avx512_vnni",
                    isa: Isa::Avx512,
                    rows: 14,
                    columns: 32,
                    offset: true,
                    run: int8_avx512,
                });
            }
            if has_avx2() && has!("avxvnni") {
                found.push(MicroKernel {
                    name: "avx_vnni",
                    isa: Isa::Avx2,
                    rows: 6,
                    columns: 16,
                    offset: true,
                    run: int8_avx2,
                });
            }
        }
    }
}

micro_kernel!(f32_avx512, tile::<F32x16, 2>, 14, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], "avx512f");
micro_kernel!(bf16_avx512, tile::<Bf16x16, 2>, 14, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], "avx512f,avx512bf16");
micro_kernel!(int8_avx512, tile::<Int8x16, 2>, 14, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], "avx512f,avx512vnni");
micro_kernel!(f32_avx2, tile::<F32x8, 2>, 6, [1 2 3 4 5 6], "avx2,fma");
micro_kernel!(int8_avx2, tile::<Int8x8, 2>, 6, [1 2 3 4 5 6], "avx2,avxvnni");

#[derive(Clone, Copy)]
struct F32x16;
#[derive(Clone, Copy)]
struct Bf16x16;
#[derive(Clone, Copy)]
struct Int8x16;
#[derive(Clone, Copy)]
struct F32x8;
#[derive(Clone, Copy)]
struct Int8x8;

macro_rules! prefetches {
    () => {
        #[inline(always)]
        fn prefetch(address: *const f32) {
            // SAFETY: a hint; any address will do.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
        }
        #[inline(always)]
        fn prefetch_far(address: *const u8) {
            // SAFETY: a hint; any address will do.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
        }
    };
}

/// What the vectors of f32 sums share.
macro_rules! f32_sums {
    ($zero:ident, $splat:ident, $load:ident, $store:ident, $mul:ident, $add:ident) => {
        #[inline(always)]
        unsafe fn zero() -> Self::Sums {
            // SAFETY: the instructions are there, by contract.
            unsafe { $zero() }
        }
        #[inline(always)]
        unsafe fn store(sums: Self::Sums, to: *mut f32, alpha: f32, beta: f32) {
            // SAFETY: as above, and `to` has a vector's words.
            unsafe {
                let scaled = $mul(sums, $splat(alpha));
                let result = if beta == 0.0 { scaled } else { $add(scaled, $mul($splat(beta), $load(to))) };
                $store(to, result);
            }
        }
        prefetches!();
    };
}

/// What the vectors of i32 sums share.
macro_rules! i32_sums {
    ($zero:ident, $load:ident, $store:ident, $add:ident) => {
        #[inline(always)]
        unsafe fn zero() -> Self::Sums {
            // SAFETY: the instructions are there, by contract.
            unsafe { $zero() }
        }
        #[inline(always)]
        unsafe fn store(sums: Self::Sums, to: *mut f32, _alpha: f32, beta: f32) {
            // SAFETY: as above, and `to` has a vector's words.
            unsafe {
                let to = to.cast();
                $store(to, if beta == 0.0 { sums } else { $add(sums, $load(to.cast_const())) });
            }
        }
        prefetches!();
    };
}

impl Lanes for F32x16 {
    type Words = __m512;
    type Sums = __m512;
    const LANES: usize = 16;
    f32_sums!(
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_mul_ps,
        _mm512_add_ps
    );
    #[inline(always)]
    unsafe fn load(words: *const u32) -> __m512 {
        // SAFETY: by contract, here and below.
        unsafe { _mm512_load_ps(words.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(word: *const u32) -> __m512 {
        // SAFETY: by contract.
        unsafe { _mm512_set1_ps(*word.cast()) }
    }
    #[inline(always)]
    unsafe fn multiply_add(sums: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: by contract.
        unsafe { _mm512_fmadd_ps(a, b, sums) }
    }
}

impl Lanes for Bf16x16 {
    type Words = __m512i;
    type Sums = __m512;
    const LANES: usize = 16;
    f32_sums!(
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_mul_ps,
        _mm512_add_ps
    );
    #[inline(always)]
    unsafe fn load(words: *const u32) -> __m512i {
        // SAFETY: by contract.
        unsafe { _mm512_load_si512(words.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(word: *const u32) -> __m512i {
        // SAFETY: by contract.
        unsafe { _mm512_set1_epi32(*word.cast()) }
    }
    #[inline(always)]
    unsafe fn multiply_add(sums: __m512, a: __m512i, b: __m512i) -> __m512 {
        // SAFETY: by contract; both types are 64 bytes of any bits.
        unsafe {
            let (a, b) =
                (std::mem::transmute::<__m512i, __m512bh>(a), std::mem::transmute::<__m512i, __m512bh>(b));
            _mm512_dpbf16_ps(sums, a, b)
        }
    }
}

impl Lanes for Int8x16 {
    type Words = __m512i;
    type Sums = __m512i;
    const LANES: usize = 16;
    i32_sums!(_mm512_setzero_si512, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_add_epi32);
    #[inline(always)]
    unsafe fn load(words: *const u32) -> __m512i {
        // SAFETY: by contract.
        unsafe { _mm512_load_si512(words.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(word: *const u32) -> __m512i {
        // SAFETY: by contract.
        unsafe { _mm512_set1_epi32(*word.cast()) }
    }
    #[inline(always)]
    unsafe fn multiply_add(sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: by contract.
        unsafe { _mm512_dpbusd_epi32(sums, a, b) }
    }
}

impl Lanes for F32x8 {
    type Words = __m256;
    type Sums = __m256;
    const LANES: usize = 8;
    f32_sums!(
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_mul_ps,
        _mm256_add_ps
    );
    #[inline(always)]
    unsafe fn load(words: *const u32) -> __m256 {
        // SAFETY: by contract.
        unsafe { _mm256_load_ps(words.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(word: *const u32) -> __m256 {
        // SAFETY: by contract.
        unsafe { _mm256_set1_ps(*word.cast()) }
    }
    #[inline(always)]
    unsafe fn multiply_add(sums: __m256, a: __m256, b: __m256) -> __m256 {
        // SAFETY: by contract.
        unsafe { _mm256_fmadd_ps(a, b, sums) }
    }
}

impl Lanes for Int8x8 {
    type Words = __m256i;
    type Sums = __m256i;
    const LANES: usize = 8;
    i32_sums!(_mm256_setzero_si256, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_add_epi32);
    #[inline(always)]
    unsafe fn load(words: *const u32) -> __m256i {
        // SAFETY: by contract.
        unsafe { _mm256_load_si256(words.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(word: *const u32) -> __m256i {
        // SAFETY: by contract.
        unsafe { _mm256_set1_epi32(*word.cast()) }
    }
    #[inline(always)]
    unsafe fn multiply_add(sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: by contract.
        unsafe { _mm256_dpbusd_avx_epi32(sums, a, b) }
    }
}
