//! Speed of the text form, in bytes of text: a megabyte of inline weights, and a program of many small operations.

use std::fmt::Write as _;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engrad_mil::{Builder, Constant, DType, Program, TensorType, parse, verify};

/// About a megabyte of hexadecimal weights on one line.
fn weights() -> String {
    let mut b = Builder::new("main");
    let values: Vec<f32> =
        (0..70_000u32).map(|i| (i.wrapping_mul(0x9E37_79B9) as f32 / 4e9 - 0.5) / 7.0).collect();
    let x = b.input("x", TensorType::new(DType::Fp32, [1, 1, 100, 700]));
    let w = b.constant("w", Constant::floats(DType::Fp32, [1, 1, 100, 700], &values).expect("a constant"));
    let y = b.mul("y", x, w).expect("a product");
    Program::new(b.finish(&[y]).expect("a function")).to_text()
}

fn operations() -> String {
    let mut body = String::new();
    for i in 1..5000 {
        let (x, y) = (i - 1, i / 2);
        let _ = writeln!(
            body,
            "tensor<fp16, [1, 4, 1, 8]> v{i} = add(x = v{x}, y = v{y})[name = string(\"v{i}\")];"
        );
    }
    format!("program(1.3) {{ func main<ios18>(tensor<fp16, [1, 4, 1, 8]> v0) {{ {body} }} -> (v4999); }}")
}

fn bench(c: &mut Criterion) {
    for (name, text) in [("inline weights", weights()), ("5000 operations", operations())] {
        let program = parse(&text).expect("a program");
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("parse", |b| b.iter(|| parse(&text)));
        group.bench_function("print", |b| b.iter(|| program.to_text()));
        group.bench_function("verify", |b| b.iter(|| verify(&program)));
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
