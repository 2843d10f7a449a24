//! Recurrent layers.
//!
//! The products of all steps with the input weights are one matrix product; what depends on the state before is done
//! step by step.

use std::borrow::Cow;

use engrad_kernels::{Matrix, MatrixMut, Threads, matmul};
use engrad_mil::Op;
use rayon::prelude::*;

use super::call::{Call, Kernel};
use super::tensor::{Tensor, elements};
use crate::kernels::{math, multiversion};

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Gru => gru,
        Op::Lstm => lstm,
        Op::Rnn => rnn,
        _ => return None,
    })
}

/// Batches up to this one are multiplied with the recursion matrix row by row.
const FEW: usize = 4;
/// Recursion matrices from this size on are shared between threads, so many rows to each task.
const LARGE: usize = 1 << 18;
const ROWS: usize = 64;

/// Activations of gates. Those with parameters have the usual ones, since recurrent operations give none.
#[derive(Debug, Clone, Copy)]
enum Activation {
    Tanh,
    ScaledTanh,
    Sigmoid,
    HardSigmoid,
    Relu,
    Linear,
}

impl Activation {
    fn of(call: &Call<'_>, name: &str) -> Result<Self, String> {
        let given = call.string(name)?;
        Ok(match given.to_ascii_lowercase().as_str() {
            "tanh" => Self::Tanh,
            "scaled_tanh" => Self::ScaledTanh,
            "sigmoid" => Self::Sigmoid,
            "hard_sigmoid" | "sigmoid_hard" => Self::HardSigmoid,
            "relu" => Self::Relu,
            "linear" => Self::Linear,
            _ => return Err(format!("{name} `{}` is not known", given.escape_debug())),
        })
    }

    fn apply(self, values: &mut [f32]) {
        let each = |values: &mut [f32], f: fn(f32) -> f32| values.iter_mut().for_each(|v| *v = f(*v));
        match self {
            Self::Tanh => each(values, math::tanh),
            Self::ScaledTanh => each(values, |v| 1.7159 * math::tanh(v * (2.0 / 3.0))),
            Self::Sigmoid => each(values, math::sigmoid),
            Self::HardSigmoid => each(values, |v| (0.2 * v + 0.5).clamp(0.0, 1.0)),
            Self::Relu => each(values, |v| v.max(0.0)),
            Self::Linear => {}
        }
    }
}

multiversion! {
    /// Sum of products, in sixteen partial sums.
    fn dot(x: &[f32], y: &[f32]) -> f32 {
        let (xs, ys) = (x.as_chunks::<16>(), y.as_chunks::<16>());
        let mut sums = [0f32; 16];
        for (x, y) in xs.0.iter().zip(ys.0) {
            for i in 0..16 {
                sums[i] += x[i] * y[i];
            }
        }
        let rest: f32 = xs.1.iter().zip(ys.1).map(|(x, y)| x * y).sum();
        sums.iter().sum::<f32>() + rest
    }
}

/// `gates += h · weightᵀ`, the weight `[rows, state]`.
fn recur(gates: &mut [f32], h: &[f32], weight: &[f32], state: usize) {
    let rows = weight.len() / state;
    let batch = h.len() / state;
    if batch <= FEW {
        let part = |gates: &mut [f32], weight: &[f32], h: &[f32]| {
            gates.iter_mut().zip(weight.chunks(state)).for_each(|(g, w)| *g += dot(w, h));
        };
        for (gates, h) in gates.chunks_mut(rows).zip(h.chunks(state)) {
            if weight.len() < LARGE {
                part(gates, weight, h);
            } else {
                let parts = gates.par_chunks_mut(ROWS).zip(weight.par_chunks(ROWS * state));
                parts.for_each(|(gates, weight)| part(gates, weight, h));
            }
        }
        return;
    }
    let weight = Matrix::new(weight, rows, state, state).transposed();
    let gates = MatrixMut::new(gates, batch, rows, rows);
    matmul(gates, 1.0, 1.0, Matrix::new(h, batch, state, state), weight, Threads::Pool);
}

/// Extents of a layer.
#[derive(Debug, Clone, Copy)]
struct Extents {
    steps: usize,
    batch: usize,
    features: usize,
    state: usize,
}

impl Extents {
    /// From x `[steps, batch, features]` and the recursion matrix `[gates · state, state]`.
    fn of(call: &Call<'_>, gates: usize) -> Result<Self, String> {
        let (x, weight) = (call.tensor("x")?, call.tensor("weight_hh")?);
        match (&x.shape[..], &weight.shape[..]) {
            (&[_, 0, _], _) => Err("the batch is empty".to_owned()),
            (&[steps, batch, features], &[rows, state])
                if state > 0 && state.checked_mul(gates) == Some(rows) =>
            {
                Ok(Self { steps, batch, features, state })
            }
            _ => Err(format!("x {:?} and weight_hh {:?} do not fit", x.shape, weight.shape)),
        }
    }

    /// Elements of the state of one direction.
    fn state_len(&self) -> usize {
        self.batch * self.state
    }
}

/// The numbers of an argument of these extents.
fn given<'a>(call: &Call<'a>, name: &str, shape: &[usize]) -> Result<&'a [f32], String> {
    let tensor = call.tensor(name)?;
    if tensor.shape != shape {
        return Err(format!("{name} is {:?}, not {shape:?}", tensor.shape));
    }
    tensor.as_floats().map_err(|e| format!("argument `{name}` {e}"))
}

fn optional<'a>(call: &Call<'a>, name: &str, len: usize) -> Result<Option<&'a [f32]>, String> {
    if call.has(name) { given(call, name, &[len]).map(Some) } else { Ok(None) }
}

/// A vector, or zeros.
fn vector<'a>(call: &Call<'a>, name: &str, len: usize) -> Result<Cow<'a, [f32]>, String> {
    Ok(optional(call, name, len)?.map_or_else(|| Cow::Owned(vec![0.0; len]), Cow::Borrowed))
}

/// `[steps, batch, bias.len()]`: the input's share of every gate at every step, and the bias.
fn input_gates(call: &Call<'_>, e: &Extents, weight: &[f32], bias: &[f32]) -> Result<Vec<f32>, String> {
    let rows = bias.len();
    let mut gates = vec![0.0; elements(&[e.steps, e.batch, rows])?];
    let count = e.steps * e.batch;
    gates.chunks_mut(rows).for_each(|gates| gates.copy_from_slice(bias));
    let x = call.tensor("x")?.as_floats()?;
    if !x.is_empty() {
        let weight = Matrix::new(weight, rows, e.features, e.features).transposed();
        let target = MatrixMut::new(&mut gates, count, rows, rows);
        matmul(target, 1.0, 1.0, Matrix::new(x, count, e.features, e.features), weight, Threads::Pool);
    }
    Ok(gates)
}

/// The step that is done as number `i`.
fn step(i: usize, steps: usize, reverse: bool) -> usize {
    if reverse { steps - 1 - i } else { i }
}

/// One direction of an LSTM.
struct Direction<'a> {
    gates: Vec<f32>,
    recursion: &'a [f32],
    peephole: Option<&'a [f32]>,
    reverse: bool,
}

struct Lstm {
    recurrent: Activation,
    cell: Activation,
    output: Activation,
    clip: Option<f32>,
}

impl Lstm {
    /// Moves the states on by all steps, and shows every step's hidden state.
    fn run(
        &self,
        e: &Extents,
        mut direction: Direction<'_>,
        h: &mut [f32],
        c: &mut [f32],
        mut show: impl FnMut(usize, &[f32]),
    ) {
        let Extents { steps, state, .. } = *e;
        let size = e.state_len() * 4;
        for i in 0..steps {
            let t = step(i, steps, direction.reverse);
            let gates = &mut direction.gates[t * size..(t + 1) * size];
            recur(gates, h, direction.recursion, state);
            let rows = gates.chunks_mut(4 * state);
            for ((gates, h), c) in rows.zip(h.chunks_mut(state)).zip(c.chunks_mut(state)) {
                self.cell(gates, h, c, direction.peephole);
            }
            show(t, h);
        }
    }

    /// One step of one sequence; gates stand in the order input, forget, output, cell.
    fn cell(&self, gates: &mut [f32], h: &mut [f32], c: &mut [f32], peephole: Option<&[f32]>) {
        let state = h.len();
        let (early, rest) = gates.split_at_mut(2 * state);
        let (out, cell) = rest.split_at_mut(state);
        let look = |gate: &mut [f32], c: &[f32], part: usize| {
            let weights = peephole.map(|p| &p[part * state..(part + 1) * state]);
            for ((g, c), p) in gate.iter_mut().zip(c).zip(weights.unwrap_or_default()) {
                *g += c * p;
            }
        };
        let (input, forget) = early.split_at_mut(state);
        look(input, c, 0);
        look(forget, c, 1);
        self.recurrent.apply(input);
        self.recurrent.apply(forget);
        self.cell.apply(cell);
        for (i, c) in c.iter_mut().enumerate() {
            *c = forget[i] * *c + input[i] * cell[i];
        }
        if let Some(clip) = self.clip {
            c.iter_mut().for_each(|c| *c = c.max(-clip).min(clip));
        }
        look(out, c, 2);
        self.recurrent.apply(out);
        h.copy_from_slice(c);
        self.output.apply(h);
        h.iter_mut().zip(out).for_each(|(h, o)| *h *= *o);
    }
}

fn lstm(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let e = Extents::of(call, 4)?;
    let Extents { steps, batch, features, state } = e;
    let layer = Lstm {
        recurrent: Activation::of(call, "recurrent_activation")?,
        cell: Activation::of(call, "cell_activation")?,
        output: Activation::of(call, "activation")?,
        clip: if call.has("clip") { Some(call.float("clip")?.abs()) } else { None },
    };
    // Suffix of the weights, and whether the steps are taken backwards.
    let directions: &[(&str, bool)] = match call.string("direction")? {
        "forward" => &[("", false)],
        "reverse" => &[("", true)],
        "bidirectional" => &[("", false), ("_back", true)],
        other => return Err(format!("direction `{}` is not known", other.escape_debug())),
    };
    let width = directions.len() * state;
    let sequence = call.bool("output_sequence")?;
    let mut shape = vec![if sequence { steps } else { 1 }, batch, width];
    let mut y = vec![0.0; elements(&shape)?];
    let mut last_h = given(call, "initial_h", &[batch, width])?.to_vec();
    let mut last_c = given(call, "initial_c", &[batch, width])?.to_vec();
    for (part, &(suffix, reverse)) in directions.iter().enumerate() {
        let named = |name: &str| format!("{name}{suffix}");
        let weight = given(call, &named("weight_ih"), &[4 * state, features])?;
        let direction = Direction {
            gates: input_gates(call, &e, weight, &vector(call, &named("bias"), 4 * state)?)?,
            recursion: given(call, &named("weight_hh"), &[4 * state, state])?,
            peephole: optional(call, &named("peephole"), 3 * state)?,
            reverse,
        };
        let columns = part * state..(part + 1) * state;
        let mut h = take(&last_h, width, columns.clone());
        let mut c = take(&last_c, width, columns.clone());
        layer.run(&e, direction, &mut h, &mut c, |t, h| {
            // A reversed layer by itself gives its states in the order they come about.
            let row = if directions.len() == 1 { step(t, steps, reverse) } else { t };
            if sequence {
                put(&mut y[row * batch * width..], h, width, columns.clone());
            }
        });
        put(&mut last_h, &h, width, columns.clone());
        put(&mut last_c, &c, width, columns);
    }
    if !sequence {
        y.copy_from_slice(&last_h);
    }
    let dtype = call.tensor("x")?.dtype;
    let y = Tensor::floats(dtype, shape.clone(), y)?;
    shape.remove(0);
    Ok(vec![y, Tensor::floats(dtype, shape.clone(), last_h)?, Tensor::floats(dtype, shape, last_c)?])
}

/// Columns of a matrix whose rows have `width` elements.
fn take(matrix: &[f32], width: usize, columns: std::ops::Range<usize>) -> Vec<f32> {
    matrix.chunks(width).flat_map(|row| &row[columns.clone()]).copied().collect()
}

/// The opposite of [`take`].
fn put(matrix: &mut [f32], values: &[f32], width: usize, columns: std::ops::Range<usize>) {
    for (row, values) in matrix.chunks_mut(width).zip(values.chunks(columns.len())) {
        row[columns.clone()].copy_from_slice(values);
    }
}

/// Runs a layer with one state in one direction; `advance` is given a step's gates and moves the state on.
fn one_way(
    call: &Call<'_>,
    e: &Extents,
    mut gates: Vec<f32>,
    mut advance: impl FnMut(&mut [f32], &mut [f32]),
) -> Result<Vec<Tensor>, String> {
    let Extents { steps, batch, state, .. } = *e;
    let reverse = match call.string("direction")? {
        "forward" => false,
        "reverse" => true,
        other => return Err(format!("direction `{}` is not known", other.escape_debug())),
    };
    let mut h = given(call, "initial_h", &[batch, state])?.to_vec();
    let sequence = call.bool("output_sequence")?;
    let shape = vec![if sequence { steps } else { 1 }, batch, state];
    let mut y = Vec::with_capacity(elements(&shape)?);
    let size = gates.len().checked_div(steps).unwrap_or(0);
    for i in 0..steps {
        let t = step(i, steps, reverse);
        advance(&mut gates[t * size..(t + 1) * size], &mut h);
        if sequence {
            y.extend_from_slice(&h);
        }
    }
    if !sequence {
        y.extend_from_slice(&h);
    }
    let dtype = call.tensor("x")?.dtype;
    Ok(vec![Tensor::floats(dtype, shape, y)?, Tensor::floats(dtype, vec![batch, state], h)?])
}

/// Gates stand in the order reset, output, update. The reset gate meets the state before its product with the recursion
/// matrix, or, with `reset_after`, the product; only then `bias` belongs to the product and `input_bias` to the input.
fn gru(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let e = Extents::of(call, 3)?;
    let Extents { features, state, .. } = e;
    let (recurrent, output) =
        (Activation::of(call, "recurrent_activation")?, Activation::of(call, "activation")?);
    let after = call.bool("reset_after")?;
    let weight = given(call, "weight_ih", &[3 * state, features])?;
    let recursion = given(call, "weight_hh", &[3 * state, state])?;
    let (bias, input_bias) = (vector(call, "bias", 3 * state)?, vector(call, "input_bias", 3 * state)?);
    let mut first: Vec<f32> = bias.iter().zip(&*input_bias).map(|(a, b)| a + b).collect();
    if after {
        first[state..2 * state].copy_from_slice(&input_bias[state..2 * state]);
    }
    let gates = input_gates(call, &e, weight, &first)?;
    let out_recursion = &recursion[state * state..2 * state * state];
    let advance = |gates: &mut [f32], h: &mut [f32]| {
        let mut resets = Vec::with_capacity(h.len());
        // The recursion's share of each gate, apart from the input's: reset and update first.
        let mut shares = vec![0.0; gates.len()];
        recur(&mut shares, h, recursion, state);
        let rows = gates.chunks_mut(3 * state).zip(shares.chunks_mut(3 * state));
        for ((gates, shares), h) in rows.zip(h.chunks(state)) {
            for part in [0, 2] {
                let range = part * state..(part + 1) * state;
                gates[range.clone()].iter_mut().zip(&shares[range.clone()]).for_each(|(g, s)| *g += s);
                recurrent.apply(&mut gates[range]);
            }
            if after {
                for i in 0..state {
                    gates[state + i] += gates[i] * (shares[state + i] + bias[state + i]);
                }
            }
            resets.extend(gates[..state].iter().zip(h).map(|(r, h)| r * h));
        }
        let mut products = vec![0.0; h.len()];
        if !after {
            recur(&mut products, &resets, out_recursion, state);
        }
        for ((gates, h), products) in
            gates.chunks_mut(3 * state).zip(h.chunks_mut(state)).zip(products.chunks(state))
        {
            let (_, rest) = gates.split_at_mut(state);
            let (new, update) = rest.split_at_mut(state);
            new.iter_mut().zip(products).for_each(|(n, p)| *n += p);
            output.apply(new);
            for ((h, n), z) in h.iter_mut().zip(new).zip(update) {
                *h = (1.0 - *z) * *n + *z * *h;
            }
        }
    };
    one_way(call, &e, gates, advance)
}

fn rnn(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let e = Extents::of(call, 1)?;
    let activation = Activation::of(call, "activation")?;
    let weight = given(call, "weight_ih", &[e.state, e.features])?;
    let recursion = given(call, "weight_hh", &[e.state, e.state])?;
    let gates = input_gates(call, &e, weight, &vector(call, "bias", e.state)?)?;
    one_way(call, &e, gates, |gates, h| {
        recur(gates, h, recursion, e.state);
        activation.apply(gates);
        h.copy_from_slice(gates);
    })
}

#[cfg(test)]
mod tests;
