//! Products of the extents that training Stories110M at 256 positions asks for, in every precision, beside the `gemm`
//! crate on f32. `cargo bench -p engrad-kernels`; set `RAYON_NUM_THREADS` to choose the threads.
#![allow(missing_docs, reason = "criterion's macros define undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engrad_kernels::{Int8Scales, Matmul, Matrix, MatrixMut, Precision, Threads, matmul_int8};
use half::f16;

struct Shape {
    name: &'static str,
    size: (usize, usize, usize),
    /// Whether the factors lie transposed.
    transposed: (bool, bool),
    accumulate: bool,
}

const fn shape(
    name: &'static str,
    size: (usize, usize, usize),
    transposed: (bool, bool),
    accumulate: bool,
) -> Shape {
    Shape { name, size, transposed, accumulate }
}

const SHAPES: [Shape; 6] = [
    shape("projection", (768, 256, 768), (false, false), false),
    shape("down", (768, 256, 2048), (false, false), false),
    shape("down_backward", (2048, 256, 768), (true, false), false),
    shape("weight_gradient", (2048, 768, 256), (false, true), true),
    shape("classifier", (16_000, 256, 768), (false, false), false),
    shape("classifier_backward", (768, 256, 16_000), (true, false), false),
];

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7) % 13) as f32 / 13.0 - 0.5).collect()
}

fn view<T: engrad_kernels::Element>(
    data: &[T],
    rows: usize,
    columns: usize,
    transposed: bool,
) -> Matrix<'_, T> {
    if transposed {
        Matrix::new(data, columns, rows, rows).transposed()
    } else {
        Matrix::new(data, rows, columns, columns)
    }
}

fn products(c: &mut Criterion) {
    for shape in &SHAPES {
        let ((m, n, k), (ta, tb)) = (shape.size, shape.transposed);
        let (a, b) = (numbers(m * k), numbers(k * n));
        let halves = |v: &[f32]| v.iter().map(|&v| f16::from_f32(v)).collect::<Vec<_>>();
        let (a16, b16) = (halves(&a), halves(&b));
        let mut out = vec![0.0f32; m * n];
        let beta = if shape.accumulate { 1.0 } else { 0.0 };
        let mut group = c.benchmark_group(shape.name);
        group.sample_size(10).throughput(Throughput::Elements(2 * (m * n * k) as u64));
        group.bench_function(BenchmarkId::from_parameter("gemm crate, f32"), |bench| {
            let strides = |transposed: bool, rows: usize, columns: usize| {
                if transposed { (rows as isize, 1) } else { (1, columns as isize) }
            };
            let ((a_column, a_row), (b_column, b_row)) = (strides(ta, m, k), strides(tb, k, n));
            // SAFETY: the buffers have the extents that the strides span.
            bench.iter(|| unsafe {
                gemm::gemm(
                    m,
                    n,
                    k,
                    out.as_mut_ptr(),
                    1,
                    n as isize,
                    shape.accumulate,
                    a.as_ptr(),
                    a_column,
                    a_row,
                    b.as_ptr(),
                    b_column,
                    b_row,
                    beta,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::Rayon(0),
                );
            });
        });
        for (name, precision, half) in [
            ("f32", Precision::F32, false),
            ("f32 from fp16", Precision::F32, true),
            ("bf16 from fp16", Precision::Bf16, true),
        ] {
            let product = if half {
                Matmul::new(view(&a16, m, k, ta), view(&b16, k, n, tb))
            } else {
                Matmul::new(view(&a, m, k, ta), view(&b, k, n, tb))
            };
            let product = product.precision(precision).accumulate(beta);
            group.bench_function(BenchmarkId::from_parameter(name), |bench| {
                bench.iter(|| product.write(MatrixMut::new(&mut out, m, n, n)));
            });
        }
    }
}

/// W8A8 at 512 channels and 64 × 64 positions, beside f32.
fn bytes(c: &mut Criterion) {
    let (m, n, k) = (512, 4096, 512);
    let bytes = |len: usize| (0..len).map(|i| (i * 7 % 251) as u8 as i8).collect::<Vec<_>>();
    let (a, b, scales) = (bytes(m * k), bytes(k * n), vec![0.01; m]);
    let (wide_a, wide_b) = (numbers(m * k), numbers(k * n));
    let mut out = vec![0.0f32; m * n];
    let mut group = c.benchmark_group("convolution_1x1");
    group.sample_size(20).throughput(Throughput::Elements(2 * (m * n * k) as u64));
    group.bench_function("int8", |bench| {
        let scales = Int8Scales { rows: &scales, columns: None, round_to_f16: false };
        bench.iter(|| {
            let (a, b) = (Matrix::new(&a, m, k, k), Matrix::new(&b, k, n, n));
            matmul_int8(MatrixMut::new(&mut out, m, n, n), a, b, &scales, Threads::Pool);
        });
    });
    group.bench_function("f32", |bench| {
        let product = Matmul::new(Matrix::new(&wide_a, m, k, k), Matrix::new(&wide_b, k, n, n));
        bench.iter(|| product.write(MatrixMut::new(&mut out, m, n, n)));
    });
}

criterion_group!(benches, products, bytes);
criterion_main!(benches);
