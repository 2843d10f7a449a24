//! Causal attention, forward and backward, by blocks of queries.
//!
//! For each block the scores of the keys that it may see are computed, normalised and used at once; no more than a
//! block of rows of the score matrix is ever held, and keys past the last query of a block are not touched. Rounding is
//! that of the operations the step stands for: every score, weight and their derivatives once.
//!
//! Keys, and for the backward pass values, are packed once for all blocks of queries.
//!
//! The gradients of keys and values gather over the queries, block by block in a fixed order, by one thread for each
//! key/value head. So neither the number of threads nor timing changes a bit.

use engrad_kernels::{
    ElementType, Factor, PackedMatrix, Precision, RawMatrix, columns_are_prefixes, driver, pack_columns,
};

use super::matmul::{How, Operand, Scratch, matrix, multiply, strided};
use super::memory::Words;
use super::softmax::normalise;
use super::{Team, half, multiversion};
use crate::plan::View;

/// Attention of heads; one or more query heads share a key/value head. Keys and values, and their gradients, are
/// `[1, batch, batch, …]`, where a batch is a key/value head; what belongs to queries is `[batch, batch, head, …]`.
#[derive(Debug)]
pub(crate) struct Attention {
    /// `[…, positions, features]`.
    pub(crate) query: View,
    /// `[…, features, keys]`.
    pub(crate) key: View,
    /// `[…, features of values, keys]`.
    pub(crate) value: View,
    /// Forward: the result, `[…, features of values, positions]`. Backward: the gradient of the values.
    pub(crate) target: View,
    /// What the backward pass takes and gives besides.
    pub(crate) gradients: Option<Gradients>,
    /// Positions of a sequence: a query sees its own key and all before.
    pub(crate) positions: usize,
    /// Whether scores, weights and results are rounded to fp16.
    pub(crate) round: bool,
    /// What multiplicands are rounded to.
    pub(crate) precision: Precision,
}

/// The backward pass: gradient of the result, and of queries and keys.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// `[…, features of values, positions]`.
    pub(crate) d_result: View,
    /// `[…, features, positions]`.
    pub(crate) d_query: View,
    /// `[…, features, keys]`.
    pub(crate) d_key: View,
}

/// Words that a block of scores may take.
const BLOCK_WORDS: usize = 128 << 10;

impl Attention {
    /// Queries handled at once: few, so that little beyond the diagonal is computed, but enough to use what is packed.
    fn block(&self) -> usize {
        (BLOCK_WORDS / self.positions).clamp(16, 64).min(self.positions)
    }

    /// Key/value heads.
    fn batch(&self) -> usize {
        self.key.layout.shape()[..3].iter().product()
    }

    /// Query heads of each.
    fn heads(&self) -> usize {
        self.query.layout.shape()[2]
    }

    fn features(&self) -> (usize, usize) {
        (self.query.layout.shape()[4], self.value.layout.shape()[3])
    }

    /// Words for packed panels of the largest of the products.
    fn panels(&self) -> usize {
        let (features, values) = self.features();
        let (block, keys) = (self.block(), self.positions);
        let widest = features.max(values);
        // Results lie one way or the other; either is computed along its contiguous direction.
        let [row, column] = [(widest, block, keys), (widest, keys, block)];
        let sizes = [(block, keys, widest), row, column, (block, widest, keys), (keys, widest, block)];
        sizes.into_iter().map(|size| driver::shared_words(size, self.precision)).max().unwrap_or(0)
    }

    /// Words for the panels of a head's keys, and of its values, if they are packed once.
    fn packed(&self) -> [usize; 2] {
        let (features, values) = self.features();
        [features, values].map(|rows| {
            let size = (rows, self.positions);
            match columns_are_prefixes(size, self.precision) {
                true => PackedMatrix::words_for(size, Factor::Right, self.precision).next_multiple_of(16),
                false => 0,
            }
        })
    }

    /// Words that threads share: forward, the panels of all heads' keys.
    pub(crate) fn shared(&self) -> usize {
        if self.gradients.is_some() { 0 } else { self.batch() * self.packed()[0] }
    }

    /// Words of scores (and of their derivative) of a block.
    fn scores(&self) -> usize {
        (self.block() * self.positions).next_multiple_of(16)
    }

    /// Words of the parts of a thread's scratch: a block of A, panels of B, scores, their derivative, a row, and the panels of
    /// keys and values.
    fn parts(&self) -> [usize; 7] {
        let of_backward = |words| if self.gradients.is_some() { words } else { 0 };
        let [keys, values] = self.packed().map(of_backward);
        [
            driver::local_words().next_multiple_of(16),
            self.panels().next_multiple_of(16),
            self.scores(),
            of_backward(self.scores()),
            self.positions.next_multiple_of(16),
            keys,
            values,
        ]
    }

    /// Words of scratch each thread needs.
    pub(crate) fn scratch(&self) -> usize {
        self.parts().iter().sum()
    }

    /// Multiply-adds, roughly.
    pub(crate) fn work(&self) -> usize {
        let (features, values) = self.features();
        let products = if self.gradients.is_some() { 5 } else { 2 };
        let queries = self.batch().saturating_mul(self.heads()).saturating_mul(self.positions);
        let scores = queries.saturating_mul(self.positions) / 2;
        scores.saturating_mul(features.max(values)).saturating_mul(products)
    }
}

/// Memory behind the operands of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory<'a> {
    pub(crate) query: Operand,
    pub(crate) key: Operand,
    pub(crate) value: Operand,
    pub(crate) d_result: Option<Operand>,
    /// Where all results go.
    pub(crate) target: Words<'a>,
}

/// Runs attention. `shared` has [`Attention::shared`] words; `scratch` gives the calling thread's own [`Attention::scratch`]
/// words.
///
/// # Safety
/// The plan contract holds for the step, `memory` is that behind its views, and scratch belongs to the thread alone, shared
/// words to the step.
pub(crate) unsafe fn run<'a>(
    step: &Attention,
    memory: &Memory<'a>,
    shared: Words<'a>,
    scratch: impl Fn() -> Words<'a> + Sync + Send,
    team: Team,
) {
    let (batch, block) = (step.batch(), step.block());
    match (&step.gradients, memory.d_result) {
        (Some(gradients), Some(d_result)) => team.each(batch, |batch| {
            // SAFETY: batches have results of their own.
            unsafe {
                let head = Head::new(step, memory, batch, scratch());
                head.pack(head.key, head.keys);
                head.pack(head.value, head.values);
                head.backward(gradients, d_result);
            }
        }),
        _ => {
            let blocks = step.positions.div_ceil(block);
            let heads = step.heads();
            let [words, _] = step.packed();
            // SAFETY: heads have panels of their own.
            let head = |batch: usize| unsafe {
                let keys = shared.part(batch * words, words);
                Head { keys, ..Head::new(step, memory, batch, scratch()) }
            };
            team.each(batch, |batch| {
                let head = head(batch);
                // SAFETY: passed on.
                unsafe { head.pack(head.key, head.keys) };
            });
            team.each(batch * heads * blocks, |task| {
                // Longest first.
                let (batch, of_query) = (task / blocks / heads, task / blocks % heads);
                let first = (blocks - 1 - task % blocks) * block;
                // SAFETY: blocks of queries have results of their own.
                unsafe { head(batch).forward(of_query, first) };
            });
        }
    }
}

/// One key/value head's work, by one thread.
struct Head<'s, 'a> {
    step: &'s Attention,
    memory: &'s Memory<'a>,
    /// Of the key/value head.
    index: [usize; 2],
    key: RawMatrix,
    value: RawMatrix,
    local: Words<'a>,
    panels: Words<'a>,
    scores: Words<'a>,
    d_scores: Words<'a>,
    row: Words<'a>,
    /// Panels of keys and values; no words if they are packed for each block.
    keys: Words<'a>,
    values: Words<'a>,
}

impl<'s, 'a> Head<'s, 'a> {
    /// # Safety
    /// As [`run`].
    unsafe fn new(step: &'s Attention, memory: &'s Memory<'a>, batch: usize, scratch: Words<'a>) -> Self {
        let inner = step.key.layout.shape()[2];
        let [b, c] = [batch / inner, batch % inner];
        let mut start = 0;
        let [local, panels, scores, d_scores, row, keys, values] = step.parts().map(|len| {
            // SAFETY: the parts are those that `scratch` adds up.
            let part = unsafe { scratch.part(start, len) };
            start += len;
            part
        });
        Self {
            step,
            memory,
            index: [b, c],
            key: matrix(&step.key, memory.key, [0, b, c]),
            value: matrix(&step.value, memory.value, [0, b, c]),
            local,
            panels,
            scores,
            d_scores,
            row,
            keys,
            values,
        }
    }

    /// Packs keys or values into their panels, if they have any.
    ///
    /// # Safety
    /// As [`run`].
    unsafe fn pack(&self, matrix: RawMatrix, panels: Words<'_>) {
        if !panels.is_empty() {
            // SAFETY: passed on; there are panels only where that may be done.
            unsafe { pack_columns(&matrix, self.step.precision, panels.pointer(0).cast()) };
        }
    }

    /// The matrix of a query head.
    fn of_query(&self, view: &View, operand: Operand, head: usize) -> RawMatrix {
        let [b, c] = self.index;
        matrix(view, operand, [b, c, head])
    }

    /// Where results are.
    fn results(&self) -> Operand {
        // SAFETY: there is at least one word.
        unsafe { Operand::words(self.memory.target) }
    }

    /// `result = left · right`, or added to it; rounded if it is final and the step rounds.
    ///
    /// # Safety
    /// As [`run`].
    unsafe fn multiply(&self, factors: (RawMatrix, RawMatrix), result: RawMatrix, add: bool, last: bool) {
        // SAFETY: passed on.
        unsafe { self.multiply_packed(factors, None, result, add, last) };
    }

    /// As [`Head::multiply`], with the panels of the right factor, if there are any.
    ///
    /// # Safety
    /// As [`run`]; panels hold the columns that the right factor begins with.
    unsafe fn multiply_packed(
        &self,
        (left, right): (RawMatrix, RawMatrix),
        panels: Option<Words<'a>>,
        result: RawMatrix,
        add: bool,
        last: bool,
    ) {
        let panels = panels.filter(|panels| !panels.is_empty());
        let workspace = Scratch { shared: panels.unwrap_or(self.panels), local: || self.local };
        let how = How {
            precision: self.step.precision,
            beta: if add { 1.0 } else { 0.0 },
            round: self.step.round && last,
            parallel: false,
            held: false,
            follow: None,
        };
        // SAFETY: passed on; panels and local words are this thread's.
        unsafe { multiply(strided((left, right)), result, how, panels.is_some(), &workspace) };
    }

    /// Rows of scratch as a matrix.
    fn block(&self, words: Words<'_>, rows: usize, keys: usize) -> RawMatrix {
        RawMatrix {
            // SAFETY: scores have at least one word.
            data: unsafe { words.pointer(0) }.cast_const().cast(),
            element: ElementType::F32,
            rows,
            columns: keys,
            row_stride: keys,
            column_stride: 1,
        }
    }

    /// Weights of `rows` queries from position `first` of a head, over the first `keys` keys.
    ///
    /// # Safety
    /// As [`run`].
    unsafe fn weights(&self, head: usize, first: usize, rows: usize, keys: usize) -> RawMatrix {
        let scores = self.block(self.scores, rows, keys);
        let query = self.of_query(&self.step.query, self.memory.query, head);
        let query = part(query, (first, rows), (0, query.columns));
        let key = part(self.key, (0, self.key.rows), (0, keys));
        // SAFETY: the block has room for rows × keys; rows are disjoint.
        unsafe {
            self.multiply_packed((query, key), Some(self.keys), scores, false, true);
            for row in 0..rows {
                let (seen, masked) = self.scores.write(row * keys, keys).split_at_mut(first + row + 1);
                normalise(seen);
                if self.step.round {
                    half::round(seen);
                }
                masked.fill(0.0);
            }
        }
        scores
    }

    /// # Safety
    /// As [`run`].
    unsafe fn forward(&self, head: usize, first: usize) {
        let rows = self.step.block().min(self.step.positions - first);
        let keys = first + rows;
        // SAFETY: passed on.
        unsafe {
            let weights = self.weights(head, first, rows, keys);
            let value = part(self.value, (0, self.value.rows), (0, keys));
            let whole = self.of_query(&self.step.target, self.results(), head);
            let result = part(whole, (0, whole.rows), (first, rows));
            self.multiply((value, weights.transposed()), result, false, true);
        }
    }

    /// # Safety
    /// As [`run`].
    unsafe fn backward(&self, gradients: &Gradients, d_result: Operand) {
        let (block, positions) = (self.step.block(), self.step.positions);
        let [b, c] = self.index;
        let [d_value, d_key] =
            [&self.step.target, &gradients.d_key].map(|view| matrix(view, self.results(), [0, b, c]));
        let blocks = positions.div_ceil(block);
        // SAFETY: passed on; blocks and results are this thread's.
        unsafe {
            for head in 0..self.step.heads() {
                let d_result = self.of_query(&gradients.d_result, d_result, head);
                let d_query = self.of_query(&gradients.d_query, self.results(), head);
                let query = self.of_query(&self.step.query, self.memory.query, head);
                // The last block sees all keys: it writes the gradients that others add to.
                for number in (0..blocks).rev() {
                    let first = number * block;
                    let rows = block.min(positions - first);
                    let keys = first + rows;
                    let add = head > 0 || number + 1 < blocks;
                    let at = (first, rows);
                    let weights = self.weights(head, first, rows, keys);
                    let d_rows = part(d_result, (0, d_result.rows), at);
                    let query = part(query, at, (0, query.columns));
                    let all = |m: RawMatrix| part(m, (0, m.rows), (0, keys));

                    self.multiply((d_rows, weights), all(d_value), add, false);
                    let d_weights = self.block(self.d_scores, rows, keys);
                    let factors = (d_rows.transposed(), all(self.value));
                    self.multiply_packed(factors, Some(self.values), d_weights, false, true);
                    for row in 0..rows {
                        let seen = first + row + 1;
                        let weights = self.scores.read(row * keys, seen);
                        let (d_seen, masked) = self.d_scores.write(row * keys, keys).split_at_mut(seen);
                        softmax_derivative(weights, d_seen, self.row.write(0, seen), self.step.round);
                        masked.fill(0.0);
                    }
                    let d_queries = part(d_query, (0, d_query.rows), at);
                    self.multiply((all(self.key), d_weights.transposed()), d_queries, false, true);
                    self.multiply((query.transposed(), d_weights), all(d_key), add, false);
                }
            }
            if self.step.round {
                round(d_value);
                round(d_key);
            }
        }
    }
}

/// Rows and columns of a matrix, as (start, count).
fn part(m: RawMatrix, (row, rows): (usize, usize), (column, columns): (usize, usize)) -> RawMatrix {
    let start = row * m.row_stride + column * m.column_stride;
    RawMatrix { data: m.data.wrapping_add(start * m.element.size()), rows, columns, ..m }
}

/// Rounds a matrix of words to fp16.
///
/// # Safety
/// It is in memory that the caller may write.
unsafe fn round(m: RawMatrix) {
    let words = m.data.cast_mut().cast::<f32>();
    for row in 0..m.rows {
        // SAFETY: elements of the matrix.
        unsafe {
            let line = words.add(row * m.row_stride);
            if m.column_stride <= 1 {
                half::round(std::slice::from_raw_parts_mut(line, m.columns));
            } else {
                (0..m.columns).for_each(|c| {
                    *line.add(c * m.column_stride) = half::round_one(*line.add(c * m.column_stride))
                });
            }
        }
    }
}

/// `d = w ∘ (d − Σ w ∘ d)`, each operation rounded if asked.
fn softmax_derivative(weights: &[f32], d: &mut [f32], products: &mut [f32], round: bool) {
    let round_all = |values: &mut [f32]| {
        if round {
            half::round(values);
        }
    };
    multiply_rows(weights, d, products);
    round_all(products);
    let mut total = [sum(products)];
    round_all(&mut total);
    subtract(total[0], d);
    round_all(d);
    scale_rows(weights, d);
    round_all(d);
}

multiversion! {
    fn multiply_rows(x: &[f32], y: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(x).zip(y).for_each(|((o, x), y)| *o = x * y);
    }

    fn scale_rows(x: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(x).for_each(|(o, x)| *o *= x);
    }

    fn subtract(x: f32, out: &mut [f32]) {
        out.iter_mut().for_each(|o| *o -= x);
    }

    fn sum(values: &[f32]) -> f32 {
        const LANES: usize = 16;
        let mut lanes = [0.0f32; LANES];
        let mut chunks = values.chunks_exact(LANES);
        for chunk in &mut chunks {
            lanes.iter_mut().zip(chunk).for_each(|(a, b)| *a += b);
        }
        chunks.remainder().iter().sum::<f32>() + lanes.iter().sum::<f32>()
    }
}
