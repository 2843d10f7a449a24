//! Which kernel computes which operation.

use engrad_mil::Op;

use super::call::Kernel;
use super::{activation, elementwise, linear, normalization, quantization, random, reduction};
use super::{compression, convolution, image, pooling, recurrent};
use super::{construction, indexing, joining, movement, slicing, sorting};

/// The kernel of an operation; `None` if the interpreter does not have it.
pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    let subjects = [
        elementwise::kernel,
        activation::kernel,
        reduction::kernel,
        linear::kernel,
        normalization::kernel,
        random::kernel,
        quantization::kernel,
        movement::kernel,
        joining::kernel,
        slicing::kernel,
        indexing::kernel,
        sorting::kernel,
        construction::kernel,
        convolution::kernel,
        pooling::kernel,
        image::kernel,
        recurrent::kernel,
        compression::kernel,
    ];
    subjects.iter().find_map(|kernel| kernel(op))
}
