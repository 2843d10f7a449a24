use engrad_mil::MilError;
use engrad_model::{ModelConfig, ParameterRole};

use super::{Draft, Drafting, StageOptions};

/// y = W_down · (silu(W_gate · x) ∘ (W_up · x)).
pub(super) fn draft(config: &ModelConfig, options: &StageOptions) -> Result<Draft, MilError> {
    let mut d = Drafting::new(config, options);
    let x = d.input();
    let gate_weight = d.weight("w_gate", ParameterRole::Gate, config.hidden, config.dim);
    let up_weight = d.weight("w_up", ParameterRole::Up, config.hidden, config.dim);
    let down_weight = d.weight("w_down", ParameterRole::Down, config.dim, config.hidden);
    let gate = d.project("gate", &gate_weight, x)?;
    let up = d.project("up", &up_weight, x)?;
    let activated = d.builder.silu("gate_activated", gate)?;
    let gated = d.builder.mul("gated", activated, up)?;
    let y = d.project("y", &down_weight, gated)?;
    // `gated` is cheap to form again from its two factors, which the backward function needs anyway.
    d.finish(y, &["gate", "up"])
}
