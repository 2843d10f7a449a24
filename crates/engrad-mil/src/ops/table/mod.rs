//! The rows, grouped by subject.

mod activation;
mod compression;
mod convolution;
mod elementwise;
mod image;
mod linear;
mod movement;
mod pooling;
mod recurrent;
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
        ("Convolutions", convolution::ROWS),
        ("Pooling", pooling::ROWS),
        ("Images", image::ROWS),
        ("Recurrent layers", recurrent::ROWS),
        ("Compressed weights", compression::ROWS),
    ]
    .into_iter()
}
