//! Attention spelled out in operations, forward and derived, against the f64 reference: over odd sizes, heads that
//! share keys, several blocks of queries, and masks that are not causal.

mod common;

use common::{check, engine, random_inputs, run};
use engrad_mil::differentiate::{Request, differentiate};
use engrad_mil::{Builder, Constant, DType, Function, TensorType, ValueId};
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
    let mixed = spelled_out(&mut b, [q, k, v], dtype, shape, masked, width);
    b.finish(&[mixed]).unwrap()
}

fn spelled_out(
    b: &mut Builder,
    [q, k, v]: [ValueId; 3],
    dtype: DType,
    shape: &Shape,
    masked: f32,
    width: usize,
) -> ValueId {
    let &Shape { heads, group, features, positions } = shape;
    let columns = group * positions;
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
    b.matmul("mixed", (v, false), (weights, true)).unwrap()
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

/// Attention of heads that stand one behind the other and are laid side by side for it, and back.
fn of_heads_in_a_row(dtype: DType, shape: &Shape) -> Function {
    let &Shape { heads, group, features, positions } = shape;
    let mut b = Builder::new("main");
    let q = b.input("rows", TensorType::new(dtype, [1, heads * group * features, 1, positions]));
    let q = b.reshape("apart", q, &[heads, group, features, positions]).unwrap();
    let q = b.transpose("beside", q, &[0, 2, 1, 3]).unwrap();
    let q = b.reshape("together", q, &[1, heads, features, group * positions]).unwrap();
    let k = b.input("k", TensorType::new(dtype, [1, heads, features, positions]));
    let v = b.input("v", TensorType::new(dtype, [1, heads * features, 1, positions]));
    let mixed = spelled_out(&mut b, [q, k, v], dtype, shape, -30_000.0, usize::MAX);
    let mixed = b.reshape("columns", mixed, &[heads, features, group, positions]).unwrap();
    let mixed = b.transpose("behind", mixed, &[0, 2, 1, 3]).unwrap();
    let y = b.reshape("y", mixed, &[1, heads * group * features, 1, positions]).unwrap();
    b.finish(&[y]).unwrap()
}

#[test]
fn heads_are_read_and_written_wherever_they_stand() {
    for (heads, group, features, positions) in [(1, 2, 8, 33), (2, 3, 16, 70)] {
        let shape = Shape { heads, group, features, positions };
        for dtype in [DType::Fp16, DType::Fp32] {
            let forward = of_heads_in_a_row(dtype, &shape);
            check(&forward, 10);
            let request = Request { activations: &["rows", "k", "v"], weights: &[], taps: &[] };
            check(&differentiate(&forward, &request).unwrap().backward, 11);
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
