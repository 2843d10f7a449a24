//! The engine as a whole: budgets, refusals, determinism, padding, concurrency.

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::{bind, engine, random_inputs, run};
use engrad_engine::{Engine, EngineError, Surface};
use engrad_mil::{Builder, Constant, ConstantData, DType, Function, Program, TensorType};
use engrad_virtual::{Limits, Numerics, Options, VirtualEngine, reference};

/// Attention-like: large products, softmax, reductions, a concatenation.
fn mixed() -> Function {
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::channels(DType::Fp16, 96, 70));
    let w = b.input("w", TensorType::new(DType::Fp16, [1, 1, 288, 96]));
    let x2 = b.reshape("x2", x, &[1, 1, 96, 70]).unwrap();
    let h = b.matmul("h", (w, false), (x2, false)).unwrap();
    let heads = b.reshape("heads", h, &[1, 6, 48, 70]).unwrap();
    let scores = b.matmul("scores", (heads, true), (heads, false)).unwrap();
    let scale = b.scalar("scale", DType::Fp16, 0.1).unwrap();
    let scores = b.mul("scaled", scores, scale).unwrap();
    let p = b.softmax("p", scores, -1).unwrap();
    let mixed = b.matmul("mixed", (heads, false), (p, true)).unwrap();
    let gate = b.silu("gate", heads).unwrap();
    let gated = b.mul("gated", gate, mixed).unwrap();
    let joined = b.concat("joined", &[gated, heads], 2).unwrap();
    let mean = b.reduce_mean("mean", joined, &[2]).unwrap();
    b.finish(&[joined, mean, p]).unwrap()
}

fn doubling() -> Program {
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::channels(DType::Fp16, 3, 33));
    let y = b.add("y", x, x).unwrap();
    Program::new(b.finish(&[y]).unwrap())
}

fn refusal(function: Function) -> String {
    match engine(Numerics::Fast, 1).compile(&Program::new(function)) {
        Err(EngineError::Compile { reason, .. }) => reason,
        other => panic!("compiled, or refused otherwise: {other:?}"),
    }
}

#[test]
fn results_depend_neither_on_thread_count_nor_on_the_run() {
    let function = mixed();
    let inputs = random_inputs(&function, 11);
    for numerics in [Numerics::Fast, Numerics::F32] {
        let first = run(&engine(numerics, 1), &function, &inputs);
        for threads in [1, 2, 3, 7] {
            assert_eq!(run(&engine(numerics, threads), &function, &inputs), first);
        }
    }
}

#[test]
fn budgets_are_enforced_and_dropping_a_kernel_frees_its_place() {
    let limits = Limits { compiles: Some(3), loaded: Some(1) };
    let engine = VirtualEngine::new(Options { limits, threads: Some(1), ..Options::default() }).unwrap();
    let program = doubling();
    let kernel = engine.compile(&program).unwrap();
    assert!(matches!(engine.compile(&program), Err(EngineError::Limit(m)) if m.contains("loaded")));
    drop(kernel);
    for _ in 0..2 {
        engine.compile(&program).unwrap();
    }
    assert!(matches!(engine.compile(&program), Err(EngineError::Limit(m)) if m.contains("compiled")));
    assert_eq!((engine.statistics().compiles, engine.statistics().loaded), (3, 0));
}

#[test]
fn a_request_keeps_its_kernel_loaded_and_counts_evaluations() {
    let engine = engine(Numerics::Fast, 2);
    let kernel = engine.compile(&doubling()).unwrap();
    let request = bind(&kernel, &HashMap::from([("x".to_owned(), vec![1.0; 99])]));
    drop(kernel);
    request.evaluate().unwrap();
    assert_eq!((engine.statistics().loaded, engine.statistics().evaluations), (1, 1));
    assert!(engine.statistics().working_bytes > 0);
    drop(request);
    assert_eq!(engine.statistics().loaded, 0);
}

#[test]
fn a_request_of_another_kernel_is_refused() {
    let engine = engine(Numerics::Fast, 1);
    let (one, other) = (engine.compile(&doubling()).unwrap(), engine.compile(&doubling()).unwrap());
    let request = bind(&one, &HashMap::from([("x".to_owned(), vec![1.0; 99])]));
    assert!(matches!(other.evaluate(&request), Err(EngineError::Evaluate(_))));
}

#[test]
fn weights_kept_as_panels_are_packed_again_once_written() {
    let function = {
        let mut b = Builder::new("main");
        let x = b.input("x", TensorType::new(DType::Fp32, [1, 1, 64, 48]));
        let w = b.input("w", TensorType::new(DType::Fp32, [1, 1, 80, 64]));
        let forward = b.matmul("forward", (w, false), (x, false)).unwrap();
        let back = b.matmul("back", (w, true), (forward, false)).unwrap();
        b.finish(&[forward, back]).unwrap()
    };
    let numbers = |seed| random_inputs(&function, seed);
    let options = Options { numerics: Numerics::F32, threads: Some(2), ..Options::default() };
    let engine = VirtualEngine::new(options).unwrap();
    let fresh = VirtualEngine::new(Options { panel_bytes: 0, ..options }).unwrap();
    let kernel = engine.compile(&Program::new(function.clone())).unwrap();
    let request = bind(&kernel, &numbers(1));
    let before = engine.statistics().working_bytes;
    for seed in [1, 2, 3] {
        let inputs = numbers(seed);
        for (port, surface) in kernel.inputs().iter().zip(request.inputs()) {
            common::write(port, surface, &inputs[&port.name]);
        }
        let expected = run(&fresh, &function, &inputs);
        for _ in 0..4 {
            request.evaluate().unwrap();
            for (port, surface) in kernel.outputs().iter().zip(request.outputs()) {
                assert_eq!(common::read(port, surface), expected[&port.name], "seed {seed}");
            }
        }
    }
    assert!(engine.statistics().working_bytes > before, "panels were kept");
}

#[test]
fn row_padding_of_outputs_is_left_alone() {
    let engine = engine(Numerics::Fast, 2);
    let kernel = engine.compile(&doubling()).unwrap();
    let (source, target) =
        (Surface::for_port(&kernel.inputs()[0]).unwrap(), Surface::for_port(&kernel.outputs()[0]).unwrap());
    target.write().bytes_mut().fill(0xAB);
    kernel.bind(vec![source], vec![target.clone()]).unwrap().evaluate().unwrap();
    let guard = target.read();
    for row in guard.bytes().chunks(128) {
        assert!(row[..66].iter().all(|b| *b == 0) && row[66..].iter().all(|b| *b == 0xAB));
    }
}

#[test]
fn kernels_evaluated_at_the_same_time_do_not_share_memory() {
    let engine = Arc::new(engine(Numerics::F32, 2));
    let function = mixed();
    let expected: Vec<_> =
        (0..4).map(|seed| run(&engine, &function, &random_inputs(&function, seed))).collect();
    std::thread::scope(|scope| {
        for (seed, expected) in expected.iter().enumerate() {
            let (engine, function) = (&engine, &function);
            scope.spawn(move || {
                for _ in 0..5 {
                    assert_eq!(&run(engine, function, &random_inputs(function, seed as u64)), expected);
                }
            });
        }
    });
}

#[test]
fn programs_too_large_for_memory_are_refused_when_compiled() {
    let mut b = Builder::new("main");
    let column = b.input("column", TensorType::new(DType::Fp16, [1 << 18, 1]));
    let row = b.input("row", TensorType::new(DType::Fp16, [1, 1 << 18]));
    let outer = b.add("outer", column, row).unwrap();
    let total = b.reduce_sum("total", outer, &[0, 1]).unwrap();
    assert!(refusal(b.finish(&[total]).unwrap()).contains("memory"));
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::new(DType::Fp32, [1]));
    let c = b.constant("c", Constant::floats(DType::Fp32, [1 << 12, 1], &[1.0; 1 << 12]).unwrap());
    let r = b.reshape("r", c, &[1, 1 << 12]).unwrap();
    let outer = b.matmul("outer", (c, false), (r, false)).unwrap();
    let wide = b.reshape("wide", outer, &[1 << 24, 1]).unwrap();
    let row = b.reshape("row", outer, &[1, 1 << 24]).unwrap();
    let row = b.slice_axis("part", row, 1, 0, 1 << 12).unwrap();
    let huge = b.mul("huge", wide, row).unwrap();
    let y = b.add("y", huge, x).unwrap();
    let total = b.reduce_sum("total", y, &[0]).unwrap();
    assert!(refusal(b.finish(&[total]).unwrap()).contains("memory"));
}

#[test]
fn constants_in_files_are_refused_by_name() {
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::new(DType::Fp16, [4]));
    let data = ConstantData::Blob { path: "@model_path/weights/weight.bin".to_owned(), offset: 64 };
    let weight = b.constant("weight", Constant { ty: TensorType::new(DType::Fp16, [4]), data });
    let y = b.add("y", x, weight).unwrap();
    assert!(refusal(b.finish(&[y]).unwrap()).contains("`weight`"));
}

#[test]
fn long_chains_of_views_inside_a_concatenation_do_not_exhaust_the_stack() {
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::new(DType::Fp16, [2, 8]));
    let mut y = b.exp("y", x).unwrap();
    for i in 0..20_000 {
        y = b.reshape(&format!("y{i}"), y, if i % 2 == 0 { &[4, 4] } else { &[2, 8] }).unwrap();
    }
    let joined = b.concat("joined", &[y, x], 0).unwrap();
    let function = b.finish(&[joined]).unwrap();
    let inputs = random_inputs(&function, 1);
    let expected = reference::evaluate(&function, &inputs).unwrap();
    let actual = run(&engine(Numerics::F32, 1), &function, &inputs);
    assert!(actual["joined"].iter().zip(&expected["joined"]).all(|(a, e)| (a - e).abs() < 2e-3));
}
