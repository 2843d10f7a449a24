//! Attention spelled out in operations, forward and derived, against the f64 reference: over odd sizes, heads that
//! share keys, several blocks of queries, and masks that are not causal.

mod common;

use common::{check, engine, random_inputs, run};
use engrad_mil::differentiate::{Request, differentiate};
use engrad_mil::{Builder, Constant, DType, Function, TensorType};
use engrad_virtual::Numerics;

struct Shape {
    heads: usize,
    group: usize,
    features: usize,
    positions: usize,
}

/// Attention as the stages write it: features × positions, groups side by side; a mask with `masked` above the
/// diagonal of `width` below it.
fn attention(dtype: DType, shape: &Shape, masked: f32, width: usize) -> Function {
    let &Shape { heads, group, features, positions } = shape;
    let mut b = Builder::new("main");
    let columns = group * positions;
    let q = b.input("q", TensorType::new(dtype, [1, heads, features, columns]));
    let k = b.input("k", TensorType::new(dtype, [1, heads, features, positions]));
    let v = b.input("v", TensorType::new(dtype, [1, heads * features, 1, positions]));
    let scores = b.matmul("scores", (q, true), (k, false)).unwrap();
    let scores = b.reshape("by_head", scores, &[1, heads * group, positions, positions]).unwrap();
    let mask: Vec<f32> = (0..positions)
        .flat_map(|i| (0..positions).map(move |j| if j <= i && i - j < width { 0.0 } else { masked }))
        .collect();
    let mask = Constant::floats(dtype, [1, 1, positions, positions], &mask).unwrap();
    let mask = b.constant("mask", mask);
    let scores = b.add("masked", scores, mask).unwrap();
    let weights = b.softmax("weights", scores, -1).unwrap();
    let weights = b.reshape("groups", weights, &[1, heads, columns, positions]).unwrap();
    let v = b.reshape("v_heads", v, &[1, heads, features, positions]).unwrap();
    let mixed = b.matmul("mixed", (v, false), (weights, true)).unwrap();
    b.finish(&[mixed]).unwrap()
}

fn backward(function: &Function) -> Function {
    let request = Request { activations: &["q", "k", "v"], weights: &[], taps: &[] };
    differentiate(function, &request).unwrap().backward
}

#[test]
fn causal_attention_and_its_derivative_agree_with_the_reference() {
    for (heads, group, features, positions) in
        [(1, 1, 1, 1), (2, 1, 5, 17), (3, 2, 16, 33), (1, 3, 8, 70), (9, 1, 8, 40), (2, 2, 24, 150)]
    {
        let shape = Shape { heads, group, features, positions };
        for dtype in [DType::Fp16, DType::Fp32] {
            let forward = attention(dtype, &shape, -30_000.0, usize::MAX);
            check(&forward, 3);
            check(&backward(&forward), 4);
        }
    }
}

#[test]
fn masks_that_are_not_causal_are_added_as_they_are() {
    let shape = Shape { heads: 2, group: 1, features: 8, positions: 24 };
    for (masked, width) in [(-1.0, usize::MAX), (-30_000.0, 4), (0.0, 1)] {
        let forward = attention(DType::Fp32, &shape, masked, width);
        check(&forward, 5);
        check(&backward(&forward), 6);
    }
}

#[test]
fn rows_by_features_is_recognised_too() {
    let (heads, positions, features) = (2, 45, 12);
    let mut b = Builder::new("main");
    let ty = TensorType::new(DType::Fp32, [heads, positions, features]);
    let [q, k, v] = ["q", "k", "v"].map(|name| b.input(name, ty.clone()));
    let scores = b.matmul("scores", (q, false), (k, true)).unwrap();
    let mask: Vec<f32> = (0..positions * positions)
        .map(|i| if i % positions <= i / positions { 0.0 } else { f32::NEG_INFINITY })
        .collect();
    let mask = b.constant("mask", Constant::floats(DType::Fp32, [positions, positions], &mask).unwrap());
    let scores = b.add("masked", mask, scores).unwrap();
    let weights = b.softmax("weights", scores, -1).unwrap();
    let y = b.matmul("y", (weights, false), (v, false)).unwrap();
    let function = b.finish(&[y]).unwrap();
    check(&function, 7);
    check(&backward(&function), 8);
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let shape = Shape { heads: 3, group: 2, features: 32, positions: 200 };
    let forward = attention(DType::Fp16, &shape, -30_000.0, usize::MAX);
    for function in [&forward, &backward(&forward)] {
        let inputs = random_inputs(function, 9);
        let first = run(&engine(Numerics::Fast, 1), function, &inputs);
        for threads in [2, 5] {
            assert_eq!(run(&engine(Numerics::Fast, threads), function, &inputs), first);
        }
    }
}
