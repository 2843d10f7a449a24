//! Which kernel computes which operation.

use engrad_mil::Op;

use super::call::Kernel;
use super::{compression, convolution, image, pooling, recurrent};

/// The kernel of an operation; `None` if the interpreter does not have it.
pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    let spatial = convolution::kernel(op).or_else(|| pooling::kernel(op)).or_else(|| image::kernel(op));
    spatial.or_else(|| recurrent::kernel(op)).or_else(|| compression::kernel(op))
}
