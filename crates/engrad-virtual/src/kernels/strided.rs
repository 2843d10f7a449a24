//! Moving elements between strided views and contiguous blocks.

use super::memory::Words;
use crate::layout::Layout;

/// Copies the elements of `layout` from row-major index `start` into `out`.
///
/// # Safety
/// The elements lie inside `words`; nothing writes them meanwhile, and `out` is not among them.
#[inline]
pub(super) unsafe fn gather(words: Words<'_>, layout: &Layout, start: usize, out: &mut [f32]) {
    let (_, stride) = layout.inner();
    layout.runs(start, out.len(), |position, offset, count| {
        let out = &mut out[position..position + count];
        match stride {
            // SAFETY: runs name elements of the layout, which lie inside by contract.
            0 => out.fill(unsafe { words.read(offset, 1) }[0]),
            // SAFETY: as above.
            1 => out.copy_from_slice(unsafe { words.read(offset, count) }),
            _ => {
                // SAFETY: as above; the last element of the run is at (count − 1)·stride.
                let from = unsafe { words.read(offset, (count - 1) * stride + 1) };
                out.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from);
            }
        }
    });
}

/// Copies `from` to the elements of `layout` from row-major index `start`.
///
/// # Safety
/// The elements lie inside `words` and are distinct; nothing else touches them meanwhile.
#[inline]
pub(super) unsafe fn scatter(words: Words<'_>, layout: &Layout, start: usize, from: &[f32]) {
    let (_, stride) = layout.inner();
    layout.runs(start, from.len(), |position, offset, count| {
        let from = &from[position..position + count];
        if stride == 1 {
            // SAFETY: runs name elements of the layout: inside and untouched by others, by contract.
            unsafe { words.write(offset, count) }.copy_from_slice(from);
        } else {
            for (i, &value) in from.iter().enumerate() {
                // SAFETY: as above; single words, for elements in between belong to other tasks.
                unsafe { words.pointer(offset + i * stride).write(value) };
            }
        }
    });
}
