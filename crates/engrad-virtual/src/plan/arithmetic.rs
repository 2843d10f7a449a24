//! Lowering of operations that compute: each becomes a step, is folded, or joins a group of elementwise work.

use engrad_engine::Port;
use engrad_mil::{Op, Operands, Operation, ValueId};
use half::f16;

use super::fuse::Group;
use super::lower::{Lowering, x_of};
use super::{Base, Step, View};
use crate::kernels::elementwise::{Map, Pointwise, Source};
use crate::kernels::matmul::Matmul;
use crate::kernels::reduce::{Reduce, Reduction};
use crate::kernels::softmax::Softmax;
use crate::layout::{Layout, MAX_RANK};
use crate::reference;

/// Groups of elementwise work collected at once; each keeps its operands alive.
const MOST_GROUPS: usize = 4;
/// Operations on constants alone are done when compiling if they produce at most this many elements …
const MOST_FOLDED_ELEMENTS: usize = 1 << 20;
/// … with at most this many multiply-adds, and all of them together no more than this many elements.
const MOST_FOLDED_WORK: usize = 1 << 24;

impl Lowering<'_> {
    /// The result of an operation on constants alone, if it is small enough to be computed now.
    pub(super) fn fold(&mut self, op: &Operation, result: ValueId) -> Result<Option<View>, String> {
        let function = self.function;
        let views_only = matches!(
            op.op,
            Op::Reshape
                | Op::ExpandDims
                | Op::Squeeze
                | Op::Flatten2d
                | Op::Transpose
                | Op::SliceBySize
                | Op::Identity
        );
        let operands: Vec<ValueId> = reference::tensor_operands(op).collect();
        let is_constant = |id: &ValueId| match self.bound.get(id) {
            Some(view) => view.base == Base::Constants,
            None => function.constant(*id).is_some(),
        };
        if views_only || !operands.iter().all(is_constant) {
            return Ok(None);
        }
        let elements = function.ty(result).elements();
        let largest = operands.iter().map(|id| function.ty(*id).elements()).max().unwrap_or(0).max(elements);
        let inner = match op.op {
            Op::Matmul => function.ty(operands[0]).shape.iter().rev().take(2).copied().max().unwrap_or(1),
            _ => 1,
        };
        if self.folded + elements > MOST_FOLDED_WORK
            || largest > MOST_FOLDED_ELEMENTS
            || elements.saturating_mul(inner) > MOST_FOLDED_WORK
        {
            return Ok(None);
        }
        let mut numbers = Vec::new();
        for &id in &operands {
            let View { layout, .. } = self.view(id)?;
            let at = |i| f64::from(self.plan.constants[layout.offset_of(i)]);
            numbers.push((0..layout.elements()).map(at).collect::<Vec<f64>>());
        }
        let numbers: Vec<&[f64]> = numbers.iter().map(Vec::as_slice).collect();
        let folded = reference::apply(function, op, &numbers)?;
        self.folded += elements;
        let start = self.plan.constants.len();
        let round = self.rounds(result);
        let stored = folded.iter().map(|&v| if round { f16::from_f64(v).to_f32() } else { v as f32 });
        self.plan.constants.extend(stored);
        Ok(Some(self.constant_view(start, &function.ty(result).shape)))
    }

    pub(super) fn pointwise(
        &mut self,
        op: &Operation,
        result: ValueId,
        pointwise: Pointwise,
    ) -> Result<(), String> {
        let function = self.function;
        let shape = &function.ty(result).shape;
        let x = x_of(op)?;
        let y = op.value("y").unwrap_or(x);
        // Operands that wait in a group of another shape, or in this one when it is full, are computed first.
        if let Some(full) = self.groups.iter().position(|g| g.shape == *shape && !g.has_room()) {
            self.flush(full);
        }
        let waits_here =
            |groups: &[Group], id: ValueId| groups.iter().any(|g| g.shape == *shape && g.defines(id));
        let mut views = [None; 2];
        for (view, id) in views.iter_mut().zip([x, y]) {
            if !waits_here(&self.groups, id) {
                let found = self.view(id)?;
                *view = Some(if self.is_readable_in_place(&found) { found } else { self.in_memory(found) });
            }
        }
        let position = match self.groups.iter().position(|g| g.shape == *shape) {
            Some(position) => position,
            None => {
                if self.groups.len() == MOST_GROUPS {
                    self.flush(0);
                }
                self.groups.push(Group::new(shape));
                self.groups.len() - 1
            }
        };
        let round = self.rounds(result) && !pointwise.selects();
        let group = &mut self.groups[position];
        let nowhere = View { base: Base::Constants, layout: Layout::dense(&[]) };
        let x_source = group.source(x, || views[0].unwrap_or(nowhere));
        let y_source = match op.value("y") {
            Some(y) => group.source(y, || views[1].unwrap_or(nowhere)),
            None => x_source,
        };
        match pointwise {
            Pointwise::Silu if self.sigmoids.contains(&x) => group.push_silu(result, x, x_source, round),
            Pointwise::Sigmoid => group.push_sigmoid(result, x, x_source, round),
            _ => group.push(result, pointwise, x_source, y_source, round),
        }
        Ok(())
    }

    /// Emits a group as one step and binds what is used outside it.
    pub(super) fn flush(&mut self, position: usize) {
        let group = self.groups.remove(position);
        let mut stores = Vec::new();
        for (i, (id, inside)) in group.values.iter().enumerate() {
            let Some(id) = *id else { continue };
            if self.uses[id.index()] > *inside {
                let view = self.destination(id, |_| true);
                self.bound.insert(id, view);
                stores.push((Source::Instruction(i), view.collapse()));
            }
        }
        self.steps.push(Step::Map(Map {
            elements: group.shape.iter().product(),
            leaves: group.leaves,
            instructions: group.instructions,
            stores,
            outputs: Vec::new(),
        }));
    }

    pub(super) fn softmax(
        &mut self,
        op: &Operation,
        operands: &Operands<'_>,
        result: ValueId,
    ) -> Result<(), String> {
        let source = self.memory(x_of(op)?)?;
        let shape = &self.function.ty(result).shape;
        let axis = operands.axis("axis", shape.len())?;
        let outer: Vec<usize> = (0..shape.len()).filter(|&i| i != axis).collect();
        let last: Vec<usize> = outer.iter().copied().chain([axis]).collect();
        let width = shape[axis];
        let rows_are_contiguous = |layout: &Layout| width == 1 || layout.strides()[axis] == 1;
        let mut target = self.destination(result, rows_are_contiguous);
        if !rows_are_contiguous(&target.layout) {
            // A dense buffer with the axis last, seen in the order of the result.
            let permuted: Vec<usize> = last.iter().map(|&i| shape[i]).collect();
            let mut back = vec![0; shape.len()];
            last.iter().enumerate().for_each(|(i, &from)| back[from] = i);
            target.layout = Layout::dense(&permuted).permute(&back);
        }
        self.bound.insert(result, target);
        let arrange =
            |view: View, axes: &[usize]| View { layout: view.layout.permute(axes).collapse(), ..view };
        self.steps.push(Step::Softmax(Softmax {
            rows: outer.iter().map(|&i| shape[i]).product(),
            width,
            source: arrange(source, &last),
            target: arrange(target, &outer),
            round: self.rounds(result),
        }));
        Ok(())
    }

    pub(super) fn reduce(
        &mut self,
        op: &Operation,
        operands: &Operands<'_>,
        result: ValueId,
        reduction: Reduction,
    ) -> Result<(), String> {
        let source = self.memory(x_of(op)?)?;
        let rank = source.layout.shape().len();
        let axes = operands.axes("axes", rank)?;
        let kept: Vec<usize> = (0..rank).filter(|i| !axes.contains(i)).collect();
        let function = self.function;
        let target = self.dense(&function.ty(result).shape);
        self.bound.insert(result, target);
        let reduced = source.layout.permute(&axes).collapse().at(0);
        self.steps.push(Step::Reduce(Reduce {
            reduction,
            kept: View { layout: source.layout.permute(&kept).collapse(), ..source },
            reduced,
            target,
            round: self.rounds(result) && reduction != Reduction::Max,
        }));
        Ok(())
    }

    pub(super) fn matmul(
        &mut self,
        op: &Operation,
        operands: &Operands<'_>,
        result: ValueId,
    ) -> Result<(), String> {
        let function = self.function;
        let shape = &function.ty(result).shape;
        let is_matrix = |name| operands.tensor(name).map(|ty| ty.rank() > 1);
        if !is_matrix("x")? || !is_matrix("y")? {
            return Err("products of vectors are not planned".to_owned());
        }
        let batch = &shape[..shape.len() - 2];
        let arrange = |view: View, transposed: bool| {
            let rank = view.layout.shape().len();
            let mut perm: Vec<usize> = (0..rank).collect();
            if transposed {
                perm.swap(rank - 2, rank - 1);
            }
            let layout = view.layout.permute(&perm);
            let mut five = [1; MAX_RANK];
            five[MAX_RANK - 2 - batch.len()..MAX_RANK - 2].copy_from_slice(batch);
            five[MAX_RANK - 2..].copy_from_slice(&layout.shape()[rank - 2..]);
            View { layout: layout.broadcast(&five), ..view }
        };
        let factors = [("x", "transpose_x"), ("y", "transpose_y")];
        let mut views = Vec::new();
        for (name, transpose) in factors {
            let view = self.view(op.value(name).ok_or_else(|| format!("has no {name}"))?)?;
            let transposed = operands.bool(transpose)?;
            let direct = self.is_readable_in_place(&view);
            views.push(arrange(if direct { view } else { self.in_memory(view) }, transposed));
        }
        let target = self.destination(result, |_| true);
        self.bound.insert(result, target);
        let (mut x, mut y, mut target) = (views[0], views[1], arrange(target, false));
        merge_batch(&mut x, &mut y, &mut target);
        let precision = self.numerics.precision();
        self.steps.push(Step::Matmul(Matmul { x, y, target, round: self.rounds(result), precision }));
        Ok(())
    }

    /// Whether an operand may stay on its port: the layout of a dense tensor is then that of the port.
    pub(super) fn is_readable_in_place(&self, view: &View) -> bool {
        matches!(view.base, Base::Port(position) if is_dense(&self.plan.inputs[position]))
    }
}

pub(super) fn is_dense(port: &Port) -> bool {
    port.stride_elements() == port.width()
}

/// A batch of products with one right factor is one product of all the rows, where strides can say it.
fn merge_batch(x: &mut View, y: &mut View, target: &mut View) {
    let [a, b, c, m, n] = [0, 1, 2, 3, 4].map(|i| target.layout.shape()[i]);
    let k = x.layout.shape()[4];
    let rows = a * b * c * m;
    if rows == m || y.layout.strides()[..3] != [0; 3] {
        return;
    }
    let merged = (x.layout.reshape(&[1, 1, 1, rows, k]), target.layout.reshape(&[1, 1, 1, rows, n]));
    if let (Some(x_rows), Some(target_rows)) = merged {
        (x.layout, target.layout) = (x_rows, target_rows);
        y.layout = y.layout.slice(&[0; 5], &[1, 1, 1, k, n]);
    }
}
