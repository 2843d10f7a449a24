//! Elementwise work and stores that follow a product, or other elementwise work, are done with it: each range of elements
//! goes on to what reads it while it is in the cache, and threads meet once instead of once for each step.
//!
//! A follower reads, of what its step and earlier followers write, only the elements at its own index; so it may run as
//! soon as those are there. It may move before steps that stood between, since no buffer's elements are written twice.

use super::{Base, Step, View};
use crate::kernels::elementwise::Map;
use crate::kernels::ports::Store;

/// Most followers of a step; each keeps its operands in the cache.
const MOST_FOLLOWERS: usize = 6;

/// A step and what follows it.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) step: Step,
    pub(crate) followers: Vec<Follower>,
}

/// Work on each element of a step's result.
#[derive(Debug)]
pub(crate) enum Follower {
    Map(Map),
    Store(Store),
}

impl Follower {
    /// Views read, and views written.
    pub(super) fn views(&mut self) -> (Vec<&mut View>, Vec<&mut View>) {
        match self {
            Self::Map(map) => map.views(),
            Self::Store(store) => (vec![&mut store.source], vec![]),
        }
    }

    /// Words of scratch for each thread.
    pub(super) fn scratch(&self) -> usize {
        match self {
            Self::Map(map) => map.scratch(),
            Self::Store(_) => 0,
        }
    }
}

impl Planned {
    /// Views read, and views written.
    pub(super) fn views(&mut self) -> (Vec<&mut View>, Vec<&mut View>) {
        let (mut sources, mut targets) = self.step.views();
        for follower in &mut self.followers {
            let (more_sources, more_targets) = follower.views();
            sources.extend(more_sources);
            targets.extend(more_targets);
        }
        (sources, targets)
    }

    /// Views read that may be of ports: their numbers need no conversion first.
    pub(super) fn convertible(&mut self) -> Vec<&mut View> {
        let mut sources = self.step.convertible();
        for follower in &mut self.followers {
            if let Follower::Map(map) = follower {
                sources.extend(map.views().0);
            }
        }
        sources
    }

    /// Roughly what it costs, as [`Step::work`].
    pub(super) fn work(&self) -> usize {
        let followers = self.followers.iter().map(|follower| match follower {
            Follower::Map(map) => map.work(),
            Follower::Store(store) => store.source.layout.elements(),
        });
        followers.fold(self.step.work(), usize::saturating_add)
    }

    /// Words of scratch for each thread: of the step, and behind them of the followers.
    pub(crate) fn scratch(&self) -> (usize, usize) {
        let followers = self.followers.iter().map(Follower::scratch).max().unwrap_or(0);
        (self.step.scratch().0, followers)
    }

    /// Elements that followers may go on with; none if they cannot.
    fn elements(&self) -> Option<usize> {
        match &self.step {
            Step::Map(map) => Some(map.elements),
            Step::Matmul(product) if product.has_rows() => Some(product.target.layout.elements()),
            _ => None,
        }
    }

    /// Whether `reads` and `writes` of a step of so many elements fit behind this one.
    fn takes(&mut self, elements: usize, reads: &[View], writes: &[View]) -> bool {
        if self.elements() != Some(elements) || self.followers.len() == MOST_FOLLOWERS {
            return false;
        }
        let (sources, targets) = self.views();
        let whole = |view: &View| view.collapse();
        // What was written here is read at the same index, as it was written …
        let in_step = reads.iter().all(|read| {
            let mut written = targets.iter().filter(|target| target.base == read.base).peekable();
            written.peek().is_none()
                || (whole(read).layout.is_contiguous() && written.all(|target| whole(target) == whole(read)))
        });
        // … and what is written here was not read or written here before.
        let apart = writes.iter().all(|write| {
            sources.iter().all(|source| source.base != write.base)
                && targets.iter().all(|target| target.base != write.base)
        });
        in_step && apart
    }

    fn writes(&mut self, base: Base) -> bool {
        self.views().1.iter().any(|target| target.base == base)
    }
}

/// Puts steps that can follow others behind those.
pub(super) fn attach(steps: Vec<Step>) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::with_capacity(steps.len());
    for mut step in steps {
        let elements = match &step {
            Step::Map(map) => Some(map.elements),
            Step::Store(store) => Some(store.source.layout.elements()),
            _ => None,
        };
        let (reads, writes) = step.views();
        let [reads, writes] = [reads, writes].map(|views| views.into_iter().map(|v| *v).collect::<Vec<_>>());
        let is_buffer = |view: &&View| matches!(view.base, Base::Buffer(_));
        let buffers: Vec<Base> = reads.iter().filter(is_buffer).map(|view| view.base).collect();
        // The last step that writes what this one reads.
        let maker = planned.iter_mut().rposition(|made| buffers.iter().any(|&base| made.writes(base)));
        let host = maker.zip(elements).filter(|&(at, elements)| planned[at].takes(elements, &reads, &writes));
        match (host, step) {
            (Some((at, _)), Step::Map(map)) => planned[at].followers.push(Follower::Map(map)),
            (Some((at, _)), Step::Store(store)) => planned[at].followers.push(Follower::Store(store)),
            (_, step) => planned.push(Planned { step, followers: Vec::new() }),
        }
    }
    planned
}

#[cfg(test)]
mod tests {
    use engrad_mil::{Builder, DType, TensorType};

    use super::*;
    use crate::Numerics;
    use crate::plan::compile;

    /// Of each step the kinds of its followers.
    fn shape(b: Builder, outputs: &[engrad_mil::ValueId]) -> Vec<(&'static str, String)> {
        let plan = compile(&b.finish(outputs).unwrap(), Numerics::Fast).unwrap();
        let steps = plan.steps.iter().map(|planned| {
            let step = match planned.step {
                Step::Map(_) => "map",
                Step::Matmul(_) => "product",
                Step::Store(_) => "store",
                _ => "other",
            };
            let kinds = planned.followers.iter().map(|follower| match follower {
                Follower::Map(_) => 'm',
                Follower::Store(_) => 's',
            });
            (step, kinds.collect())
        });
        steps.collect()
    }

    fn matrix(b: &mut Builder, name: &str) -> engrad_mil::ValueId {
        b.input(name, TensorType::new(DType::Fp16, [1, 1, 32, 64]))
    }

    #[test]
    fn a_gated_product_is_one_step_with_all_that_is_done_to_its_result() {
        let mut b = Builder::new("main");
        let w = b.input("w", TensorType::new(DType::Fp16, [1, 1, 32, 32]));
        let (x, gate) = (matrix(&mut b, "x"), matrix(&mut b, "gate"));
        let up = b.matmul("up", (w, false), (x, false)).unwrap();
        let activated = b.silu("activated", gate).unwrap();
        let gated = b.mul("gated", activated, up).unwrap();
        assert_eq!(shape(b, &[gated, up]), [("product", "ms".to_owned())]);
    }

    #[test]
    fn what_is_read_in_another_order_waits_for_the_whole() {
        let mut b = Builder::new("main");
        let w = b.input("w", TensorType::new(DType::Fp16, [1, 1, 64, 32]));
        let x = matrix(&mut b, "x");
        let product = b.matmul("product", (w, false), (x, false)).unwrap();
        let turned = b.transpose("turned", product, &[0, 1, 3, 2]).unwrap();
        let sum = b.add("sum", product, turned).unwrap();
        assert_eq!(shape(b, &[sum]), [("product", String::new()), ("map", String::new())]);
    }

    #[test]
    fn parts_of_one_result_are_not_computed_behind_each_other() {
        let mut b = Builder::new("main");
        let x = matrix(&mut b, "x");
        let e = b.exp("e", x).unwrap();
        let q = b.square("q", e).unwrap();
        let joined = b.concat("joined", &[e, q], 2).unwrap();
        let steps = shape(b, &[joined]);
        assert!(steps.iter().all(|(_, followers)| !followers.contains('m')), "{steps:?}");
    }
}
