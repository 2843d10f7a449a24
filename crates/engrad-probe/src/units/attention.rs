//! Attention, fused and written out.

use crate::numbers::{TOLERANCE, agreement, attention, causal_mask, difference, sample, transpose, wide};
use crate::program::Text;
use crate::subject::Subject;
use crate::verdict::{Outcome, ProbeError, Verdict};

type Answer = Result<Verdict, ProbeError>;

const HEADS: usize = 2;
const FEATURES: usize = 32;

/// Query, key and value, each `[heads, positions, features]`.
struct Data {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    positions: usize,
}

impl Data {
    fn new(positions: usize) -> Self {
        let count = HEADS * positions * FEATURES;
        // Scores of several units, so that the mask matters.
        let large = |seed| sample(count, seed).iter().map(|v| v * 2.0).collect();
        Self { q: large(1), k: large(2), v: sample(count, 3), positions }
    }

    fn result(&self, masked: bool) -> Vec<f64> {
        let mask = masked.then(|| wide(&causal_mask(self.positions)));
        let head = self.positions * FEATURES;
        let heads = (0..HEADS).flat_map(|h| {
            let part = |t: &[f32]| wide(&t[h * head..(h + 1) * head]);
            attention(
                (&part(&self.q), &part(&self.k), &part(&self.v)),
                (self.positions, FEATURES),
                mask.as_deref(),
            )
        });
        heads.collect()
    }

    /// A mask that is ignored is an answer of its own.
    fn judge(&self, outputs: &[Vec<f32>]) -> Verdict {
        let found = outputs.first().map_or(&[][..], Vec::as_slice);
        let (masked, free) = (difference(found, &self.result(true)), difference(found, &self.result(false)));
        let verdict = if masked <= TOLERANCE {
            Verdict::new(Outcome::Pass, "the future is masked")
        } else if free <= TOLERANCE {
            Verdict::new(Outcome::Fail, "the mask is ignored")
        } else {
            Verdict::new(Outcome::Fail, "the result is that of neither masked nor free attention")
        };
        let finite = |d: f64| if d.is_finite() { d } else { f64::MAX };
        verdict.number("difference_from_masked", finite(masked)).number("difference_from_free", finite(free))
    }

    fn inputs(&self) -> Text {
        let shape = self.shape();
        Text::new().input("q", &shape).input("k", &shape).input("v", &shape)
    }

    fn shape(&self) -> [usize; 4] {
        [1, HEADS, self.positions, FEATURES]
    }

    fn mask_shape(&self) -> [usize; 4] {
        [1, 1, self.positions, self.positions]
    }
}

const FUSED: &str = "query = q, key = k, value = v, attn_mask = mask";

pub(crate) fn mask_constant(subject: &Subject<'_>) -> Answer {
    let data = Data::new(8);
    let text = data.inputs().numbers("mask", &data.mask_shape(), &causal_mask(8));
    let text = text.op(&data.shape(), "y", "scaled_dot_product_attention", FUSED).outputs("y");
    Ok(data.judge(&subject.run(&text, &[&data.q, &data.k, &data.v])?))
}

pub(crate) fn mask_literal(subject: &Subject<'_>) -> Answer {
    let data = Data::new(4);
    // Few enough numbers to stay in the text.
    let rows: Vec<String> = causal_mask(4).chunks(4).map(|row| format!("{row:?}")).collect();
    let literal = format!("tensor<fp16, [1, 1, 4, 4]>([[[{}]]])", rows.join(", "));
    let arguments = FUSED.replace("attn_mask = mask", &format!("attn_mask = {literal}"));
    let text = data.inputs().op(&data.shape(), "y", "scaled_dot_product_attention", &arguments).outputs("y");
    Ok(data.judge(&subject.run(&text, &[&data.q, &data.k, &data.v])?))
}

pub(crate) fn mask_input(subject: &Subject<'_>) -> Answer {
    let data = Data::new(8);
    let text = data.inputs().input("mask", &data.mask_shape());
    let text = text.op(&data.shape(), "y", "scaled_dot_product_attention", FUSED).outputs("y");
    Ok(data.judge(&subject.run(&text, &[&data.q, &data.k, &data.v, &causal_mask(8)])?))
}

pub(crate) fn mask_decomposed(subject: &Subject<'_>) -> Answer {
    let data = Data::new(8);
    let (shape, scores) = (data.shape(), [1, HEADS, 8, 8]);
    let text = data
        .inputs()
        .flags()
        .numbers("scale", &[], &[1.0 / (FEATURES as f32).sqrt()])
        .numbers("mask", &data.mask_shape(), &causal_mask(8))
        .constant("axis", "int32(-1)")
        .op(&scores, "products", "matmul", "x = q, y = k, transpose_x = no, transpose_y = yes")
        .op(&scores, "scaled", "mul", "x = products, y = scale")
        .op(&scores, "masked", "add", "x = scaled, y = mask")
        .op(&scores, "shares", "softmax", "x = masked, axis = axis")
        .op(&shape, "y", "matmul", "x = shares, y = v, transpose_x = no, transpose_y = no")
        .outputs("y");
    Ok(data.judge(&subject.run(&text, &[&data.q, &data.k, &data.v])?))
}

/// Positions stand along the width, features along the channels, as convolutions want them. For each head, scores are
/// a convolution of the queries whose weights are the keys, and results one of the shares whose weights are the values.
pub(crate) fn grouped_convolution(subject: &Subject<'_>) -> Answer {
    let positions = 8;
    let data = Data::new(positions);
    let (channels, scores) = (HEADS * FEATURES, HEADS * positions);
    let convolution =
        "strides = strides, pad_type = pad_type, pad = pad, dilations = strides, groups = groups";
    let text = Text::new()
        .input("q", &[1, channels, 1, positions])
        .input("k", &[scores, FEATURES, 1, 1])
        .input("v", &[channels, positions, 1, 1])
        .integers("strides", &[1, 1])
        .integers("pad", &[0, 0, 0, 0])
        .constant("pad_type", "string(\"valid\")")
        .constant("groups", &format!("int32({HEADS})"))
        .numbers("scale", &[], &[1.0 / (FEATURES as f32).sqrt()])
        .constant("axis", "int32(2)")
        .integers("by_head", &[1, HEADS as i32, positions as i32, positions as i32])
        .integers("by_channel", &[1, scores as i32, 1, positions as i32])
        .op(&[1, scores, 1, positions], "products", "conv", &format!("x = q, weight = k, {convolution}"))
        .op(&[1, scores, 1, positions], "scaled", "mul", "x = products, y = scale")
        .op(&[1, HEADS, positions, positions], "heads", "reshape", "x = scaled, shape = by_head")
        .op(&[1, HEADS, positions, positions], "shares", "softmax", "x = heads, axis = axis")
        .op(&[1, scores, 1, positions], "flat", "reshape", "x = shares, shape = by_channel")
        .op(&[1, channels, 1, positions], "y", "conv", &format!("x = flat, weight = v, {convolution}"))
        .outputs("y");
    // [heads, positions, features] to features by positions, head by head.
    let turned = |t: &[f64]| -> Vec<f64> {
        t.chunks(positions * FEATURES).flat_map(|head| transpose(head, positions, FEATURES)).collect()
    };
    let narrow = |t: &[f32]| -> Vec<f32> { turned(&wide(t)).iter().map(|&v| v as f32).collect() };
    let outputs = subject.run(&text, &[&narrow(&data.q), &data.k, &narrow(&data.v)])?;
    Ok(agreement(&outputs, &[turned(&data.result(false))]))
}
