//! What is done to a step's result range by range, by the thread that computed it, while it is in its cache.

use super::elementwise::Places;
use super::memory::Words;
use super::numbers::Numbers;
use super::ports::Output;
use super::{Team, elementwise};
use crate::plan::{Base, Follower, View};

/// The followers of a step, ready to run.
pub(super) struct Following<'p, M, S> {
    pub(super) followers: &'p [Follower],
    pub(super) memory: &'p M,
    /// The calling thread's scratch for maps.
    pub(super) scratch: S,
}

/// All places, and that of the followed result, if it has no other.
struct Behind<'p, 'a, M> {
    memory: &'p M,
    held: Words<'a>,
}

impl<'a, M: Places<'a>> Places<'a> for Behind<'_, 'a, M> {
    fn leaf(&self, view: &View) -> Numbers<'a> {
        match view.base {
            Base::Held => Numbers::Words(self.held),
            _ => self.memory.leaf(view),
        }
    }

    fn target(&self, view: &View) -> Words<'a> {
        match view.base {
            Base::Held => self.held,
            _ => self.memory.target(view),
        }
    }

    fn output(&self, port: usize) -> Output {
        self.memory.output(port)
    }
}

impl<'a, M, S> Following<'_, M, S>
where
    M: Places<'a>,
    S: Fn() -> Words<'a> + Sync,
{
    /// Runs them on `len` elements from `start` on, the first of which is at `first`.
    ///
    /// # Safety
    /// The step's elements of this range are computed and not touched by another thread; the plan contract holds for the
    /// followers.
    pub(super) unsafe fn range(&self, start: usize, len: usize, first: *mut f32) {
        // SAFETY: followers read the step's result in this range alone.
        let memory = &Behind { memory: self.memory, held: unsafe { Words::around(first, start, len) } };
        for follower in self.followers {
            // SAFETY: what a follower reads of the step's result, and of followers before it, is this range; all else was
            // computed by earlier steps. It writes this range of its targets.
            unsafe {
                match follower {
                    Follower::Map(map) => {
                        elementwise::range(map, memory, (self.scratch)(), (start, len));
                    }
                    Follower::Store(store) => {
                        let source = memory.target(&store.source);
                        memory.output(store.port).store(&store.source.layout, source, start, len);
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
                self.range(start, len, std::ptr::null_mut()); // a map's results are in memory
            }
        });
    }
}
