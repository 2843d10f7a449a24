//! From a function to steps.

use std::collections::{HashMap, HashSet};

use engrad_engine::Port;
use engrad_mil::{DType, Function, Op, Operands, Operation, ValueId};

use super::follow::attach;
use super::fuse::Group;
use super::targets::{Target, count_uses, find_targets, parts};
use super::{Base, Plan, Step, View, attention, place, spare};
use crate::Numerics;
use crate::kernels::Team;
use crate::kernels::elementwise::{Map, Pointwise, Source};
use crate::kernels::ports::Store;
use crate::kernels::reduce::Reduction;
use crate::layout::Layout;

/// Compiles a function that passed verification.
///
/// # Errors
/// A message naming the value that this engine cannot compute.
pub(crate) fn compile(function: &Function, numerics: Numerics) -> Result<Plan, String> {
    let function = &function.without_dead_code();
    let uses = count_uses(function);
    let targets = find_targets(function, &uses)?;
    let lowering = Lowering {
        function,
        numerics,
        uses,
        targets,
        bound: HashMap::new(),
        reshapes: HashMap::new(),
        groups: Vec::new(),
        sigmoids: function
            .ops()
            .iter()
            .filter(|op| op.op == Op::Sigmoid)
            .filter_map(|op| op.value("x"))
            .collect(),
        folded: 0,
        buffers: Vec::new(),
        roots: HashMap::new(),
        loaded: HashMap::new(),
        steps: Vec::new(),
        plan: Plan {
            inputs: Vec::new(),
            outputs: Vec::new(),
            steps: Vec::new(),
            constants: Vec::new(),
            words: 0,
            scratch: 0,
            shared: 0,
            team: Team::Pool,
        },
    };
    lowering.run()
}

/// A function on its way to a plan.
pub(super) struct Lowering<'a> {
    pub(super) function: &'a Function,
    pub(super) numerics: Numerics,
    pub(super) uses: Vec<usize>,
    pub(super) targets: Vec<Option<Target>>,
    /// Values that stand somewhere. Those on a port have the layout of a dense tensor, even where the port's rows
    /// are padded; see [`Lowering::on_port`].
    pub(super) bound: HashMap<ValueId, View>,
    /// Values that stand nowhere in their own shape, and the view of another that has their elements in the same order.
    pub(super) reshapes: HashMap<ValueId, View>,
    /// Elementwise work not emitted yet; its values are not bound.
    pub(super) groups: Vec<Group>,
    /// Values whose sigmoid is asked for.
    pub(super) sigmoids: HashSet<ValueId>,
    /// Elements that folding added to the constants.
    pub(super) folded: usize,
    /// Words of each buffer.
    pub(super) buffers: Vec<usize>,
    /// Buffers of outermost concatenations.
    pub(super) roots: HashMap<ValueId, usize>,
    /// Views of ports that were loaded, and where to.
    pub(super) loaded: HashMap<View, View>,
    pub(super) steps: Vec<Step>,
    pub(super) plan: Plan,
}

impl Lowering<'_> {
    fn run(mut self) -> Result<Plan, String> {
        let function = self.function;
        for (position, &id) in function.inputs().iter().enumerate() {
            let value = function.value(id);
            require_float(function, id)?;
            let ty = function.ty(id);
            self.plan.inputs.push(Port::new(&value.name, ty.clone()));
            let layout = Layout::dense(&ty.shape);
            self.bound.insert(id, View { base: Base::Port(position), layout });
        }
        let fusions = attention::find(function, &self.uses);
        for (position, op) in function.ops().iter().enumerate().filter(|(_, op)| op.constant().is_none()) {
            if fusions.inside.contains(&position) {
                continue;
            }
            let [result] = op.results[..] else {
                return Err(format!("{} must have one result", op.op.name()));
            };
            require_float(function, result)?;
            let lowered = match fusions.at.get(&position) {
                Some(found) => self.attention(found),
                None => self.lower(op, result),
            };
            lowered.map_err(|reason| {
                format!("`{}` = {}: {reason}", function.value(result).name, op.op.name())
            })?;
        }
        for &id in function.outputs() {
            require_float(function, id)?;
            let value = function.value(id);
            let source = self.memory(id)?.collapse();
            let port = self.plan.outputs.len();
            self.plan.outputs.push(Port::new(&value.name, function.ty(id).clone()));
            self.steps.push(Step::Store(Store { port, source }));
        }
        place::check(&mut self.steps, &self.plan, &self.buffers)?;
        self.plan.steps = attach(self.steps);
        spare::spare(&mut self.plan, &self.buffers, self.numerics);
        place::place(&mut self.plan, &self.buffers)?;
        Ok(self.plan)
    }

    pub(super) fn lower(&mut self, op: &Operation, result: ValueId) -> Result<(), String> {
        let function = self.function;
        let operands = Operands::of(function, op);
        let shape = &function.ty(result).shape;
        if let Some(view) = self.fold(op, result)? {
            self.bound.insert(result, view);
            return Ok(());
        }
        match op.op {
            Op::Const => Ok(()),
            Op::Identity => self.alias(op, result, |layout| *layout),
            Op::Cast if !self.cast_rounds(op, result) => self.alias(op, result, |layout| *layout),
            Op::Reshape | Op::ExpandDims | Op::Squeeze | Op::Flatten2d => self.reshape(op, result),
            Op::Transpose => {
                let perm: Vec<usize> = operands.ints("perm")?.iter().map(|&p| wrap(p, shape.len())).collect();
                self.alias(op, result, |layout| layout.permute(&perm))
            }
            Op::SliceBySize => {
                let from = &operands.tensor("x")?.shape;
                let begin: Vec<usize> =
                    operands.ints("begin")?.iter().zip(from).map(|(&b, &extent)| wrap(b, extent)).collect();
                self.alias(op, result, |layout| layout.slice(&begin, shape))
            }
            Op::Concat => self.concat(&operands, result),
            Op::Softmax => self.softmax(op, &operands, result),
            Op::ReduceSum => self.reduce(op, &operands, result, Reduction::Sum),
            Op::ReduceMean => self.reduce(op, &operands, result, Reduction::Mean),
            Op::ReduceMax => self.reduce(op, &operands, result, Reduction::Max),
            Op::Matmul => self.matmul(op, &operands, result),
            _ => match Pointwise::of(op.op, || operands.float("epsilon"))? {
                Some(pointwise) => self.pointwise(op, result, pointwise),
                None => Err("is not implemented by the virtual engine".to_owned()),
            },
        }
    }

    pub(super) fn rounds(&self, id: ValueId) -> bool {
        self.numerics == Numerics::Fast && self.function.ty(id).dtype == DType::Fp16
    }

    fn cast_rounds(&self, op: &Operation, result: ValueId) -> bool {
        self.rounds(result)
            && op.value("x").is_some_and(|x| self.function.ty(x).dtype != self.function.ty(result).dtype)
    }

    /// A value that is another view of its operand.
    fn alias(
        &mut self,
        op: &Operation,
        result: ValueId,
        change: impl Fn(&Layout) -> Layout,
    ) -> Result<(), String> {
        let view = self.view(x_of(op)?)?;
        self.bound.insert(result, View { layout: change(&view.layout), ..view });
        Ok(())
    }

    /// The elements of another value under another shape: a view where strides can say it, and otherwise one when it is asked
    /// for ([`Lowering::view`]).
    fn reshape(&mut self, op: &Operation, result: ValueId) -> Result<(), String> {
        let x = x_of(op)?;
        let view = match self.reshapes.get(&x) {
            Some(&view) => view,
            None => self.view(x)?,
        };
        match view.layout.reshape(&self.function.ty(result).shape) {
            Some(layout) => self.bound.insert(result, View { layout, ..view }),
            None => self.reshapes.insert(result, view),
        };
        Ok(())
    }

    pub(super) fn copy(&mut self, from: View, to: View) {
        self.steps.push(Step::Map(Map {
            elements: to.layout.elements(),
            leaves: vec![from.collapse()],
            instructions: Vec::new(),
            stores: vec![(Source::Leaf(0), to.collapse())],
            outputs: Vec::new(),
        }));
    }

    fn concat(&mut self, operands: &Operands<'_>, result: ValueId) -> Result<(), String> {
        let function = self.function;
        let axis = operands.axis("axis", function.ty(result).rank())?;
        let values = operands.tensors("values")?;
        let whole = match self.targets[result.index()] {
            Some(Target { root, layout }) => View { base: self.root(root), layout },
            None => View { base: self.root(result), layout: Layout::dense(&function.ty(result).shape) },
        };
        for (part, layout) in parts(function, values, axis, &whole.layout) {
            let mut from = self.memory(part)?;
            let to = View { base: whole.base, layout };
            if from == to {
                continue; // computed in place
            }
            if from.base == to.base {
                // Some other part of the same concatenation: never while it is written.
                let apart = self.dense(from.layout.shape());
                self.copy(from, apart);
                from = apart;
            }
            self.copy(from, to);
        }
        self.bound.insert(result, whole);
        Ok(())
    }
}

pub(super) fn x_of(op: &Operation) -> Result<ValueId, String> {
    op.value("x").ok_or_else(|| "has no x".to_owned())
}

fn wrap(axis: i32, rank: usize) -> usize {
    if axis < 0 { rank.saturating_sub(axis.unsigned_abs() as usize) } else { axis as usize }
}

fn require_float(function: &Function, id: ValueId) -> Result<(), String> {
    let value = function.value(id);
    let ty = function.ty(id);
    let computable = matches!(ty.dtype, DType::Fp16 | DType::Fp32);
    if computable && ty.rank() <= crate::layout::MAX_RANK && ty.elements() > 0 {
        return Ok(());
    }
    Err(format!(
        "`{}` is {}; fp16 and fp32 tensors of known shape and at most five dimensions can be computed",
        value.name, value.ty
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_mil::{Argument, Builder, Constant, TensorType};

    fn steps(b: Builder, outputs: &[ValueId]) -> Vec<Step> {
        let plan = compile(&b.finish(outputs).unwrap(), Numerics::Fast).unwrap();
        let steps = plan.steps.into_iter().map(|planned| planned.step);
        steps.filter(|s| !matches!(s, Step::Load(_) | Step::Store(_))).collect()
    }

    fn input(b: &mut Builder, shape: &[usize]) -> ValueId {
        b.input("x", TensorType::new(DType::Fp16, shape))
    }

    #[test]
    fn a_chain_of_elementwise_operations_is_one_step_that_keeps_only_what_is_used() {
        let mut b = Builder::new("main");
        let x = input(&mut b, &[1, 8, 1, 64]);
        let scale = b.scalar("scale", DType::Fp16, 0.5).unwrap();
        let scaled = b.mul("scaled", x, scale).unwrap();
        let gate = b.sigmoid("gate", scaled).unwrap();
        let y = b.mul("y", gate, scaled).unwrap();
        let [Step::Map(map)] = &steps(b, &[y])[..] else { panic!("one map") };
        assert_eq!((map.leaves.len(), map.instructions.len()), (2, 3));
        assert_eq!((map.stores.len(), &map.outputs[..]), (0, &[(Source::Instruction(2), 0)][..]));
    }

    #[test]
    fn reshapes_transposes_and_slices_are_not_steps() {
        let mut b = Builder::new("main");
        let x = input(&mut b, &[1, 8, 4, 32]);
        let t = b.transpose("t", x, &[0, 2, 1, 3]).unwrap();
        let s = b.slice_axis("s", t, 1, 1, 2).unwrap();
        let r = b.reshape("r", s, &[2, 4, 2, 32]).unwrap();
        assert!(steps(b, &[r]).is_empty());
    }

    #[test]
    fn parts_of_a_concatenation_are_computed_in_their_place() {
        let mut b = Builder::new("main");
        let x = input(&mut b, &[1, 1, 32, 32]);
        let product = b.matmul("product", (x, false), (x, true)).unwrap();
        let flat = b.reshape("flat", product, &[1, 32, 1, 32]).unwrap();
        let e = b.exp("e", x).unwrap();
        let e = b.transpose("et", e, &[0, 2, 1, 3]).unwrap();
        let joined = b.concat("joined", &[flat, e], 1).unwrap();
        let steps = steps(b, &[joined]);
        assert!(matches!(steps[..], [Step::Matmul(_), Step::Map(_)]), "{steps:#?}");
    }

    #[test]
    fn large_weights_stay_on_their_port() {
        for transposed in [false, true] {
            let mut b = Builder::new("main");
            let w = input(&mut b, &[1, 1, 64, 64]);
            let x = input(&mut b, &[1, 64, 1, 32]);
            let columns = b.reshape("columns", x, &[1, 1, 64, 32]).unwrap();
            let y = b.matmul("y", (w, transposed), (columns, false)).unwrap();
            let [Step::Matmul(product)] = &steps(b, &[y])[..] else { panic!("one product") };
            assert!(product.x.base == Base::Port(0));
        }
    }

    #[test]
    fn buffers_that_never_live_together_share_words() {
        let mut b = Builder::new("main");
        let mut x = input(&mut b, &[64, 64]);
        for _ in 0..10 {
            x = b.softmax("s", x, -1).unwrap();
        }
        let plan = compile(&b.finish(&[x]).unwrap(), Numerics::Fast).unwrap();
        assert_eq!(plan.words, 2 * 64 * 64);
    }

    #[test]
    fn what_strides_cannot_say_is_left_to_the_interpreter() {
        let mut b = Builder::new("main");
        let x = input(&mut b, &[1, 2, 1, 4]);
        let axis = b.constant("axis", Constant::int(1));
        let interleave = b.constant("interleave", Constant::bool(true));
        let arguments = vec![
            ("axis", Argument::Value(axis)),
            ("interleave", Argument::Value(interleave)),
            ("values", Argument::Tuple(vec![x, x])),
        ];
        let y = b.op(Op::Concat, "y", arguments).unwrap();
        let refusal = compile(&b.finish(&[y]).unwrap(), Numerics::Fast).unwrap_err();
        assert_eq!(refusal, "joins of scalars and interleaved ones are not planned");

        let mut b = Builder::new("main");
        let x = input(&mut b, &[4]);
        let y = b.matmul("y", (x, false), (x, false)).unwrap();
        let refusal = compile(&b.finish(&[y]).unwrap(), Numerics::Fast).unwrap_err();
        assert_eq!(refusal, "`y` = matmul: products of vectors are not planned");
    }
}
