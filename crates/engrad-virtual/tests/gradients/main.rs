//! Differentiation against finite differences in f64: every rule, every way values can be connected, weights,
//! saved values, and what is refused.

mod connections;
mod differences;
mod functions;
mod packing;
mod programs;
mod refusals;
mod rules;
mod taps;
mod weights;

use engrad_mil::differentiate::{Derived, Request};
use engrad_mil::pack::{InputLayout, pack};
use engrad_mil::{Function, differentiate};

use differences::{Domain, Placed, Subject};

/// Inputs of operations defined everywhere.
const SIGNED: Domain = Domain { magnitude: 0.4..1.4, signed: true };
/// Inputs of logarithms and roots.
const POSITIVE: Domain = Domain { magnitude: 0.4..1.4, signed: false };

/// Differentiates, and holds the outcome against differences.
fn check(name: &str, function: &Function, request: &Request<'_>, domain: &Domain) -> Derived {
    let derived = differentiate(function, request).unwrap_or_else(|e| panic!("{name}: {e}"));
    let programs =
        [function, &derived.forward, &derived.backward].map(|f| pack(f, InputLayout::Ports).unwrap());
    let [original, forward, backward] =
        programs.each_ref().map(|(function, packing)| Placed { function, packing });
    let subject = Subject {
        original,
        forward,
        backward,
        gradients: &derived.weight_gradients,
        activations: request.activations,
        weights: request.weights,
    };
    subject.check(name, domain);
    derived
}
