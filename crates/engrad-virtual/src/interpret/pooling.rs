//! Pooling over windows.

use engrad_mil::Op;
use rayon::prelude::*;

use super::call::{Call, Kernel};
use super::convolution::{Windows, positive, spatial_rank, three, windows};
use super::tensor::{Tensor, elements, table_len};

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::AvgPool => avg_pool,
        Op::L2Pool => l2_pool,
        Op::MaxPool => max_pool,
        _ => return None,
    })
}

/// A window along one dimension.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// Elements of the input: from the first to before the last.
    start: usize,
    end: usize,
    /// Elements of input and padding.
    padded: usize,
}

/// What becomes of a window: given its rows, and how many elements it has without and with padding.
trait Reduce: Sync {
    fn reduce<'a>(&self, rows: impl Iterator<Item = &'a [f32]>, counts: [usize; 2]) -> f32;
}

fn pool(call: &Call<'_>, window: &impl Reduce) -> Result<Vec<Tensor>, String> {
    let x = call.tensor("x")?;
    let spatial = spatial_rank(x)?;
    let Windows { windows, padding, pads } = windows(call, &positive(call, "kernel_sizes", spatial)?, false)?;
    let ceil = call.bool("ceil_mode")?;
    let input = three(&x.shape[2..], 1);
    let mut output = [1; 3];
    let mut result = x.shape[..2].to_vec();
    let mut befores = [[0; 2]; 3];
    for d in 0..3 {
        befores[d] = padding.amounts(windows[d], input[d], pads[d]);
        let count = windows[d].count(input[d], befores[d], ceil);
        output[d] = table_len(count.ok_or_else(|| format!("a window does not fit x {:?}", x.shape))?)?;
    }
    result.extend(&output[3 - spatial..]);
    let mut y = vec![0.0; elements(&result)?];
    let spans = [0, 1, 2].map(|d| {
        let [before, after] = befores[d];
        let span = |o: usize| {
            let first = o * windows[d].stride;
            let last = (first + windows[d].kernel).min(input[d] + before + after);
            let clip = |at: usize| at.saturating_sub(before).min(input[d]);
            Span { start: clip(first), end: clip(last), padded: last.saturating_sub(first) }
        };
        (0..if y.is_empty() { 0 } else { output[d] }).map(span).collect::<Vec<_>>()
    });
    let (plane, values) = (input.iter().product::<usize>(), x.as_floats()?);
    let positions: usize = output.iter().product();
    y.par_chunks_mut(positions.max(1)).enumerate().for_each(|(channel, y)| {
        let x = &values[channel * plane..][..plane];
        let mut targets = y.iter_mut();
        for depth in &spans[0] {
            for height in &spans[1] {
                for (width, target) in spans[2].iter().zip(&mut targets) {
                    let len = [depth, height, width].map(|s| s.end - s.start);
                    let counts = [len.iter().product(), depth.padded * height.padded * width.padded];
                    let lines = (depth.start..depth.end)
                        .flat_map(|z| (height.start..height.end).map(move |y| (z * input[1] + y) * input[2]));
                    let rows = lines.map(|line| &x[line + width.start..line + width.end]);
                    *target = window.reduce(rows, counts);
                }
            }
        }
    });
    Ok(vec![Tensor::floats(x.dtype, result, y)?])
}

struct Largest;

impl Reduce for Largest {
    fn reduce<'a>(&self, rows: impl Iterator<Item = &'a [f32]>, _: [usize; 2]) -> f32 {
        rows.flatten().fold(f32::NEG_INFINITY, |most, &v| if v > most || v.is_nan() { v } else { most })
    }
}

struct Mean {
    /// Whether padding counts for nothing.
    exclude: bool,
}

impl Reduce for Mean {
    fn reduce<'a>(&self, rows: impl Iterator<Item = &'a [f32]>, [inside, padded]: [usize; 2]) -> f32 {
        let count = if self.exclude { inside } else { padded };
        let sum: f32 = rows.map(|row| row.iter().sum::<f32>()).sum();
        if count == 0 { 0.0 } else { sum / count as f32 }
    }
}

struct Norm;

impl Reduce for Norm {
    fn reduce<'a>(&self, rows: impl Iterator<Item = &'a [f32]>, _: [usize; 2]) -> f32 {
        rows.flatten().map(|v| v * v).sum::<f32>().sqrt()
    }
}

fn max_pool(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    pool(call, &Largest)
}

fn avg_pool(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    pool(call, &Mean { exclude: call.bool("exclude_padding_from_average")? })
}

fn l2_pool(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    pool(call, &Norm)
}

#[cfg(test)]
mod tests {
    use crate::interpret::testing::{run, tensor};

    /// The pool of 1 2 3 4 5 in one dimension.
    fn pooled(op: &str, arguments: &str) -> Vec<f32> {
        let text = format!(
            "{op}(kernel_sizes = tensor<int32, [1]>([2]), strides = tensor<int32, [1]>([2]), {arguments}, x = x)"
        );
        let x = tensor(&[1, 1, 5], &[1., 2., 3., 4., 5.]);
        run(&text, &[("x", x)]).unwrap()[0].as_floats().unwrap().to_vec()
    }

    #[test]
    fn padding_never_wins_and_counts_only_where_asked() {
        let custom = r#"pad = tensor<int32, [2]>([1, 0]), pad_type = string("custom")"#;
        assert_eq!(pooled("max_pool", custom), [1., 3., 5.]);
        assert_eq!(pooled("avg_pool", custom), [0.5, 2.5, 4.5]);
        let excluded = format!("exclude_padding_from_average = bool(true), {custom}");
        assert_eq!(pooled("avg_pool", &excluded), [1., 2.5, 4.5]);
        assert_eq!(pooled("l2_pool", custom)[0], 1.0);
    }

    #[test]
    fn in_ceil_mode_a_window_may_hang_over_and_counts_what_it_covers() {
        let ceil = r#"ceil_mode = bool(true), pad_type = string("valid")"#;
        assert_eq!(pooled("avg_pool", ceil), [1.5, 3.5, 5.]);
        assert_eq!(pooled("max_pool", ceil), [2., 4., 5.]);
    }

    #[test]
    fn same_padding_puts_the_odd_element_behind_and_same_lower_in_front() {
        assert_eq!(pooled("max_pool", r#"pad_type = string("same")"#), [2., 4., 5.]);
        assert_eq!(pooled("max_pool", r#"pad_type = string("same_lower")"#), [1., 3., 5.]);
    }

    #[test]
    fn windows_of_three_dimensions_cover_all_of_them() {
        let x: Vec<f32> = (0..8).map(|v| v as f32).collect();
        let text =
            r#"avg_pool(kernel_sizes = tensor<int32, [3]>([2, 2, 2]), pad_type = string("valid"), x = x)"#;
        let y = run(text, &[("x", tensor(&[1, 1, 2, 2, 2], &x))]).unwrap();
        assert_eq!((y[0].shape.clone(), y[0].as_floats().unwrap()), (vec![1, 1, 1, 1, 1], &[3.5][..]));
    }
}
