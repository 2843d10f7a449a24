//! Softmax over the last axis of a view, rows in parallel.

use super::memory::Words;
use super::{TASK, Team, half, math, multiversion, strided};
use crate::plan::View;

/// Softmax over the last dimension of `source`.
#[derive(Debug)]
pub(crate) struct Softmax {
    pub(crate) rows: usize,
    pub(crate) width: usize,
    /// Operand, the softmax axis last; collapsed, so a row is `width` elements of its row-major order.
    pub(crate) source: View,
    /// Offset of each row; collapsed. Rows themselves are contiguous.
    pub(crate) target: View,
    /// Whether results are rounded to fp16.
    pub(crate) round: bool,
}

/// Runs a softmax.
///
/// # Safety
/// The plan contract holds for the step.
pub(crate) unsafe fn run(softmax: &Softmax, source: Words<'_>, target: Words<'_>, team: Team) {
    let width = softmax.width;
    team.ranges(softmax.rows, (TASK / width).max(1), |start, len| {
        for row in start..start + len {
            // SAFETY: rows are contiguous, inside the target and distinct; the source is not written.
            let out = unsafe {
                let out = target.write(softmax.target.layout.offset_of(row), width);
                strided::gather(source, &softmax.source.layout, row * width, out);
                out
            };
            normalise(out);
            if softmax.round {
                half::round(out);
            }
        }
    });
}

multiversion! {
    /// e^(x − max) over its sum, in place. Sums run in sixteen lanes, whatever the processor.
    pub(super) fn normalise(row: &mut [f32]) {
        const LANES: usize = 16;
        let mut largest = [f32::NEG_INFINITY; LANES];
        let mut chunks = row.chunks_exact(LANES);
        for chunk in &mut chunks {
            for (m, &x) in largest.iter_mut().zip(chunk) {
                *m = if x > *m { x } else { *m };
            }
        }
        let rest = chunks.remainder().iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let largest = largest.iter().copied().fold(rest, f32::max);
        let mut totals = [0.0f32; LANES];
        let mut chunks = row.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for (total, x) in totals.iter_mut().zip(chunk) {
                *x = math::exp(*x - largest);
                *total += *x;
            }
        }
        let mut total = 0.0;
        for x in chunks.into_remainder() {
            *x = math::exp(*x - largest);
            total += *x;
        }
        total += totals.iter().sum::<f32>();
        let scale = 1.0 / total;
        row.iter_mut().for_each(|x| *x *= scale);
    }
}
