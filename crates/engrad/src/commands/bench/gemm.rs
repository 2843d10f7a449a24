use std::str::FromStr;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use engrad_kernels::{
    Factor, Int8Scales, Matmul, Matrix, MatrixMut, PackedMatrix, Precision, ProductLibrary, Threads,
    matmul_int8,
};
use serde_json::{Value, json};

use super::machine::Machine;
use super::{Common, Spread};
use crate::environment::Environment;

/// Largest extent of a product; a bound on slips of the keyboard.
const MOST: usize = 1 << 20;
/// Most elements of the three matrices together.
const MOST_ELEMENTS: usize = 1 << 30;

/// Products of Stories110M's layers and head, one of a weight gradient, and 512 channels of 64 × 64.
const SHAPES: &str = "256,2048,768 256,768,2048 2048,768,256 256,32000,768 512,4096,512";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Rows, columns and inner extent of a product; may be repeated [default: a model's products]
    #[arg(long = "shape", value_name = "M,N,K")]
    shapes: Vec<Shape>,
    /// Precision; may be repeated [default: all that this processor has instructions for]
    #[arg(long = "precision", value_enum)]
    precisions: Vec<PrecisionChoice>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    m: usize,
    n: usize,
    k: usize,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<usize> = text.split(',').map_while(|part| part.parse().ok()).collect();
        let [m, n, k] = numbers[..] else { return Err(format!("`{text}` is not three numbers M,N,K")) };
        let fine = [m, n, k].iter().all(|&extent| (1..=MOST).contains(&extent));
        if !fine || m * n + m * k + n * k > MOST_ELEMENTS {
            return Err(format!(
                "`{text}`: extents are 1…{MOST}, the matrices together {MOST_ELEMENTS} elements"
            ));
        }
        Ok(Self { m, n, k })
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PrecisionChoice {
    F32,
    Bf16,
    Int8,
}

impl PrecisionChoice {
    fn precision(self) -> Precision {
        match self {
            Self::F32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
            Self::Int8 => Precision::Int8,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let environment = common.environment()?;
    let mut machine = Machine::measure(environment.pool());
    let shapes = match arguments.shapes.as_slice() {
        [] => SHAPES.split(' ').filter_map(|shape| shape.parse().ok()).collect(),
        given => given.to_vec(),
    };
    let precisions: Vec<Precision> = match arguments.precisions.as_slice() {
        [] => {
            let all = [Precision::F32, Precision::Bf16, Precision::Int8];
            all.into_iter().filter(|precision| precision.is_native()).collect()
        }
        given => given.iter().map(|choice| choice.precision()).collect(),
    };
    let mut products = Vec::new();
    for Shape { m, n, k } in shapes {
        for &precision in &precisions {
            let operations = 2.0 * (m * n) as f64 * k as f64;
            let [plain, packed] = measure(common, &environment, Shape { m, n, k }, precision)?;
            let what = format!("{m} × {n} × {k}, {precision:?}");
            let mut figures = |spread: &Spread| -> Result<Value> {
                machine.share(&what, precision, operations, spread.best())?;
                Ok(json!({
                    "milliseconds": spread.to_json(),
                    "gflops": operations / spread.median() / 1e6,
                    "gflops_best": operations / spread.best() / 1e6,
                    "share_of_peak": machine.share(&what, precision, operations, spread.median())?,
                }))
            };
            let mut product = json!({
                "m": m, "n": n, "k": k,
                "precision": format!("{precision:?}").to_lowercase(),
                "kernel": precision.kernel_name(),
                "packed_during_product": figures(&plain)?,
                "left_factor_packed_before": figures(&packed)?,
            });
            if let Some(library) = environment.library().filter(|_| precision == Precision::F32) {
                let spread = measure_library(common, library, Shape { m, n, k })?;
                // Units beside the cores may compute it, so that no peak measured here is its peak.
                product[library.name()] = json!({
                    "milliseconds": spread.to_json(),
                    "gflops": operations / spread.median() / 1e6,
                    "gflops_best": operations / spread.best() / 1e6,
                    "takes_such_weight_gradients": library.takes((m, n, k)),
                });
            }
            products.push(product);
        }
    }
    common.report("gemm", &environment, &machine, json!({ "products": products }));
    Ok(())
}

/// Numbers of an m × k or k × n factor.
fn factor(len: usize) -> Vec<f32> {
    (0..len).map(|i| f32::from(byte(i)) / 50.0).collect()
}

fn byte(i: usize) -> i8 {
    (i * 37 % 101) as i8 - 50
}

/// Times a product of f32 factors by a library.
fn measure_library(
    common: &Common,
    library: &dyn ProductLibrary,
    Shape { m, n, k }: Shape,
) -> Result<Spread> {
    let (a, b, mut c) = (factor(m * k), factor(k * n), vec![0f32; m * n]);
    let (a, b) = (Matrix::new(&a, m, k, k), Matrix::new(&b, k, n, n));
    common.measure(|| {
        let product = library.multiply(MatrixMut::new(&mut c, m, n, n), 0.0, a, b);
        product.map_err(|refusal| anyhow!(refusal))
    })
}

/// Times a product, and the same with its left factor packed before.
fn measure(
    common: &Common,
    environment: &Environment,
    Shape { m, n, k }: Shape,
    precision: Precision,
) -> Result<[Spread; 2]> {
    let pool = environment.pool();
    let mut c = vec![0f32; m * n];
    if precision == Precision::Int8 {
        let (a, b): (Vec<i8>, Vec<i8>) = ((0..m * k).map(byte).collect(), (0..k * n).map(byte).collect());
        let ones = vec![1.0; m];
        let scales = Int8Scales { rows: &ones, columns: None, round_to_f16: false };
        let (a, b) = (Matrix::new(&a, m, k, k), Matrix::new(&b, k, n, n));
        let packed = PackedMatrix::new_int8(a.into(), Factor::Left);
        let plain = common.measure(|| {
            pool.install(|| matmul_int8(MatrixMut::new(&mut c, m, n, n), a, b, &scales, Threads::Pool));
            Ok(())
        })?;
        let before = common.measure(|| {
            pool.install(|| matmul_int8(MatrixMut::new(&mut c, m, n, n), &packed, b, &scales, Threads::Pool));
            Ok(())
        })?;
        return Ok([plain, before]);
    }
    let (a, b) = (factor(m * k), factor(k * n));
    let (a, b) = (Matrix::new(&a, m, k, k), Matrix::new(&b, k, n, n));
    let packed = PackedMatrix::new(a, Factor::Left, precision);
    let plain = common.measure(|| {
        pool.install(|| Matmul::new(a, b).precision(precision).write(MatrixMut::new(&mut c, m, n, n)));
        Ok(())
    })?;
    let before = common.measure(|| {
        pool.install(|| Matmul::new(&packed, b).precision(precision).write(MatrixMut::new(&mut c, m, n, n)));
        Ok(())
    })?;
    Ok([plain, before])
}
