//! Activations whose arguments need more than a look at x.

use super::{Types, list, one, unify};
use crate::ops::Operands;
use crate::{Dim, ShapedType};

/// Modes of `gelu`.
pub(crate) const GELU_MODES: [&str; 3] = ["EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"];

pub(crate) fn gelu(operands: &Operands<'_>) -> Types {
    let mode = operands.string("mode")?;
    if !GELU_MODES.contains(&mode) {
        return Err(format!("mode `{}` is none of {}", mode.escape_debug(), GELU_MODES.join(", ")));
    }
    one(operands.shaped("x")?)
}

/// The channels of x (dimension 1), with which those of the parameters must agree: one element for each channel, or one
/// for all if `shared`.
pub(super) fn channels(
    operands: &Operands<'_>,
    x: &ShapedType,
    parameters: &[&str],
    shared: bool,
) -> Result<(), String> {
    let channels = x.dims.get(1).ok_or_else(|| format!("x needs a channel dimension, not {x}"))?;
    for &name in parameters.iter().filter(|name| operands.has(name)) {
        let parameter = operands.shaped(name)?;
        let fits = match &parameter.dims[..] {
            [] => shared,
            [Dim::Fixed(1)] if shared => true,
            [extent] => unify(extent, channels).is_some(),
            _ => false,
        };
        if !fits {
            let dims = list(&parameter.dims);
            return Err(format!("{name} needs one element for each of {channels} channels of x, not {dims}"));
        }
    }
    Ok(())
}

/// Activations with parameters for each channel.
pub(crate) fn by_channel(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    channels(operands, &x, &["alpha", "beta"], true)?;
    one(x)
}
