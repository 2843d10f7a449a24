//! Which kernel computes which operation.

use engrad_mil::Op;

use super::call::Kernel;
use super::{activation, elementwise, linear, normalization, quantization, random, reduction};

/// The kernel of an operation; `None` if the interpreter does not have it.
pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    elementwise::kernel(op)
        .or_else(|| activation::kernel(op))
        .or_else(|| reduction::kernel(op))
        .or_else(|| linear::kernel(op))
        .or_else(|| normalization::kernel(op))
        .or_else(|| random::kernel(op))
        .or_else(|| quantization::kernel(op))
}
