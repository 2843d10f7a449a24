//! fp16 ↔ f32 over slices, and rounding of f32 to fp16 precision: nearest, ties to even, overflow to infinity,
//! subnormals kept, NaN kept and quieted.
//!
//! The processor's conversions (F16C, AVX-512, NEON) and integer arithmetic agree bit for bit; a test runs every fp16
//! number and the neighbourhood of every rounding boundary through both.

#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

use ::half::f16;
#[cfg(not(target_arch = "aarch64"))]
use ::half::slice::HalfFloatSliceExt;

/// Runs a conversion with the processor's instructions, and returns, if it has them.
macro_rules! with_instructions {
    ($call:ident($($argument:expr),*)) => {
        #[cfg(target_arch = "x86_64")]
        if x86::wide::is_available() {
            // SAFETY: the features were detected.
            unsafe { x86::wide::$call($($argument),*) };
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if x86::is_available() {
            // SAFETY: the features were detected.
            unsafe { x86::$call($($argument),*) };
            return;
        }
        #[cfg(target_arch = "aarch64")]
        #[allow(unused_unsafe, reason = "some conversions take addresses")]
        // SAFETY: the caller's contract; every processor has the instructions.
        return unsafe { neon::$call($($argument),*) };
    };
}

/// Rounds each number to the nearest fp16 number.
pub fn round(values: &mut [f32]) {
    with_instructions!(round(values));
    #[cfg(not(target_arch = "aarch64"))]
    values.iter_mut().for_each(|v| *v = round_one(*v));
}

/// Rounds the numbers of some rows, `stride` apart: a tile of a product.
///
/// # Safety
/// The rows, of that many columns, are the caller's alone.
pub unsafe fn round_rows(first: *mut f32, size: (usize, usize), stride: usize) {
    with_instructions!(round_rows(first, size, stride));
    #[cfg(not(target_arch = "aarch64"))]
    for row in 0..size.0 {
        // SAFETY: by contract.
        round(unsafe { std::slice::from_raw_parts_mut(first.add(row * stride), size.1) });
    }
}

/// Converts fp16 to f32, exactly. The slices are of equal length.
pub fn widen(from: &[f16], to: &mut [f32]) {
    with_instructions!(widen(from, to));
    #[cfg(not(target_arch = "aarch64"))]
    {
        let len = from.len().min(to.len());
        from[..len].convert_to_f32_slice(&mut to[..len]);
    }
}

/// Converts f32 to fp16, rounding. The slices are of equal length.
pub fn narrow(from: &[f32], to: &mut [f16]) {
    with_instructions!(narrow(from, to));
    #[cfg(not(target_arch = "aarch64"))]
    {
        let len = from.len().min(to.len());
        to[..len].convert_from_f32_slice(&from[..len]);
    }
}

/// Defines the three conversions of slices from those of some numbers at a time at addresses, which need no alignment.
macro_rules! by_lanes {
    ($visibility:vis, $lanes:literal, $(#[$feature:meta])* $round:ident, $widen:ident, $narrow:ident) => {
        $(#[$feature])*
        $visibility fn round(values: &mut [f32]) {
            let mut lanes = values.chunks_exact_mut($lanes);
            for lane in &mut lanes {
                // SAFETY: the chunk has as many numbers as are converted at a time.
                unsafe { $round(lane.as_mut_ptr()) };
            }
            lanes.into_remainder().iter_mut().for_each(|v| *v = $crate::half::round_one(*v));
        }

        /// # Safety
        /// The rows, of that many columns, `stride` apart, are the caller's alone.
        $(#[$feature])*
        $visibility unsafe fn round_rows(first: *mut f32, (rows, columns): (usize, usize), stride: usize) {
            for row in 0..rows {
                // SAFETY: by contract.
                round(unsafe { std::slice::from_raw_parts_mut(first.add(row * stride), columns) });
            }
        }

        $(#[$feature])*
        $visibility fn widen(from: &[::half::f16], to: &mut [f32]) {
            let (mut from, mut to) = (from.chunks_exact($lanes), to.chunks_exact_mut($lanes));
            for (from, to) in (&mut from).zip(&mut to) {
                // SAFETY: both chunks have as many numbers as are converted at a time.
                unsafe { $widen(from.as_ptr(), to.as_mut_ptr()) };
            }
            for (from, to) in from.remainder().iter().zip(to.into_remainder()) {
                *to = from.to_f32();
            }
        }

        $(#[$feature])*
        $visibility fn narrow(from: &[f32], to: &mut [::half::f16]) {
            let (mut from, mut to) = (from.chunks_exact($lanes), to.chunks_exact_mut($lanes));
            for (from, to) in (&mut from).zip(&mut to) {
                // SAFETY: both chunks have as many numbers as are converted at a time.
                unsafe { $narrow(from.as_ptr(), to.as_mut_ptr()) };
            }
            for (from, to) in from.remainder().iter().zip(to.into_remainder()) {
                *to = ::half::f16::from_f32(*from);
            }
        }
    };
}
use by_lanes;

/// Rounds one number by arithmetic on its bits, free of branches so that loops over it vectorise.
#[inline(always)]
pub fn round_one(value: f32) -> f32 {
    const SMALLEST_NORMAL: u32 = 0x3880_0000; // 2^-14
    const LARGEST_PLUS_HALF: u32 = 0x477F_F000; // 65520, halfway from 65504 to 2^16
    const INFINITY: u32 = 0x7F80_0000;
    let bits = value.to_bits();
    let sign = bits & 0x8000_0000;
    let magnitude = bits & 0x7FFF_FFFF;
    // Normal: 13 bits go; add half of what they are worth, one less if the last kept bit is even.
    let normal = (magnitude.wrapping_add(0xFFF + ((magnitude >> 13) & 1))) & !0x1FFF;
    // Subnormal: a multiple of 2^-24, which is what f32 keeps of a sum in [½, 1).
    let subnormal = ((f32::from_bits(magnitude) + 0.5) - 0.5).to_bits();
    let nan = (magnitude & !0x1FFF) | 0x0040_0000;
    let finite = if magnitude < SMALLEST_NORMAL { subnormal } else { normal };
    let number = if magnitude >= LARGEST_PLUS_HALF { INFINITY } else { finite };
    f32::from_bits(sign | if magnitude > INFINITY { nan } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every fp16 number, and f32 numbers on and beside each boundary between two of them.
    fn samples() -> Vec<f32> {
        let mut samples = Vec::new();
        for bits in 0..=u16::MAX {
            let x = f16::from_bits(bits).to_f32();
            let next = f16::from_bits(bits.wrapping_add(1)).to_f32();
            let middle = (x + next) / 2.0;
            for y in [x, middle] {
                let around = [-1i32, 0, 1].map(|d| f32::from_bits(y.to_bits().wrapping_add_signed(d)));
                samples.extend(around);
            }
        }
        samples.extend([65519.99, 65520.0, 1e10, 1e-10, 1e-45, f32::NAN, -f32::NAN, f32::INFINITY, f32::MAX]);
        samples
    }

    #[test]
    fn rounding_by_hardware_and_by_arithmetic_agree_bit_for_bit() {
        let samples = samples();
        let mut rounded = samples.clone();
        round(&mut rounded);
        for (x, by_slice) in samples.iter().zip(&rounded) {
            let expected = f16::from_f32(*x).to_f32();
            assert_eq!(round_one(*x).to_bits(), expected.to_bits(), "{x:e}");
            assert_eq!(by_slice.to_bits(), expected.to_bits(), "{x:e}");
        }
    }

    #[test]
    fn rounding_of_rows_leaves_what_lies_between_them() {
        let (rows, columns, stride) = (5, 19, 23);
        let before: Vec<f32> = (0..rows * stride).map(|i| 1.0 + i as f32 * 1e-4).collect();
        let mut after = before.clone();
        // SAFETY: the rows lie in the vector.
        unsafe { round_rows(after.as_mut_ptr(), (rows, columns), stride) };
        for (i, (before, after)) in before.iter().zip(&after).enumerate() {
            let expected = if i % stride < columns { f16::from_f32(*before).to_f32() } else { *before };
            assert_eq!(*after, expected, "{i}");
        }
    }

    #[test]
    fn slice_conversions_agree_with_the_scalar_ones_at_every_length() {
        let samples = samples();
        let (mut half, mut wide) = (vec![f16::ZERO; samples.len()], vec![0.0; samples.len()]);
        narrow(&samples, &mut half);
        widen(&half, &mut wide);
        for ((x, h), w) in samples.iter().zip(&half).zip(&wide) {
            assert_eq!(h.to_bits(), f16::from_f32(*x).to_bits(), "{x:e}");
            assert_eq!(w.to_bits(), h.to_f32().to_bits(), "{x:e}");
        }
        for len in 0..20 {
            let mut half = vec![f16::ZERO; len];
            narrow(&samples[1000..1000 + len], &mut half);
            assert!(
                half.iter().zip(&samples[1000..]).all(|(h, x)| h.to_bits() == f16::from_f32(*x).to_bits())
            );
        }
    }
}
