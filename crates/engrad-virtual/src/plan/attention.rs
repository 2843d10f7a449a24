//! Causal attention, recognised in the operations that spell it out.
//!
//! The form looked for is scores = Q·K, plus a constant causal mask, softmax along the keys, times V; and, where a
//! derived program goes on from the softmax, the chain of its derivative up to the gradients of V, Q and K. Reshapes
//! that only group heads may stand between. What is found becomes one step that skips the masked half and never
//! holds the whole score matrix; everything else about the program stays as it is, and a form not recognised is
//! computed operation by operation.
//!
//! The mask is taken at its word: a number at or below [`MASKED`] above the diagonal means weight zero.

use std::collections::{HashMap, HashSet};

use engrad_mil::{ConstantData, Function, Op, Operands, Operation, ValueId};

use super::lower::{Lowering, x_of};
use super::{Step, View};
use crate::kernels::attention::{Attention, Gradients};
use crate::layout::{Layout, MAX_RANK};

/// Mask values from here on are minus infinity: e to their power is zero next to any score that fp16 sums reach.
const MASKED: f32 = -20_000.0;

/// A factor of a product with its transpose flag.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Factor {
    value: ValueId,
    transposed: bool,
}

/// Attention found in a function; see the module.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// `[…, rows, features]` once transposed as it says.
    query: Factor,
    /// `[…, features, keys]`.
    key: Factor,
    /// Result of the softmax, for its rounding.
    weights: ValueId,
    /// Queries of one head: row r of the scores is position r modulo this.
    positions: usize,
    /// Forward: V and the result.
    forward: Option<(Factor, Product)>,
    backward: Option<Backward>,
}

/// A product's result; `transposed` if rows of it are queries (or keys) instead of features.
#[derive(Debug, Clone, Copy)]
struct Product {
    result: ValueId,
    transposed: bool,
}

#[derive(Debug, Clone)]
struct Backward {
    value: Factor,
    /// Gradient of the result, `[…, features, rows]` once transposed as it says.
    d_result: Factor,
    d_value: Product,
    d_query: Product,
    d_key: Product,
}

/// What recognition found, by position of operations.
#[derive(Debug, Default)]
pub(super) struct Fusions {
    /// At this operation the step is emitted.
    pub(super) at: HashMap<usize, Found>,
    /// These are part of a step.
    pub(super) inside: HashSet<usize>,
}

/// Looks for attention.
pub(super) fn find(function: &Function, uses: &[usize]) -> Fusions {
    let mut fusions = Fusions::default();
    if !function.ops().iter().any(|op| op.op == Op::Softmax) {
        return fusions;
    }
    let search = Search::new(function, uses);
    for (position, op) in function.ops().iter().enumerate() {
        if op.op == Op::Softmax
            && let Some((at, inside, found)) = search.attention(position, op)
        {
            fusions.at.insert(at, found);
            fusions.inside.extend(inside);
        }
    }
    fusions
}

struct Search<'a> {
    function: &'a Function,
    uses: &'a [usize],
    /// Operation that defines each value.
    definition: Vec<Option<usize>>,
    /// Operations that use each value.
    users: Vec<Vec<usize>>,
}

impl<'a> Search<'a> {
    fn new(function: &'a Function, uses: &'a [usize]) -> Self {
        let count = function.values().len();
        let (mut definition, mut users) = (vec![None; count], vec![Vec::new(); count]);
        for (position, op) in function.ops().iter().enumerate() {
            op.results.iter().for_each(|id| definition[id.index()] = Some(position));
            op.operands().for_each(|id| users[id.index()].push(position));
        }
        Self { function, uses, definition, users }
    }

    fn op(&self, position: usize) -> &'a Operation {
        &self.function.ops()[position]
    }

    /// Position and operation that defines a value, if it is of that kind and the value has one use only.
    fn only_used(&self, id: ValueId, kind: Op) -> Option<(usize, &'a Operation)> {
        let position = self.definition[id.index()].filter(|_| self.uses[id.index()] == 1)?;
        Some((position, self.op(position))).filter(|(_, op)| op.op == kind)
    }

    fn attention(&self, softmax_at: usize, softmax: &'a Operation) -> Option<(usize, Vec<usize>, Found)> {
        let function = self.function;
        let mut inside = vec![softmax_at];
        let [weights] = softmax.results[..] else { return None };
        let shape = &function.ty(weights).shape;
        let rank = shape.len();
        let (positions, keys) = (*shape.get(rank.checked_sub(2)?)?, *shape.get(rank - 1)?);
        if positions != keys || self.operands(softmax).axis("axis", rank).ok()? != rank - 1 {
            return None;
        }
        // Backwards from the softmax: mask, heads, scores.
        let (add_at, add) = self.only_used(x_of(softmax).ok()?, Op::Add)?;
        inside.push(add_at);
        let (x, y) = (add.value("x")?, add.value("y")?);
        let scores = [(x, y), (y, x)].into_iter().find(|(_, mask)| self.is_causal(*mask, positions))?.0;
        let scores = match self.only_used(scores, Op::Reshape) {
            Some((reshape_at, reshape)) => {
                inside.push(reshape_at);
                x_of(reshape).ok()?
            }
            None => scores,
        };
        let (product_at, product) = self.only_used(scores, Op::Matmul)?;
        inside.push(product_at);
        let grouped = &function.ty(scores).shape;
        let rows = *grouped.get(grouped.len().checked_sub(2)?)?;
        // Heads that share keys take a dimension of their own.
        if *grouped.last()? != keys || rows % positions != 0 || grouped.len() >= MAX_RANK {
            return None;
        }
        let (query, key) = (self.factor(product, "x")?, self.factor(product, "y")?);
        let mut found = Found { query, key, weights, positions, forward: None, backward: None };

        // Forwards from it.
        let (seen, reshapes) = self.through_reshapes(weights);
        let grouped_like = |id: ValueId| function.ty(id).shape == *grouped;
        let products: Vec<(usize, ValueId)> = seen
            .iter()
            .flat_map(|&id| self.users[id.index()].iter().map(move |&at| (at, id)))
            .filter(|(at, id)| self.op(*at).op == Op::Matmul && grouped_like(*id))
            .collect();
        let [(last_at, grouped_weights)] = products[..] else { return None };
        inside.extend(reshapes);
        let last = self.op(last_at);
        let all_uses: usize = seen.iter().map(|id| self.uses[id.index()]).sum();
        if all_uses == seen.len() {
            // Used by nothing but reshapes and that product.
            let (other, transposed) = self.other_factor(last, grouped_weights, true)?;
            let value = Factor { transposed: other.transposed != transposed, ..other };
            found.forward = Some((value, Product { result: *last.results.first()?, transposed }));
            let operands = [query.value, key.value, value.value];
            return self.is_ready(&operands, last_at, &inside).then_some((last_at, inside, found));
        }
        inside.push(last_at);
        found.backward = Some(self.backward(&found, (last_at, grouped_weights), &seen, &mut inside)?);
        let b = found.backward.as_ref()?;
        let operands = [query.value, key.value, b.value.value, b.d_result.value];
        let first =
            [b.d_value, b.d_query, b.d_key].iter().filter_map(|p| self.definition[p.result.index()]).min()?;
        inside.retain(|at| *at != first);
        self.is_ready(&operands, first, &inside).then_some((first, inside, found))
    }

    /// The derivative of softmax and products, from the product that gives the gradient of V.
    fn backward(
        &self,
        found: &Found,
        (d_value_at, grouped_weights): (usize, ValueId),
        weights: &[ValueId],
        inside: &mut Vec<usize>,
    ) -> Option<Backward> {
        // dV = dO · W.
        let d_value_op = self.op(d_value_at);
        let (d_result, transposed) = self.other_factor(d_value_op, grouped_weights, false)?;
        let d_result = Factor { transposed: d_result.transposed != transposed, ..d_result };
        let d_value = Product { result: *d_value_op.results.first()?, transposed };
        // W ∘ (dW − Σ dW ∘ W): the two elementwise products with W, the first of which is summed.
        let muls = weights.iter().flat_map(|id| self.users[id.index()].iter().map(move |&at| (at, *id)));
        let muls: Vec<(usize, ValueId)> = muls.filter(|(at, _)| self.op(*at).op == Op::Mul).collect();
        let [(first_at, first_weights), (second_at, second_weights)] = muls[..] else { return None };
        let all_uses: usize = weights.iter().map(|id| self.uses[id.index()]).sum();
        if all_uses != weights.len() + 2 || first_weights != found.weights || second_weights != found.weights
        {
            return None;
        }
        let other = |op: &Operation, id: ValueId| {
            [op.value("x"), op.value("y")].into_iter().flatten().find(|v| *v != id)
        };
        let (first, second) = (self.op(first_at), self.op(second_at));
        let d_weights = other(first, found.weights)?;
        let [product] = first.results[..] else { return None };
        let [sum_at] = self.users[product.index()][..] else { return None };
        let sum = self.op(sum_at);
        let rank = self.function.ty(found.weights).shape.len();
        let operands = self.operands(sum);
        let sums_rows = sum.op == Op::ReduceSum
            && self.uses[product.index()] == 1
            && operands.axes("axes", rank).ok()? == [rank - 1]
            && operands.bool("keep_dims").ok()?;
        let [total] = sum.results[..] else { return None };
        let (sub_at, sub) = self.only_used(other(second, found.weights)?, Op::Sub)?;
        let subtracts = sub.value("x") == Some(d_weights) && sub.value("y") == Some(total);
        if !sums_rows || !subtracts || self.uses[total.index()] != 1 || self.uses[d_weights.index()] != 2 {
            return None;
        }
        inside.extend([first_at, sum_at, sub_at, second_at]);
        // dW = dOᵀ · V.
        let mut d_grouped = d_weights;
        let position = self.definition[d_weights.index()]?;
        if self.op(position).op == Op::Reshape {
            inside.push(position);
            d_grouped = x_of(self.op(position)).ok()?;
            if self.uses[d_grouped.index()] != 1 {
                return None;
            }
        }
        let d_weights_at = self.definition[d_grouped.index()]?;
        let op = self.op(d_weights_at);
        if op.op != Op::Matmul || self.function.ty(d_grouped).shape != self.function.ty(grouped_weights).shape
        {
            return None;
        }
        inside.push(d_weights_at);
        let (left, value) = (self.factor(op, "x")?, self.factor(op, "y")?);
        if left != (Factor { transposed: !d_result.transposed, ..d_result }) {
            return None;
        }
        // dQ = K · dSᵀ and dK = Q · dS.
        let [d_scores] = second.results[..] else { return None };
        let (seen, reshapes) = self.through_reshapes(d_scores);
        inside.extend(reshapes);
        let all_uses: usize = seen.iter().map(|id| self.uses[id.index()]).sum();
        if all_uses != seen.len() + 1 {
            return None;
        }
        let (mut d_query, mut d_key) = (None, None);
        for &id in &seen {
            for &at in &self.users[id.index()] {
                let op = self.op(at);
                if op.op == Op::Reshape {
                    continue;
                }
                if op.op != Op::Matmul
                    || self.function.ty(id).shape != self.function.ty(grouped_weights).shape
                {
                    return None;
                }
                inside.push(at);
                let [result] = op.results[..] else { return None };
                let flipped = |factor: Factor| Factor { transposed: !factor.transposed, ..factor };
                if let Some((factor, transposed)) = self.other_factor(op, id, true)
                    && factor == (Factor { transposed: found.key.transposed != transposed, ..found.key })
                {
                    d_query = Some(Product { result, transposed });
                } else if let Some((factor, transposed)) = self.other_factor(op, id, false)
                    && factor
                        == (Factor {
                            transposed: flipped(found.query).transposed != transposed,
                            ..found.query
                        })
                {
                    d_key = Some(Product { result, transposed });
                }
            }
        }
        // V must be [features, keys] in the end; as a right factor of rows × keys it is.
        Some(Backward { value, d_result, d_value, d_query: d_query?, d_key: d_key? })
    }

    fn operands(&self, op: &'a Operation) -> Operands<'a> {
        Operands::of(self.function, op)
    }

    fn factor(&self, op: &'a Operation, name: &str) -> Option<Factor> {
        let transposed =
            self.operands(op).bool(if name == "x" { "transpose_x" } else { "transpose_y" }).ok()?;
        // A vector as a factor is no matrix of queries or keys.
        let value = op.value(name).filter(|id| self.function.ty(*id).rank() >= 2)?;
        Some(Factor { value, transposed })
    }

    /// The factor beside `inner` in a product F · inner (or F · innerᵀ, if `flipped`), and whether the product is
    /// written the other way around, as innerᵀ · Fᵀ: its factor and result are then transposed.
    fn other_factor(&self, op: &'a Operation, inner: ValueId, flipped: bool) -> Option<(Factor, bool)> {
        let (x, y) = (self.factor(op, "x")?, self.factor(op, "y")?);
        if x.value == y.value {
            return None;
        }
        if y.value == inner && y.transposed == flipped {
            return Some((x, false));
        }
        (x.value == inner && x.transposed != flipped).then_some((y, true))
    }

    /// A value and the results of reshapes of it, with those reshapes.
    fn through_reshapes(&self, id: ValueId) -> (Vec<ValueId>, Vec<usize>) {
        let (mut seen, mut reshapes) = (vec![id], Vec::new());
        for &at in &self.users[id.index()] {
            let op = self.op(at);
            if let (Op::Reshape, [result]) = (op.op, &op.results[..]) {
                seen.push(*result);
                reshapes.push(at);
            }
        }
        (seen, reshapes)
    }

    /// Whether operands can be had at an operation: defined before it, or mere views of such values, and not by
    /// operations that become part of the step.
    fn is_ready(&self, operands: &[ValueId], at: usize, inside: &[usize]) -> bool {
        operands.iter().all(|&id| {
            let mut id = id;
            loop {
                let Some(position) = self.definition[id.index()] else { return true };
                if inside.contains(&position) {
                    return false;
                }
                if position < at {
                    return true;
                }
                let op = self.op(position);
                match (op.op, op.value("x")) {
                    (Op::Reshape | Op::Identity, Some(x)) => id = x,
                    _ => return false,
                }
            }
        })
    }

    /// Whether a value is a constant `[1, …, T, T]` that is zero up to the diagonal and masks what is above.
    fn is_causal(&self, id: ValueId, positions: usize) -> bool {
        let Some(constant) = self.function.constant(id) else { return false };
        let shape = &constant.ty.shape;
        if constant.ty.elements() != positions * positions || !shape.ends_with(&[positions, positions]) {
            return false;
        }
        let fits = |i: usize, value: f32| {
            if i % positions <= i / positions { value == 0.0 } else { value <= MASKED }
        };
        match &constant.data {
            ConstantData::Fp16(v) => {
                v.len() == positions * positions && v.iter().enumerate().all(|(i, v)| fits(i, v.to_f32()))
            }
            ConstantData::Fp32(v) => {
                v.len() == positions * positions && v.iter().enumerate().all(|(i, v)| fits(i, *v))
            }
            _ => false,
        }
    }
}

impl Lowering<'_> {
    /// Emits the step of attention that was found, and binds its results.
    pub(super) fn attention(&mut self, found: &Found) -> Result<(), String> {
        let positions = found.positions;
        let query = self.heads(found.query.value, found.query.transposed, positions)?;
        let query = View { layout: query.layout.permute(&[0, 1, 2, 4, 3]), ..query };
        let key = self.attention_operand(found.key)?;
        let round = self.rounds(found.weights);
        let (value, target, gradients) = match (&found.forward, &found.backward) {
            (Some((value, product)), _) => {
                let value = self.attention_operand(*value)?;
                (value, self.result_by_heads(*product, positions)?, None)
            }
            (None, Some(b)) => {
                let d_result = self.heads(b.d_result.value, !b.d_result.transposed, positions)?;
                // As a right factor of rows × keys it is features × keys already.
                let value = self.attention_operand(b.value)?;
                let d_value = self.attention_result(b.d_value);
                let d_query = self.result_by_heads(b.d_query, positions)?;
                let d_key = self.attention_result(b.d_key);
                (value, d_value, Some(Gradients { d_result, d_query, d_key }))
            }
            (None, None) => return Err("internal: attention without a result".to_owned()),
        };
        self.steps.push(Step::Attention(Box::new(Attention {
            query,
            key,
            value,
            target,
            gradients,
            positions,
            round,
            precision: self.numerics.precision(),
        })));
        Ok(())
    }

    fn attention_operand(&mut self, factor: Factor) -> Result<View, String> {
        self.lower_views_to(factor.value)?;
        let view = self.view(factor.value)?;
        Ok(five_dimensions(self.readable(view), factor.transposed))
    }

    fn readable(&mut self, view: View) -> View {
        if self.is_readable_in_place(&view) { view } else { self.in_memory(view) }
    }

    /// Queries, or gradients of results, as `[batch, batch, head, features, positions]`; `last`: whether head and position are
    /// the value's last dimension. Heads that the program lays side by side are read where they stood before.
    fn heads(&mut self, value: ValueId, last: bool, positions: usize) -> Result<View, String> {
        self.lower_views_to(value)?;
        let heads = Heads::of(&self.function.ty(value).shape, last, positions);
        if let Some(&view) = self.reshapes.get(&value) {
            let view = self.readable(view);
            if let Some(layout) = heads.apart(&view.layout) {
                return Ok(View { layout, ..view });
            }
        }
        let view = self.view(value)?;
        let view = self.readable(view);
        let layout = heads.apart(&view.layout).ok_or("heads that share keys are no view")?;
        Ok(View { layout, ..view })
    }

    /// Where results, or gradients of queries, go: as [`Lowering::heads`].
    fn result_by_heads(&mut self, product: Product, positions: usize) -> Result<View, String> {
        let function = self.function;
        let heads = Heads::of(&function.ty(product.result).shape, !product.transposed, positions);
        let mut users = function.ops().iter().filter(|op| op.operands().any(|id| id == product.result));
        let only_reshaped =
            users.all(|op| op.op == Op::Reshape) && !function.outputs().contains(&product.result);
        if heads.count > 1 && heads.last && only_reshaped {
            // One head after the other: side by side the program will most likely not leave them.
            let target = self.dense(&heads.shape());
            let in_order = View { layout: heads.together(&target.layout), ..target };
            self.reshapes.insert(product.result, in_order);
            return Ok(target);
        }
        let target = self.destination(product.result, |layout| heads.apart(layout).is_some());
        self.bound.insert(product.result, target);
        let layout = heads.apart(&target.layout).ok_or("heads that share keys are no view")?;
        Ok(View { layout, ..target })
    }

    fn attention_result(&mut self, product: Product) -> View {
        let target = self.destination(product.result, |_| true);
        self.bound.insert(product.result, target);
        five_dimensions(target, product.transposed)
    }

    /// Lowers reshapes that stand later in the function than a step that needs them.
    fn lower_views_to(&mut self, id: ValueId) -> Result<(), String> {
        let mut chain = Vec::new();
        let mut next = id;
        while !self.bound.contains_key(&next) {
            let Some(op) = self.function.defining_op(next) else { break };
            let (Op::Reshape | Op::Identity, Some(x)) = (op.op, op.value("x")) else { break };
            chain.push((op, next));
            next = x;
        }
        for (op, result) in chain.into_iter().rev() {
            self.lower(op, result)?;
        }
        Ok(())
    }
}

/// How query heads that share keys stand in a value of features and queries.
struct Heads {
    batch: [usize; 2],
    features: usize,
    /// Heads of each key/value head.
    count: usize,
    positions: usize,
    /// Whether queries, head by head, are the last dimension, or features are.
    last: bool,
}

impl Heads {
    /// Of a value of that shape, at most four dimensions.
    fn of(shape: &[usize], last: bool, positions: usize) -> Self {
        let mut four = [1; 4];
        four[4 - shape.len()..].copy_from_slice(shape);
        let [a, b, rows, columns] = four;
        let (features, queries) = if last { (rows, columns) } else { (columns, rows) };
        Self { batch: [a, b], features, count: queries / positions, positions, last }
    }

    /// `[batch, batch, head, features, positions]`.
    fn shape(&self) -> [usize; 5] {
        let [a, b] = self.batch;
        [a, b, self.count, self.features, self.positions]
    }

    /// The value's elements, in any shape of that order, in that of [`Heads::shape`].
    fn apart(&self, layout: &Layout) -> Option<Layout> {
        let [a, b, heads, features, positions] = self.shape();
        let (shape, order) = match self.last {
            true => ([a, b, features, heads, positions], [0, 1, 3, 2, 4]),
            false => ([a, b, heads, positions, features], [0, 1, 2, 4, 3]),
        };
        Some(layout.reshape(&shape)?.permute(&order))
    }

    /// The way back, for queries last: `[batch, batch, features, head, positions]`.
    fn together(&self, apart: &Layout) -> Layout {
        apart.permute(&[0, 1, 3, 2, 4])
    }
}

/// A view of matrices as `[batch, batch, batch, rows, columns]`, rows and columns exchanged if asked.
fn five_dimensions(view: View, transposed: bool) -> View {
    let rank = view.layout.shape().len();
    let mut perm: Vec<usize> = (0..rank).collect();
    if transposed {
        perm.swap(rank - 2, rank - 1);
    }
    let layout = view.layout.permute(&perm);
    let mut shape = vec![1; MAX_RANK - rank];
    shape.extend_from_slice(layout.shape());
    View { layout: layout.broadcast(&shape), ..view }
}

#[cfg(test)]
mod tests {
    use engrad_mil::differentiate::{Request, differentiate};
    use engrad_mil::{Builder, Constant, DType, TensorType};

    use super::*;
    use crate::Numerics;
    use crate::plan::compile;

    /// Attention whose mask has `above` above the diagonal and `below` on and below it.
    fn function(below: f32, above: f32, keep_weights: bool) -> Function {
        let mut b = Builder::new("main");
        let [q, k, v] =
            ["q", "k", "v"].map(|name| b.input(name, TensorType::new(DType::Fp16, [1, 2, 8, 32])));
        let scores = b.matmul("scores", (q, true), (k, false)).unwrap();
        let mask: Vec<f32> = (0..32 * 32).map(|i| if i % 32 <= i / 32 { below } else { above }).collect();
        let mask = b.constant("mask", Constant::floats(DType::Fp16, [1, 1, 32, 32], &mask).unwrap());
        let masked = b.add("masked", scores, mask).unwrap();
        let weights = b.softmax("weights", masked, -1).unwrap();
        let mixed = b.matmul("mixed", (v, false), (weights, true)).unwrap();
        let outputs = [mixed, weights];
        b.finish(if keep_weights { &outputs } else { &outputs[..1] }).unwrap()
    }

    /// Steps of attention, of softmax, and products.
    fn steps(function: &Function) -> [usize; 3] {
        let plan = compile(function, Numerics::Fast).unwrap();
        let count = |f: fn(&Step) -> bool| plan.steps.iter().filter(|step| f(&step.step)).count();
        [
            count(|s| matches!(s, Step::Attention(_))),
            count(|s| matches!(s, Step::Softmax(_))),
            count(|s| matches!(s, Step::Matmul(_))),
        ]
    }

    #[test]
    fn causal_attention_and_its_derivative_are_one_step_each() {
        let forward = function(0.0, -30_000.0, false);
        assert_eq!(steps(&forward), [1, 0, 0]);
        let request = Request { activations: &["q", "k", "v"], weights: &[], taps: &[] };
        assert_eq!(steps(&differentiate(&forward, &request).unwrap().backward), [1, 0, 0]);
    }

    #[test]
    fn heads_that_share_keys_are_not_moved_side_by_side() {
        let mut b = Builder::new("main");
        let q = b.input("q", TensorType::new(DType::Fp16, [1, 4 * 8, 1, 32]));
        let [k, v] = ["k", "v"].map(|name| b.input(name, TensorType::new(DType::Fp16, [1, 2, 8, 32])));
        let q = b.reshape("apart", q, &[2, 2, 8, 32]).unwrap();
        let q = b.transpose("beside", q, &[0, 2, 1, 3]).unwrap();
        let q = b.reshape("together", q, &[1, 2, 8, 64]).unwrap();
        let scores = b.matmul("scores", (q, true), (k, false)).unwrap();
        let scores = b.reshape("by_head", scores, &[1, 4, 32, 32]).unwrap();
        let mask: Vec<f32> = (0..32 * 32).map(|i| if i % 32 <= i / 32 { 0.0 } else { -30_000.0 }).collect();
        let mask = b.constant("mask", Constant::floats(DType::Fp16, [1, 1, 32, 32], &mask).unwrap());
        let masked = b.add("masked", scores, mask).unwrap();
        let weights = b.softmax("weights", masked, -1).unwrap();
        let weights = b.reshape("together_again", weights, &[1, 2, 64, 32]).unwrap();
        let mixed = b.matmul("mixed", (v, false), (weights, true)).unwrap();
        let mixed = b.reshape("columns", mixed, &[2, 8, 2, 32]).unwrap();
        let mixed = b.transpose("behind", mixed, &[0, 2, 1, 3]).unwrap();
        let y = b.reshape("y", mixed, &[1, 4 * 8, 1, 32]).unwrap();
        let forward = b.finish(&[y]).unwrap();
        let request = Request { activations: &["q", "k", "v"], weights: &[], taps: &[] };
        for function in [&forward, &differentiate(&forward, &request).unwrap().backward] {
            let plan = compile(function, Numerics::Fast).unwrap();
            let moves = plan.steps.iter().filter(|step| matches!(step.step, Step::Map(_))).count();
            assert_eq!((steps(function), moves), ([1, 0, 0], 0), "{:#?}", plan.steps);
        }
    }

    #[test]
    fn what_is_not_causal_or_is_used_elsewhere_is_left_as_it_is() {
        for other in
            [function(0.0, -1.0, false), function(0.5, -30_000.0, false), function(0.0, -30_000.0, true)]
        {
            assert_eq!(steps(&other), [0, 1, 2]);
        }
    }
}
