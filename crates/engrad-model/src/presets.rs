use crate::{ModelConfig, ModelError, ResidualScale, RotaryScaling};

const LLAMA2C: ModelConfig = ModelConfig {
    dim: 0,
    hidden: 0,
    layers: 0,
    heads: 0,
    kv_heads: 0,
    head_dim: 0,
    vocab: 32_000,
    sequence: 256,
    norm_eps: 1e-5,
    rope_base: 10_000.0,
    rope_scaling: RotaryScaling::Default,
    qk_norm: false,
    tied: true,
    residual_scale: ResidualScale::None,
};

/// Models known by name. The `stories` sizes are those of the TinyStories models published with llama2.c.
pub const PRESETS: &[(&str, ModelConfig)] = &[
    (
        "stories110m",
        ModelConfig { dim: 768, hidden: 2048, layers: 12, heads: 12, kv_heads: 12, head_dim: 64, ..LLAMA2C },
    ),
    (
        "qwen3-0.6b",
        ModelConfig {
            dim: 1024,
            hidden: 3072,
            layers: 28,
            heads: 16,
            kv_heads: 8,
            head_dim: 128,
            vocab: 151_936,
            norm_eps: 1e-6,
            rope_base: 1e6,
            qk_norm: true,
            ..LLAMA2C
        },
    ),
    (
        "stories42m",
        ModelConfig { dim: 512, hidden: 1376, layers: 8, heads: 8, kv_heads: 8, head_dim: 64, ..LLAMA2C },
    ),
    (
        "stories15m",
        ModelConfig { dim: 288, hidden: 768, layers: 6, heads: 6, kv_heads: 6, head_dim: 48, ..LLAMA2C },
    ),
    (
        "stories260k",
        ModelConfig {
            dim: 64,
            hidden: 172,
            layers: 5,
            heads: 8,
            kv_heads: 4,
            head_dim: 8,
            vocab: 512,
            sequence: 512,
            ..LLAMA2C
        },
    ),
    (
        "tiny",
        ModelConfig {
            dim: 64,
            hidden: 160,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            head_dim: 16,
            vocab: 1024,
            sequence: 64,
            ..LLAMA2C
        },
    ),
];

/// The preset of that name.
///
/// # Errors
/// [`ModelError::UnknownPreset`], listing the names there are.
pub fn preset(name: &str) -> Result<ModelConfig, ModelError> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, config)| config.clone()).ok_or_else(|| {
        ModelError::UnknownPreset {
            name: name.to_owned(),
            known: PRESETS.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", "),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_validate_and_count_what_their_names_say() {
        let millions = |name: &str| preset(name).unwrap().parameter_count() / 1_000_000;
        for (_, config) in PRESETS {
            config.validate().unwrap();
        }
        assert_eq!(millions("stories110m"), 109);
        assert_eq!(millions("qwen3-0.6b"), 596);
        assert_eq!(millions("stories15m"), 15);
        assert_eq!(preset("stories260k").unwrap().parameter_count() / 1000, 260);
    }
}
