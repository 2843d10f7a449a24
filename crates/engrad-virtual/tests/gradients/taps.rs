//! Saved values: which are, and that saving changes only what is computed twice.

use engrad_mil::differentiate::{Request, Source};
use engrad_mil::{Function, Op, differentiate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::programs::{constant, program, random, reached};
use crate::{SIGNED, check};

fn output_names(function: &Function) -> Vec<&str> {
    function.outputs().iter().map(|&id| function.value(id).name.as_str()).collect()
}

fn arithmetic(function: &Function) -> usize {
    function.ops().iter().filter(|o| o.op != Op::Const).count()
}

/// y = exp(tanh(a)²) · silu(a)
fn example() -> Function {
    program(&[&[2, 3]], |b, v| {
        let squashed = b.tanh("squashed", v[0])?;
        let squared = b.square("squared", squashed)?;
        let grown = b.exp("grown", squared)?;
        let gate = b.silu("gate", v[0])?;
        b.mul("y", grown, gate)
    })
}

#[test]
fn values_the_backward_function_does_not_need_are_not_saved() {
    let function = example();
    let taps = ["y", "squared", "squashed", "grown"];
    let request = Request { activations: &["a"], weights: &[], taps: &taps };
    let derived = check("needed", &function, &request, &SIGNED);
    // The exponential's and tanh's rules take the results; `squared` is needed by neither.
    assert_eq!(output_names(&derived.forward), ["y", "squashed", "grown"]);
    let saved = derived.backward.inputs().iter().map(|&id| derived.backward.value(id).name.as_str());
    assert!(!saved.into_iter().any(|name| name == "squared" || name == "y"));
}

#[test]
fn saved_values_replace_recomputation() {
    let function = example();
    let ops = |taps: &[&str]| {
        let request = Request { activations: &["a"], weights: &[], taps };
        arithmetic(&differentiate(&function, &request).unwrap().backward)
    };
    // Four values are computed again, or three of those once the deepest is given, and so on.
    let none = ops(&[]);
    assert_eq!(none - ops(&["squashed"]), 1);
    assert_eq!(none - ops(&["grown"]), 2);
    assert_eq!(none - ops(&["grown", "squashed"]), 3);
    assert_eq!(none - ops(&["grown", "squashed", "gate"]), 4);
}

#[test]
fn inputs_and_constants_are_at_hand_and_never_saved() {
    let function = program(&[&[3, 3]], |b, v| {
        let table = constant(b, "table", &[3, 3]);
        let product = b.matmul("product", (v[0], true), (table, false))?;
        b.mul("y", product, v[0])
    });
    let names: Vec<&str> = function.values().iter().map(|v| v.name.as_str()).collect();
    let taps: Vec<&str> = names.into_iter().filter(|name| !["product", "y"].contains(name)).collect();
    assert_eq!(taps, ["a", "table", "product_transpose_x", "product_transpose_y"]);
    let request = Request { activations: &["a"], weights: &[], taps: &taps };
    let derived = check("inputs and constants", &function, &request, &SIGNED);
    assert_eq!(output_names(&derived.forward), ["y"]);
}

#[test]
fn a_saved_view_of_the_activation_serves_the_weight_gradient() {
    let function = program(&[&[1, 4, 1, 2], &[1, 3, 1, 4]], |b, v| {
        let hidden = b.tanh("hidden", v[0])?;
        let columns = b.reshape("columns", hidden, &[1, 1, 4, 2])?;
        let matrix = b.reshape("matrix", v[1], &[1, 1, 3, 4])?;
        b.matmul("y", (matrix, false), (columns, false))
    });
    let source = |taps: &[&str]| {
        let request = Request { activations: &["a"], weights: &["b"], taps };
        check("view", &function, &request, &SIGNED).weight_gradients[0].activation.clone()
    };
    assert_eq!(source(&["hidden"]), Source::ForwardOutput("hidden".to_owned()));
    assert_eq!(source(&["columns"]), Source::ForwardOutput("columns".to_owned()));
    assert!(matches!(source(&[]), Source::BackwardOutput(_)));
}

#[test]
fn any_choice_of_saved_values_gives_the_same_cotangents() {
    for seed in 0..60 {
        let function = random(seed);
        let reached = reached(&function);
        if reached.is_empty() {
            continue;
        }
        let mut choice = ChaCha8Rng::seed_from_u64(seed);
        for round in 0..3 {
            // Constants and inputs among them, which an overly long list would name too.
            let names = function.values().iter().map(|v| v.name.as_str());
            let taps: Vec<&str> = names.filter(|_| round == 0 || choice.random_bool(0.4)).collect();
            let request = Request { activations: &reached, weights: &[], taps: &taps };
            check(&format!("random program {seed}, saving {taps:?}"), &function, &request, &SIGNED);
        }
    }
}
