//! Every kernel of the host beside a plain loop in f64, over odd sizes: rows and positions that fill no vector, no block
//! and no thread's share, windows that are a part of their surface.

use engrad_engine::{Port, Surface};
use engrad_mil::{DType, TensorType};
use proptest::prelude::*;

use super::cross_entropy::Partition;
use super::rms_norm::{self, Cotangent};
use super::{Window, embedding};

const EPSILON: f64 = 1e-5;

/// Numbers between −2 and 2, the same for the same seed.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 22) as f32 - 2.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// A window that starts at column `offset` of a surface with some columns to its right.
fn window(dtype: DType, rows: usize, columns: usize, offset: usize) -> Window {
    let port = Port::new("x", TensorType::channels(dtype, rows, offset + columns + 3));
    Window::part(&port, &Surface::for_port(&port).unwrap(), offset, columns)
}

fn filled(dtype: DType, rows: usize, columns: usize, offset: usize, values: &[f32]) -> Window {
    let window = window(dtype, rows, columns, offset);
    window.write(values);
    window
}

fn read(window: &Window) -> Vec<f32> {
    let mut values = Vec::new();
    window.read_into(&mut values);
    values
}

/// Whether each number is within `tolerance` of what it should be, relative to the larger of that and 1.
fn close(
    found: &[f32],
    expected: impl IntoIterator<Item = f64>,
    tolerance: f64,
) -> Result<(), TestCaseError> {
    let expected: Vec<f64> = expected.into_iter().collect();
    prop_assert_eq!(found.len(), expected.len());
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        prop_assert!(error <= tolerance * expected.abs().max(1.0), "{i}: {found} instead of {expected}");
    }
    Ok(())
}

fn wide(values: &[f32]) -> impl Iterator<Item = f64> {
    values.iter().map(|&v| f64::from(v))
}

fn dtypes() -> impl Strategy<Value = DType> {
    prop_oneof![Just(DType::Fp16), Just(DType::Fp32)]
}

/// What storing in that type may cost.
fn rounding(dtype: DType) -> f64 {
    if dtype == DType::Fp16 { 1e-3 } else { 1e-5 }
}

/// 1/√(mean x² + ε) of each position.
fn scales(x: &[f64], positions: usize) -> Vec<f64> {
    let features = x.len() / positions;
    let sum = |p: usize| (0..features).map(|f| x[f * positions + p].powi(2)).sum::<f64>();
    (0..positions).map(|p| 1.0 / (sum(p) / features as f64 + EPSILON).sqrt()).collect()
}

/// Some row of `rows`, or none, for each position.
fn places(rows: usize) -> impl Strategy<Value = Vec<Option<usize>>> {
    prop::collection::vec(prop::option::weighted(0.9, 0..rows), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_norm_of_a_stream_and_its_columns(
        features in 1usize..150, positions in 1usize..300, seed: u64, dtype in dtypes(), offset in 0usize..5,
        (first, last) in (0usize..300, 0usize..300),
    ) {
        let (x, weight) = (numbers(features * positions, seed), numbers(features, seed ^ 1));
        let wide_x: Vec<f64> = wide(&x).collect();
        let expected = scales(&wide_x, positions);
        let scale = rms_norm::scale(&x, positions, EPSILON);
        close(&scale, expected.iter().copied(), 1e-5)?;

        // Some columns, into a window that has room for two more.
        let (first, last) = (first.min(last) % positions, first.max(last) % positions);
        let columns = first.min(last)..first.max(last) + 1;
        let out = window(dtype, features, columns.len() + 2, offset);
        rms_norm::write(&x, columns.clone(), &scale, &weight, &[&out]);
        let value = |f: usize, p: usize| wide_x[f * positions + p] * expected[p] * f64::from(weight[f]);
        let rows = (0..features).flat_map(|f| {
            columns.clone().map(move |p| (f, p)).map(|(f, p)| value(f, p)).chain([0.0, 0.0]).collect::<Vec<_>>()
        });
        close(&read(&out), rows, rounding(dtype))?;
    }

    #[test]
    fn the_next_stream_and_its_scale(
        features in 1usize..150, positions in 1usize..100, seed: u64, dtype in dtypes(), offset in 0usize..5,
        factor in 0.1f32..1.0,
    ) {
        let x = numbers(features * positions, seed);
        let y = filled(dtype, features, positions, offset, &numbers(features * positions, seed ^ 1));
        let mut next = vec![f32::NAN; x.len()];
        let scale = rms_norm::add(&x, &y, factor, &mut next, EPSILON);
        let expected: Vec<f64> =
            wide(&x).zip(wide(&read(&y))).map(|(x, y)| x + f64::from(factor) * y).collect();
        close(&scale, scales(&expected, positions), 1e-5)?;
        close(&next, expected, 1e-6)?;
    }

    #[test]
    fn the_cotangents_of_a_norm(
        features in 1usize..150, positions in 1usize..60, seed: u64, dtype in dtypes(), offset in 0usize..5,
    ) {
        let count = features * positions;
        let (x, weight, before) = (numbers(count, seed), numbers(features, seed ^ 1), numbers(count, seed ^ 2));
        let from = filled(dtype, features, positions, offset, &numbers(count, seed ^ 3));
        let scale = rms_norm::scale(&x, positions, EPSILON);
        let (mut buffer, mut dx) = (vec![f32::NAN; count], before.clone());
        let d_weight = rms_norm::backward(&Cotangent::Surface(&from), &mut buffer, &x, &scale, &weight, &mut dx);

        let (g, x, weight) = (read(&from), wide(&x).collect::<Vec<_>>(), wide(&weight).collect::<Vec<_>>());
        let g: Vec<f64> = wide(&g).collect();
        let r = scales(&x, positions);
        let at = |f: usize, p: usize| f * positions + p;
        let dots: Vec<f64> = (0..positions)
            .map(|p| (0..features).map(|f| weight[f] * g[at(f, p)] * x[at(f, p)]).sum())
            .collect();
        let expected = (0..count).map(|i| {
            let (f, p) = (i / positions, i % positions);
            let pull = dots[p] * r[p].powi(3) / features as f64;
            f64::from(before[i]) + weight[f] * g[i] * r[p] - x[i] * pull
        });
        // Where x is near zero r is large, and so is what it multiplies.
        let largest = r.iter().fold(1.0f64, |a, &b| a.max(b));
        close(&dx, expected, 1e-5 * largest)?;
        let expected =
            (0..features).map(|f| (0..positions).map(|p| g[at(f, p)] * x[at(f, p)] * r[p]).sum::<f64>());
        close(&d_weight, expected, 1e-5 * positions as f64)?;
    }

    #[test]
    fn the_loss_and_its_gradient(
        classes in 2usize..400, tile in 1usize..200, places in places(2), seed: u64, dtype in dtypes(),
        offset in 0usize..5,
    ) {
        let positions = places.len();
        let targets: Vec<Option<usize>> = places.iter().enumerate()
            .map(|(p, some)| some.map(|_| (seed as usize % 1_000 + p * 31) % classes))
            .collect();
        let logits: Vec<f32> = numbers(classes * positions, seed).iter().map(|v| 3.0 * v).collect();
        let tiles: Vec<(usize, usize, Window)> = (0..classes).step_by(tile).map(|first| {
            let rows = tile.min(classes - first);
            let mut values = logits[first * positions..(first + rows) * positions].to_vec();
            values.resize(tile * positions, 40.0); // rows beyond the last class, which count for nothing
            (first, rows, filled(dtype, tile, positions, offset, &values))
        }).collect();
        let stored: Vec<f64> = tiles.iter()
            .flat_map(|(_, rows, window)| wide(&read(window)[..rows * positions]).collect::<Vec<_>>())
            .collect();
        let z: Vec<f64> =
            (0..positions).map(|p| (0..classes).map(|c| stored[c * positions + p].exp()).sum()).collect();

        let mut partition = Partition::new(&targets);
        for (first, rows, window) in &tiles {
            partition.add_tile(window, *first, *rows);
        }
        let loss: f64 =
            targets.iter().enumerate().filter_map(|(p, c)| Some(z[p].ln() - stored[(*c)? * positions + p])).sum();
        prop_assert!((partition.loss_sum() - loss).abs() <= 1e-5 * loss.abs().max(1.0));

        let factor = 8.0;
        for (first, rows, window) in &tiles {
            partition.gradient_tile(window, window, *first, *rows, factor);
            let expected = (0..tile * positions).map(|i| {
                let (row, p) = (i / positions, i % positions);
                match targets[p] {
                    Some(target) if row < *rows => {
                        let hit = f64::from(u8::from(target == first + row));
                        f64::from(factor) * (stored[(first + row) * positions + p].exp() / z[p] - hit)
                    }
                    _ => 0.0,
                }
            });
            close(&read(window), expected, rounding(dtype))?;
        }
    }

    #[test]
    fn embeddings_and_their_gradient(
        table_rows in 1usize..20, dim in 1usize..100, seed: u64, places in places(1_000),
    ) {
        let rows: Vec<Option<usize>> = places.iter().map(|place| place.map(|row| row % table_rows)).collect();
        let (table, positions) = (numbers(table_rows * dim, seed), rows.len());
        let mut out = vec![f32::NAN; dim * positions];
        embedding::gather(&table, dim, &rows, &mut out);
        for (i, value) in out.iter().enumerate() {
            let expected = rows[i % positions].map_or(0.0, |row| table[row * dim + i / positions]);
            prop_assert_eq!(*value, expected);
        }

        let d_x = numbers(dim * positions, seed ^ 1);
        let sums = embedding::sum_by_row(&d_x, dim, &rows);
        let mut used: Vec<usize> = rows.iter().flatten().copied().collect();
        used.sort_unstable();
        used.dedup();
        prop_assert_eq!(&sums.rows, &used);
        let sum = |row: usize, f: usize| {
            let own = (0..positions).filter(|&p| rows[p] == Some(row));
            own.map(|p| f64::from(d_x[f * positions + p])).sum::<f64>()
        };
        let expected = used.iter().flat_map(|&row| (0..dim).map(move |f| (row, f))).map(|(row, f)| sum(row, f));
        close(&sums.values, expected, 1e-5)?;
    }

    #[test]
    fn what_is_written_to_a_window_is_read_back_and_nothing_beside_it(
        rows in 1usize..200, columns in 1usize..200, seed: u64, dtype in dtypes(), offset in 0usize..5,
    ) {
        let port = Port::new("x", TensorType::channels(dtype, rows, offset + columns + 3));
        let surface = Surface::for_port(&port).unwrap();
        let (whole, part) = (Window::of_port(&port, &surface), Window::part(&port, &surface, offset, columns));
        let total = offset + columns + 3;
        whole.write(&vec![7.0; rows * total]);
        let values = numbers(rows * columns, seed);
        let transposed: Vec<f32> = (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect();
        part.write_transposed(&transposed);
        close(&read(&part), wide(&values), rounding(dtype))?;
        let stored = read(&part);
        part.write(&values);
        prop_assert_eq!(&read(&part), &stored);
        part.update_rows(|row, line| line.iter_mut().for_each(|v| *v = row as f32 - *v));
        let expected = stored.iter().enumerate().map(|(i, v)| (i / columns) as f64 - f64::from(*v));
        close(&read(&part), expected, rounding(dtype))?;
        let beside = |(i, _): &(usize, f32)| !(offset..offset + columns).contains(&(i % total));
        prop_assert!(read(&whole).into_iter().enumerate().filter(beside).all(|(_, v)| v == 7.0));
    }
}
