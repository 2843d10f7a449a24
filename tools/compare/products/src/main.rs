//! f32 products of the extents that training asks for: ours, `gemm`'s and `faer`'s, in turn.
//!
//! `cargo run --release --manifest-path tools/compare/products/Cargo.toml [threads [rounds]]`
//!
//! Every factor is row-major and contiguous, which none of them has to rearrange. Weights are many, so that each product
//! reads one that is in no cache, as in a pass. "fp16" reads its weight in fp16, as the engine does; the others have no
//! such product and would need the weight widened first.

use std::num::NonZero;
use std::time::Instant;

use engrad_kernels::{Matmul, Matrix, MatrixMut, Precision, register_peak};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use half::f16;

/// Rows, columns and inner extent.
const SHAPES: [(usize, usize, usize); 6] = [
    (768, 256, 768),
    (2048, 256, 768),
    (768, 256, 2048),
    (2048, 768, 256),
    (1024, 256, 3072),
    (32_000, 256, 768),
];
/// Bytes of weights that no cache holds.
const COLD: usize = 256 << 20;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>());
    let mut next = |default| arguments.next().and_then(Result::ok).unwrap_or(default);
    let threads = next(std::thread::available_parallelism().map_or(1, NonZero::get));
    let rounds = next(10);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(|| compare(threads, rounds));
}

fn compare(threads: usize, rounds: usize) {
    let peak = register_peak(Precision::F32, 200).unwrap_or(f64::NAN);
    println!("{threads} threads, register peak {:.0} GFLOP/s; GFLOP/s, best / median of {rounds}", peak / 1e9);
    println!("{:>18} {:>13} {:>13} {:>13} {:>13}", "rows,columns,inner", "gemm", "faer", "engrad", "engrad fp16");
    for (m, n, k) in SHAPES {
        let count = (COLD / (m * k * 4)).clamp(2, 64);
        let weight: Vec<f32> = (0..m * k).map(|i| (i % 13) as f32 / 13.0 - 0.5).collect();
        let weights = vec![weight.clone(); count];
        let halves: Vec<f16> = weight.iter().map(|&w| f16::from_f32(w)).collect();
        let halves = vec![halves; count];
        let x: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 / 7.0 - 0.5).collect();
        let mut c = vec![0.0f32; m * n];
        let right = Matrix::new(&x, k, n, n);
        let mut times = [const { Vec::new() }; 4];
        for round in 0..rounds + 2 {
            for (who, times) in times.iter_mut().enumerate() {
                let repeats = count.min(8);
                let mut best = f64::INFINITY;
                for repeat in 0..repeats {
                    let i = (round * repeats + repeat) % count;
                    let started = Instant::now();
                    match who {
                        0 => multiply_gemm((m, n, k), &weights[i], &x, &mut c, threads),
                        1 => multiply_faer((m, n, k), &weights[i], &x, &mut c, threads),
                        2 => Matmul::new(Matrix::new(&weights[i], m, k, k), right)
                            .write(MatrixMut::new(&mut c, m, n, n)),
                        _ => Matmul::new(Matrix::new(&halves[i], m, k, k), right)
                            .write(MatrixMut::new(&mut c, m, n, n)),
                    }
                    best = best.min(started.elapsed().as_secs_f64());
                }
                if round >= 2 {
                    times.push(best);
                }
            }
        }
        let cells = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            let rate = |time: f64| 2.0 * (m * n) as f64 * k as f64 / time / 1e9;
            format!("{:.0} / {:.0}", rate(times[0]), rate(times[times.len() / 2]))
        });
        print!("{:>18}", format!("{m},{n},{k}"));
        cells.iter().for_each(|cell| print!(" {cell:>13}"));
        println!();
    }
}

fn multiply_gemm((m, n, k): (usize, usize, usize), a: &[f32], b: &[f32], c: &mut [f32], threads: usize) {
    let parallelism = if threads > 1 { gemm::Parallelism::Rayon(threads) } else { gemm::Parallelism::None };
    // SAFETY: the buffers have the extents that the strides span.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            1,
            k as isize,
            b.as_ptr(),
            1,
            n as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

fn multiply_faer((m, n, k): (usize, usize, usize), a: &[f32], b: &[f32], c: &mut [f32], threads: usize) {
    let par = if threads > 1 { Par::rayon(threads) } else { Par::Seq };
    let (a, b) = (MatRef::from_row_major_slice(a, m, k), MatRef::from_row_major_slice(b, k, n));
    matmul(MatMut::from_row_major_slice_mut(c, m, n), Accum::Replace, a, b, 1.0, par);
}
