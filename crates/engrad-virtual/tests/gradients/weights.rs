//! Gradients of weights: formed by the host from the named pairs, in every orientation and from every source.

use engrad_mil::differentiate::{Contraction, Derived, Request, Source};
use engrad_mil::{Function, Op};

use crate::programs::{constant, program, program_returning};
use crate::{SIGNED, check};

fn check_weights(name: &str, function: &Function, activations: &[&str], weights: &[&str]) -> Derived {
    check(name, function, &Request { activations, weights, taps: &[] }, &SIGNED)
}

/// A weight in both storage orientations, against a vector of positions.
fn projection(transposed: bool) -> Function {
    let weight: &[usize] = if transposed { &[1, 4, 1, 3] } else { &[1, 3, 1, 4] };
    program(&[&[1, 4, 1, 5], weight], |b, v| {
        let matrix = b.reshape("matrix", v[1], &[1, 1, weight[1], weight[3]])?;
        let columns = b.reshape("columns", v[0], &[1, 1, 4, 5])?;
        let product = b.matmul("product", (matrix, transposed), (columns, false))?;
        b.reshape("y", product, &[1, 3, 1, 5])
    })
}

#[test]
fn a_projection_names_the_ports_and_multiplies_nothing_out() {
    for (transposed, contraction) in [(false, Contraction::OutputByInput), (true, Contraction::InputByOutput)]
    {
        let derived = check_weights("projection", &projection(transposed), &["a"], &["b"]);
        let [gradient] = &derived.weight_gradients[..] else { panic!("one product, one gradient") };
        assert_eq!(gradient.contraction, contraction);
        assert_eq!(gradient.activation, Source::ForwardInput("a".to_owned()));
        assert_eq!(gradient.cotangent, Source::BackwardInput("d_y".to_owned()));
        // The one product is that for the activation's own cotangent.
        assert_eq!(derived.backward.ops().iter().filter(|o| o.op == Op::Matmul).count(), 1);
        assert_eq!(derived.forward.outputs().len(), 1);
    }
}

#[test]
fn matrices_of_two_dimensions_and_one_position_are_weights_too() {
    let function = program(&[&[4, 1], &[3, 4], &[3, 2]], |b, v| {
        let hidden = b.matmul("hidden", (v[1], false), (v[0], false))?;
        let squashed = b.tanh("squashed", hidden)?;
        b.matmul("y", (v[2], true), (squashed, false))
    });
    check_weights("two layers", &function, &["a"], &["b", "c"]);
}

#[test]
fn a_weight_in_several_products_sums_its_gradients() {
    let function = program(&[&[3, 2], &[3, 3]], |b, v| {
        let first = b.matmul("first", (v[1], false), (v[0], false))?;
        let squashed = b.tanh("squashed", first)?;
        let second = b.matmul("second", (v[1], true), (squashed, false))?;
        let third = b.matmul("third", (v[1], false), (second, false))?;
        b.add("y", third, first)
    });
    let derived = check_weights("shared weight", &function, &["a"], &["b"]);
    assert_eq!(derived.weight_gradients.len(), 3);
}

#[test]
fn products_of_one_activation_share_what_the_backward_function_returns() {
    let function = program(&[&[4, 3], &[4, 4], &[4, 4]], |b, v| {
        let hidden = b.silu("hidden", v[0])?;
        let left = b.matmul("left", (v[1], false), (hidden, false))?;
        let right = b.matmul("right", (v[2], false), (hidden, false))?;
        let sum = b.add("sum", left, right)?;
        b.square("y", sum)
    });
    let derived = check_weights("shared sources", &function, &["a"], &["b", "c"]);
    // d_a, the recomputed hidden value, and the cotangent common to both products.
    assert_eq!(derived.backward.outputs().len(), 3);
    let [first, second] = &derived.weight_gradients[..] else { panic!("two products") };
    assert_eq!((&first.activation, &first.cotangent), (&second.activation, &second.cotangent));
}

#[test]
fn a_cotangent_that_is_also_returned_serves_both() {
    // The product's cotangent is `a`'s as well, and has the ports' layout already.
    let function = program(&[&[1, 3, 1, 2], &[1, 3, 1, 1], &[1, 3, 1, 2]], |b, v| {
        let scaled = b.mul("scaled", v[2], v[1])?;
        let sum = b.add("sum", scaled, v[0])?;
        b.square("y", sum)
    });
    let derived = check_weights("returned cotangent", &function, &["a"], &["b"]);
    let Source::BackwardOutput(name) = &derived.weight_gradients[0].cotangent else { panic!("not returned") };
    assert_ne!(name, "d_a");
}

#[test]
fn elementwise_weights_sum_over_what_they_were_stretched_along() {
    let shapes: [&[usize]; 6] =
        [&[1, 4, 2, 3], &[1, 1, 2, 1], &[1, 4, 1, 1], &[1, 4, 1, 3], &[1, 1, 1, 3], &[1, 1, 1, 1]];
    for shape in shapes {
        for weight_first in [false, true] {
            let function = program(&[&[1, 4, 2, 3], shape], |b, v| {
                let squared = b.square("squared", v[0])?;
                let (x, y) = if weight_first { (v[1], squared) } else { (squared, v[1]) };
                let product = b.mul("product", x, y)?;
                b.tanh("y", product)
            });
            check_weights(&format!("elementwise {shape:?}"), &function, &["a"], &["b"]);
        }
    }
}

#[test]
fn a_reshaped_weight_keeps_its_elements_order() {
    let function = program(&[&[2, 3, 4], &[3]], |b, v| {
        let stretched = b.reshape("stretched", v[1], &[1, 3, 1])?;
        b.mul("y", v[0], stretched)
    });
    check_weights("norm weight", &function, &["a"], &["b"]);
    let function = program(&[&[6, 2], &[4, 6]], |b, v| {
        let twice = b.reshape("twice", v[1], &[2, 2, 6])?;
        let again = b.reshape("again", twice, &[4, 6])?;
        b.matmul("y", (again, false), (v[0], false))
    });
    check_weights("views of views", &function, &["a"], &["b"]);
}

#[test]
fn a_weight_scaled_by_a_weight_gives_both_gradients() {
    let function = program(&[&[2, 3], &[2, 3], &[2, 3]], |b, v| {
        let scaled = b.mul("scaled", v[1], v[2])?;
        let squared = b.square("squared", scaled)?;
        b.mul("y", squared, v[0])
    });
    check_weights("two weights", &function, &["a"], &["b", "c"]);
    let function = program(&[&[2, 3], &[2, 3]], |b, v| {
        let squared = b.mul("squared", v[1], v[1])?;
        b.add("y", squared, v[0])
    });
    let derived = check_weights("a weight squared", &function, &["a"], &["b"]);
    assert_eq!(derived.weight_gradients.len(), 2);
}

#[test]
fn a_constant_activation_is_returned_for_the_host() {
    for shape in [[1, 1, 3, 2], [1, 3, 1, 2]] {
        let function = program(&[&[1, 1, 4, 2], &[4, 3]], |b, v| {
            let table = constant(b, "table", &shape);
            let columns = b.reshape("columns", table, &[1, 1, 3, 2])?;
            let product = b.matmul("product", (v[1], false), (columns, false))?;
            let squared = b.square("squared", product)?;
            b.mul("y", squared, v[0])
        });
        check_weights("constant activation", &function, &["a"], &["b"]);
    }
    let function = program(&[&[1, 3, 1, 2], &[1, 3, 1, 1]], |b, v| {
        let table = constant(b, "table", &[1, 3, 1, 2]);
        let scaled = b.mul("scaled", v[1], table)?;
        b.mul("y", scaled, v[0])
    });
    check_weights("constant of the ports' layout", &function, &["a"], &["b"]);
}

#[test]
fn activations_of_other_row_lengths_are_returned_with_theirs() {
    // The columns of the product are not rows of the input: it cannot be read where it lies.
    let function = program(&[&[1, 6, 1, 2], &[3, 3]], |b, v| {
        let columns = b.reshape("columns", v[0], &[1, 1, 3, 4])?;
        let product = b.matmul("product", (v[1], false), (columns, false))?;
        b.reshape("y", product, &[1, 6, 1, 2])
    });
    let derived = check_weights("other rows", &function, &["a"], &["b"]);
    assert!(matches!(derived.weight_gradients[0].activation, Source::BackwardOutput(_)));
    assert!(matches!(derived.weight_gradients[0].cotangent, Source::BackwardOutput(_)));
}

#[test]
fn an_output_before_another_layer_joins_both_cotangents() {
    let function = program_returning(&[&[3, 2], &[3, 3], &[2, 3]], |b, v| {
        let hidden = b.matmul("hidden", (v[1], false), (v[0], false))?;
        let squashed = b.tanh("squashed", hidden)?;
        let y = b.matmul("y", (v[2], false), (squashed, false))?;
        Ok(vec![hidden, y])
    });
    check_weights("two outputs", &function, &["a"], &["b", "c"]);
}
