//! Between ports and working memory: fp16 surfaces are widened on the way in, rounded on the way out.

use engrad_engine::{Port, Surface};
use engrad_mil::DType;

use super::memory::Words;
use super::{BLOCK, TASK, Team, half, strided};
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

/// Runs a load. A surface too small for its port (which binding refuses) is not read.
///
/// # Safety
/// The plan contract holds for the step.
pub(crate) unsafe fn load(step: &Load, port: &Port, surface: &Surface, target: Words<'_>, team: Team) {
    let layout = &step.source.layout;
    let guard = surface.read();
    if guard.bytes().len() < port.bytes() {
        return;
    }
    let base = step.target.layout.offset;
    team.ranges(layout.elements(), TASK, |start, len| {
        // SAFETY: the target is dense, inside its base, and tasks have disjoint ranges of it.
        let out = unsafe { target.write(base + start, len) };
        if port.ty.dtype == DType::Fp32 {
            // SAFETY: the view lies inside the port, whose size was checked; the guard keeps writers out.
            unsafe { strided::gather(Words::constant(guard.fp32()), layout, start, out) };
            return;
        }
        let surface = guard.fp16();
        let stride = layout.inner().1;
        layout.runs(start, len, |position, offset, count| {
            let out = &mut out[position..position + count];
            if stride == 1 {
                half::widen(&surface[offset..offset + count], out);
            } else {
                out.iter_mut().enumerate().for_each(|(i, o)| *o = surface[offset + i * stride].to_f32());
            }
        });
    });
}

/// Runs a store.
///
/// # Safety
/// The plan contract holds for the step.
pub(crate) unsafe fn store(step: &Store, port: &Port, surface: &Surface, source: Words<'_>, team: Team) {
    let (width, stride) = (port.width(), port.stride_elements());
    let rows = (TASK / width).max(1);
    let layout = &step.source.layout;
    let mut guard = surface.write();
    if guard.bytes_mut().len() < port.bytes() {
        return;
    }
    let elements = port.rows() * stride;
    if port.ty.dtype == DType::Fp32 {
        team.chunks(&mut guard.fp32_mut()[..elements], rows * stride, |task, out| {
            for (i, out) in out.chunks_exact_mut(stride).enumerate() {
                // SAFETY: the source lies inside its base and nothing writes it in this step.
                unsafe { strided::gather(source, layout, (task * rows + i) * width, &mut out[..width]) };
            }
        });
        return;
    }
    team.chunks(&mut guard.fp16_mut()[..elements], rows * stride, |task, out| {
        let mut block = [0.0; BLOCK];
        for (i, out) in out.chunks_exact_mut(stride).enumerate() {
            let start = (task * rows + i) * width;
            if layout.is_contiguous() {
                // SAFETY: as above.
                half::narrow(unsafe { source.read(layout.offset + start, width) }, &mut out[..width]);
                continue;
            }
            for (j, out) in out[..width].chunks_mut(BLOCK).enumerate() {
                let block = &mut block[..out.len()];
                // SAFETY: as above.
                unsafe { strided::gather(source, layout, start + j * BLOCK, block) };
                half::narrow(block, out);
            }
        }
    });
}
