//! Ranges, rounding, tables and integers.

use crate::numbers::{agreement, matmul, rounded, sample, wide};
use crate::program::Text;
use crate::subject::Subject;
use crate::verdict::{Outcome, ProbeError, Verdict};

type Answer = Result<Verdict, ProbeError>;

pub(crate) fn int8_weights(subject: &Subject<'_>) -> Answer {
    let (out, features, positions) = (32usize, 32usize, 32usize);
    let quantized: Vec<i32> = (0..out * features).map(|i| (i as i32 * 37) % 255 - 127).collect();
    let scales: Vec<f32> = (0..out).map(|o| (o + 1) as f32 / 1024.0).collect();
    let rows: Vec<String> = quantized
        .chunks(features)
        .map(|row| format!("[{}]", row.iter().map(|v| format!("[[{v}]]")).collect::<Vec<_>>().join(", ")))
        .collect();
    let shape = [1, features, 1, positions];
    let text = Text::new()
        .input("x", &shape)
        .integers("ones", &[1, 1])
        .integers("pad", &[0, 0, 0, 0])
        .constant("pad_type", "string(\"valid\")")
        .constant("groups", "int32(1)")
        .statement(&format!(
            "tensor<fp16, [{out}, {features}, 1, 1]> w = constexpr_affine_dequantize()[axis = int32(0), name = string(\"w\"), \
             quantized_data = tensor<int8, [{out}, {features}, 1, 1]>([{}]), scale = tensor<fp16, [{out}]>({scales:?}), \
             zero_point = int8(0)];",
            rows.join(", ")
        ))
        .op(
            &[1, out, 1, positions],
            "y",
            "conv",
            "x = x, weight = w, strides = ones, pad_type = pad_type, pad = pad, dilations = ones, groups = groups",
        )
        .outputs("y");
    let x = sample(features * positions, 1);
    let outputs = subject.run(&text, &[&x])?;
    let w: Vec<f64> =
        quantized.iter().enumerate().map(|(i, &q)| f64::from(q) * f64::from(scales[i / features])).collect();
    Ok(agreement(&outputs, &[matmul(&w, &wide(&x), (out, features, positions))]))
}

pub(crate) fn int8_activations(subject: &Subject<'_>) -> Answer {
    let shape = [1, 1, 1, 32];
    let text = Text::new()
        .input("x", &shape)
        .numbers("scale", &[], &[0.125])
        .constant("kind", "string(\"int8\")")
        .typed(
            "tensor<int8, [1, 1, 1, 32]>",
            "q",
            "quantize",
            "input = x, output_dtype = kind, scale = scale",
        )
        .op(&shape, "y", "dequantize", "input = q, scale = scale")
        .outputs("y");
    // In steps of the scale: plain values, ties, values beyond the range, and their negatives.
    let steps =
        [0.0f32, 1.0, 0.25, 0.75, 0.5, 1.5, 2.5, 3.5, 126.0, 127.0, 127.25, 128.0, 200.0, 5.25, 60.75, 99.0];
    let x: Vec<f32> = steps.iter().flat_map(|&s| [s * 0.125, s * -0.125]).collect();
    let output = subject.run(&text, &[&x])?.into_iter().next().unwrap_or_default();
    let mut wrong = Vec::new();
    let (mut even, mut away) = (true, true);
    for (&x, &y) in x.iter().zip(&output) {
        let (step, found) = (f64::from(x) / 0.125, f64::from(y) / 0.125);
        let limit = |v: f64| v.clamp(-128.0, 127.0);
        if step.fract().abs() == 0.5 {
            even &= found == limit(step.round_ties_even());
            away &= found == limit(step.round());
        } else if found != limit(step.round()) {
            wrong.push(step);
        }
    }
    let ties = match (even, away) {
        (true, _) => "to even",
        (_, true) => "away from zero",
        _ => "another way",
    };
    Ok(Verdict::judge(
        wrong.is_empty() && (even || away),
        "values are rounded and clamped to -128 and 127",
        "a value is not rounded to the nearest step, or not clamped",
    )
    .text("ties", ties)
    .numbers("wrong_at_steps", wrong))
}

pub(crate) fn product_range(subject: &Subject<'_>) -> Answer {
    let k = 32;
    let text = Text::new().input("x", &[1, 8, k]).input("w", &[1, k, 32]).flags();
    let text =
        text.op(&[1, 8, 32], "y", "matmul", "x = x, y = w, transpose_x = no, transpose_y = no").outputs("y");
    // Row r sums to targets[r] by equal positive terms: no partial sum is larger.
    let targets = [32_736.0f32, 32_752.0, 32_768.0, 40_960.0, 49_152.0, -32_752.0, -32_768.0, -49_152.0];
    let terms = targets.map(|t| t / k as f32);
    // fp16 holds every term times 1/16 and every weight of 16 exactly.
    let x: Vec<f32> = terms.iter().flat_map(|&t| vec![t / 16.0; k]).collect();
    let w = vec![16.0f32; k * 32];
    let output = subject.run(&text, &[&x, &w])?.into_iter().next().unwrap_or_default();
    let found: Vec<f64> = output.chunks(32).map(|row| f64::from(row[0])).collect();
    let lost: Vec<f64> = targets
        .iter()
        .zip(&found)
        .filter(|(t, f)| (f64::from(**t) - **f).abs() > 32.0 || !f.is_finite())
        .map(|(t, _)| f64::from(*t))
        .collect();
    let below = targets.iter().filter(|t| t.abs() < 32_768.0).any(|t| lost.contains(&f64::from(*t)));
    Ok(if lost.is_empty() {
        Verdict::new(Outcome::Pass, "results up to 49152 are kept")
    } else if below {
        Verdict::new(Outcome::Inconclusive, "results below 32768 are lost too")
    } else {
        Verdict::new(Outcome::Fail, "results of 32768 and more are lost")
    }
    .numbers("lost", lost))
}

pub(crate) fn slice_range(subject: &Subject<'_>) -> Answer {
    let text = Text::new()
        .input("x", &[1, 32, 1, 40])
        .integers("at_8", &[0, 0, 0, 8])
        .integers("at_0", &[0, 0, 0, 0])
        .integers("size", &[1, 32, 1, 32])
        .numbers("zero", &[], &[0.0])
        // Nothing but slices is refused (R07), hence the sums.
        .op(&[1, 32, 1, 32], "s8", "slice_by_size", "x = x, begin = at_8, size = size")
        .op(&[1, 32, 1, 32], "s0", "slice_by_size", "x = x, begin = at_0, size = size")
        .op(&[1, 32, 1, 32], "y8", "add", "x = s8, y = zero")
        .op(&[1, 32, 1, 32], "y0", "add", "x = s0, y = zero")
        .outputs("y8, y0");
    let values = [1.0f32, 2048.0, 4092.0, 4094.0, 4096.0, 5000.0, 8192.0, -4094.0, -4096.0, -8192.0];
    let x: Vec<f32> = (0..32 * 40).map(|i| values[i % values.len()]).collect();
    let outputs = subject.run(&text, &[&x])?;
    let mut lost = Vec::new();
    for (output, begin) in outputs.iter().zip([8usize, 0]) {
        for (at, &y) in output.iter().enumerate() {
            let wanted = x[at / 32 * 40 + begin + at % 32];
            if y != wanted && !lost.contains(&f64::from(wanted)) {
                lost.push(f64::from(wanted));
            }
        }
    }
    let small = lost.iter().any(|v| v.abs() < 4094.0);
    Ok(match (lost.is_empty(), small) {
        (true, _) => Verdict::new(Outcome::Pass, "every value is kept, wherever the slice begins"),
        (_, true) => Verdict::new(Outcome::Inconclusive, "small values are lost too"),
        _ => Verdict::new(Outcome::Fail, "large values are lost"),
    }
    .numbers("lost", lost))
}

pub(crate) fn sum_range(subject: &Subject<'_>) -> Answer {
    let mut found = Vec::new();
    let counts = [2049usize, 3001];
    for count in counts {
        let text = Text::new().input("x", &[1, 1, 1, count]).integers("axes", &[3]).flags();
        let arguments = "x = x, axes = axes, keep_dims = yes";
        let text = text.op(&[1, 1, 1, 1], "y", "reduce_sum", arguments).outputs("y");
        let output = subject.run(&text, &[&vec![1.0; count]])?;
        found.push(output.first().and_then(|o| o.first()).copied().map_or(f64::NAN, f64::from));
    }
    let exact = counts.iter().zip(&found).all(|(&count, &sum)| (count as f64 - sum).abs() <= 1.0);
    Ok(Verdict::judge(exact, "sums are those of a wide accumulator", "partial sums are rounded to fp16")
        .numbers("sums_of_2049_and_3001_ones", found))
}

pub(crate) fn ties(subject: &Subject<'_>) -> Answer {
    let shape = [1, 1, 1, 32];
    let text = Text::new().input("a", &shape).input("b", &shape);
    let text = text.op(&shape, "y", "add", "x = a, y = b").outputs("y");
    let pairs = [(2048.0f32, 1.0f32), (2050.0, 1.0), (4096.0, 2.0), (4100.0, 2.0)];
    let a: Vec<f32> = pairs.iter().flat_map(|p| [p.0, -p.0]).collect();
    let b: Vec<f32> = pairs.iter().flat_map(|p| [p.1, -p.1]).collect();
    let output = subject.run(&text, &[&a, &b])?.into_iter().next().unwrap_or_default();
    let sums =
        || a.iter().zip(&b).zip(&output).map(|((a, b), y)| (f64::from(*a) + f64::from(*b), f64::from(*y)));
    let even = sums().all(|(sum, y)| y == rounded(sum));
    // Away from zero: the larger magnitude of the two neighbours, one unit of the last place further.
    let away = sums().all(|(sum, y)| {
        let unit = if sum.abs() < 4096.0 { 2.0 } else { 4.0 };
        y == sum + sum.signum() * unit / 2.0
    });
    let found = sums().map(|(_, y)| y).collect();
    Ok(match (even, away) {
        (true, _) => Verdict::new(Outcome::Pass, "ties go to the even number"),
        (_, true) => Verdict::new(Outcome::Fail, "ties go away from zero"),
        _ => Verdict::new(Outcome::Inconclusive, "ties follow neither rule"),
    }
    .numbers("sums", found))
}

/// Name, statement, value in f64, range of the grid.
type Activation = (&'static str, &'static str, fn(f64) -> f64, f64);

const ACTIVATIONS: [Activation; 6] = [
    ("sigmoid", "x = x", |x| 1.0 / (1.0 + (-x).exp()), 8.0),
    ("tanh", "x = x", f64::tanh, 4.0),
    ("silu", "x = x", |x| x / (1.0 + (-x).exp()), 8.0),
    ("gelu", "x = x, mode = mode", |x| 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)), 4.0),
    ("exp2", "x = x", f64::exp2, 4.0),
    ("erf", "x = x", erf, 2.0),
];

/// The error function by its series, which converges fast enough in the range of the grids.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..80 {
        let n = f64::from(n);
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

pub(crate) fn tables(subject: &Subject<'_>) -> Answer {
    let (rows, width) = (32usize, 128usize);
    let shape = [1, rows, 1, width];
    let (mut names, mut errors, mut zeros, mut exact) = (Vec::new(), Vec::new(), Vec::new(), true);
    let mut refused = Vec::new();
    for (op, arguments, function, range) in ACTIVATIONS {
        let text = Text::new().input("x", &shape).constant("mode", "string(\"EXACT\")");
        let text = text.op(&shape, "y", op, arguments).outputs("y");
        let count = rows * width;
        let grid: Vec<f32> = (0..count)
            .map(|i| (i as f64 / (count / 2) as f64 - 1.0) * range)
            .map(|x| rounded(x) as f32)
            .collect();
        let output = match subject.run(&text, &[&grid]) {
            Ok(outputs) => outputs.into_iter().next().unwrap_or_default(),
            Err(error) => {
                refused.push(format!("{op}: {error}"));
                continue;
            }
        };
        let mut worst = 0.0f64;
        for (&x, &y) in grid.iter().zip(&output) {
            let wanted = function(f64::from(x));
            let error = (f64::from(y) - wanted).abs();
            // Two units of fp16's last place, and what a table of 33 knots cannot keep.
            exact &= error <= wanted.abs() / 512.0 + 1e-4;
            worst = worst.max(if error.is_finite() { error } else { f64::MAX });
        }
        names.push(op.to_owned());
        errors.push(worst);
        zeros.push(output.get(count / 2).copied().map_or(f64::NAN, f64::from));
    }
    if names.is_empty() {
        return Err(ProbeError::Unsupported(refused.join("; ")));
    }
    Ok(Verdict::judge(exact, "every function is exact to fp16", "functions are approximated by tables")
        .texts("functions", names)
        .numbers("largest_error", errors)
        .numbers("value_at_0", zeros)
        .texts("refused", refused))
}

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    fn the_series_of_erf_converges_on_the_grid() {
        for (x, wanted) in [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (2.0, 0.995_322_265_018_952_7)] {
            assert!((erf(x) - wanted).abs() < 1e-12, "{x}");
        }
        assert!((erf(4.0 / std::f64::consts::SQRT_2) - 0.999_936_657_516_333_7).abs() < 1e-9);
    }
}
