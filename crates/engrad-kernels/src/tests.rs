//! Every kernel and every finishing step against plain loops in f64, over odd sizes and strides.

use half::{bf16, f16};
use proptest::prelude::*;

use crate::int8::{Int8Operand, Int8Scales, multiply};
use crate::micro::{self, KC};
use crate::{Factor, Matmul, Matrix, MatrixMut, Operand, PackedMatrix, Precision, Threads, matmul_int8};

/// Settings of property tests: so many cases, or as many as `PROPTEST_CASES` says. Under emulation there is time for few.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(usual), failure_persistence: None, ..ProptestConfig::default() }
}

/// Numbers of a matrix in each type, exact in all of them, with any strides.
#[derive(Debug, Clone)]
struct Sample {
    rows: usize,
    columns: usize,
    strides: (usize, usize),
    floats: Vec<f32>,
    halves: Vec<f16>,
    brains: Vec<bf16>,
    bytes: Vec<i8>,
}

impl Sample {
    fn new(rows: usize, columns: usize, direction: u8, pad: usize, seed: usize) -> Self {
        let strides = match direction % 3 {
            0 => (columns + pad, 1),
            1 => (1, rows + pad),
            _ => (2 * columns + 2 * pad + 1, 2),
        };
        let len = (rows - 1) * strides.0 + (columns - 1) * strides.1 + 1;
        let value = |i: usize| ((i * 37 + seed * 11 + i / 7) % 61) as i8 - 30;
        let bytes: Vec<i8> = (0..len).map(value).collect();
        let floats: Vec<f32> = bytes.iter().map(|&b| f32::from(b) / 16.0).collect();
        let halves = floats.iter().map(|&v| f16::from_f32(v)).collect();
        let brains = floats.iter().map(|&v| bf16::from_f32(v)).collect();
        Self { rows, columns, strides, floats, halves, brains, bytes }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        f64::from(self.floats[row * self.strides.0 + column * self.strides.1])
    }

    fn view<'a, T: crate::Element>(&self, data: &'a [T]) -> Matrix<'a, T> {
        Matrix::strided(data, self.rows, self.columns, self.strides.0, self.strides.1)
    }

    fn operand(&self, element: u8) -> Operand<'_> {
        match element % 3 {
            0 => self.view(&self.floats).into(),
            1 => self.view(&self.halves).into(),
            _ => self.view(&self.brains).into(),
        }
    }
}

/// The product in f64.
fn expected(a: &Sample, b: &Sample) -> Vec<f64> {
    let element = |i: usize, j: usize| (0..a.columns).map(|p| a.at(i, p) * b.at(p, j)).sum();
    (0..a.rows).flat_map(|i| (0..b.columns).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
}

fn extents() -> impl Strategy<Value = (usize, usize, usize)> {
    let side = prop_oneof![1usize..40, Just(64), 90usize..100];
    let inner = prop_oneof![4 => 1usize..70, 1 => (KC - 2)..(KC + 3), 1 => (2 * KC + 1)..(2 * KC + 3)];
    (side.clone(), side, inner)
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn products_agree_with_the_definition_for_every_kernel_type_and_stride(
        (m, n, k) in extents(),
        directions in [0u8..3, 0u8..3],
        elements in [0u8..3, 0u8..3],
        pads in [0usize..3, 0usize..3, 0usize..3],
        (alpha, beta) in (prop_oneof![Just(1f32), Just(0.5)], prop_oneof![Just(0f32), Just(1.0), Just(-0.5)]),
    ) {
        let a = Sample::new(m, k, directions[0], pads[0], 1);
        let b = Sample::new(k, n, directions[1], pads[1], 2);
        let exact = expected(&a, &b);
        let stride = n + pads[2];
        let before: Vec<f32> = (0..m * stride).map(|i| (i % 19) as f32 - 9.0).collect();
        for precision in [Precision::F32, Precision::Bf16] {
            for kernel in micro::kernels(precision) {
                let mut c = before.clone();
                Matmul::new(a.operand(elements[0]), b.operand(elements[1]))
                    .precision(precision)
                    .scale(alpha)
                    .accumulate(beta)
                    .threads(Threads::One)
                    .write_with(MatrixMut::new(&mut c, m, n, stride), kernel);
                for i in 0..m {
                    for j in 0..stride {
                        let (got, was) = (f64::from(c[i * stride + j]), f64::from(before[i * stride + j]));
                        if j >= n {
                            prop_assert_eq!(got, was, "padding is left alone");
                            continue;
                        }
                        let want = exact[i * n + j] * f64::from(alpha) + f64::from(beta) * was;
                        let close = (got - want).abs() <= 1e-5 * (k as f64).sqrt() * 4.0 + want.abs() * 1e-5;
                        prop_assert!(close, "{:?} {}: ({i}, {j}) is {got}, not {want}", precision, kernel.name);
                    }
                }
            }
        }
    }

    #[test]
    fn products_of_bytes_are_exact_for_every_kernel_and_stride(
        (m, n, k) in extents(),
        directions in [0u8..3, 0u8..3],
        pads in [0usize..3, 0usize..3],
    ) {
        let k = k * 4 - k % 3;
        let a = Sample::new(m, k, directions[0], pads[0], 3);
        let b = Sample::new(k, n, directions[1], pads[1], 4);
        let rows: Vec<f32> = (0..m).map(|i| 1.0 + i as f32).collect();
        let columns: Vec<f32> = (0..n).map(|i| 0.5 + i as f32).collect();
        let exact = expected(&a, &b);
        let scales = Int8Scales { rows: &rows, columns: Some(&columns), round_to_f16: false };
        for kernel in micro::kernels(Precision::Int8) {
            let mut c = vec![f32::NAN; m * n];
            let (a, b) = (a.view(&a.bytes).into(), b.view(&b.bytes).into());
            multiply(MatrixMut::new(&mut c, m, n, n), a, b, &scales, Threads::One, kernel);
            for (at, (got, want)) in c.iter().zip(&exact).enumerate() {
                let (i, j) = (at / n, at % n);
                let want = (want * 256.0) as f32 * rows[i] * columns[j];
                prop_assert_eq!(*got, want, "{}: ({}, {})", kernel.name, i, j);
            }
        }
    }

    #[test]
    fn finishing_steps_are_applied_in_order(
        (m, n, k) in extents(),
        (bias, gate, residual, round) in (0u8..3, any::<bool>(), any::<bool>(), any::<bool>()),
        directions in [0u8..3, 0u8..3],
    ) {
        let (a, b) = (Sample::new(m, k, 0, 0, 5), Sample::new(k, n, 0, 1, 6));
        let (g, r) = (Sample::new(m, n, directions[0], 1, 7), Sample::new(m, n, directions[1], 2, 8));
        let biases: Vec<f32> = (0..m.max(n)).map(|i| i as f32 / 8.0).collect();
        let mut product = Matmul::new(a.operand(1), b.operand(0)).scale(0.25).threads(Threads::One);
        match bias {
            0 => {}
            1 => product = product.row_bias(&biases[..m]),
            _ => product = product.column_bias(&biases[..n]),
        }
        if gate {
            product = product.silu_gate(g.view(&g.floats));
        }
        if residual {
            product = product.residual(r.view(&r.floats));
        }
        if round {
            product = product.round_to_f16();
        }
        let exact = expected(&a, &b);
        for kernel in micro::kernels(Precision::F32) {
            let mut c = vec![0.0f32; m * n];
            product.write_with(MatrixMut::new(&mut c, m, n, n), kernel);
            for (at, got) in c.iter().enumerate() {
                let (i, j) = (at / n, at % n);
                let added = match bias { 0 => 0.0, 1 => biases[i], _ => biases[j] };
                let mut want = exact[at] * 0.25 + f64::from(added);
                if gate {
                    want *= g.at(i, j) / (1.0 + (-g.at(i, j)).exp());
                }
                if residual {
                    want += r.at(i, j);
                }
                let tolerance = if round { 1e-3 } else { 1e-5 };
                let close = (f64::from(*got) - want).abs() <= tolerance * (want.abs() + (k as f64).sqrt());
                prop_assert!(close, "{}: ({i}, {j}) is {got}, not {want}", kernel.name);
                prop_assert!(!round || f16::from_f32(*got).to_f32() == *got);
            }
        }
    }

    #[test]
    fn packed_factors_give_the_bits_of_the_views_they_were_packed_from(
        (m, n, k) in extents(),
        directions in [0u8..3, 0u8..3],
        elements in [0u8..3, 0u8..3],
    ) {
        let a = Sample::new(m, k, directions[0], 1, 1);
        let b = Sample::new(k, n, directions[1], 0, 2);
        let (left, right) = (a.operand(elements[0]), b.operand(elements[1]));
        for precision in [Precision::F32, Precision::Bf16] {
            let run = |left: Operand<'_>, right: Operand<'_>| {
                let mut c = vec![0.0f32; m * n];
                let product = Matmul::new(left, right).precision(precision).threads(Threads::One);
                product.write(MatrixMut::new(&mut c, m, n, n));
                c.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
            };
            let plain = run(left, right);
            let packed_left = PackedMatrix::new(left, Factor::Left, precision);
            let packed_right = PackedMatrix::new(right, Factor::Right, precision);
            prop_assert_eq!(&run((&packed_left).into(), right), &plain);
            prop_assert_eq!(&run(left, (&packed_right).into()), &plain);
            prop_assert_eq!(&run((&packed_left).into(), (&packed_right).into()), &plain);
        }
        let (left, right) = (Int8Operand::View(a.view(&a.bytes)), Int8Operand::View(b.view(&b.bytes)));
        let ones = vec![1.0; m];
        let scales = Int8Scales { rows: &ones, columns: None, round_to_f16: false };
        let run = |left: Int8Operand<'_>, right: Int8Operand<'_>| {
            let mut c = vec![0.0f32; m * n];
            matmul_int8(MatrixMut::new(&mut c, m, n, n), left, right, &scales, Threads::One);
            c
        };
        let packed = PackedMatrix::new_int8(left, Factor::Left);
        let packed_right = PackedMatrix::new_int8(right, Factor::Right);
        prop_assert_eq!(run((&packed).into(), (&packed_right).into()), run(left, right));
    }
}

#[test]
fn large_products_have_the_same_bits_for_any_number_of_threads() {
    // Several column blocks and stretches of the inner dimension, none of them whole.
    for (m, n, k) in [(70, 2100, 1300), (800, 40, 5000), (15, 4200, 90), (1, 3000, 700), (3000, 1, 700)] {
        let (a, b) = (Sample::new(m, k, 0, 0, 1), Sample::new(k, n, 0, 0, 2));
        for precision in [Precision::F32, Precision::Bf16] {
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut c = vec![1.0f32; m * n];
                pool.install(|| {
                    let product =
                        Matmul::new(a.operand(1), b.operand(1)).precision(precision).accumulate(1.0);
                    product.write(MatrixMut::new(&mut c, m, n, n));
                });
                c
            };
            let one = run(1);
            for (i, j) in [(0, 0), (m - 1, n - 1), (m / 2, n / 3)] {
                let want: f64 = 1.0 + (0..k).map(|p| a.at(i, p) * b.at(p, j)).sum::<f64>();
                assert!((f64::from(one[i * n + j]) - want).abs() < 1e-2, "({m}, {n}, {k}) at ({i}, {j})");
            }
            for threads in [2, 3, 8] {
                assert!(run(threads) == one, "{precision:?} ({m}, {n}, {k}) on {threads} threads");
            }
        }
    }
}

#[test]
fn numbers_outside_fp16_and_bf16_round_as_their_types_say() {
    // Exact, halfway to the even neighbour below and above, large, infinite, small, inexact.
    let ulp = f32::from(bf16::EPSILON);
    let values = [1.0, 1.0 + ulp / 2.0, 1.0 + ulp * 1.5, 3.0e38, f32::INFINITY, -1.0e-3, 65504.0, 0.1];
    for &value in &values {
        let mut c = [0.0f32];
        let one = [1.0f32];
        let product =
            Matmul::new(Matrix::new(&one, 1, 1, 1), Matrix::new(std::slice::from_ref(&value), 1, 1, 1));
        product.precision(Precision::Bf16).write(MatrixMut::new(&mut c, 1, 1, 1));
        assert_eq!(c[0], bf16::from_f32(value).to_f32());
    }
}

#[test]
#[should_panic(expected = "exceeds its 5 elements")]
fn views_beyond_their_elements_are_refused() {
    let _ = Matrix::new(&[0.0f32; 5], 2, 3, 3);
}

#[test]
fn squares_are_those_of_the_finished_rows_and_the_same_on_any_number_of_threads() {
    // Rows for many blocks, rows fewer than threads, and more columns than are packed at once.
    for (m, n, k) in [(131, 70, 20), (2, 2000, 90), (20, 4200, 90)] {
        let [a, b] = [m * k, k * n].map(|len| (0..len).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<_>>());
        let bias: Vec<f32> = (1..=m).map(|i| i as f32).collect();
        let product = Matmul::new(Matrix::new(&a, m, k, k), Matrix::new(&b, k, n, n)).row_bias(&bias);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut c, mut sums) = (vec![0.5; m * (n + 3)], vec![0.0; m]);
            let result = MatrixMut::new(&mut c, m, n, n + 3);
            pool.install(|| product.accumulate(1.0).write_with_squares(result, &mut sums));
            (c, sums)
        };
        let (c, sums) = run(1);
        for (row, &sum) in c.chunks(n + 3).zip(&sums) {
            let expected: f64 = row[..n].iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            assert!(expected > 0.0 && (sum - expected).abs() < 1e-5 * expected, "{sum}, not {expected}");
            assert!(row[n..].iter().all(|&v| v == 0.5), "between rows");
        }
        for threads in [2, 3, 8] {
            assert!(run(threads) == (c.clone(), sums.clone()), "({m}, {n}, {k}) on {threads} threads");
        }
    }
}
