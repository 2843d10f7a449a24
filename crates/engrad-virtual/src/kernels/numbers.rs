//! Numbers where they stand: working memory, or a port that needs no copy.

use ::half::f16;
use engrad_mil::DType;

use super::memory::Words;
use super::{half, strided};
use crate::layout::Layout;

/// Numbers that steps read: working memory, or a port where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Numbers<'a> {
    Words(Words<'a>),
    Half(&'a [f16]),
}

impl<'a> Numbers<'a> {
    /// The elements of a surface.
    pub(crate) fn of_surface(bytes: &'a [u8], dtype: DType) -> Self {
        match dtype {
            DType::Fp32 => Self::Words(Words::of_bytes(bytes)),
            // SAFETY: every pattern is a number.
            _ => Self::Half(unsafe { bytes.align_to::<f16>() }.1),
        }
    }

    /// One element.
    ///
    /// # Safety
    /// It lies inside, and nothing writes it meanwhile.
    pub(crate) unsafe fn at(self, offset: usize) -> f32 {
        match self {
            // SAFETY: by contract.
            Self::Words(words) => unsafe { words.pointer(offset).read() },
            Self::Half(surface) => surface[offset].to_f32(),
        }
    }

    /// Copies the elements of `layout` from row-major index `start` into `out`.
    ///
    /// # Safety
    /// They lie inside; nothing writes them meanwhile, and `out` is not among them.
    pub(crate) unsafe fn gather(self, layout: &Layout, start: usize, out: &mut [f32]) {
        let surface = match self {
            // SAFETY: passed on.
            Self::Words(words) => return unsafe { strided::gather(words, layout, start, out) },
            Self::Half(surface) => surface,
        };
        let stride = layout.inner().1;
        layout.runs(start, out.len(), |position, offset, count| {
            let out = &mut out[position..position + count];
            match stride {
                0 => out.fill(surface[offset].to_f32()),
                1 => half::widen(&surface[offset..offset + count], out),
                _ => out.iter_mut().enumerate().for_each(|(i, o)| *o = surface[offset + i * stride].to_f32()),
            }
        });
    }
}
