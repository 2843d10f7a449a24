//! RMSNorm (arXiv 1910.07467) over features: y = w·x·r with r = 1/√(mean x² + ε) per position, fused with the residual
//! stream around it: r is found while the stream is formed, and the cotangent is read from its surface once.

use std::ops::Range;

use rayon::prelude::*;

use super::Window;
use super::simd::vectorized;

/// Rows summed in one piece.
const BLOCK: usize = 64;

/// r of each position of `x`, `[features, positions]`.
pub(crate) fn scale(x: &[f32], positions: usize, epsilon: f64) -> Vec<f32> {
    let blocks: Vec<Vec<f32>> = x
        .par_chunks(BLOCK * positions)
        .map(|rows| {
            let mut sums = vec![0.0; positions];
            rows.chunks(positions).for_each(|row| add_squares(&mut sums, row));
            sums
        })
        .collect();
    finish(&blocks, x.len() / positions, positions, epsilon)
}

/// The next residual stream, `next = x + factor · y`, and its r.
pub(crate) fn add(x: &[f32], y: &Window, factor: f32, next: &mut [f32], epsilon: f64) -> Vec<f32> {
    let positions = y.columns();
    let blocks = y.zip_blocks(
        next,
        BLOCK,
        || vec![0.0; positions],
        |sums: &mut Vec<f32>, row, next, y| {
            let x = &x[row * positions..(row + 1) * positions];
            vectorized(
                #[inline(always)]
                || {
                    for ((next, x), y) in next.iter_mut().zip(x).zip(y) {
                        *next = x + factor * y;
                    }
                },
            );
            add_squares(sums, next);
        },
    );
    finish(&blocks, y.rows(), positions, epsilon)
}

fn add_squares(sums: &mut [f32], row: &[f32]) {
    vectorized(
        #[inline(always)]
        || {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value * value;
            }
        },
    );
}

fn finish(blocks: &[Vec<f32>], features: usize, positions: usize, epsilon: f64) -> Vec<f32> {
    let mean = |sum: f32| f64::from(sum) / features as f64;
    let sums = join(blocks, positions);
    sums.into_iter().map(|sum| (1.0 / (mean(sum) + epsilon).sqrt()) as f32).collect()
}

fn join(blocks: &[Vec<f32>], positions: usize) -> Vec<f32> {
    let mut total = vec![0.0; positions];
    for block in blocks {
        for (sum, part) in total.iter_mut().zip(block) {
            *sum += part;
        }
    }
    total
}

/// Writes some columns of the normed activation; columns of `out` beyond them become zero.
pub(crate) fn write(x: &[f32], columns: Range<usize>, scale: &[f32], weight: &[f32], out: &[&Window]) {
    let positions = scale.len();
    let scale = &scale[columns.clone()];
    for window in out {
        window.write_rows(|feature, line| {
            let (w, start) = (weight[feature], feature * positions);
            let x = &x[start + columns.start..start + columns.end];
            let (used, padding) = line.split_at_mut(x.len());
            padding.fill(0.0);
            vectorized(
                #[inline(always)]
                || {
                    for ((y, x), r) in used.iter_mut().zip(x).zip(scale) {
                        *y = x * r * w;
                    }
                },
            );
        });
    }
}

/// Where the cotangent of a normed activation comes from.
#[derive(Debug)]
pub(crate) enum Cotangent<'a> {
    /// Already dense in the buffer.
    Dense,
    /// On a surface; it is copied to the buffer on the way.
    Surface(&'a Window),
}

/// Adds to `dx` the share that flows through the norm; returns the weight's gradient. `g` is the buffer of the
/// cotangent.
///
/// With g the cotangent of the output: dx = r·(w·g − x·r²·mean(w·g·x)), dw = Σ g·x·r over positions.
pub(crate) fn backward(
    from: &Cotangent<'_>,
    g: &mut [f32],
    x: &[f32],
    scale: &[f32],
    weight: &[f32],
    dx: &mut [f32],
) -> Vec<f32> {
    let (features, positions) = (weight.len(), scale.len());
    let row = |feature: usize| feature * positions..(feature + 1) * positions;
    let add_dots = |sums: &mut [f32], feature: usize, g: &[f32]| {
        let (x, w) = (&x[row(feature)], weight[feature]);
        vectorized(
            #[inline(always)]
            || {
                for ((sum, g), x) in sums.iter_mut().zip(g).zip(x) {
                    *sum += w * g * x;
                }
            },
        );
    };
    let blocks = match from {
        Cotangent::Surface(window) => window.zip_blocks(
            g,
            BLOCK,
            || vec![0.0; positions],
            |sums: &mut Vec<f32>, feature, g, line| {
                g.copy_from_slice(line);
                add_dots(sums, feature, line);
            },
        ),
        Cotangent::Dense => g
            .par_chunks(BLOCK * positions)
            .enumerate()
            .map(|(block, rows)| {
                let mut sums = vec![0.0; positions];
                for (i, line) in rows.chunks(positions).enumerate() {
                    add_dots(&mut sums, block * BLOCK + i, line);
                }
                sums
            })
            .collect(),
    };
    let dots = join(&blocks, positions);
    let pull: Vec<f32> = dots.iter().zip(scale).map(|(dot, r)| dot * r * r * r / features as f32).collect();
    let mut d_weight = vec![0.0; features];
    let g: &[f32] = g;
    dx.par_chunks_mut(positions).zip(d_weight.par_iter_mut()).enumerate().with_min_len(16).for_each(
        |(feature, (dx, d_weight))| {
            let (g, x, w) = (&g[row(feature)], &x[row(feature)], weight[feature]);
            *d_weight = vectorized(
                #[inline(always)]
                || {
                    let mut sums = [0f32; LANES];
                    let ends = g.len() / LANES * LANES;
                    for at in (0..ends).step_by(LANES) {
                        let part = at..at + LANES;
                        let (dx, g, x) = (&mut dx[part.clone()], &g[part.clone()], &x[part.clone()]);
                        let (scale, pull) = (&scale[part.clone()], &pull[part]);
                        for i in 0..LANES {
                            dx[i] += w * g[i] * scale[i] - x[i] * pull[i];
                            sums[i] += g[i] * x[i] * scale[i];
                        }
                    }
                    let mut sum: f32 = sums.iter().sum();
                    for i in ends..g.len() {
                        dx[i] += w * g[i] * scale[i] - x[i] * pull[i];
                        sum += g[i] * x[i] * scale[i];
                    }
                    sum
                },
            );
        },
    );
    d_weight
}

/// Running sums of a weight's gradient.
const LANES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_engine::{Port, Surface};
    use engrad_mil::{DType, TensorType};

    fn window(rows: usize, columns: usize) -> Window {
        let port = Port::new("y", TensorType::channels(DType::Fp32, rows, columns));
        Window::of_port(&port, &Surface::for_port(&port).unwrap())
    }

    fn norm(x: &[f32], weight: &[f32], positions: usize) -> (Vec<f32>, Vec<f32>) {
        let out = window(weight.len(), positions);
        let scale = scale(x, positions, 1e-5);
        write(x, 0..positions, &scale, weight, &[&out]);
        let mut y = Vec::new();
        out.read_into(&mut y);
        (y, scale)
    }

    fn value(i: usize) -> f32 {
        ((i * 37 % 101) as f32 - 50.0) / 40.0
    }

    #[test]
    fn gradients_agree_with_central_differences() {
        let (features, positions) = (70, 19);
        let x: Vec<f32> = (0..features * positions).map(value).collect();
        let weight: Vec<f32> = (0..features).map(|i| 1.0 + value(i + 5) / 4.0).collect();
        let g: Vec<f32> = (0..features * positions).map(|i| value(i + 17)).collect();
        let objective = |x: &[f32], w: &[f32]| -> f64 {
            let (y, _) = norm(x, w, positions);
            y.iter().zip(&g).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
        };
        let (_, scale) = norm(&x, &weight, positions);
        let mut dx = vec![0.0; x.len()];
        let dw = backward(&Cotangent::Dense, &mut g.clone(), &x, &scale, &weight, &mut dx);
        let h = 1e-2;
        for i in [0, 5, 100, 209, 1329] {
            let shifted = |by: f32| {
                x.iter().enumerate().map(|(j, v)| if i == j { v + by } else { *v }).collect::<Vec<_>>()
            };
            let slope =
                (objective(&shifted(h), &weight) - objective(&shifted(-h), &weight)) / f64::from(2.0 * h);
            assert!((slope - f64::from(dx[i])).abs() < 5e-3, "{slope} {}", dx[i]);
        }
        for i in [0, 69] {
            let shifted = |by: f32| {
                weight.iter().enumerate().map(|(j, v)| if i == j { v + by } else { *v }).collect::<Vec<_>>()
            };
            let slope = (objective(&x, &shifted(h)) - objective(&x, &shifted(-h))) / f64::from(2.0 * h);
            assert!((slope - f64::from(dw[i])).abs() < 1e-2, "{slope} {}", dw[i]);
        }
    }

    #[test]
    fn a_cotangent_on_a_surface_gives_the_same_bits() {
        let (features, positions) = (130, 5);
        let values = |from: usize| (0..features * positions).map(|i| value(i + from)).collect::<Vec<f32>>();
        let (x, g, weight) = (values(0), values(9), values(3)[..features].to_vec());
        let scale = scale(&x, positions, 1e-5);
        let surface = window(features, positions);
        surface.write(&g);
        let mut results = Vec::new();
        for (from, mut buffer) in
            [(Cotangent::Dense, g.clone()), (Cotangent::Surface(&surface), vec![0.0; g.len()])]
        {
            let mut dx = values(1);
            let dw = backward(&from, &mut buffer, &x, &scale, &weight, &mut dx);
            results.push((buffer, dx, dw));
        }
        assert_eq!(results[0], results[1]);
    }

    #[test]
    fn the_stream_and_its_scale_are_formed_in_one_pass() {
        let (features, positions) = (66, 3);
        let x: Vec<f32> = (0..features * positions).map(value).collect();
        let y = window(features, positions);
        y.write_rows(|row, line| line.fill(row as f32));
        let mut next = vec![0.0; x.len()];
        let scale_of_next = add(&x, &y, 0.5, &mut next, 1e-5);
        for (i, (next, x)) in next.iter().zip(&x).enumerate() {
            assert_eq!(*next, x + 0.5 * (i / positions) as f32);
        }
        assert_eq!(scale_of_next, scale(&next, positions, 1e-5));
    }

    #[test]
    fn columns_beyond_the_block_are_zero() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let out = window(2, 2);
        out.write(&[9.0; 4]);
        write(&x, 2..3, &[1.0, 1.0, 0.5], &[1.0, 10.0], &[&out]);
        let mut read = Vec::new();
        out.read_into(&mut read);
        assert_eq!(read, [1.5, 0.0, 30.0, 0.0]);
    }
}
