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
    /// The value each instruction defines, if it has a name, with the uses it has inside the group.
    pub(super) values: Vec<(Option<ValueId>, usize)>,
    sources: HashMap<ValueId, Source>,
    /// sigmoid(x) of each x of a SiLU that has another use for it, not rounded.
    sigmoids: HashMap<ValueId, usize>,
}

impl Group {
    pub(super) fn new(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            leaves: Vec::new(),
            instructions: Vec::new(),
            values: Vec::new(),
            sources: HashMap::new(),
            sigmoids: HashMap::new(),
        }
    }

    /// Whether a value waits here to be computed.
    pub(super) fn defines(&self, id: ValueId) -> bool {
        self.values.iter().any(|(value, _)| *value == Some(id))
    }

    /// Whether an operation with two more operands, or of two instructions with one, still fits.
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
        self.values.push((Some(id), 0));
    }

    /// SiLU of the value `of`, by way of its sigmoid, which [`Group::push_sigmoid`] then finds.
    pub(super) fn push_silu(&mut self, id: ValueId, of: ValueId, x: Source, round: bool) {
        let sigmoid = self.instructions.len();
        self.instructions.push(Instruction { function: Pointwise::Sigmoid, x, y: x, round: false });
        self.values.push((None, 0));
        self.sigmoids.insert(of, sigmoid);
        self.push(id, Pointwise::Mul, x, Source::Instruction(sigmoid), round);
    }

    /// Sigmoid of the value `of`. An exponential and a division are saved if its SiLU is here too.
    pub(super) fn push_sigmoid(&mut self, id: ValueId, of: ValueId, x: Source, round: bool) {
        match self.sigmoids.get(&of) {
            // It is this value, unless it is rounded, or is that of another operation already.
            Some(&sigmoid) if !round && self.values[sigmoid].0.is_none() => {
                self.sources.insert(id, Source::Instruction(sigmoid));
                self.values[sigmoid].0 = Some(id);
            }
            Some(&sigmoid) => {
                let sigmoid = Source::Instruction(sigmoid);
                self.push(id, Pointwise::Copy, sigmoid, sigmoid, round);
            }
            None => self.push(id, Pointwise::Sigmoid, x, x, round),
        }
    }
}

#[cfg(test)]
mod tests {
    use engrad_mil::{Builder, DType, TensorType};

    use super::*;
    use crate::Numerics;
    use crate::plan::{Step, compile};

    #[test]
    fn two_sigmoids_beside_one_silu_are_two_values() {
        for numerics in [Numerics::F32, Numerics::Fast] {
            let mut b = Builder::new("main");
            let x = b.input("x", TensorType::new(DType::Fp16, [1, 1, 32, 64]));
            let y = b.silu("y", x).unwrap();
            let [s, t] = ["s", "t"].map(|name| b.sigmoid(name, x).unwrap());
            let plan = compile(&b.finish(&[y, s, t]).unwrap(), numerics).unwrap();
            let [Step::Map(map)] = &plan.steps.iter().map(|p| &p.step).collect::<Vec<_>>()[..] else {
                panic!("one map");
            };
            let ports: Vec<_> = map.outputs.iter().map(|(source, _)| *source).collect();
            assert!(ports.len() == 3 && ports[1] != ports[2], "{ports:?}");
        }
    }

    #[test]
    fn silu_and_its_derivative_have_one_exponential() {
        let instructions = |numerics| {
            let mut b = Builder::new("main");
            let x = b.input("x", TensorType::new(DType::Fp16, [1, 1, 32, 64]));
            let y = b.silu("y", x).unwrap();
            let s = b.sigmoid("s", x).unwrap();
            let other = b.silu("other", y).unwrap();
            let plan = compile(&b.finish(&[y, s, other]).unwrap(), numerics).unwrap();
            let [Step::Map(map)] = &plan.steps.iter().map(|p| &p.step).collect::<Vec<_>>()[..] else {
                panic!("one map");
            };
            map.instructions.iter().map(|i| (i.function, i.round)).collect::<Vec<_>>()
        };
        let f32 = [(Pointwise::Sigmoid, false), (Pointwise::Mul, false), (Pointwise::Silu, false)];
        assert_eq!(instructions(Numerics::F32), f32);
        let fast = [
            (Pointwise::Sigmoid, false),
            (Pointwise::Mul, true),
            (Pointwise::Copy, true),
            (Pointwise::Silu, true),
        ];
        assert_eq!(instructions(Numerics::Fast), fast);
    }
}
