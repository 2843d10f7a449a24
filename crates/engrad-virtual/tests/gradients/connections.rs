//! What rules alone do not settle: how the cotangents of a value's uses are joined, and how ports are named.

use engrad_mil::differentiate::{Derived, Request};
use engrad_mil::{Builder, Function, Op, Program, ValueId, differentiate, parse};

use crate::programs::{INPUTS, program, program_returning, random, reached};
use crate::{SIGNED, check};

fn check_all(name: &str, function: &Function) -> Derived {
    let request = Request { activations: &INPUTS[..function.inputs().len()], weights: &[], taps: &[] };
    check(name, function, &request, &SIGNED)
}

fn count(function: &Function, op: Op) -> usize {
    function.ops().iter().filter(|o| o.op == op).count()
}

#[test]
fn a_value_used_several_times_sums_its_shares() {
    let function = program(&[&[2, 3]], |b, v| {
        let squared = b.square("squared", v[0])?;
        let product = b.mul("product", squared, v[0])?;
        let sum = b.add("sum", product, squared)?;
        b.real_div("y", sum, squared)
    });
    check_all("several uses", &function);
}

#[test]
fn an_output_that_is_also_an_intermediate_takes_both_cotangents() {
    let function = program_returning(&[&[2, 3]], |b, v| {
        let middle = b.tanh("middle", v[0])?;
        let y = b.exp("y", middle)?;
        Ok(vec![middle, y])
    });
    check_all("output and intermediate", &function);
}

#[test]
fn an_output_given_twice_has_one_cotangent() {
    let function = program_returning(&[&[3]], |b, v| {
        let y = b.square("y", v[0])?;
        Ok(vec![y, y])
    });
    let derived =
        differentiate(&function, &Request { activations: &["a"], weights: &[], taps: &[] }).unwrap();
    let inputs = derived.backward.inputs().iter().map(|&id| derived.backward.value(id).name.as_str());
    assert_eq!(inputs.collect::<Vec<_>>(), ["d_y", "a"]);
}

#[test]
fn an_input_returned_as_it_is_takes_its_cotangent_from_outside_too() {
    let function = program_returning(&[&[2, 3], &[3]], |b, v| {
        let y = b.mul("y", v[0], v[1])?;
        Ok(vec![v[0], y])
    });
    check_all("input and output", &function);
    let function = program_returning(&[&[2, 3]], |_, v| Ok(vec![v[0]]));
    check_all("input alone", &function);
}

#[test]
fn an_activation_reached_through_views_only_needs_no_arithmetic() {
    let function = program(&[&[2, 3]], |b, v| {
        let flat = b.reshape("flat", v[0], &[1, 6])?;
        b.transpose("y", flat, &[1, 0])
    });
    let derived = check_all("views", &function);
    let ops = derived.backward.ops().iter().map(|o| o.op).filter(|o| *o != Op::Const);
    assert_eq!(ops.collect::<Vec<_>>(), [Op::Transpose, Op::Reshape]);
}

#[test]
fn activations_that_share_a_cotangent_get_outputs_of_their_own() {
    let function = program(&[&[2, 3], &[2, 3], &[2, 3]], |b, v| {
        let first = b.add("first", v[0], v[1])?;
        b.add("y", first, v[2])
    });
    let derived = check_all("shared port cotangent", &function);
    assert_eq!(derived.backward.outputs().len(), 3);
    let function = program(&[&[2, 3], &[2, 3]], |b, v| {
        let sum = b.add("sum", v[0], v[1])?;
        b.square("y", sum)
    });
    check_all("shared computed cotangent", &function);
}

fn slices(b: &mut Builder, x: ValueId, axis: usize, ranges: &[(usize, usize)]) -> Vec<ValueId> {
    let slice = |&(begin, size): &(usize, usize)| b.slice_axis("slice", x, axis, begin, size).unwrap();
    ranges.iter().map(slice).collect()
}

#[test]
fn slices_that_tile_a_value_join_without_zeros_or_sums() {
    // Out of order, and each used in its own way.
    let function = program(&[&[1, 6, 1, 2]], |b, v| {
        let parts = slices(b, v[0], 1, &[(4, 2), (0, 2), (2, 2)]);
        let first = b.square("first", parts[0])?;
        let product = b.mul("product", first, parts[1])?;
        b.sub("y", product, parts[2])
    });
    let derived = check_all("tiling slices", &function);
    assert_eq!((count(&derived.backward, Op::Concat), count(&derived.backward, Op::Add)), (1, 0));
    let zeros = derived.backward.values().iter().filter(|v| v.name.contains("zeros"));
    assert_eq!(zeros.count(), 0);
}

#[test]
fn slices_with_gaps_are_padded() {
    let function = program(&[&[2, 7]], |b, v| {
        let parts = slices(b, v[0], 1, &[(1, 2), (4, 2)]);
        b.mul("y", parts[0], parts[1])
    });
    check_all("gaps", &function);
}

#[test]
fn overlapping_slices_of_a_value_sum_where_they_overlap() {
    let function = program(&[&[5, 2]], |b, v| {
        let parts = slices(b, v[0], 0, &[(0, 3), (1, 3), (2, 3), (0, 3), (2, 3)]);
        let mut y = parts[0];
        for &part in &parts[1..] {
            y = b.mul("y", y, part)?;
        }
        Ok(y)
    });
    check_all("overlaps", &function);
}

#[test]
fn slices_along_different_axes_and_whole_uses_sum() {
    let function = program(&[&[3, 3]], |b, v| {
        let row = b.slice_axis("row", v[0], 0, 1, 1)?;
        let column = b.slice_axis("column", v[0], 1, 2, 1)?;
        let corner = b.slice_axis("corner", column, 0, 0, 1)?;
        let sum = b.mul("sum", row, column)?;
        let scaled = b.mul("scaled", sum, corner)?;
        b.mul("y", scaled, v[0])
    });
    check_all("axes", &function);
}

#[test]
fn a_concat_of_slices_of_one_value_is_a_reordering() {
    let function = program(&[&[2, 4]], |b, v| {
        let parts = slices(b, v[0], 1, &[(0, 2), (2, 2)]);
        let swapped = b.concat("swapped", &[parts[1], parts[0], parts[1]], 1)?;
        b.square("y", swapped)
    });
    check_all("reordering", &function);
}

#[test]
fn values_off_the_path_are_not_differentiated() {
    // `relu` has no rule, but neither of these uses needs one.
    let function = program(&[&[3], &[3]], |b, v| {
        let gate = b.op(Op::Relu, "gate", vec![("x", engrad_mil::Argument::Value(v[1]))])?;
        b.mul("y", v[0], gate)
    });
    let request = Request { activations: &["a"], weights: &[], taps: &[] };
    check("inactive operand", &function, &request, &SIGNED);
}

#[test]
fn ports_keep_their_names_whatever_the_values_are_called() {
    // Intermediate cotangents are called `d_…` too: those of these values would meet each other and the inputs.
    let mut b = Builder::new("main");
    let ty = engrad_mil::TensorType::new(engrad_mil::DType::Fp32, [2, 3]);
    let x = b.input("x", ty.clone());
    let other = b.input("d_h", ty);
    let h = b.mul("h", x, other).unwrap();
    let tapped = b.exp("d_x_2", h).unwrap();
    let y = b.mul("y", tapped, h).unwrap();
    let function = b.finish(&[y]).unwrap();
    let request = Request { activations: &["x", "d_h"], weights: &[], taps: &["h", "d_x_2"] };
    let derived = check("names", &function, &request, &SIGNED);
    let names = |ids: &[ValueId]| -> Vec<String> {
        ids.iter().map(|&id| derived.backward.value(id).name.clone()).collect()
    };
    assert_eq!(names(derived.backward.outputs()), ["d_x", "d_d_h"]);
    let mut inputs = names(derived.backward.inputs());
    inputs.sort_unstable();
    assert_eq!(inputs, ["d_h", "d_x_2", "d_y", "h", "x"]);
}

#[test]
fn a_derived_function_can_be_derived_again() {
    let function = program(&[&[2, 3], &[3, 2]], |b, v| {
        let product = b.matmul("product", (v[0], false), (v[1], false))?;
        let weights = b.softmax("weights", product, -1)?;
        b.silu("y", weights)
    });
    let derived = check_all("first", &function);
    let request = Request { activations: &["a", "b", "d_y"], weights: &[], taps: &[] };
    check("second", &derived.backward, &request, &SIGNED);
}

#[test]
fn random_programs_follow_their_rules() {
    for seed in 0..200 {
        let function = random(seed);
        let reached = reached(&function);
        if reached.is_empty() {
            continue;
        }
        let request = Request { activations: &reached, weights: &[], taps: &[] };
        let derived = check(&format!("random program {seed}"), &function, &request, &SIGNED);
        let program = Program::new(derived.backward);
        assert_eq!(parse(&program.to_text()).unwrap(), program, "text of random program {seed}");
    }
}
