//! Between ports and working memory: fp16 surfaces are widened on the way in, rounded on the way out.

use ::half::f16;
use engrad_engine::Port;
use engrad_mil::DType;

use super::memory::Words;
use super::numbers::Numbers;
use super::{BLOCK, TASK, Team, half, strided};
use crate::layout::Layout;
use crate::plan::View;

/// Part of an input port brought into a dense buffer.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) port: usize,
    /// What is read, in elements of the port's surface, row padding included; collapsed.
    pub(crate) source: View,
    pub(crate) target: View,
}

/// A value written to an output port. The padding of its rows is left as it is.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) port: usize,
    /// Collapsed.
    pub(crate) source: View,
}

/// Runs a load from the bytes of a port's surface.
///
/// # Safety
/// The plan contract holds for the step, and the surface is one of the port's.
pub(crate) unsafe fn load(step: &Load, port: &Port, surface: &[u8], target: Words<'_>, team: Team) {
    let layout = &step.source.layout;
    let base = step.target.layout.offset;
    let surface = Numbers::of_surface(surface, port.ty.dtype);
    team.ranges(layout.elements(), TASK, |start, len| {
        // SAFETY: the target is dense, inside its base, and tasks have disjoint ranges of it; the view lies inside the
        // port.
        unsafe { surface.gather(layout, start, target.write(base + start, len)) };
    });
}

/// The memory of an output port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    data: *mut u8,
    dtype: DType,
    /// Elements of a row, and from one row to the next.
    width: usize,
    stride: usize,
}

// SAFETY: an address; `Output::store` states who may write what.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    /// `data` is the surface's memory.
    pub(crate) fn new(port: &Port, data: *mut u8) -> Self {
        Self { data, dtype: port.ty.dtype, width: port.width(), stride: port.stride_elements() }
    }

    /// Writes elements from the port's `start`th on. The padding of rows is left as it is.
    ///
    /// # Safety
    /// The elements are the port's, and nothing else touches them meanwhile.
    pub(crate) unsafe fn write(&self, start: usize, mut values: &[f32]) {
        let mut at = start;
        while !values.is_empty() {
            let (row, column) = (at / self.width, at % self.width);
            // Rows without padding follow each other.
            let count = match self.stride == self.width {
                true => values.len(),
                false => (self.width - column).min(values.len()),
            };
            let (here, rest) = values.split_at(count);
            let place = row * self.stride + column;
            // SAFETY: the elements are the port's, and ours by contract.
            unsafe {
                match self.dtype {
                    DType::Fp32 => std::slice::from_raw_parts_mut(self.data.cast::<f32>().add(place), count)
                        .copy_from_slice(here),
                    _ => half::narrow(
                        here,
                        std::slice::from_raw_parts_mut(self.data.cast::<f16>().add(place), count),
                    ),
                }
            }
            (at, values) = (at + count, rest);
        }
    }

    /// Writes `len` elements of a view from its `start`th on to the same places of the port.
    ///
    /// # Safety
    /// As [`Output::write`]; the view lies inside its base and nothing writes that part of it meanwhile.
    pub(crate) unsafe fn store(&self, layout: &Layout, source: Words<'_>, start: usize, len: usize) {
        // SAFETY: by contract.
        unsafe {
            if layout.is_contiguous() {
                return self.write(start, source.read(layout.offset + start, len));
            }
            let mut block = [0.0; BLOCK];
            for at in (start..start + len).step_by(BLOCK) {
                let block = &mut block[..BLOCK.min(start + len - at)];
                strided::gather(source, layout, at, block);
                self.write(at, block);
            }
        }
    }
}

/// Runs a store.
///
/// # Safety
/// The plan contract holds for the step, and `output` is its port's, to be written by nobody else.
pub(crate) unsafe fn store(step: &Store, output: Output, source: Words<'_>, team: Team) {
    let layout = &step.source.layout;
    team.ranges(layout.elements(), TASK, |start, len| {
        // SAFETY: tasks have disjoint elements.
        unsafe { output.store(layout, source, start, len) };
    });
}
