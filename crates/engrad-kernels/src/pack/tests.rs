//! Packing with vectors gives the words of the portable code, whatever the bits.

use half::{bf16, f16};
use proptest::prelude::*;

use super::{Packer, Side};
use crate::Precision;
use crate::matrix::{ElementType, RawMatrix};
use crate::micro::{self, Isa, KC, MicroKernel};
use crate::tests::cases;

/// Pseudo-random bits, with many exponents at either end of the range.
fn bits(len: usize, seed: u32) -> Vec<u32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        match state % 8 {
            0 => state | 0x7F80_0000,
            1 => state & 0x807F_FFFF,
            2 => state & 0xFFFF_0000 | 0x8000,
            _ => state,
        }
    };
    (0..len).map(next).collect()
}

/// Bits of numbers of a type. AVX-512 rounds subnormal numbers to bf16 as zeros, so that on x86 there are none.
fn elements(element: ElementType, bits: &[u32]) -> Vec<u8> {
    let normal = |x: f32| if cfg!(target_arch = "x86_64") && x.is_subnormal() { 0.0 } else { x };
    let each = |bits: &u32| match element {
        ElementType::F32 => normal(f32::from_bits(*bits)).to_le_bytes().to_vec(),
        ElementType::F16 => f16::from_bits(*bits as u16).to_le_bytes().to_vec(),
        ElementType::Bf16 => {
            // Whether a signalling NaN stays one is nobody's business: by way of f32 it does not.
            let number = normal(bf16::from_bits((*bits >> 16) as u16).to_f32());
            bf16::from_f32(number).to_le_bytes().to_vec()
        }
        ElementType::I8 => vec![*bits as u8],
    };
    bits.iter().flat_map(each).collect()
}

#[derive(Debug)]
struct Case {
    precision: Precision,
    element: ElementType,
    /// Rows or columns, and inner elements.
    size: (usize, usize),
    /// Whether neighbours lie along the inner dimension.
    along: bool,
    pad: usize,
}

/// Panels of both sides as one kernel's code for an instruction set makes them.
fn panels(case: &Case, kernel: MicroKernel, isa: Isa, bytes: &[u8]) -> [Vec<u32>; 2] {
    let kernel = MicroKernel { isa, ..kernel };
    let (outer, k) = case.size;
    let (row_stride, column_stride) = if case.along { (k + case.pad, 1) } else { (1, outer + case.pad) };
    let data = bytes.as_ptr();
    let left = RawMatrix { data, element: case.element, rows: outer, columns: k, row_stride, column_stride };
    let words = Packer::left_words(&kernel, outer.div_ceil(kernel.rows));
    let mut of_left = vec![0; words];
    let packer = |side| Packer { precision: case.precision, side, kernel };
    let width = kernel.columns;
    let panel = k.div_ceil(case.precision.group()) * width;
    let mut of_right = vec![0; panel * outer.div_ceil(width)];
    // SAFETY: the sources have the elements, and the panels the words.
    unsafe {
        packer(Side::Left).left(&left, (0, outer), (0, k), of_left.as_mut_ptr());
        for (i, to) in of_right.chunks_mut(panel).enumerate() {
            let columns = (i * width, width.min(outer - i * width));
            packer(Side::Right).right(&left.transposed(), (0, k), columns, to.as_mut_ptr());
        }
    }
    [of_left, of_right]
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn vectors_pack_the_words_of_the_portable_code(
        (outer, inner) in (1usize..50, prop_oneof![1usize..70, Just(KC - 1), Just(KC)]),
        (precision, element) in prop_oneof![
            (prop_oneof![Just(Precision::F32), Just(Precision::Bf16)],
             prop_oneof![Just(ElementType::F32), Just(ElementType::F16), Just(ElementType::Bf16)]),
            Just((Precision::Int8, ElementType::I8)),
        ],
        (along, pad, seed) in (any::<bool>(), 0usize..3, any::<u32>()),
    ) {
        let case = Case { precision, element, size: (outer, inner), along, pad };
        // Nothing lies behind the last element.
        let (lines, length) = if along { (outer, inner) } else { (inner, outer) };
        let bytes = elements(element, &bits((lines - 1) * (length + pad) + length, seed));
        for kernel in micro::kernels(precision) {
            // AVX-512 fills up with bytes that are as good as zeros, but not equal to them.
            if kernel.isa == Isa::Avx512 && kernel.offset {
                continue;
            }
            let same = panels(&case, kernel, kernel.isa, &bytes) == panels(&case, kernel, Isa::Portable, &bytes);
            prop_assert!(same, "{} {:?}", kernel.name, case);
        }
    }
}
