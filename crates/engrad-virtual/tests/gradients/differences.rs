//! The yardstick: a derived program's cotangents and weight gradients against central differences, all in f64.

use std::collections::HashMap;
use std::ops::Range;

use engrad_mil::differentiate::{Contraction, Source, WeightGradient};
use engrad_mil::pack::Packing;
use engrad_mil::{Definition, Function, Program, TensorType, verify};
use engrad_virtual::reference;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Row-major numbers by name.
pub(crate) type Tensors = HashMap<String, Vec<f64>>;

/// Half the distance between the two points of a difference.
const STEP: f64 = 1e-5;
/// Allowed error in units of the largest element of the tensor's gradient. Factors such as 1/n are f32 constants
/// of the programs, whose rounding is below a tenth of this.
const TOLERANCE: f64 = 1e-6;
/// Allowed error in units of the loss's terms: what their rounding amounts to after division by the step.
const CANCELLATION: f64 = 1e-10;

/// Where random inputs lie. Zero is kept away from: there, wrong factors and poles hide.
#[derive(Debug, Clone)]
pub(crate) struct Domain {
    pub(crate) magnitude: Range<f64>,
    pub(crate) signed: bool,
}

/// One program and where its original inputs lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) function: &'a Function,
    pub(crate) packing: &'a Packing,
}

impl Placed<'_> {
    fn ty(&self, input: &str) -> &TensorType {
        &self.packing.find(input).unwrap_or_else(|| panic!("no input `{input}`")).ty
    }

    /// Runs the program on its original inputs, assembled into ports.
    pub(crate) fn evaluate(&self, inputs: &Tensors) -> Tensors {
        let mut ports = Tensors::new();
        for &id in self.function.inputs() {
            let name = self.function.value(id).name.clone();
            ports.insert(name, vec![f64::NAN; self.function.ty(id).elements()]);
        }
        for place in &self.packing.placements {
            let id = self.function.inputs()[place.port];
            let numbers = inputs.get(&place.input).unwrap_or_else(|| panic!("nothing for `{}`", place.input));
            let (stride, width) = (row(self.function.ty(id)), row(&place.ty));
            let target = ports.get_mut(&self.function.value(id).name).unwrap();
            for (r, numbers) in numbers.chunks(width).enumerate() {
                target[r * stride + place.offset..][..width].copy_from_slice(numbers);
            }
        }
        reference::evaluate(self.function, &ports).unwrap()
    }
}

/// What is checked: the original program, and what was derived from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Original outputs only; what is differenced.
    pub(crate) original: Placed<'a>,
    /// With saved values.
    pub(crate) forward: Placed<'a>,
    pub(crate) backward: Placed<'a>,
    pub(crate) gradients: &'a [WeightGradient],
    pub(crate) activations: &'a [&'a str],
    pub(crate) weights: &'a [&'a str],
}

impl Subject<'_> {
    /// Compares every element of every cotangent and weight gradient with its central difference.
    pub(crate) fn check(&self, name: &str, domain: &Domain) {
        for program in [&self.forward, &self.backward] {
            verify(&Program::new(program.function.clone())).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut inputs = self.inputs(domain, &mut random);
        let weighting = self.weighting(&mut random);
        let found = self.gradients(&inputs, &weighting);
        let terms: f64 = self.terms(&inputs, &weighting).map(f64::abs).sum();
        for &input in self.activations.iter().chain(self.weights) {
            let expected: Vec<f64> = (0..inputs[input].len())
                .map(|element| {
                    let mut moved = |by: f64| {
                        let kept = inputs[input][element];
                        inputs.get_mut(input).unwrap()[element] = kept + by;
                        let loss: f64 = self.terms(&inputs, &weighting).sum();
                        inputs.get_mut(input).unwrap()[element] = kept;
                        loss
                    };
                    (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
                })
                .collect();
            let found = &found[input];
            assert_eq!(found.len(), expected.len(), "{name}: size of the gradient of `{input}`");
            let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let allowed = TOLERANCE * largest + CANCELLATION * (1.0 + terms);
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert!(
                    (found - expected).abs() <= allowed,
                    "{name}: gradient of `{input}` at {i} is {found}, differences give {expected} (±{allowed:e})"
                );
            }
        }
    }

    /// Random numbers for each input of the original program.
    pub(crate) fn inputs(&self, domain: &Domain, random: &mut ChaCha8Rng) -> Tensors {
        let mut draw = |_| {
            let magnitude = random.random_range(domain.magnitude.clone());
            if domain.signed && random.random_bool(0.5) { -magnitude } else { magnitude }
        };
        let places = self.original.packing.placements.iter();
        places.map(|p| (p.input.clone(), (0..p.ty.elements()).map(&mut draw).collect())).collect()
    }

    /// Random cotangents of the original outputs, by output. The loss is the outputs' product with them.
    pub(crate) fn weighting(&self, random: &mut ChaCha8Rng) -> Tensors {
        let function = self.original.function;
        let mut draw = |_| random.random_range(-1.0..1.0);
        let mut one = |&id| {
            let elements = function.ty(id).elements();
            (function.value(id).name.clone(), (0..elements).map(&mut draw).collect())
        };
        function.outputs().iter().map(&mut one).collect()
    }

    fn terms(&self, inputs: &Tensors, weighting: &Tensors) -> impl Iterator<Item = f64> {
        let outputs = self.original.evaluate(inputs);
        let pair = |(name, numbers): (String, Vec<f64>)| {
            let factors = weighting[&name].clone();
            numbers.into_iter().zip(factors).map(|(a, b)| a * b)
        };
        outputs.into_iter().flat_map(pair).collect::<Vec<_>>().into_iter()
    }

    /// Runs forward and backward programs and forms the weight gradients as a host would.
    pub(crate) fn gradients(&self, inputs: &Tensors, weighting: &Tensors) -> Tensors {
        let saved = self.forward.evaluate(inputs);
        let mut taken: Tensors = inputs.clone();
        taken.extend(saved.clone());
        for &id in self.original.function.outputs() {
            let value = self.original.function.value(id);
            // An activation returned as it is: its own cotangent's name is taken.
            let is_input = matches!(value.definition, Definition::Input(_));
            let suffix = if is_input { "_2" } else { "" };
            taken.insert(format!("d_{}{suffix}", value.name), weighting[&value.name].clone());
        }
        let returned = self.backward.evaluate(&taken);
        let mut gradients = Tensors::new();
        for &activation in self.activations {
            gradients.insert(activation.to_owned(), returned[&format!("d_{activation}")].clone());
        }
        for &weight in self.weights {
            gradients.insert(weight.to_owned(), vec![0.0; self.original.ty(weight).elements()]);
        }
        let numbers = |source: &Source| match source {
            Source::ForwardInput(name) => (inputs[name].as_slice(), row(self.forward.ty(name))),
            Source::ForwardOutput(name) => (saved[name].as_slice(), output_row(self.forward.function, name)),
            Source::BackwardInput(name) => (taken[name].as_slice(), row(self.backward.ty(name))),
            Source::BackwardOutput(name) => {
                (returned[name].as_slice(), output_row(self.backward.function, name))
            }
        };
        for gradient in self.gradients {
            let (activation, cotangent) = (numbers(&gradient.activation), numbers(&gradient.cotangent));
            assert_eq!(activation.1, cotangent.1, "row lengths of {gradient:?}");
            let total = gradients.get_mut(&gradient.weight).expect("a weight that was asked for");
            contract(&gradient.contraction, activation.0, cotangent.0, activation.1, total);
        }
        gradients
    }
}

fn row(ty: &TensorType) -> usize {
    ty.shape.last().copied().unwrap_or(1)
}

fn output_row(function: &Function, name: &str) -> usize {
    let id = function.named(name).unwrap();
    assert!(function.outputs().contains(&id), "`{name}` is not an output");
    row(function.ty(id))
}

/// Adds one product's share to a weight's gradient. `positions` is the length of a row.
fn contract(
    contraction: &Contraction,
    activation: &[f64],
    cotangent: &[f64],
    positions: usize,
    total: &mut [f64],
) {
    let outer = |rows: &[f64], columns: &[f64], total: &mut [f64]| {
        let count = columns.len() / positions;
        assert_eq!(total.len(), rows.len() / positions * count);
        for (i, total) in total.iter_mut().enumerate() {
            let (row, column) = (&rows[i / count * positions..], &columns[i % count * positions..]);
            *total += (0..positions).map(|s| row[s] * column[s]).sum::<f64>();
        }
    };
    match contraction {
        Contraction::OutputByInput => outer(cotangent, activation, total),
        Contraction::InputByOutput => outer(activation, cotangent, total),
        Contraction::Elementwise { product, weight } => {
            assert_eq!(product.iter().product::<usize>(), activation.len());
            assert_eq!(weight.iter().product::<usize>(), total.len());
            for (position, (a, c)) in activation.iter().zip(cotangent).enumerate() {
                let (mut rest, mut at, mut stride) = (position, 0, 1);
                for (&extent, &kept) in product.iter().zip(weight).rev() {
                    if kept > 1 {
                        at += rest % extent * stride;
                    }
                    rest /= extent;
                    stride *= kept;
                }
                total[at] += a * c;
            }
        }
    }
}
