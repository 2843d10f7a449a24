/// Runs `work` compiled for the widest vectors this processor has. What `work` calls must be inlined into it to profit.
///
/// Only the width differs between processors: no fused multiply-add is formed, so all give the same bits.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// e^x for x ≤ 0 and NaN, relative error below 2e-7 where the result is a normal number; smaller results are zero.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r is a polynomial (the coefficients of the Cephes library's `expf`), 2^n is
/// put together from its bits. Without branches, so that it vectorises.
#[inline(always)]
pub(crate) fn exp_nonpositive(x: f32) -> f32 {
    /// 1.5 · 2²³: adding it leaves the nearest integer in the low bits of the mantissa.
    const SHIFT: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    /// ln of the smallest normal number.
    const LOWEST: f32 = -87.336_54;
    // NaN fails the comparison and stays.
    let clamped = if x < LOWEST { LOWEST } else { x };
    let shifted = clamped * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let p = p * (r * r) + r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(SHIFT.to_bits()).wrapping_add(127);
    let value = p * f32::from_bits(exponent << 23);
    if x < LOWEST { 0.0 } else { value }
}

/// Σ x² over sixteen running sums, always the same ones; one sum would be a chain of dependent additions. They are f32 for
/// 256 numbers, then f64: relative error below 1e-6. The square of a number above 1.8e19 is infinite.
#[inline(always)]
pub(crate) fn sum_of_squares(x: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut totals = [0f64; LANES];
    for part in x.chunks(16 * LANES) {
        let mut sums = [0f32; LANES];
        let (chunks, rest) = part.as_chunks::<LANES>();
        for chunk in chunks {
            for (sum, &value) in sums.iter_mut().zip(chunk) {
                *sum += value * value;
            }
        }
        for (sum, &value) in sums.iter_mut().zip(rest) {
            *sum += value * value;
        }
        for (total, &sum) in totals.iter_mut().zip(&sums) {
            *total += f64::from(sum);
        }
    }
    totals.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_agree_with_f64_and_keep_nan() {
        for i in 0..=100_000 {
            let x = -87.3 * (i as f32 / 100_000.0);
            let expected = f64::from(x).exp();
            let error = (f64::from(exp_nonpositive(x)) - expected).abs() / expected;
            assert!(error < 2e-7, "e^{x}: {error:e}");
        }
        assert_eq!([exp_nonpositive(0.0), exp_nonpositive(-0.0)], [1.0, 1.0]);
        assert_eq!([exp_nonpositive(-88.0), exp_nonpositive(f32::NEG_INFINITY)], [0.0, 0.0]);
        assert!(exp_nonpositive(f32::NAN).is_nan());
    }

    #[test]
    fn vectors_give_the_bits_of_the_scalar_loop() {
        let x: Vec<f32> = (0..1001).map(|i| -(i as f32) * 0.0731).collect();
        let mut wide = vec![0.0; x.len()];
        vectorized(
            #[inline(always)]
            || {
                for (out, &x) in wide.iter_mut().zip(&x) {
                    *out = exp_nonpositive(x);
                }
            },
        );
        let scalar: Vec<f32> = x.iter().map(|&x| std::hint::black_box(exp_nonpositive(x))).collect();
        assert_eq!(wide, scalar);
        assert_eq!(sum_of_squares(&x), vectorized(|| sum_of_squares(&x)));
        let exact: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        assert!((sum_of_squares(&x) - exact).abs() < 1e-6 * exact);
    }
}
