use engrad_kernels::*;
use half::f16;
use std::time::Instant;
fn main() {
    let pools: Vec<_> =
        [1, 2].iter().map(|&t| rayon::ThreadPoolBuilder::new().num_threads(t).build().unwrap()).collect();
    let v = |n: usize| (0..n).map(|i| ((i * 7) % 13) as f32 / 13.0).collect::<Vec<f32>>();
    for (m, n, k, ta, tb, beta, name) in [
        (768, 256, 768, false, false, 0., "fwd"),
        (2048, 256, 768, false, false, 0., "fwd"),
        (768, 256, 2048, false, false, 0., "fwd"),
        (768, 256, 2048, true, false, 0., "bwd"),
        (2048, 256, 768, true, false, 0., "bwd"),
        (768, 2048, 256, false, true, 1., "dW"),
        (2048, 768, 256, false, true, 1., "dW"),
        (768, 768, 256, false, true, 1., "dW"),
        (16000, 256, 768, false, false, 0., "cls"),
        (768, 256, 16000, true, false, 0., "clsb"),
        (16000, 768, 256, false, true, 1., "clsdW"),
        (1024, 1024, 1024, false, false, 0., "sq"),
    ] {
        let (a, b) = (v(m * k), v(k * n));
        let ah: Vec<f16> = a.iter().map(|&x| f16::from_f32(x)).collect();
        let bh: Vec<f16> = b.iter().map(|&x| f16::from_f32(x)).collect();
        let mut c = vec![0f32; m * n];
        let fl = 2.0 * (m * n * k) as f64 / 1e9;
        let mut out = format!("{name:6} {m:6}x{n:5}x{k:5} ");
        for pool in &pools {
            pool.install(|| {
                let mut best = [1e9f64; 4];
                for _ in 0..10 {
                    for (w, best) in best.iter_mut().enumerate() {
                        let ma =
                            if ta { Matrix::new(&a, k, m, m).transposed() } else { Matrix::new(&a, m, k, k) };
                        let mb =
                            if tb { Matrix::new(&b, n, k, k).transposed() } else { Matrix::new(&b, k, n, n) };
                        let ha = if ta {
                            Matrix::new(&ah, k, m, m).transposed()
                        } else {
                            Matrix::new(&ah, m, k, k)
                        };
                        let hb = if tb {
                            Matrix::new(&bh, n, k, k).transposed()
                        } else {
                            Matrix::new(&bh, k, n, n)
                        };
                        let t = Instant::now();
                        match w {
                            0 => unsafe {
                                gemm::gemm(
                                    m,
                                    n,
                                    k,
                                    c.as_mut_ptr(),
                                    1,
                                    n as isize,
                                    beta != 0.,
                                    a.as_ptr(),
                                    if ta { m as isize } else { 1 },
                                    if ta { 1 } else { k as isize },
                                    b.as_ptr(),
                                    if tb { k as isize } else { 1 },
                                    if tb { 1 } else { n as isize },
                                    beta,
                                    1.,
                                    false,
                                    false,
                                    false,
                                    gemm::Parallelism::Rayon(0),
                                )
                            },
                            1 => Matmul::new(ma, mb).accumulate(beta).write(MatrixMut::new(&mut c, m, n, n)),
                            2 => Matmul::new(ha, hb).accumulate(beta).write(MatrixMut::new(&mut c, m, n, n)),
                            _ => Matmul::new(ha, hb)
                                .accumulate(beta)
                                .precision(Precision::Bf16)
                                .write(MatrixMut::new(&mut c, m, n, n)),
                        }
                        *best = best.min(t.elapsed().as_secs_f64());
                    }
                }
                out += &format!(
                    "| gemm {:5.0} f32 {:5.0} f16 {:5.0} bf16 {:5.0} ",
                    fl / best[0],
                    fl / best[1],
                    fl / best[2],
                    fl / best[3]
                );
            });
        }
        println!("{out}");
    }
    let (m, n, k) = (512, 4096, 512);
    let a: Vec<i8> = (0..m * k).map(|i| (i * 7 % 251) as i8).collect();
    let b: Vec<i8> = (0..n * k).map(|i| (i * 5 % 251) as i8).collect();
    let mut c = vec![0f32; m * n];
    let rs = vec![1.0; m];
    let (af, bf) = (v(m * k), v(k * n));
    for pool in &pools {
        pool.install(|| {
            let mut best = [1e9f64; 3];
            for _ in 0..10 {
                let t = Instant::now();
                matmul_int8(
                    MatrixMut::new(&mut c, m, n, n),
                    Matrix::new(&a, m, k, k),
                    Matrix::new(&b, k, n, n),
                    &Int8Scales { rows: &rs, columns: None, round_to_f16: false },
                    Threads::Pool,
                );
                best[0] = best[0].min(t.elapsed().as_secs_f64());
                let t = Instant::now();
                Matmul::new(Matrix::new(&af, m, k, k), Matrix::new(&bf, k, n, n))
                    .write(MatrixMut::new(&mut c, m, n, n));
                best[1] = best[1].min(t.elapsed().as_secs_f64());
            }
            println!(
                "int8 {:.0} f32 {:.0} ratio {:.2}",
                2.0 * (m * n * k) as f64 / 1e9 / best[0],
                2.0 * (m * n * k) as f64 / 1e9 / best[1],
                best[1] / best[0]
            );
        });
    }
}
