//! Which kernel computes which operation.

use engrad_mil::Op;

use super::call::Kernel;

/// The kernel of an operation; `None` if the interpreter does not have it.
pub(crate) fn kernel(_op: Op) -> Option<Kernel> {
    None
}
