//! From strided views to panels of words: conversion, transposition and padding in one pass.
//!
//! Two primitives do all the work. [`Packer::line`] turns elements that are neighbours along the inner dimension into words;
//! [`Packer::steps`] turns inner steps of rows or columns that are neighbours into words. A
//! source contiguous along neither is read element by element.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;

use crate::Precision;
use crate::matrix::{ElementType, RawMatrix};
use crate::micro::Isa;
use crate::micro::{MOST_COLUMNS, MicroKernel, PanelLayout, ROW};

/// Where the steps of a block go: micro-panels of `height` words a step, `stride` words apart.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "the portable code has loops of its own")]
struct Steps {
    to: *mut u32,
    /// Neighbours in the source.
    width: usize,
    /// Words of a step in a micro-panel; those without a neighbour are zero.
    height: usize,
    /// Words from one micro-panel to the next.
    stride: usize,
    /// Inner elements.
    k: usize,
}

/// Lines ahead of the one being packed to ask for: they are too far apart for the processor to guess.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 6;

/// Which factor is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// What packing is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packer {
    pub(crate) precision: Precision,
    pub(crate) side: Side,
    pub(crate) kernel: MicroKernel,
}

impl Packer {
    /// Words of a block of the left factor: `panels` micro-panels.
    pub(crate) fn left_words(kernel: &MicroKernel, panels: usize) -> usize {
        panels * kernel.rows * ROW
    }

    /// The layout in which a left factor's source is packed.
    pub(crate) fn left_layout(source: &RawMatrix) -> PanelLayout {
        if source.row_stride == 1 && source.column_stride != 1 {
            PanelLayout::Steps
        } else {
            PanelLayout::Rows
        }
    }

    /// Packs `rows` rows from `row0`, inner elements from `k0`, `k` of them, as micro-panels one after the other.
    ///
    /// # Safety
    /// The part lies inside the source, which nothing writes; `to` has [`Packer::left_words`] for it.
    pub(crate) unsafe fn left(
        &self,
        source: &RawMatrix,
        (row0, rows): (usize, usize),
        (k0, k): (usize, usize),
        to: *mut u32,
    ) {
        let height = self.kernel.rows;
        // SAFETY: rows and steps are those of the block; places in `to` follow each other.
        unsafe {
            match Self::left_layout(source) {
                PanelLayout::Rows => {
                    for r in 0..rows {
                        self.line(source, source.at(row0 + r, k0), source.column_stride, k, to.add(r * ROW));
                    }
                }
                PanelLayout::Steps => {
                    let from = source.at(row0, k0);
                    let panel = k.div_ceil(self.precision.group()) * height;
                    self.steps(source, from, source.column_stride, k, (rows, height), (to, panel));
                }
            }
        }
    }

    /// Whether a right factor's columns are neighbours, so that [`Packer::right_steps`] packs it.
    pub(crate) fn is_right_by_steps(source: &RawMatrix) -> bool {
        source.column_stride == 1
    }

    /// Packs inner elements from `k0`, `k` of them, of `columns` columns from `column0`, which are neighbours, to all
    /// their micro-panels, which are `panel` words apart: whole rows of the source are read at a time.
    ///
    /// # Safety
    /// The part lies inside the source, which nothing writes; each micro-panel has the kernel's columns for each word of
    /// `k` from `to` on.
    pub(crate) unsafe fn right_steps(
        &self,
        source: &RawMatrix,
        (k0, k): (usize, usize),
        (column0, columns): (usize, usize),
        (to, panel): (*mut u32, usize),
    ) {
        // SAFETY: passed on.
        unsafe {
            let from = source.at(k0, column0);
            self.steps(source, from, source.row_stride, k, (columns, self.kernel.columns), (to, panel));
        }
    }

    /// Packs one micro-panel of the right factor: `columns` columns from `column0` (missing ones are zero), inner
    /// elements from `k0`, `k` of them.
    ///
    /// # Safety
    /// The part lies inside the source, which nothing writes; `to` has the kernel's columns for each word of `k`.
    pub(crate) unsafe fn right(
        &self,
        source: &RawMatrix,
        (k0, k): (usize, usize),
        (column0, columns): (usize, usize),
        to: *mut u32,
    ) {
        let group = self.precision.group();
        let (width, words) = (self.kernel.columns, k.div_ceil(group));
        // SAFETY: as for the left factor; the temporary has a chunk of each column.
        unsafe {
            if source.column_stride == 1 || columns == 1 {
                let from = source.at(k0, column0);
                self.steps(source, from, source.row_stride, k, (columns, width), (to, 0));
                return;
            }
            const CHUNK: usize = 16;
            #[repr(align(64))]
            struct Lines([u32; MOST_COLUMNS * CHUNK]);
            let mut lines = Lines([0; MOST_COLUMNS * CHUNK]);
            for w in (0..words).step_by(CHUNK) {
                let k = (CHUNK * group).min(k - w * group);
                if k < CHUNK * group {
                    lines.0.fill(0);
                }
                for c in 0..columns {
                    let from = source.at(k0 + w * group, column0 + c);
                    self.line(source, from, source.row_stride, k, lines.0.as_mut_ptr().add(c * CHUNK));
                }
                transpose(self.kernel.isa, &lines.0, width, k.div_ceil(group), to.add(w * width));
            }
        }
    }

    /// `k` elements `stride` apart to ⌈k / group⌉ words.
    ///
    /// # Safety
    /// The elements are there, and the words.
    #[inline]
    unsafe fn line(&self, source: &RawMatrix, from: *const u8, stride: usize, k: usize, to: *mut u32) {
        let flip = self.flip();
        // SAFETY: passed on.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if stride == 1 && self.kernel.isa == Isa::Avx512 {
                return match self.precision {
                    Precision::F32 => avx512::line_f32(source.element, from, k, to),
                    Precision::Bf16 => avx512::line_bf16(source.element, from, k, to),
                    Precision::Int8 => portable::line_int8(from, 1, k, flip, to),
                };
            }
            #[cfg(target_arch = "x86_64")]
            if stride == 1 && self.kernel.isa == Isa::Avx2 && self.precision == Precision::F32 {
                return avx2::line_f32(source.element, from, k, to);
            }
            #[cfg(target_arch = "aarch64")]
            if stride == 1 && self.kernel.isa == Isa::Neon && self.precision != Precision::Int8 {
                return match self.precision {
                    Precision::F32 => neon::line_f32(source.element, from, k, to),
                    _ => neon::line_bf16(source.element, from, k, to),
                };
            }
            match self.precision {
                Precision::F32 => portable::line_f32(source.element, from, stride, k, to),
                Precision::Bf16 => portable::line_bf16(source.element, from, stride, k, to),
                Precision::Int8 => portable::line_int8(from, stride, k, flip, to),
            }
        }
    }

    /// `k` inner steps, `stride` elements apart, of `width` neighbours, to micro-panels of `height` words a step and
    /// `panel` words from one to the next; words past the last neighbour are zero.
    ///
    /// # Safety
    /// The elements are there, and the words.
    #[inline]
    unsafe fn steps(
        &self,
        source: &RawMatrix,
        from: *const u8,
        stride: usize,
        k: usize,
        (width, height): (usize, usize),
        (to, panel): (*mut u32, usize),
    ) {
        let group = self.precision.group();
        let words = k.div_ceil(group);
        // SAFETY: passed on.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if self.kernel.isa == Isa::Avx512 {
                let steps = Steps { to, width, height, stride: panel, k };
                return avx512::steps(self.precision, source.element, from, stride, self.flip(), &steps);
            }
            #[cfg(target_arch = "x86_64")]
            if self.kernel.isa == Isa::Avx2 && self.precision == Precision::F32 {
                let steps = Steps { to, width, height, stride: panel, k };
                return avx2::steps_f32(source.element, from, stride, &steps);
            }
            #[cfg(target_arch = "aarch64")]
            if self.kernel.isa == Isa::Neon {
                let steps = Steps { to, width, height, stride: panel, k };
                return neon::steps(self.precision, source.element, from, stride, self.flip(), &steps);
            }
            let size = source.element.size();
            for w in 0..words {
                let inner = group.min(k - w * group);
                for (i, start) in (0..width).step_by(height).enumerate() {
                    let from = from.wrapping_add((w * group * stride + start) * size);
                    let own = height.min(width - start);
                    let to = to.add(i * panel + w * height);
                    match self.precision {
                        Precision::F32 => portable::step_f32(source.element, from, own, to, height),
                        Precision::Bf16 => {
                            portable::step_bf16(source.element, from, stride, inner, own, to, height);
                        }
                        Precision::Int8 => {
                            portable::step_int8(from, stride, inner, own, self.flip(), to, height)
                        }
                    }
                }
            }
        }
    }

    /// What bytes are exclusive-ored with: 128 is added to those of the left factor where the kernel wants it.
    fn flip(&self) -> u8 {
        if self.side == Side::Left && self.kernel.offset { 0x80 } else { 0 }
    }

    /// Adds the sum of each column's bytes of a right micro-panel to `sums`.
    ///
    /// # Safety
    /// The panel has `words` rows of words, and `sums` a number for each of the kernel's columns.
    pub(crate) unsafe fn column_sums(&self, panel: *const u32, words: usize, sums: *mut i32) {
        // SAFETY: by contract.
        unsafe {
            let width = self.kernel.columns;
            #[cfg(target_arch = "x86_64")]
            if self.kernel.isa == Isa::Avx512 && width == MOST_COLUMNS {
                return avx512::column_sums(panel, words, sums);
            }
            let sums = std::slice::from_raw_parts_mut(sums, width);
            for w in 0..words {
                let row = std::slice::from_raw_parts(panel.add(w * width), width);
                for (sum, word) in sums.iter_mut().zip(row) {
                    let bytes = *word as i32;
                    *sum += (bytes << 24 >> 24) + (bytes << 16 >> 24) + (bytes << 8 >> 24) + (bytes >> 24);
                }
            }
        }
    }
}

/// `width` lines of 16 words to `words` rows of `width`.
///
/// # Safety
/// `to` has the words.
unsafe fn transpose(isa: Isa, lines: &[u32; MOST_COLUMNS * 16], width: usize, words: usize, to: *mut u32) {
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512 && width == 32 && words == 16 {
        // SAFETY: the processor has the instructions, the caller the words.
        return unsafe { avx512::transpose(lines, to) };
    }
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx2 && width == avx2::WIDTH && words == 16 {
        // SAFETY: as above.
        return unsafe { avx2::transpose(lines, to) };
    }
    #[cfg(target_arch = "aarch64")]
    if isa == Isa::Neon && width == neon::WIDTH && words == 16 {
        // SAFETY: the caller has the words.
        return unsafe { neon::transpose(lines, to) };
    }
    let _ = isa;
    for w in 0..words {
        for c in 0..width {
            // SAFETY: by contract.
            unsafe { to.add(w * width + c).write(lines[c * 16 + w]) };
        }
    }
}

/// The number at an address.
///
/// # Safety
/// An element of that type is there.
#[inline(always)]
unsafe fn number(element: ElementType, from: *const u8) -> f32 {
    // SAFETY: by contract; unaligned reads ask for nothing more.
    unsafe {
        match element {
            ElementType::F32 => from.cast::<f32>().read_unaligned(),
            ElementType::F16 => from.cast::<half::f16>().read_unaligned().to_f32(),
            ElementType::Bf16 => from.cast::<half::bf16>().read_unaligned().to_f32(),
            ElementType::I8 => f32::from(from.cast::<i8>().read()),
        }
    }
}
