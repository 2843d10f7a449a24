//! Recurrent layers.

use super::{Types, list, unify};
use crate::ops::Operands;
use crate::{Dim, ShapedType, Type};

const ACTIVATIONS: &[&str] =
    &["tanh", "scaled_tanh", "sigmoid", "hard_sigmoid", "sigmoid_hard", "relu", "linear"];

/// An argument of these extents; the error says which it has.
fn expect(operands: &Operands<'_>, name: &str, dims: &[&Dim]) -> Result<(), String> {
    if !operands.has(name) {
        return Ok(());
    }
    let given = operands.shaped(name)?;
    let fits = given.rank() == dims.len() && given.dims.iter().zip(dims).all(|(a, b)| a.may_equal(b));
    let wanted = || list(&dims.iter().map(|&d| d.clone()).collect::<Vec<_>>());
    if fits { Ok(()) } else { Err(format!("{name} must be {}, not {}", wanted(), list(&given.dims))) }
}

fn times(dim: &Dim, factor: usize) -> Dim {
    dim.fixed().map_or(Dim::Any, |extent| Dim::Fixed(extent.saturating_mul(factor)))
}

/// x as `[steps, batch, features]`.
fn sequence(operands: &Operands<'_>) -> Result<ShapedType, String> {
    let x = operands.shaped("x")?;
    if x.rank() != 3 {
        return Err(format!("x must be [steps, batch, features], not {x}"));
    }
    Ok(x)
}

/// Extent of the state: that of the recursion matrix, or a `gates`-th part of its rows.
fn hidden(operands: &Operands<'_>, name: &str, gates: usize) -> Result<Dim, String> {
    let weight = operands.shaped(name)?;
    let [rows, columns] = &weight.dims[..] else {
        return Err(format!("{name} must be a matrix, not {weight}"));
    };
    let part = match rows.fixed() {
        Some(rows) if rows.is_multiple_of(gates) => Some(Dim::Fixed(rows / gates)),
        Some(_) => None,
        None => Some(Dim::Any),
    };
    let hidden = part.and_then(|part| unify(&part, columns)).filter(|hidden| hidden != &Dim::Fixed(0));
    hidden.ok_or_else(|| format!("{name} must be [{gates}·H, H], not {}", list(&weight.dims)))
}

fn activations(operands: &Operands<'_>, names: &[&str]) -> Result<(), String> {
    for name in names {
        let given = operands.string(name)?;
        if !ACTIVATIONS.iter().any(|a| a.eq_ignore_ascii_case(given)) {
            return Err(format!("{name} `{}` is none of {}", given.escape_debug(), ACTIVATIONS.join(", ")));
        }
    }
    Ok(())
}

fn direction(operands: &Operands<'_>, allowed: &[&str]) -> Result<usize, String> {
    let given = operands.string("direction")?;
    let found = allowed.iter().position(|a| a == &given);
    found.ok_or_else(|| format!("direction `{}` is none of {}", given.escape_debug(), allowed.join(", ")))
}

/// The states of all steps or the last, and `finals` last states.
fn results(operands: &Operands<'_>, x: &ShapedType, hidden: Dim, finals: usize) -> Types {
    let steps = if operands.bool("output_sequence")? { x.dims[0].clone() } else { Dim::Fixed(1) };
    let mut types: Vec<Type> = vec![x.with(vec![steps, x.dims[1].clone(), hidden.clone()]).into()];
    types.extend((0..finals).map(|_| Type::from(x.with(vec![x.dims[1].clone(), hidden.clone()]))));
    Ok(types)
}

pub(crate) fn lstm(operands: &Operands<'_>) -> Types {
    let x = sequence(operands)?;
    activations(operands, &["recurrent_activation", "cell_activation", "activation"])?;
    let both = direction(operands, &["forward", "reverse", "bidirectional"])? == 2;
    let state = hidden(operands, "weight_hh", 4)?;
    let rows = times(&state, 4);
    for (back, suffix) in [(false, ""), (true, "_back")] {
        if back && !both {
            continue;
        }
        let named = |name: &str| format!("{name}{suffix}");
        for name in ["weight_ih", "weight_hh"].map(named) {
            if !operands.has(&name) {
                return Err(format!("a bidirectional lstm needs {name}"));
            }
        }
        expect(operands, &named("weight_ih"), &[&rows, &x.dims[2]])?;
        expect(operands, &named("weight_hh"), &[&rows, &state])?;
        expect(operands, &named("bias"), &[&rows])?;
        expect(operands, &named("peephole"), &[&times(&state, 3)])?;
    }
    let state = times(&state, if both { 2 } else { 1 });
    expect(operands, "initial_h", &[&x.dims[1], &state])?;
    expect(operands, "initial_c", &[&x.dims[1], &state])?;
    results(operands, &x, state, 2)
}

pub(crate) fn gru(operands: &Operands<'_>) -> Types {
    activations(operands, &["recurrent_activation", "activation"])?;
    one_way(operands, 3)
}

pub(crate) fn rnn(operands: &Operands<'_>) -> Types {
    activations(operands, &["activation"])?;
    one_way(operands, 1)
}

fn one_way(operands: &Operands<'_>, gates: usize) -> Types {
    let x = sequence(operands)?;
    direction(operands, &["forward", "reverse"])?;
    let state = hidden(operands, "weight_hh", gates)?;
    let rows = times(&state, gates);
    expect(operands, "weight_ih", &[&rows, &x.dims[2]])?;
    expect(operands, "bias", &[&rows])?;
    expect(operands, "input_bias", &[&rows])?;
    expect(operands, "initial_h", &[&x.dims[1], &state])?;
    results(operands, &x, state, 1)
}
