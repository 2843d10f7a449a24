use engrad_mil::MilError;
use engrad_model::{ModelConfig, ParameterRole};

use super::{Draft, Drafting, StageOptions};

/// Logits of one tile of the vocabulary: y = W · x with W `[tile, dim]`.
///
/// The vocabulary is cut in tiles because the backward product contracts over it, and contractions are limited to
/// 16,384 on M1…M3 (ane-facts C34), channels to 65,536 everywhere.
pub(super) fn draft(config: &ModelConfig, options: &StageOptions) -> Result<Draft, MilError> {
    let mut d = Drafting::new(config, options);
    let x = d.input();
    let weight = d.weight("w_head", ParameterRole::Head, options.tile, config.dim);
    let y = d.project("y", &weight, x)?;
    d.finish(y, &[])
}
