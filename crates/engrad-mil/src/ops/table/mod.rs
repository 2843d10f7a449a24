//! The rows, grouped by subject.

mod activation;
mod compression;
mod construction;
mod control;
mod convolution;
mod elementwise;
mod image;
mod indexing;
mod linear;
mod movement;
mod normalization;
mod pooling;
mod quantization;
mod random;
mod recurrent;
mod reduction;
mod sorting;

use super::OpInfo;

/// Each group with its heading.
pub(super) fn groups() -> impl Iterator<Item = (&'static str, &'static [OpInfo])> {
    [
        ("Elementwise operations", elementwise::ROWS),
        ("Activations", activation::ROWS),
        ("Reductions", reduction::ROWS),
        ("Products", linear::ROWS),
        ("Normalisations", normalization::ROWS),
        ("Quantisation", quantization::ROWS),
        ("Random numbers", random::ROWS),
        ("Shapes, slices and joins", movement::ROWS),
        ("Convolutions", convolution::ROWS),
        ("Pooling", pooling::ROWS),
        ("Images", image::ROWS),
        ("Recurrent layers", recurrent::ROWS),
        ("Compressed weights", compression::ROWS),
        ("Gathering and scattering", indexing::ROWS),
        ("Sorting and searching", sorting::ROWS),
        ("Construction", construction::ROWS),
        ("Control flow, lists and states", control::ROWS),
    ]
    .into_iter()
}
