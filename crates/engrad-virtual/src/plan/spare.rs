//! Memory that is not needed: results that stand in an output port anyway, or that only what follows their step reads.
//!
//! A result that goes through a port is read from there by later steps, at half the width, if the port holds what the
//! numerics keep. Elementwise results go to their ports from the first-level cache. A product whose result only its
//! followers read is held a block at a time by the thread that computes it. What is then read by nobody gets no memory, and
//! fewer bytes pass between cores, caches and memory, which is what elementwise work waits for.

use std::collections::{HashMap, HashSet};

use engrad_engine::Port;
use engrad_mil::DType;

use super::arithmetic::is_dense;
use super::{Base, Follower, Plan, Planned, Step, View};
use crate::Numerics;
use crate::kernels::elementwise::Map;

/// Does so to the steps of a plan whose buffers have these sizes and are not placed yet.
pub(super) fn spare(plan: &mut Plan, buffers: &[usize], numerics: Numerics) {
    read_from_ports(plan, buffers, numerics);
    plan.steps.iter_mut().for_each(store_from_maps);
    drop_unread(plan);
    hold(plan, buffers);
}

/// The buffer that a view is the whole of, in order.
fn whole(view: &View, buffers: &[usize]) -> Option<usize> {
    let Base::Buffer(buffer) = view.base else { return None };
    let layout = view.layout.collapse();
    let all = layout.is_contiguous() && layout.offset == 0 && layout.elements() == buffers[buffer];
    all.then_some(buffer)
}

/// Whether a port holds a value as later steps should see it.
fn holds_the_value(port: &Port, numerics: Numerics) -> bool {
    is_dense(port) && (port.ty.dtype == DType::Fp32 || numerics != Numerics::F32)
}

/// Steps behind one that stores a whole buffer in a port read the port.
fn read_from_ports(plan: &mut Plan, buffers: &[usize], numerics: Numerics) {
    let mut ports: HashMap<Base, usize> = HashMap::new();
    for planned in &mut plan.steps {
        for view in planned.convertible() {
            if let Some(&port) = ports.get(&view.base) {
                view.base = Base::Output(port);
            }
        }
        for (source, port) in planned.stores() {
            if let Some(buffer) = whole(&source, buffers)
                && holds_the_value(&plan.outputs[port], numerics)
            {
                ports.entry(Base::Buffer(buffer)).or_insert(port);
            }
        }
    }
}

impl Planned {
    /// What is stored in ports, and in which.
    fn stores(&self) -> Vec<(View, usize)> {
        let own = match &self.step {
            Step::Store(store) => Some((store.source, store.port)),
            _ => None,
        };
        let behind = self.followers.iter().filter_map(|follower| match follower {
            Follower::Store(store) => Some((store.source, store.port)),
            Follower::Map(_) => None,
        });
        own.into_iter().chain(behind).collect()
    }

    fn maps(&mut self) -> impl Iterator<Item = &mut Map> {
        let own = match &mut self.step {
            Step::Map(map) => Some(map),
            _ => None,
        };
        own.into_iter().chain(self.followers.iter_mut().filter_map(|follower| match follower {
            Follower::Map(map) => Some(map),
            Follower::Store(_) => None,
        }))
    }
}

/// Stores of what a map before them computes are done by the map.
fn store_from_maps(planned: &mut Planned) {
    for (source, port) in planned.stores() {
        let made = planned.maps().find_map(|map| {
            let made = map.stores.iter().find(|(_, target)| *target == source)?;
            map.outputs.push((made.0, port));
            Some(())
        });
        if made.is_some() {
            let stored = |f: &Follower| matches!(f, Follower::Store(store) if store.port == port);
            planned.followers.retain(|follower| !stored(follower));
        }
    }
}

/// Maps do not store what nothing reads.
fn drop_unread(plan: &mut Plan) {
    let mut read = HashSet::new();
    for planned in &mut plan.steps {
        read.extend(planned.views().0.into_iter().map(|view| view.base));
    }
    for map in plan.steps.iter_mut().flat_map(Planned::maps) {
        map.stores.retain(|(_, target)| read.contains(&target.base));
    }
}

/// Products hold what only their followers read.
fn hold(plan: &mut Plan, buffers: &[usize]) {
    let mut uses: HashMap<Base, usize> = HashMap::new();
    for planned in &mut plan.steps {
        let (sources, targets) = planned.views();
        sources.iter().chain(&targets).for_each(|view| *uses.entry(view.base).or_default() += 1);
    }
    for planned in &mut plan.steps {
        let Step::Matmul(product) = &planned.step else { continue };
        let Some(buffer) = whole(&product.target, buffers).filter(|_| product.can_be_held()) else {
            continue;
        };
        let base = Base::Buffer(buffer);
        let (sources, targets) = planned.views();
        let own: Vec<_> = sources.into_iter().chain(targets).filter(|view| view.base == base).collect();
        if uses.get(&base) == Some(&own.len()) {
            own.into_iter().for_each(|view| view.base = Base::Held);
        }
    }
}

#[cfg(test)]
mod tests {
    use engrad_mil::{Builder, TensorType, ValueId};

    use super::*;
    use crate::plan::compile;

    /// A gated product: `gate` and `up` are outputs, `gated` is multiplied once more.
    fn gated(b: &mut Builder, columns: usize) -> [ValueId; 3] {
        let matrix = |b: &mut Builder, name: &str, rows, columns| {
            b.input(name, TensorType::new(DType::Fp16, [1, 1, rows, columns]))
        };
        let (w, x) = (matrix(b, "w", 64, 64), matrix(b, "x", 64, columns));
        let gate = b.matmul("gate", (w, false), (x, false)).unwrap();
        let up = b.matmul("up", (w, true), (x, false)).unwrap();
        let activated = b.silu("activated", gate).unwrap();
        let gated = b.mul("gated", activated, up).unwrap();
        [gate, up, b.matmul("y", (w, false), (gated, false)).unwrap()]
    }

    fn plan(columns: usize, numerics: Numerics) -> Plan {
        let mut b = Builder::new("main");
        let outputs = gated(&mut b, columns);
        compile(&b.finish(&outputs).unwrap(), numerics).unwrap()
    }

    #[test]
    fn results_that_go_to_ports_need_no_memory_and_are_read_from_there() {
        let plan = plan(64, Numerics::Fast);
        // Only what the last product reads.
        assert_eq!(plan.words, 64 * 64);
        let products = plan.steps.iter().map(|planned| match &planned.step {
            Step::Matmul(product) => product.target.base,
            other => panic!("{other:?}"),
        });
        assert_eq!(products.collect::<Vec<_>>(), [Base::Held; 3]);
    }

    #[test]
    fn what_f32_numerics_keep_is_not_read_from_a_port_that_rounds() {
        let plan = plan(64, Numerics::F32);
        assert_eq!(plan.words, 2 * 64 * 64);
    }

    #[test]
    fn ports_with_padded_rows_are_not_read_by_products_or_elementwise_work() {
        let plan = plan(65, Numerics::Fast);
        // What was loaded of `x`, `gate` and `gated`; `up` is held.
        assert_eq!(plan.words, 3 * 64 * 65);
    }
}
