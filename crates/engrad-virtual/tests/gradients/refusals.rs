//! What cannot be differentiated, each with the message that says why.

use engrad_mil::differentiate::Request;
use engrad_mil::{Argument, Builder, Function, MilError, Op, ValueId, differentiate};

use crate::programs::{program, program_returning, reduce};

type Made = Result<ValueId, MilError>;

fn refusal(function: &Function, activations: &[&str], weights: &[&str], taps: &[&str]) -> MilError {
    differentiate(function, &Request { activations, weights, taps }).expect_err("a refusal")
}

/// The reason of a [`MilError::Differentiate`].
fn reason(function: &Function, activations: &[&str], weights: &[&str]) -> String {
    match refusal(function, activations, weights, &[]) {
        MilError::Differentiate { function, reason } => {
            assert_eq!(function, "main");
            reason
        }
        other => panic!("not a differentiation error: {other}"),
    }
}

#[test]
fn operations_without_a_rule_are_named() {
    for op in [Op::ReduceMax, Op::FloorDiv, Op::Mod, Op::Ceil] {
        // A rule that is added belongs in the cases of the rules' test.
        assert!(!op.info().is_differentiable(), "{} has a rule now", op.name());
        let function = program(&[&[2, 3], &[2, 3]], |b, v| {
            let x = ("x", Argument::Value(v[0]));
            match op {
                Op::ReduceMax => reduce(b, op, "y", v[0], &[1], true),
                Op::FloorDiv | Op::Mod => b.op(op, "y", vec![x, ("y", Argument::Value(v[1]))]),
                _ => b.op(op, "y", vec![x]),
            }
        });
        assert_eq!(reason(&function, &["a"], &[]), format!("`{}` has no derivative rule", op.name()));
    }
}

#[test]
fn a_refusal_reads_as_one_line() {
    let function = program(&[&[3]], |b, v| b.op(Op::Ceil, "y", vec![("x", Argument::Value(v[0]))]));
    let error = refusal(&function, &["a"], &[], &[]);
    assert_eq!(error.to_string(), "cannot differentiate `main`: `ceil` has no derivative rule");
}

#[test]
fn a_weight_outside_products_is_refused() {
    let place = "a weight may only be the left operand of matmul or an operand of mul";
    type Body = fn(&mut Builder, &[ValueId]) -> Made;
    let uses: [(&str, Body); 7] = [
        ("add", |b, v| b.add("y", v[0], v[1])),
        ("sub", |b, v| b.sub("y", v[1], v[0])),
        ("real_div", |b, v| b.real_div("y", v[0], v[1])),
        ("matmul", |b, v| b.matmul("y", (v[0], false), (v[1], false))),
        ("concat", |b, v| b.concat("y", &[v[0], v[1]], 0)),
        ("slice_by_size", |b, v| {
            let part = b.slice_axis("part", v[1], 0, 0, 1)?;
            b.mul("y", v[0], part)
        }),
        ("transpose", |b, v| {
            let turned = b.transpose("turned", v[1], &[1, 0])?;
            b.matmul("y", (turned, false), (v[0], false))
        }),
    ];
    for (op, body) in uses {
        let function = program(&[&[3, 3], &[3, 3]], body);
        assert_eq!(reason(&function, &["a"], &["b"]), format!("`{op}`: {place}"));
    }
}

#[test]
fn a_weight_used_elsewhere_is_refused_though_it_has_a_product_too() {
    let function = program(&[&[3, 3], &[3, 3]], |b, v| {
        let product = b.matmul("product", (v[1], false), (v[0], false))?;
        let view = b.reshape("view", v[1], &[1, 9])?;
        let loose = b.exp("loose", view)?;
        let row = b.reshape("row", loose, &[3, 3])?;
        b.add("y", product, row)
    });
    let expected = "`exp`: a weight may only be the left operand of matmul or an operand of mul";
    assert_eq!(reason(&function, &["a"], &["b"]), expected);
}

#[test]
fn a_weight_returned_as_it_is_is_refused() {
    let function = program_returning(&[&[3, 3], &[3, 3]], |b, v| {
        let y = b.matmul("y", (v[1], false), (v[0], false))?;
        let view = b.reshape("view", v[1], &[9])?;
        Ok(vec![y, view])
    });
    assert_eq!(reason(&function, &["a"], &["b"]), "weight `view` is returned as it is");
}

#[test]
fn products_whose_weight_gradient_is_no_single_contraction_are_refused() {
    let one_matrix = "`matmul`: a weight's other operand must be one features × positions matrix";
    let batched = program(&[&[2, 3, 4], &[3, 3]], |b, v| b.matmul("y", (v[1], false), (v[0], false)));
    assert_eq!(reason(&batched, &["a"], &["b"]), one_matrix);
    let turned = program(&[&[4, 3], &[3, 3]], |b, v| b.matmul("y", (v[1], false), (v[0], true)));
    assert_eq!(reason(&turned, &["a"], &["b"]), one_matrix);

    let broadcast = "`mul`: a weight must be broadcast to the other operand, with equal ranks";
    let fewer_dimensions = program(&[&[2, 3], &[3]], |b, v| b.mul("y", v[0], v[1]));
    assert_eq!(reason(&fewer_dimensions, &["a"], &["b"]), broadcast);
    let stretched_activation = program(&[&[1, 3], &[2, 3]], |b, v| b.mul("y", v[0], v[1]));
    assert_eq!(reason(&stretched_activation, &["a"], &["b"]), broadcast);
}

#[test]
fn unknown_names_are_refused() {
    let function = program(&[&[3]], |b, v| b.exp("y", v[0]));
    let expected = "function `main`: no value named `z`";
    assert_eq!(refusal(&function, &["z"], &[], &[]).to_string(), expected);
    assert_eq!(refusal(&function, &["a"], &["z"], &[]).to_string(), expected);
    assert_eq!(refusal(&function, &["a"], &[], &["z"]).to_string(), expected);
}

#[test]
fn intermediate_values_are_neither_activations_nor_weights() {
    // Taken as a weight, `h` would silently get no gradient at all.
    let function = program(&[&[3, 3], &[3, 3]], |b, v| {
        let h = b.exp("h", v[1])?;
        b.matmul("y", (h, false), (v[0], false))
    });
    assert_eq!(reason(&function, &["h"], &[]), "`h` is not an input");
    assert_eq!(reason(&function, &["a"], &["h"]), "`h` is not an input");
}

#[test]
fn an_activation_nothing_depends_on_is_named() {
    let function = program(&[&[3], &[3]], |b, v| b.exp("y", v[0]));
    assert_eq!(reason(&function, &["a", "b"], &[]), "nothing depends on `b`");
}

#[test]
fn a_value_that_a_cotangent_would_be_confused_with_is_refused() {
    let mut b = Builder::new("main");
    let ty = engrad_mil::TensorType::new(engrad_mil::DType::Fp32, [3]);
    let (x, other) = (b.input("x", ty.clone()), b.input("d_y", ty));
    let y = b.mul("y", x, other).unwrap();
    let function = b.finish(&[y]).unwrap();
    let expected = "`d_y` would be both a forward value and a cotangent; rename the value";
    assert_eq!(reason(&function, &["x"], &[]), expected);
}

#[test]
fn a_backward_function_with_nothing_to_return_is_refused() {
    // Both factors of the weight's gradient are at the ports already.
    let function = program(&[&[3, 2], &[3, 3]], |b, v| b.matmul("y", (v[1], false), (v[0], false)));
    let error = refusal(&function, &[], &["b"], &[]);
    assert_eq!(error.to_string(), "function `main`: has no outputs");
}
