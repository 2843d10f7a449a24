//! One file for each command: its flags and what it does with the library crates.

pub(crate) mod bench;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod engine;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod mil;
pub(crate) mod numbers;
pub(crate) mod program;
pub(crate) mod train;

use anyhow::Result;
use engrad_model::PRESETS;

use crate::display::print_line;

/// Lists the presets.
pub(crate) fn models() -> Result<()> {
    print_line("name         parameters  layers   dim  hidden  heads  kv  head  vocab   sequence");
    for (name, c) in PRESETS {
        print_line(&format!(
            "{name:<12} {:>9.1}M  {:>6} {:>5}  {:>6}  {:>5} {:>3}  {:>4}  {:>6}  {:>8}",
            c.parameter_count() as f64 / 1e6,
            c.layers,
            c.dim,
            c.hidden,
            c.heads,
            c.kv_heads,
            c.head_dim,
            c.vocab,
            c.sequence
        ));
    }
    Ok(())
}
