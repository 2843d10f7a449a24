//! What the programs should compute, in plain loops and f64.

use half::f16;

use crate::verdict::Verdict;

/// Reproducible numbers between −1 and 1 that fp16 holds exactly; `seed` keeps tensors apart.
pub(crate) fn sample(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            // A multiplicative congruential generator: its upper bits are even enough for test data.
            state = state.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(1);
            ((state >> 53) as f32 - 1024.0) / 1024.0
        })
        .collect()
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// `[m, k] · [k, n]`.
pub(crate) fn matmul(a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize)) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for row in 0..m {
        for i in 0..k {
            for column in 0..n {
                c[row * n + column] += a[row * k + i] * b[i * n + column];
            }
        }
    }
    c
}

/// `[rows, columns]` to `[columns, rows]`.
pub(crate) fn transpose(a: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| a[r * columns + c])).collect()
}

pub(crate) fn softmax(rows: &[f64], width: usize) -> Vec<f64> {
    let row = |row: &[f64]| {
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let exponentials: Vec<f64> = row.iter().map(|v| (v - most).exp()).collect();
        let total: f64 = exponentials.iter().sum();
        exponentials.into_iter().map(move |e| e / total)
    };
    rows.chunks(width).flat_map(row).collect()
}

/// Attention of one head: `q`, `k`, `v` as `[positions, features]`; a mask is added to the scaled scores.
pub(crate) fn attention(
    (q, k, v): (&[f64], &[f64], &[f64]),
    (positions, features): (usize, usize),
    mask: Option<&[f64]>,
) -> Vec<f64> {
    let keys = transpose(k, positions, features);
    let mut scores = matmul(q, &keys, (positions, features, positions));
    for (at, score) in scores.iter_mut().enumerate() {
        *score = *score / (features as f64).sqrt() + mask.map_or(0.0, |mask| mask[at]);
    }
    matmul(&softmax(&scores, positions), v, (positions, positions, features))
}

/// The causal mask as a sum: 0 up to the diagonal, a large negative number behind it.
pub(crate) fn causal_mask(positions: usize) -> Vec<f32> {
    (0..positions * positions)
        .map(|at| if at % positions > at / positions { -30000.0 } else { 0.0 })
        .collect()
}

/// Root mean square of the difference, as a share of the reference's own; infinite if a value is not finite.
pub(crate) fn difference(found: &[f32], wanted: &[f64]) -> f64 {
    if found.len() != wanted.len() {
        return f64::INFINITY;
    }
    let square = |sum: f64, v: f64| sum + v * v;
    let error = found.iter().zip(wanted).map(|(&f, w)| f64::from(f) - w).fold(0.0, square);
    let scale = wanted.iter().copied().fold(0.0, square);
    let share = (error / scale.max(f64::MIN_POSITIVE)).sqrt();
    if share.is_finite() { share } else { f64::INFINITY }
}

/// What fp16 programs of a few operations may differ: tables of activations included, swapped or zero outputs excluded.
pub(crate) const TOLERANCE: f64 = 0.03;

/// Pass if every output agrees with its loops.
pub(crate) fn agreement(outputs: &[Vec<f32>], wanted: &[Vec<f64>]) -> Verdict {
    let differences: Vec<f64> = outputs.iter().zip(wanted).map(|(f, w)| difference(f, w)).collect();
    let agree = outputs.len() == wanted.len() && differences.iter().all(|&d| d <= TOLERANCE);
    // JSON has no infinities.
    let finite = |d: &f64| if d.is_finite() { *d } else { f64::MAX };
    Verdict::judge(
        agree,
        "it compiles, runs and agrees with plain loops",
        "it runs and computes something else",
    )
    .numbers("relative_difference", differences.iter().map(finite).collect())
}

/// Rounded to fp16, to nearest even.
pub(crate) fn rounded(value: f64) -> f64 {
    f16::from_f64(value).to_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_fp16_numbers_of_both_signs_and_differ_by_seed() {
        let a = sample(256, 1);
        assert!(a.iter().all(|&v| f64::from(v) == rounded(f64::from(v)) && v.abs() <= 1.0));
        assert!(a.iter().any(|&v| v < -0.5) && a.iter().any(|&v| v > 0.5));
        assert_ne!(a, sample(256, 2));
    }

    #[test]
    fn a_causal_row_sees_only_the_past() {
        let (q, k, v) = (wide(&sample(12, 1)), wide(&sample(12, 2)), wide(&sample(12, 3)));
        let masked = attention((&q, &k, &v), (4, 3), Some(&wide(&causal_mask(4))));
        assert_eq!(masked[..3], v[..3], "the first position attends to itself alone");
        let free = attention((&q, &k, &v), (4, 3), None);
        assert!((masked[9] - free[9]).abs() < 1e-12, "the last one sees all");
    }

    #[test]
    fn zeros_and_infinities_differ_from_numbers() {
        assert_eq!(difference(&[0.0, 0.0], &[3.0, 4.0]), 1.0);
        assert_eq!(difference(&[f32::INFINITY, 4.0], &[3.0, 4.0]), f64::INFINITY);
        assert_eq!(difference(&[f32::NAN, 4.0], &[3.0, 4.0]), f64::INFINITY);
        assert_eq!(difference(&[3.0], &[3.0, 4.0]), f64::INFINITY);
    }
}
