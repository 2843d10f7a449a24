//! RMSNorm (arXiv 1910.07467) over features: y = w·x·r with r = 1/√(mean x² + ε) per position.

use rayon::prelude::*;

use super::{Window, column_sums};

/// Writes the normed activation to `out`; returns r for the backward pass.
pub(crate) fn forward(x: &[f32], weight: &[f32], epsilon: f64, out: &[&Window]) -> Vec<f32> {
    let positions = x.len() / weight.len();
    let row = |feature: usize| &x[feature * positions..(feature + 1) * positions];
    let squares = column_sums(weight.len(), positions, |feature, sums| {
        for (sum, value) in sums.iter_mut().zip(row(feature)) {
            *sum += value * value;
        }
    });
    let mean = |sum: f32| f64::from(sum) / weight.len() as f64;
    let scale: Vec<f32> = squares.iter().map(|&s| (1.0 / (mean(s) + epsilon).sqrt()) as f32).collect();
    for window in out {
        window.write_rows(|feature, line| {
            let weight = weight[feature];
            for ((y, x), r) in line.iter_mut().zip(row(feature)).zip(&scale) {
                *y = x * r * weight;
            }
        });
    }
    scale
}

/// Adds to `dx` the share that flows through the norm, and to `d_weight` the weight's gradient.
///
/// With g the cotangent of the output: dx = r·(w·g − x·r²·mean(w·g·x)), dw = Σ g·x·r over positions.
pub(crate) fn backward(
    g: &[f32],
    x: &[f32],
    scale: &[f32],
    weight: &[f32],
    dx: &mut [f32],
    d_weight: &mut [f32],
) {
    let (features, positions) = (weight.len(), scale.len());
    let row = |feature: usize| feature * positions..(feature + 1) * positions;
    let dots = column_sums(features, positions, |feature, sums| {
        let (g, x) = (&g[row(feature)], &x[row(feature)]);
        for ((sum, g), x) in sums.iter_mut().zip(g).zip(x) {
            *sum += weight[feature] * g * x;
        }
    });
    let pull: Vec<f32> = dots.iter().zip(scale).map(|(dot, r)| dot * r * r * r / features as f32).collect();
    dx.par_chunks_mut(positions).zip(d_weight.par_iter_mut()).enumerate().with_min_len(16).for_each(
        |(feature, (dx, d_weight))| {
            let (g, x) = (&g[row(feature)], &x[row(feature)]);
            let w = weight[feature];
            let mut sum = 0.0;
            for i in 0..positions {
                dx[i] += w * g[i] * scale[i] - x[i] * pull[i];
                sum += g[i] * x[i] * scale[i];
            }
            *d_weight += sum;
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_engine::{Port, Surface};
    use engrad_mil::{DType, TensorType};

    fn norm(x: &[f32], weight: &[f32], positions: usize) -> (Vec<f32>, Vec<f32>) {
        let port = Port::new("y", TensorType::channels(DType::Fp32, weight.len(), positions));
        let surface = Surface::for_port(&port).unwrap();
        let window = Window::of_port(&port, &surface);
        let scale = forward(x, weight, 1e-5, &[&window]);
        let mut y = Vec::new();
        window.read_into(&mut y);
        (y, scale)
    }

    #[test]
    fn gradients_agree_with_central_differences() {
        let (features, positions) = (70, 3);
        let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 40.0;
        let x: Vec<f32> = (0..features * positions).map(value).collect();
        let weight: Vec<f32> = (0..features).map(|i| 1.0 + value(i + 5) / 4.0).collect();
        let g: Vec<f32> = (0..features * positions).map(|i| value(i + 17)).collect();
        let objective = |x: &[f32], w: &[f32]| -> f64 {
            let (y, _) = norm(x, w, positions);
            y.iter().zip(&g).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
        };
        let (_, scale) = norm(&x, &weight, positions);
        let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
        backward(&g, &x, &scale, &weight, &mut dx, &mut dw);
        let h = 1e-2;
        for i in [0, 5, 100, 209] {
            let shifted = |by: f32| {
                x.iter().enumerate().map(|(j, v)| if i == j { v + by } else { *v }).collect::<Vec<_>>()
            };
            let slope =
                (objective(&shifted(h), &weight) - objective(&shifted(-h), &weight)) / f64::from(2.0 * h);
            assert!((slope - f64::from(dx[i])).abs() < 2e-3, "{slope} {}", dx[i]);
        }
        for i in [0, 69] {
            let shifted = |by: f32| {
                weight.iter().enumerate().map(|(j, v)| if i == j { v + by } else { *v }).collect::<Vec<_>>()
            };
            let slope = (objective(&x, &shifted(h)) - objective(&x, &shifted(-h))) / f64::from(2.0 * h);
            assert!((slope - f64::from(dw[i])).abs() < 2e-3, "{slope} {}", dw[i]);
        }
    }
}
