//! What is done to a step's result range by range, by the thread that computed it, while it is in its cache.

use super::elementwise::Places;
use super::memory::Words;
use super::ports::Output;
use super::{Team, elementwise};
use crate::plan::Follower;

/// The followers of a step, ready to run.
pub(super) struct Following<'p, M, S, O> {
    pub(super) followers: &'p [Follower],
    pub(super) memory: &'p M,
    /// The calling thread's scratch for maps.
    pub(super) scratch: S,
    /// The memory of an output port.
    pub(super) output: O,
}

impl<'a, M, S, O> Following<'_, M, S, O>
where
    M: Places<'a>,
    S: Fn() -> Words<'a> + Sync,
    O: Fn(usize) -> Output + Sync,
{
    /// Runs them on `len` elements from `start` on.
    ///
    /// # Safety
    /// The step's elements of this range are computed and not touched by another thread; the plan contract holds for the
    /// followers.
    pub(super) unsafe fn range(&self, start: usize, len: usize) {
        for follower in self.followers {
            // SAFETY: what a follower reads of the step's result, and of followers before it, is this range; all else was
            // computed by earlier steps. It writes this range of its targets.
            unsafe {
                match follower {
                    Follower::Map(map) => {
                        elementwise::range(map, self.memory, (self.scratch)(), (start, len));
                    }
                    Follower::Store(store) => {
                        let source = self.memory.target(&store.source);
                        (self.output)(store.port).store(&store.source.layout, source, start, len);
                    }
                }
            }
        }
    }

    /// Runs a map, and then the followers, on all elements.
    ///
    /// # Safety
    /// The plan contract holds for the map and the followers.
    pub(super) unsafe fn after_map(
        &self,
        map: &elementwise::Map,
        scratch: impl Fn() -> Words<'a> + Sync + Send,
        team: Team,
    ) {
        team.ranges(map.elements, super::TASK, |start, len| {
            // SAFETY: tasks have disjoint ranges; scratch is the thread's.
            unsafe {
                elementwise::range(map, self.memory, scratch(), (start, len));
                self.range(start, len);
            }
        });
    }
}
