//! Chains of elementwise operations of one shape, collected until something needs a result.

use std::collections::HashMap;

use engrad_mil::ValueId;

use super::View;
use crate::kernels::elementwise::{Instruction, MOST_SOURCES, Pointwise, Source};

/// Elementwise operations waiting to become one step. Nothing emitted so far reads their results.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) shape: Vec<usize>,
    pub(super) leaves: Vec<View>,
    pub(super) instructions: Vec<Instruction>,
    /// The value each instruction defines, with the uses it has inside the group.
    pub(super) values: Vec<(ValueId, usize)>,
    sources: HashMap<ValueId, Source>,
}

impl Group {
    pub(super) fn new(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            leaves: Vec::new(),
            instructions: Vec::new(),
            values: Vec::new(),
            sources: HashMap::new(),
        }
    }

    /// Whether an operation with two more operands still fits.
    pub(super) fn has_room(&self) -> bool {
        self.leaves.len() + self.instructions.len() + 3 <= MOST_SOURCES
    }

    /// Where instructions find a value: a result of this group, or `view` as a leaf.
    pub(super) fn source(&mut self, id: ValueId, view: impl FnOnce() -> View) -> Source {
        if let Some(&source) = self.sources.get(&id) {
            if let Source::Instruction(i) = source {
                self.values[i].1 += 1;
            }
            return source;
        }
        let view = view();
        let layout = view.layout.broadcast(&self.shape).collapse();
        let source = Source::Leaf(self.leaves.len());
        self.leaves.push(View { layout, ..view });
        self.sources.insert(id, source);
        source
    }

    pub(super) fn push(&mut self, id: ValueId, function: Pointwise, x: Source, y: Source, round: bool) {
        self.sources.insert(id, Source::Instruction(self.instructions.len()));
        self.instructions.push(Instruction { function, x, y, round });
        self.values.push((id, 0));
    }
}
