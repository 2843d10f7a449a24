//! Sums, means and maxima over some axes of a view.

use super::memory::Words;
use super::{BLOCK, TASK, Team, half, math, multiversion};
use crate::layout::Layout;
use crate::plan::View;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reduction {
    Sum,
    Mean,
    Max,
}

/// A reduction into a dense target.
#[derive(Debug)]
pub(crate) struct Reduce {
    pub(crate) reduction: Reduction,
    /// The operand's kept axes, in the order of the target; collapsed. Its offset is the operand's.
    pub(crate) kept: View,
    /// The operand's reduced axes; collapsed. Its offsets are added to those of `kept`; its own is zero.
    pub(crate) reduced: Layout,
    pub(crate) target: View,
    /// Whether results are rounded to fp16.
    pub(crate) round: bool,
}

/// Runs a reduction.
///
/// # Safety
/// The plan contract holds for the step: each sum of a kept and a reduced offset lies inside the source.
pub(crate) unsafe fn run(step: &Reduce, source: Words<'_>, target: Words<'_>, team: Team) {
    let (kept, reduced) = (&step.kept.layout, &step.reduced);
    let (elements, count) = (kept.elements(), reduced.elements());
    let along_kept = kept.inner().1 == 1 && elements > 1 && !(reduced.inner().1 == 1 && count > 1);
    let size = if along_kept { BLOCK / 4 } else { (TASK / count).clamp(1, BLOCK) };
    team.ranges(elements, size, |start, len| {
        // SAFETY: the target is dense, inside its base, and tasks have disjoint ranges of it.
        let out = unsafe { target.write(step.target.layout.offset + start, len) };
        out.fill(if step.reduction == Reduction::Max { f32::NEG_INFINITY } else { 0.0 });
        if along_kept {
            // Neighbours in the target are neighbours in memory: add whole runs.
            kept.runs(start, len, |position, base, run| {
                let out = &mut out[position..position + run];
                reduced.runs(0, count, |_, offset, n| {
                    for i in 0..n {
                        // SAFETY: kept plus reduced offsets lie inside by contract.
                        let from = unsafe { source.read(base + offset + i * reduced.inner().1, run) };
                        accumulate(step.reduction, from, out);
                    }
                });
            });
        } else {
            for (i, out) in out.iter_mut().enumerate() {
                let base = kept.offset_of(start + i);
                let stride = reduced.inner().1;
                reduced.runs(0, count, |_, offset, n| {
                    // SAFETY: as above; the run's last element is at (n − 1)·stride.
                    let from = unsafe { source.read(base + offset, (n - 1) * stride + 1) };
                    let value = fold(step.reduction, from, stride, n);
                    *out = combine(step.reduction, *out, value);
                });
            }
        }
        if step.reduction == Reduction::Mean {
            out.iter_mut().for_each(|v| *v /= count as f32);
        }
        if step.round {
            half::round(out);
        }
    });
}

#[inline(always)]
fn combine(reduction: Reduction, a: f32, b: f32) -> f32 {
    if reduction == Reduction::Max { math::larger(a, b) } else { a + b }
}

multiversion! {
    fn accumulate(reduction: Reduction, from: &[f32], out: &mut [f32]) {
        if reduction == Reduction::Max {
            out.iter_mut().zip(from).for_each(|(o, &x)| *o = math::larger(*o, x));
        } else {
            out.iter_mut().zip(from).for_each(|(o, &x)| *o += x);
        }
    }

    /// One number of `count` elements, `stride` apart; neighbours run in sixteen lanes, whatever the processor.
    fn fold(reduction: Reduction, from: &[f32], stride: usize, count: usize) -> f32 {
        const LANES: usize = 16;
        let max = reduction == Reduction::Max;
        let start = if max { f32::NEG_INFINITY } else { 0.0 };
        if stride != 1 {
            return from.iter().step_by(stride.max(1)).cycle().take(count)
                .fold(start, |a, &b| combine(reduction, a, b));
        }
        let mut lanes = [start; LANES];
        let mut chunks = from.chunks_exact(LANES);
        if max {
            for chunk in &mut chunks {
                lanes.iter_mut().zip(chunk).for_each(|(a, &b)| *a = math::larger(*a, b));
            }
        } else {
            for chunk in &mut chunks {
                lanes.iter_mut().zip(chunk).for_each(|(a, &b)| *a += b);
            }
        }
        let rest = chunks.remainder().iter().fold(start, |a, &b| combine(reduction, a, b));
        lanes.iter().fold(rest, |a, &b| combine(reduction, a, b))
    }
}
