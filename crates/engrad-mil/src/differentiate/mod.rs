//! Differentiation as a pass: from a forward function, the function that carries cotangents back.
//!
//! The pass walks the forward operations in reverse and applies each op's vector-Jacobian rule from the op table
//! (`rules.rs`). Three decisions distinguish it from textbook reverse mode:
//!
//! * **Weight gradients are not multiplied out.** Where a product has a trainable weight as one operand, the pass
//!   exposes the other operand and the product's cotangent as a [`WeightGradient`]; the host forms dW from them, in
//!   higher precision and in parallel with the engine. A weight may only occur in products.
//! * **What is saved is the caller's policy.** Forward values named in [`Request::taps`] become extra outputs of the
//!   forward function and inputs of the backward one; anything else the backward function needs is recomputed in it.
//! * **Cotangents of slices are joined, not padded.** Slices that tile an axis become one `concat`, gaps become zero
//!   constants, so the derived program uses no op that the forward one did not need.
//!
//! Derived functions are ordinary MIL: they print, verify, run, and are tested against finite differences.

pub(crate) mod movement;
mod reverse;
pub(crate) mod rules;

pub(crate) use reverse::Vjp;
pub use reverse::differentiate;

use crate::Function;

/// What to differentiate. Names are those of the forward function's values.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Inputs whose cotangents the backward function returns, in this order, as `d_<name>`.
    pub activations: &'a [&'a str],
    /// Inputs that are trainable; they get [`WeightGradient`]s.
    pub weights: &'a [&'a str],
    /// Forward values to save. Those the backward function does not need are not saved, nor are inputs and
    /// constants.
    pub taps: &'a [&'a str],
}

/// The outcome of [`differentiate`].
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The forward function with the saved values as further outputs.
    pub forward: Function,
    /// Takes `d_<output>` for each original output that depends on an activation or a weight (with the suffix `_2`
    /// where the output is an activation itself), then whatever forward inputs and saved values it needs; returns
    /// `d_<activation>` for each activation asked for, then what weight gradients need.
    pub backward: Function,
    /// One entry for each product with a weight.
    pub weight_gradients: Vec<WeightGradient>,
}

/// How the host forms a weight's gradient from one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightGradient {
    /// The forward input that holds the weight.
    pub weight: String,
    /// The arithmetic.
    pub contraction: Contraction,
    /// The other operand of the product.
    pub activation: Source,
    /// The cotangent of the product's result.
    pub cotangent: Source,
}

/// The product rule of a weight. Tensors are read as matrices of features × positions: the last dimension is the
/// position, all others together the feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contraction {
    /// Weight stored `[out, in]`: dW\[o, i\] = Σₛ cotangent\[o, s\] · activation\[i, s\].
    OutputByInput,
    /// Weight stored `[in, out]`: dW\[i, o\] = Σₛ activation\[i, s\] · cotangent\[o, s\].
    InputByOutput,
    /// Elementwise product of this shape: dW = cotangent · activation, summed over the dimensions along which the
    /// weight (of shape `weight`, same rank) was broadcast.
    Elementwise {
        /// Shape of the product.
        product: Vec<usize>,
        /// Shape of the weight as it entered the product.
        weight: Vec<usize>,
    },
}

/// Where the host finds a tensor. The row layout (last dimension, row stride) is the same in every case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// An input of the forward function.
    ForwardInput(String),
    /// A saved value: an output of the forward function.
    ForwardOutput(String),
    /// An input of the backward function: a cotangent the host supplied.
    BackwardInput(String),
    /// An output of the backward function.
    BackwardOutput(String),
}
