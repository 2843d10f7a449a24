//! What an evaluation costs besides arithmetic, what compiling costs, and attention. `cargo bench -p engrad-virtual`.
#![allow(missing_docs, reason = "criterion's macros define undocumented items")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use engrad_engine::{Engine, Request, Surface};
use engrad_mil::differentiate::{Request as Derivation, differentiate};
use engrad_mil::{Builder, Constant, DType, Function, Program, TensorType};
use engrad_virtual::{Numerics, Options, VirtualEngine};

fn bound(engine: &VirtualEngine, function: &Function) -> Request {
    let kernel = engine.compile(&Program::new(function.clone())).expect("compiles");
    let surfaces = |ports: &[engrad_engine::Port]| {
        ports.iter().map(|port| Surface::for_port(port).expect("memory")).collect::<Vec<_>>()
    };
    let (inputs, outputs) = (surfaces(kernel.inputs()), surfaces(kernel.outputs()));
    kernel.bind(inputs, outputs).expect("fits")
}

fn doubling() -> Function {
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::channels(DType::Fp16, 8, 32));
    let y = b.add("y", x, x).expect("shapes fit");
    b.finish(&[y]).expect("an output")
}

fn attention(positions: usize) -> Function {
    let (heads, features) = (12, 64);
    let mut b = Builder::new("main");
    let ty = TensorType::new(DType::Fp16, [1, heads, features, positions]);
    let [q, k, v] = ["q", "k", "v"].map(|name| b.input(name, ty.clone()));
    let mask: Vec<f32> = (0..positions * positions)
        .map(|i| if i % positions <= i / positions { 0.0 } else { -30_000.0 })
        .collect();
    let mask = Constant::floats(DType::Fp16, [1, 1, positions, positions], &mask).expect("fits");
    let build = || {
        let scores = b.matmul("scores", (q, true), (k, false))?;
        let mask = b.constant("mask", mask);
        let masked = b.add("masked", scores, mask)?;
        let weights = b.softmax("weights", masked, -1)?;
        b.matmul("mixed", (v, false), (weights, true))
    };
    let mixed = build().expect("shapes fit");
    b.finish(&[mixed]).expect("an output")
}

fn evaluation(c: &mut Criterion) {
    let engine = VirtualEngine::new(Options::default()).expect("threads");
    let request = bound(&engine, &doubling());
    c.bench_function("evaluate a trivial program", |bench| {
        bench.iter(|| request.evaluate().expect("runs"));
    });
    let program = Program::new(attention(256));
    c.bench_function("compile attention of 256 positions", |bench| {
        bench.iter(|| engine.compile(&program).expect("compiles"));
    });
    let mut numerics = vec![Numerics::Fast, Numerics::F32];
    if VirtualEngine::new(Options { numerics: Numerics::Bf16, ..Options::default() }).is_ok() {
        numerics.push(Numerics::Bf16);
    }
    let mut group = c.benchmark_group("attention, 12 heads of 64");
    group.sample_size(10);
    for numerics in numerics {
        let engine = VirtualEngine::new(Options { numerics, ..Options::default() }).expect("threads");
        for positions in [256, 1024] {
            let forward = attention(positions);
            let derivation = Derivation { activations: &["q", "k", "v"], weights: &[], taps: &[] };
            let backward = differentiate(&forward, &derivation).expect("derives").backward;
            for (pass, function) in [("forward", &forward), ("backward", &backward)] {
                let request = bound(&engine, function);
                let id = BenchmarkId::new(format!("{pass} {numerics:?}"), positions);
                group.bench_function(id, |bench| bench.iter(|| request.evaluate().expect("runs")));
            }
        }
    }
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
