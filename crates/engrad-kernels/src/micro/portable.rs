//! Kernels for any processor, which the compiler may vectorise, and what other kernels are tested against.

use half::bf16;

use super::{Isa, Lanes, MicroKernel, micro_kernel, tile};
use crate::Precision;

const LANES: usize = 4;

pub(super) fn kernel(precision: Precision) -> MicroKernel {
    let run = match precision {
        Precision::F32 => f32_tile,
        Precision::Bf16 => bf16_tile,
        Precision::Int8 => int8_tile,
    };
    MicroKernel { name: "portable", isa: Isa::Portable, rows: 4, columns: 2 * LANES, offset: false, run }
}

micro_kernel!(f32_tile, tile::<F32, 2>, 4, [1 2 3 4]);
micro_kernel!(bf16_tile, tile::<Bf16, 2>, 4, [1 2 3 4]);
micro_kernel!(int8_tile, tile::<Int8, 2>, 4, [1 2 3 4]);

macro_rules! portable_lanes {
    ($name:ident, $sum:ty, |$acc:ident, $a:ident, $b:ident| $madd:expr, |$value:ident, $to:ident, $alpha:ident, $beta:ident| $store:expr) => {
        #[derive(Clone, Copy)]
        struct $name;
        impl Lanes for $name {
            type Words = [u32; LANES];
            type Sums = [$sum; LANES];
            const LANES: usize = LANES;
            #[inline(always)]
            unsafe fn zero() -> Self::Sums {
                [Default::default(); LANES]
            }
            #[inline(always)]
            unsafe fn load(words: *const u32) -> Self::Words {
                // SAFETY: a vector's words, by contract.
                unsafe { words.cast::<Self::Words>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn splat(word: *const u32) -> Self::Words {
                // SAFETY: a word, by contract.
                [unsafe { word.read() }; LANES]
            }
            #[inline(always)]
            unsafe fn multiply_add(mut sums: Self::Sums, a: Self::Words, b: Self::Words) -> Self::Sums {
                for i in 0..LANES {
                    let ($acc, $a, $b) = (sums[i], a[i], b[i]);
                    sums[i] = $madd;
                }
                sums
            }
            #[inline(always)]
            unsafe fn store(sums: Self::Sums, to: *mut f32, $alpha: f32, $beta: f32) {
                for (i, $value) in sums.into_iter().enumerate() {
                    // SAFETY: a vector's words, by contract.
                    unsafe {
                        let $to = to.add(i);
                        $store
                    }
                }
            }
        }
    };
}

portable_lanes!(
    F32,
    f32,
    |sum, a, b| sum + f32::from_bits(a) * f32::from_bits(b),
    |value, to, alpha, beta| to.write(if beta == 0.0 {
        alpha * value
    } else {
        alpha * value + beta * to.read()
    })
);

portable_lanes!(
    Bf16,
    f32,
    |sum, a, b| {
        let low = |word: u32| bf16::from_bits(word as u16).to_f32();
        let high = |word: u32| f32::from_bits(word & 0xFFFF_0000);
        sum + high(a) * high(b) + low(a) * low(b)
    },
    |value, to, alpha, beta| to.write(if beta == 0.0 {
        alpha * value
    } else {
        alpha * value + beta * to.read()
    })
);

portable_lanes!(
    Int8,
    i32,
    |sum, a, b| {
        let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
        let products = a.iter().zip(b).map(|(&a, b)| i32::from(a as i8) * i32::from(b as i8));
        products.fold(sum, i32::wrapping_add)
    },
    |value, to, _alpha, beta| {
        let before = if beta == 0.0 { 0 } else { to.cast::<i32>().read() };
        to.cast::<i32>().write(value.wrapping_add(before));
    }
);
