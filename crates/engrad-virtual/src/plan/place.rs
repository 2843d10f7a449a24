//! Buffers get their places in the arena: a buffer lives from the first step that writes it to the last that reads
//! it, and buffers that never live together share words.

use std::collections::BTreeMap;

use super::{Base, Plan, Planned, Step, View};
use crate::kernels::Team;
use crate::kernels::memory::ALIGNMENT_WORDS;

/// Programs of less work than this (see [`Step::work`]) are evaluated by the calling thread: waking another takes
/// longer.
const LEAST_SHARED_WORK: usize = 1 << 15;
/// Most words an arena may have: 16 GiB.
const MOST_WORDS: usize = 1 << 32;

/// Replaces every [`Base::Buffer`] in the plan's steps by a place in the arena, and sets the plan's sizes.
///
/// # Errors
/// A message if the arena would be too large.
pub(super) fn place(plan: &mut Plan, buffers: &[usize]) -> Result<(), String> {
    let mut last_use = vec![0; buffers.len()];
    for (time, step) in plan.steps.iter_mut().enumerate() {
        for_each_buffer(step, |buffer| last_use[buffer] = time);
    }
    let mut free = FreeWords::default();
    let mut places: Vec<Option<usize>> = vec![None; buffers.len()];
    for (time, step) in plan.steps.iter_mut().enumerate() {
        let mut ended = Vec::new();
        for_each_buffer(step, |buffer| {
            if places[buffer].is_none() {
                places[buffer] = Some(free.take(rounded(buffers[buffer])));
            }
            if last_use[buffer] == time && !ended.contains(&buffer) {
                ended.push(buffer);
            }
        });
        if free.end > MOST_WORDS {
            return Err(format!("needs more than {} GiB of working memory", (MOST_WORDS * 4) >> 30));
        }
        for buffer in ended {
            free.give(places[buffer].unwrap_or(0), rounded(buffers[buffer]));
        }
    }
    for step in &mut plan.steps {
        let (scratch, behind) = step.scratch();
        let shared = step.step.scratch().1;
        let scratch = rounded(scratch) + rounded(behind);
        plan.scratch = plan.scratch.max(scratch);
        plan.shared = plan.shared.max(shared.next_multiple_of(ALIGNMENT_WORDS));
        let (sources, targets) = step.views();
        for view in sources.into_iter().chain(targets) {
            if let Base::Buffer(buffer) = view.base {
                view.layout.offset += places[buffer].unwrap_or(0);
                view.base = Base::Arena;
            }
        }
    }
    plan.words = free.end;
    let work = plan.steps.iter().fold(0, |sum: usize, step| sum.saturating_add(step.work()));
    plan.team = if work < LEAST_SHARED_WORK { Team::Caller } else { Team::Pool };
    Ok(())
}

fn rounded(words: usize) -> usize {
    words.next_multiple_of(ALIGNMENT_WORDS)
}

fn for_each_buffer(step: &mut Planned, mut f: impl FnMut(usize)) {
    let (sources, targets) = step.views();
    for view in sources.into_iter().chain(targets) {
        if let Base::Buffer(buffer) = view.base {
            f(buffer);
        }
    }
}

/// Checks the contract stated in the module `kernels`, for steps whose buffers are not placed yet.
///
/// # Errors
/// A message if a step breaks it.
pub(super) fn check(steps: &mut [Step], plan: &Plan, buffers: &[usize]) -> Result<(), String> {
    let ports: Vec<usize> = plan.inputs.iter().map(|p| p.rows() * p.stride_elements()).collect();
    let constants = plan.constants.len();
    let size = |base: Base| match base {
        Base::Buffer(i) => buffers.get(i).copied().unwrap_or(0),
        Base::Constants => constants,
        Base::Port(i) => ports.get(i).copied().unwrap_or(0),
        Base::Arena | Base::Output(_) | Base::Held => 0,
    };
    for (position, step) in steps.iter_mut().enumerate() {
        let (read_over, written_over) = step.overhang();
        let (sources, targets) = step.views();
        let inside = |view: &View, over: usize| view.layout.end() + over <= size(view.base);
        let fits =
            sources.iter().all(|v| inside(v, read_over)) && targets.iter().all(|v| inside(v, written_over));
        let apart = targets
            .iter()
            .all(|t| matches!(t.base, Base::Buffer(_)) && sources.iter().all(|s| s.base != t.base));
        if !fits || !apart {
            return Err(format!("internal: step {position} reaches outside its memory"));
        }
    }
    Ok(())
}

/// Words of the arena not in use, as offset → length; first fit.
#[derive(Debug, Default)]
struct FreeWords {
    gaps: BTreeMap<usize, usize>,
    /// One past the last word ever used.
    end: usize,
}

impl FreeWords {
    fn take(&mut self, len: usize) -> usize {
        let best = self.gaps.iter().filter(|(_, gap)| **gap >= len).min_by_key(|(_, gap)| **gap);
        if let Some((&start, &gap)) = best {
            self.gaps.remove(&start);
            if gap > len {
                self.gaps.insert(start + len, gap - len);
            }
            return start;
        }
        // A gap that ends the arena grows.
        let start = match self.gaps.last_key_value() {
            Some((&start, &gap)) if start + gap == self.end => {
                self.gaps.remove(&start);
                start
            }
            _ => self.end,
        };
        self.end = start.saturating_add(len);
        start
    }

    fn give(&mut self, start: usize, len: usize) {
        let (mut start, mut len) = (start, len);
        if let Some((&before, &gap)) = self.gaps.range(..start).next_back()
            && before + gap == start
        {
            self.gaps.remove(&before);
            (start, len) = (before, gap + len);
        }
        if let Some(gap) = self.gaps.remove(&(start + len)) {
            len += gap;
        }
        self.gaps.insert(start, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_words_join_and_are_used_again() {
        let mut free = FreeWords::default();
        let [a, b, c] = [free.take(16), free.take(32), free.take(16)];
        assert_eq!((a, b, c, free.end), (0, 16, 48, 64));
        free.give(a, 16);
        free.give(b, 32);
        assert_eq!(free.take(48), 0);
        free.give(c, 16);
        assert_eq!((free.take(80), free.end), (48, 128));
    }
}
