//! Elementary functions that vectorise: no branch, no table, no call.
//!
//! Polynomials and argument splits are those of the Cephes library's single-precision functions; the largest
//! relative errors, measured against f64 in the tests below, are stated at each function. No fused multiply-add is
//! used, so every processor gives the same bits.

/// e^x, relative error below 2e-7 where the result is a normal number; overflows to infinity, underflows through
/// the subnormals to zero, keeps NaN.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // 1.5·2^23: adding it leaves the nearest integer in the low bits of the mantissa.
    const SHIFT: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Beyond these e^x is infinite or zero in f32. NaN passes both comparisons.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let p = p * (r * r) + r + 1.0;
    // 2^n in two factors, so that neither overflows where the product does not.
    let n = (shifted.to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32);
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// 2^n for −126 ≤ n ≤ 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// 1/(1 + e^−x), relative error below 4e-7.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// x/(1 + e^−x), relative error below 4e-7.
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// Hyperbolic tangent, relative error below 4e-7.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    let z = x * x;
    let mut p = -5.704_988_7e-3;
    p = p * z + 2.063_909e-2;
    p = p * z - 5.373_971_6e-2;
    p = p * z + 1.333_144_2e-1;
    p = p * z - 3.333_328e-1;
    let small = p * z * x + x;
    let large = (1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0)).copysign(x);
    if magnitude < 0.625 { small } else { large }
}

/// The larger of two numbers; NaN if either is.
#[inline(always)]
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

/// The smaller of two numbers; NaN if either is.
#[inline(always)]
pub(crate) fn smaller(a: f32, b: f32) -> f32 {
    if a < b || a.is_nan() { a } else { b }
}

/// max(x, 0); NaN stays.
#[inline(always)]
pub(crate) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(f: fn(f32) -> f32, exact: fn(f64) -> f64, low: f32, high: f32) -> f64 {
        let steps = 400_000;
        (0..=steps)
            .map(|i| low + (high - low) * (i as f32 / steps as f32))
            .filter(|x| exact(f64::from(*x)).abs() > f64::from(f32::MIN_POSITIVE))
            .map(|x| {
                let exact = exact(f64::from(x));
                ((f64::from(f(x)) - exact) / exact).abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn relative_errors_are_as_stated() {
        let sigmoid64 = |x: f64| 1.0 / (1.0 + (-x).exp());
        let silu64 = |x: f64| x / (1.0 + (-x).exp());
        assert!(worst(exp, f64::exp, -87.0, 88.7) < 2e-7);
        assert!(worst(exp, f64::exp, -1.0, 1.0) < 2e-7);
        for range in [1.0f32, 20.0, 80.0] {
            assert!(worst(sigmoid, sigmoid64, -range, range) < 4e-7);
            assert!(worst(silu, silu64, -range, range) < 4e-7);
            assert!(worst(tanh, f64::tanh, -range, range) < 4e-7);
        }
    }

    #[test]
    fn extremes_neither_wrap_nor_turn_into_numbers() {
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(1000.0), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
        assert!((exp(-100.0) / 3.8e-44 - 1.0).abs() < 0.05, "subnormal results are kept");
        assert_eq!((sigmoid(-1000.0), sigmoid(1000.0)), (0.0, 1.0));
        assert_eq!((tanh(-1000.0), tanh(1000.0), tanh(0.0)), (-1.0, 1.0, 0.0));
        assert_eq!((silu(-1000.0), silu(1000.0)), (0.0, 1000.0));
    }

    #[test]
    fn nan_is_not_lost_where_numbers_are_selected() {
        for select in [larger, smaller] {
            assert!(select(f32::NAN, 1.0).is_nan() && select(1.0, f32::NAN).is_nan());
        }
        assert!(relu(f32::NAN).is_nan());
        assert_eq!((larger(1.0, 2.0), smaller(1.0, 2.0), relu(-1.0), relu(3.0)), (2.0, 1.0, 0.0, 3.0));
    }
}
