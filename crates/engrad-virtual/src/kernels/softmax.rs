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

/// Numbers handled at once: sums run in as many lanes, whatever the processor.
const LANES: usize = 16;

/// The lanes joined pairwise: one after the other they would be a chain of sixteen operations.
#[inline(always)]
fn halved(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        let (low, high) = lanes.split_at_mut(width);
        low.iter_mut().zip(high).for_each(|(a, b)| *a = join(*a, *b));
        width /= 2;
    }
    lanes[0]
}

multiversion! {
    /// e^(x − max) over its sum, in place.
    pub(super) fn normalise(row: &mut [f32]) {
        // Numbers past the last whole group go through a group of their own, whose other places weigh nothing: one by one
        // they would cost as much as a hundred of the others.
        let (groups, rest) = row.as_chunks_mut::<LANES>();
        let mut last = [f32::NEG_INFINITY; LANES];
        last[..rest.len()].copy_from_slice(rest);
        let mut largest = last;
        for group in groups.iter() {
            for (m, &x) in largest.iter_mut().zip(group) {
                *m = if x > *m { x } else { *m };
            }
        }
        let largest = halved(largest, |a, b| if b > a { b } else { a });
        let mut totals = [0.0f32; LANES];
        for group in groups.iter_mut() {
            for (total, x) in totals.iter_mut().zip(group) {
                *x = math::exp(*x - largest);
                *total += *x;
            }
        }
        if !rest.is_empty() {
            for (total, x) in totals.iter_mut().zip(&mut last) {
                *x = math::exp(*x - largest);
                *total += *x;
            }
        }
        rest.copy_from_slice(&last[..rest.len()]);
        let scale = 1.0 / halved(totals, |a, b| a + b);
        row.iter_mut().for_each(|x| *x *= scale);
    }
}
