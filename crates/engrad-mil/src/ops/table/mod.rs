//! The rows, grouped by subject.

mod activation;
mod elementwise;
mod linear;
mod movement;
mod reduction;

use super::OpInfo;

/// Each group with its heading.
pub(super) fn groups() -> impl Iterator<Item = (&'static str, &'static [OpInfo])> {
    [
        ("Elementwise operations", elementwise::ROWS),
        ("Activations", activation::ROWS),
        ("Reductions", reduction::ROWS),
        ("Products", linear::ROWS),
        ("Shapes, slices and joins", movement::ROWS),
    ]
    .into_iter()
}
