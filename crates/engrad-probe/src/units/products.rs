//! Products and what surrounds them in a transformer, forward and backward.

use crate::numbers::{agreement, difference, matmul, sample, softmax, transpose, wide};
use crate::program::Text;
use crate::subject::Subject;
use crate::verdict::{Outcome, ProbeError, Verdict};

type Answer = Result<Verdict, ProbeError>;

/// Features of an activation, hidden features, positions.
const DIM: usize = 32;
const HIDDEN: usize = 64;
const WIDTH: usize = 32;

const PLAIN: &str = "transpose_x = no, transpose_y = no";

fn product(weight: &str, activation: &str) -> String {
    format!("x = {weight}, y = {activation}, {PLAIN}")
}

pub(crate) fn fused_qkv(subject: &Subject<'_>) -> Answer {
    let (square, shape) = ([1, DIM, DIM], [1, DIM, WIDTH]);
    let text = Text::new().input("x", &shape).input("wq", &square).input("wk", &square).input("wv", &square);
    let text = text.flags();
    let text = text
        .op(&shape, "q", "matmul", &product("wq", "x"))
        .op(&shape, "k", "matmul", &product("wk", "x"))
        .op(&shape, "v", "matmul", &product("wv", "x"))
        .outputs("q, k, v");
    let x = sample(DIM * WIDTH, 1);
    let weights: Vec<Vec<f32>> = (2..5).map(|seed| sample(DIM * DIM, seed)).collect();
    let outputs = subject.run(&text, &[&x, &weights[0], &weights[1], &weights[2]])?;
    let wanted: Vec<Vec<f64>> =
        weights.iter().map(|w| matmul(&wide(w), &wide(&x), (DIM, DIM, WIDTH))).collect();
    Ok(agreement(&outputs, &wanted))
}

/// A feed-forward block's inputs and all its values: gate before silu, up, hidden, output.
struct FeedForward {
    x: Vec<f32>,
    weights: [Vec<f32>; 3],
    gate: Vec<f64>,
    up: Vec<f64>,
    hidden: Vec<f64>,
    output: Vec<f64>,
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

impl FeedForward {
    fn new() -> Self {
        let scaled =
            |count, seed, scale: f32| -> Vec<f32> { sample(count, seed).iter().map(|v| v * scale).collect() };
        let x = sample(DIM * WIDTH, 1);
        let weights =
            [scaled(HIDDEN * DIM, 2, 0.5), scaled(DIM * HIDDEN, 3, 0.25), scaled(HIDDEN * DIM, 4, 0.5)];
        let gate = matmul(&wide(&weights[0]), &wide(&x), (HIDDEN, DIM, WIDTH));
        let up = matmul(&wide(&weights[2]), &wide(&x), (HIDDEN, DIM, WIDTH));
        let hidden: Vec<f64> = gate.iter().zip(&up).map(|(g, u)| silu(*g) * u).collect();
        let output = matmul(&wide(&weights[1]), &hidden, (DIM, HIDDEN, WIDTH));
        Self { x, weights, gate, up, hidden, output }
    }

    fn weight_inputs(text: Text) -> Text {
        text.input("w1", &[1, HIDDEN, DIM]).input("w2", &[1, DIM, HIDDEN]).input("w3", &[1, HIDDEN, DIM])
    }
}

pub(crate) fn fused_forward(subject: &Subject<'_>) -> Answer {
    let block = FeedForward::new();
    let (shape, hidden) = ([1, DIM, WIDTH], [1, HIDDEN, WIDTH]);
    let text = FeedForward::weight_inputs(Text::new().input("x", &shape))
        .flags()
        .constant("axis", "int32(1)")
        .op(&hidden, "gate", "matmul", &product("w1", "x"))
        .op(&hidden, "up", "matmul", &product("w3", "x"))
        .op(&hidden, "opened", "silu", "x = gate")
        .op(&hidden, "inner", "mul", "x = opened, y = up")
        .op(&shape, "out", "matmul", &product("w2", "inner"))
        .op(
            &[1, DIM + 3 * HIDDEN, WIDTH],
            "joined",
            "concat",
            "values = (out, gate, up, inner), axis = axis, interleave = no",
        )
        .outputs("joined");
    let [w1, w2, w3] = &block.weights;
    let outputs = subject.run(&text, &[&block.x, w1, w2, w3])?;
    let wanted = [block.output, block.gate, block.up, block.hidden].concat();
    Ok(agreement(&outputs, &[wanted]))
}

pub(crate) fn fused_backward(subject: &Subject<'_>) -> Answer {
    let block = FeedForward::new();
    let (shape, hidden) = ([1, DIM, WIDTH], [1, HIDDEN, WIDTH]);
    let size = [1, HIDDEN as i32, WIDTH as i32];
    // Saved activations gate and up, and the cotangent of the output, joined along the channels.
    let text = FeedForward::weight_inputs(Text::new().input("saved", &[1, 2 * HIDDEN + DIM, WIDTH]))
        .flags()
        .integers("at_gate", &[0, 0, 0])
        .integers("at_up", &[0, HIDDEN as i32, 0])
        .integers("at_d", &[0, 2 * HIDDEN as i32, 0])
        .integers("size", &size)
        .integers("size_d", &[1, DIM as i32, WIDTH as i32])
        .numbers("one", &[], &[1.0])
        .op(&hidden, "gate", "slice_by_size", "x = saved, begin = at_gate, size = size")
        .op(&hidden, "up", "slice_by_size", "x = saved, begin = at_up, size = size")
        .op(&shape, "d_out", "slice_by_size", "x = saved, begin = at_d, size = size_d")
        .op(&hidden, "d_inner", "matmul", "x = w2, y = d_out, transpose_x = yes, transpose_y = no")
        .op(&hidden, "s", "sigmoid", "x = gate")
        .op(&hidden, "opened", "mul", "x = gate, y = s")
        .op(&hidden, "d_up", "mul", "x = d_inner, y = opened")
        // silu'(g) = s (1 + g (1 - s)) = s + silu(g) (1 - s)
        .op(&hidden, "rest", "sub", "x = one, y = s")
        .op(&hidden, "bend", "mul", "x = opened, y = rest")
        .op(&hidden, "slope", "add", "x = s, y = bend")
        .op(&hidden, "d_opened", "mul", "x = d_inner, y = up")
        .op(&hidden, "d_gate", "mul", "x = d_opened, y = slope")
        .op(&shape, "d_x1", "matmul", "x = w1, y = d_gate, transpose_x = yes, transpose_y = no")
        .op(&shape, "d_x3", "matmul", "x = w3, y = d_up, transpose_x = yes, transpose_y = no")
        .op(&shape, "d_x", "add", "x = d_x1, y = d_x3")
        .outputs("d_x, d_gate, d_up");
    let d_out = sample(DIM * WIDTH, 9);
    let narrow = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let saved = [narrow(&block.gate), narrow(&block.up), d_out.clone()].concat();
    let [w1, w2, w3] = &block.weights;
    let outputs = subject.run(&text, &[&saved, w1, w2, w3])?;

    let back = |w: &[f32], d: &[f64], (rows, columns): (usize, usize)| {
        matmul(&transpose(&wide(w), rows, columns), d, (columns, rows, WIDTH))
    };
    let d_inner = back(w2, &wide(&d_out), (DIM, HIDDEN));
    let d_up: Vec<f64> = d_inner.iter().zip(&block.gate).map(|(d, g)| d * silu(*g)).collect();
    let slope = |g: f64| {
        let s = 1.0 / (1.0 + (-g).exp());
        s + silu(g) * (1.0 - s)
    };
    let d_gate: Vec<f64> =
        d_inner.iter().zip(&block.up).zip(&block.gate).map(|((d, u), g)| d * u * slope(*g)).collect();
    let (one, three) = (back(w1, &d_gate, (HIDDEN, DIM)), back(w3, &d_up, (HIDDEN, DIM)));
    let d_x = one.iter().zip(&three).map(|(a, b)| a + b).collect();
    Ok(agreement(&outputs, &[d_x, d_gate, d_up]))
}

pub(crate) fn dynamic(subject: &Subject<'_>) -> Answer {
    let packed = [1, DIM, 1, WIDTH + DIM];
    let (extent, dim) = (WIDTH as i32, DIM as i32);
    // Columns 0.. are positions, columns WIDTH.. are the weight's rows: channel c holds w[:, c].
    let text = Text::new()
        .input("packed", &packed)
        .flags()
        .integers("first", &[0, 0, 0, 0])
        .integers("second", &[0, 0, 0, extent])
        .integers("x_size", &[1, dim, 1, extent])
        .integers("w_size", &[1, dim, 1, dim])
        .integers("x_matrix", &[1, 1, dim, extent])
        .integers("w_matrix", &[1, 1, dim, dim])
        .integers("swap", &[0, 1, 3, 2])
        .integers("columns", &[1, dim, 1, extent])
        .op(&[1, DIM, 1, WIDTH], "x4", "slice_by_size", "x = packed, begin = first, size = x_size")
        .op(&[1, DIM, 1, DIM], "w4", "slice_by_size", "x = packed, begin = second, size = w_size")
        .op(&[1, 1, DIM, WIDTH], "xm", "reshape", "x = x4, shape = x_matrix")
        .op(&[1, 1, DIM, DIM], "wm", "reshape", "x = w4, shape = w_matrix")
        .op(&[1, 1, WIDTH, DIM], "xt", "transpose", "x = xm, perm = swap")
        .op(&[1, 1, WIDTH, DIM], "yt", "matmul", "x = xt, y = wm, transpose_x = no, transpose_y = no")
        .op(&[1, 1, DIM, WIDTH], "ym", "transpose", "x = yt, perm = swap")
        .op(&[1, DIM, 1, WIDTH], "y", "reshape", "x = ym, shape = columns")
        .outputs("y");
    let (x, w) = (sample(DIM * WIDTH, 1), sample(DIM * DIM, 2));
    let rows = x.chunks(WIDTH).zip(w.chunks(DIM));
    let input: Vec<f32> = rows.flat_map(|(x, w)| x.iter().chain(w)).copied().collect();
    let outputs = subject.run(&text, &[&input])?;
    let weight = transpose(&wide(&w), DIM, DIM);
    Ok(agreement(&outputs, &[matmul(&weight, &wide(&x), (DIM, DIM, WIDTH))]))
}

const VOCABULARY: usize = 32_000;

pub(crate) fn classifier(subject: &Subject<'_>) -> Answer {
    let (features, positions) = (16, 8);
    let text = Text::new()
        .input("x", &[1, features, 1, positions])
        .input("w", &[VOCABULARY, features, 1, 1])
        .integers("ones", &[1, 1])
        .integers("pad", &[0, 0, 0, 0])
        .constant("pad_type", "string(\"valid\")")
        .constant("groups", "int32(1)")
        .op(
            &[1, VOCABULARY, 1, positions],
            "y",
            "conv",
            "x = x, weight = w, strides = ones, pad_type = pad_type, pad = pad, dilations = ones, groups = groups",
        )
        .outputs("y");
    let (x, w) = (sample(features * positions, 1), sample(VOCABULARY * features, 2));
    let outputs = subject.run(&text, &[&x, &w])?;
    Ok(agreement(&outputs, &[matmul(&wide(&w), &wide(&x), (VOCABULARY, features, positions))]))
}

pub(crate) fn vocabulary_softmax(subject: &Subject<'_>) -> Answer {
    let positions = 4;
    let shape = [1, VOCABULARY, 1, positions];
    let text = Text::new().input("x", &shape).constant("axis", "int32(1)");
    let text = text.op(&shape, "y", "softmax", "x = x, axis = axis").outputs("y");
    // Logits of some size, so that shares are above fp16's smallest numbers.
    let x: Vec<f32> = sample(VOCABULARY * positions, 1).iter().map(|v| v * 8.0).collect();
    let outputs = subject.run(&text, &[&x])?;
    let columns = transpose(&wide(&x), VOCABULARY, positions);
    let wanted = transpose(&softmax(&columns, VOCABULARY), positions, VOCABULARY);
    Ok(agreement(&outputs, &[wanted]))
}

pub(crate) fn rms_norm_backward(subject: &Subject<'_>) -> Answer {
    let (features, positions) = (64, 32);
    let (shape, row) = ([1, features, 1, positions], [1, 1, 1, positions]);
    // y = w x r with r = 1 / sqrt(mean(x^2) + e); dx = r (w dy - x r^2 mean(x w dy)).
    let text = Text::new()
        .input("x", &shape)
        .input("d_y", &shape)
        .input("w", &[1, features, 1, 1])
        .integers("axes", &[1])
        .flags()
        .numbers("epsilon", &[], &[1e-5])
        .op(&shape, "squares", "mul", "x = x, y = x")
        .op(&row, "mean", "reduce_mean", "x = squares, axes = axes, keep_dims = yes")
        .op(&row, "r", "rsqrt", "x = mean, epsilon = epsilon")
        .op(&shape, "wd", "mul", "x = d_y, y = w")
        .op(&shape, "normed", "mul", "x = x, y = r")
        .op(&shape, "products", "mul", "x = normed, y = wd")
        .op(&row, "share", "reduce_mean", "x = products, axes = axes, keep_dims = yes")
        .op(&shape, "along", "mul", "x = normed, y = share")
        .op(&shape, "across", "sub", "x = wd, y = along")
        .op(&shape, "d_x", "mul", "x = across, y = r")
        .outputs("d_x");
    let kernel = subject.compile(&text)?;
    let (d_y, w) = (sample(features * positions, 2), sample(features, 3));
    let mut differences = Vec::new();
    for scale in [1.0f32, 400.0] {
        let x: Vec<f32> = sample(features * positions, 1).iter().map(|v| v * scale).collect();
        let outputs = crate::subject::run(&kernel, &[&x, &d_y, &w])?;
        let wanted = rms_norm_gradient(&wide(&x), &wide(&d_y), &wide(&w), positions);
        let found = outputs.first().map_or(&[][..], Vec::as_slice);
        differences.push(difference(found, &wanted).min(f64::MAX));
    }
    let verdict =
        match (differences[0] <= crate::numbers::TOLERANCE, differences[1] <= crate::numbers::TOLERANCE) {
            (true, true) => Verdict::new(Outcome::Pass, "it agrees with plain loops at both sizes"),
            (true, false) => {
                Verdict::new(Outcome::Fail, "it agrees at values about 1; at 400 the squares overflow")
            }
            (false, _) => Verdict::new(
                Outcome::Inconclusive,
                "it runs and computes something else even at values about 1",
            ),
        };
    Ok(verdict.numbers("relative_difference_at_1_and_400", differences))
}

fn rms_norm_gradient(x: &[f64], d_y: &[f64], w: &[f64], positions: usize) -> Vec<f64> {
    let features = w.len();
    let mut d_x = vec![0.0; x.len()];
    for p in 0..positions {
        let at = |f: usize| f * positions + p;
        let mean = (0..features).map(|f| x[at(f)] * x[at(f)]).sum::<f64>() / features as f64;
        let r = 1.0 / (mean + 1e-5).sqrt();
        let share = (0..features).map(|f| x[at(f)] * r * d_y[at(f)] * w[f]).sum::<f64>() / features as f64;
        for f in 0..features {
            d_x[at(f)] = r * (w[f] * d_y[at(f)] - x[at(f)] * r * share);
        }
    }
    d_x
}
