//! The most operations a processor does on numbers already in registers: what products are measured against.
//!
//! The loops are the instructions of the micro-kernels on independent sums, enough of them to hide the latency of each
//! addition, and nothing else.

use std::sync::Barrier;
use std::time::Instant;

use crate::Precision;

/// Sums that do not wait for each other. With the two factors they fit the 32 vector registers.
const SUMS: usize = 24;
/// Multiplications of each sum in one timed piece: about two milliseconds, short beside a time slice of the system.
const STEPS: usize = 1 << 19;
/// Share of a piece in which all threads must have been at work for it to count.
const OVERLAP: f64 = 0.9;

/// A loop over registers and the operations of one of its instructions.
#[derive(Clone, Copy)]
struct Loop {
    run: fn(),
    operations: usize,
    sums: usize,
}

/// Operations per second (a multiply-add is two) of all threads of the rayon pool this is called in, in the best of
/// `pieces` pieces of about two milliseconds. `None` if the processor has no instructions for that precision.
///
/// Threads start together. A piece in which the system let one of them wait is no measure of the processor; it counts only
/// as a whole, if there is no better one.
pub fn register_peak(precision: Precision, pieces: usize) -> Option<f64> {
    let found = find(precision)?;
    let start = Barrier::new(rayon::current_num_threads());
    let operations = (found.operations * found.sums * STEPS) as f64;
    let piece = || {
        let times: Vec<(Instant, Instant)> = rayon::broadcast(|_| {
            start.wait();
            let began = Instant::now();
            (found.run)();
            (began, Instant::now())
        });
        let earliest = |times: &mut dyn Iterator<Item = Instant>| times.min();
        let latest = |times: &mut dyn Iterator<Item = Instant>| times.max();
        let (begins, ends) = (|| times.iter().map(|t| t.0), || times.iter().map(|t| t.1));
        let from_first = latest(&mut ends())?.duration_since(earliest(&mut begins())?).as_secs_f64();
        let together = earliest(&mut ends())?.saturating_duration_since(latest(&mut begins())?).as_secs_f64();
        if together >= OVERLAP * from_first {
            Some(times.iter().map(|(began, ended)| operations / (*ended - *began).as_secs_f64()).sum())
        } else {
            Some(operations * times.len() as f64 / from_first)
        }
    };
    (0..pieces.max(1)).filter_map(|_| piece()).reduce(f64::max)
}

#[cfg(target_arch = "x86_64")]
fn find(precision: Precision) -> Option<Loop> {
    let avx512 = is_x86_feature_detected!("avx512f");
    let of = |run, operations| Some(Loop { run, operations, sums: SUMS });
    match precision {
        Precision::F32 if avx512 => of(x86::f32_avx512, 32),
        // Sixteen registers hold half as many sums.
        Precision::F32 if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => {
            Some(Loop { run: x86::f32_avx2, operations: 16, sums: SUMS / 2 })
        }
        Precision::Bf16 if avx512 && is_x86_feature_detected!("avx512bf16") => of(x86::bf16_avx512, 64),
        Precision::Int8 if avx512 && is_x86_feature_detected!("avx512vnni") => of(x86::int8_avx512, 128),
        _ => None,
    }
}

#[cfg(target_arch = "aarch64")]
fn find(precision: Precision) -> Option<Loop> {
    use std::arch::is_aarch64_feature_detected as has;
    let of = |run, operations| Some(Loop { run, operations, sums: SUMS });
    match precision {
        Precision::F32 => of(neon::f32_neon, 8),
        Precision::Bf16 if has!("bf16") => of(neon::bf16_bfmmla, 32),
        Precision::Int8 if has!("i8mm") => of(neon::int8_smmla, 64),
        Precision::Int8 if has!("dotprod") => of(neon::int8_sdot, 32),
        _ => None,
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn find(_: Precision) -> Option<Loop> {
    None
}

/// Defines a loop: `$sums` running sums of vectors, each a multiply-add of two factors at every step.
macro_rules! register_loop {
    ($safe:ident, $inner:ident, $features:literal, $sums:expr, $zero:expr, $factor:expr, $step:expr) => {
        pub(super) fn $safe() {
            #[target_feature(enable = $features)]
            fn $inner() {
                let (a, b) = (black_box($factor), black_box($factor));
                // Opaque, so that equal sums are not computed once.
                let mut sums = black_box([$zero; $sums]);
                for _ in 0..super::STEPS {
                    for sum in &mut sums {
                        *sum = $step(*sum, a, b);
                    }
                }
                black_box(sums);
            }
            // SAFETY: `find` gives this function only where the features were detected.
            unsafe { $inner() }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    register_loop!(
        f32_avx512,
        inner,
        "avx512f",
        super::SUMS,
        _mm512_setzero_ps(),
        _mm512_set1_ps(0.5),
        |sum, a, b| { _mm512_fmadd_ps(a, b, sum) }
    );
    register_loop!(
        f32_avx2,
        inner,
        "avx2,fma",
        { super::SUMS / 2 },
        _mm256_setzero_ps(),
        _mm256_set1_ps(0.5),
        |sum, a, b| { _mm256_fmadd_ps(a, b, sum) }
    );
    register_loop!(
        bf16_avx512,
        inner,
        "avx512f,avx512bf16",
        super::SUMS,
        _mm512_setzero_ps(),
        _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5), _mm512_set1_ps(0.5)),
        |sum, a, b| { _mm512_dpbf16_ps(sum, a, b) }
    );
    register_loop!(
        int8_avx512,
        inner,
        "avx512f,avx512vnni",
        super::SUMS,
        _mm512_setzero_si512(),
        _mm512_set1_epi8(1),
        |sum, a, b| { _mm512_dpbusd_epi32(sum, a, b) }
    );
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;
    use std::arch::asm;
    use std::hint::black_box;

    register_loop!(f32_neon, inner, "neon", super::SUMS, vdupq_n_f32(0.0), vdupq_n_f32(0.5), |sum, a, b| {
        vfmaq_f32(sum, a, b)
    });

    /// A loop over an instruction that has no stable intrinsic, on bits: `0x3f00` is 0.5 in bf16, and some bytes.
    macro_rules! instruction_loop {
        ($safe:ident, $features:literal, $text:literal) => {
            register_loop!(
                $safe,
                inner,
                $features,
                super::SUMS,
                vdupq_n_u32(0),
                vdupq_n_u32(0x3f00_3f00),
                |sum: uint32x4_t, a: uint32x4_t, b: uint32x4_t| {
                    let mut sum = sum;
                    // SAFETY: arithmetic on registers; `find` gives this loop where the instruction is there.
                    unsafe {
                        asm!(
                            $text,
                            sum = inout(vreg) sum,
                            a = in(vreg) a,
                            b = in(vreg) b,
                            options(nomem, nostack, preserves_flags)
                        );
                    }
                    sum
                }
            );
        };
    }
    instruction_loop!(bf16_bfmmla, "neon,bf16", "bfmmla {sum:v}.4s, {a:v}.8h, {b:v}.8h");
    instruction_loop!(int8_smmla, "neon,i8mm", "smmla {sum:v}.4s, {a:v}.16b, {b:v}.16b");
    instruction_loop!(int8_sdot, "neon,dotprod", "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_precision_with_instructions_has_a_finite_peak() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let peak = register_peak(precision, 1);
            assert_eq!(peak.is_some(), find(precision).is_some());
            assert!(peak.is_none_or(|peak| peak.is_finite() && peak > 0.0));
        }
    }
}
