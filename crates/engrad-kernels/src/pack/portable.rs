//! Packing on any processor.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::number;
use crate::matrix::ElementType;

/// Elements converted at once.
const CHUNK: usize = 128;

/// Converts `count` neighbours.
///
/// # Safety
/// The elements are there.
#[inline]
unsafe fn convert(element: ElementType, from: *const u8, to: &mut [f32]) {
    // SAFETY: by contract.
    unsafe {
        match element {
            ElementType::F32 => {
                std::ptr::copy_nonoverlapping(from, to.as_mut_ptr().cast(), size_of_val(to));
            }
            ElementType::F16 => {
                std::slice::from_raw_parts(from.cast::<f16>(), to.len()).convert_to_f32_slice(to);
            }
            ElementType::Bf16 => {
                std::slice::from_raw_parts(from.cast::<bf16>(), to.len()).convert_to_f32_slice(to);
            }
            ElementType::I8 => {
                to.iter_mut().enumerate().for_each(|(i, to)| *to = number(element, from.add(i)))
            }
        }
    }
}

/// # Safety
/// As `Packer::line`.
pub(super) unsafe fn line_f32(element: ElementType, from: *const u8, stride: usize, k: usize, to: *mut u32) {
    // SAFETY: by contract.
    unsafe {
        let to = std::slice::from_raw_parts_mut(to.cast::<f32>(), k);
        if stride == 1 {
            return convert(element, from, to);
        }
        for (i, to) in to.iter_mut().enumerate() {
            *to = number(element, from.add(i * stride * element.size()));
        }
    }
}

/// # Safety
/// As `Packer::line`.
pub(super) unsafe fn line_bf16(element: ElementType, from: *const u8, stride: usize, k: usize, to: *mut u32) {
    let to = to.cast::<bf16>();
    // SAFETY: by contract.
    unsafe {
        for i in 0..k {
            to.add(i).write(bf16::from_f32(number(element, from.add(i * stride * element.size()))));
        }
        if k % 2 == 1 {
            to.add(k).write(bf16::ZERO);
        }
    }
}

/// # Safety
/// As `Packer::line`.
pub(super) unsafe fn line_int8(from: *const u8, stride: usize, k: usize, flip: u8, to: *mut u32) {
    let to = to.cast::<u8>();
    // SAFETY: by contract.
    unsafe {
        let out = std::slice::from_raw_parts_mut(to, k);
        if stride == 1 {
            let from = std::slice::from_raw_parts(from, k);
            out.iter_mut().zip(from).for_each(|(to, from)| *to = from ^ flip);
        } else {
            out.iter_mut().enumerate().for_each(|(i, to)| *to = *from.add(i * stride) ^ flip);
        }
        for i in k..k.next_multiple_of(4) {
            to.add(i).write(0);
        }
    }
}

/// # Safety
/// As `Packer::steps`, for one step of one micro-panel.
pub(super) unsafe fn step_f32(
    element: ElementType,
    from: *const u8,
    width: usize,
    to: *mut u32,
    full: usize,
) {
    // SAFETY: by contract.
    unsafe {
        let to = std::slice::from_raw_parts_mut(to.cast::<f32>(), full);
        convert(element, from, &mut to[..width]);
        to[width..].fill(0.0);
    }
}

/// # Safety
/// As `Packer::steps`, for one step of one micro-panel.
pub(super) unsafe fn step_bf16(
    element: ElementType,
    from: *const u8,
    stride: usize,
    inner: usize,
    width: usize,
    to: *mut u32,
    full: usize,
) {
    let mut lines = [[0.0f32; CHUNK]; 2];
    // SAFETY: by contract; a micro-panel is narrower than a chunk.
    unsafe {
        for (i, line) in lines.iter_mut().enumerate().take(inner) {
            convert(element, from.add(i * stride * element.size()), &mut line[..width]);
        }
        let to = std::slice::from_raw_parts_mut(to, full);
        for (i, to) in to.iter_mut().enumerate() {
            let [low, high] = [lines[0][i], lines[1][i]].map(|v| u32::from(bf16::from_f32(v).to_bits()));
            *to = low | high << 16;
        }
    }
}

/// # Safety
/// As `Packer::steps`, for one step of one micro-panel.
pub(super) unsafe fn step_int8(
    from: *const u8,
    stride: usize,
    inner: usize,
    width: usize,
    flip: u8,
    to: *mut u32,
    full: usize,
) {
    // SAFETY: by contract.
    unsafe {
        let to = std::slice::from_raw_parts_mut(to, full);
        for (i, to) in to.iter_mut().enumerate() {
            let mut bytes = [0; 4];
            if i < width {
                for (j, byte) in bytes.iter_mut().enumerate().take(inner) {
                    *byte = *from.add(j * stride + i) ^ flip;
                }
            }
            *to = u32::from_le_bytes(bytes);
        }
    }
}
