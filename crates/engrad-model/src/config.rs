use serde::{Deserialize, Serialize};

use crate::{ModelError, RotaryScaling};

/// Largest value accepted for any single dimension; a bound on hostile input, far above any real model.
const MAX_DIMENSION: usize = 1 << 20;
/// Largest number of parameters accepted (2^36), so that sizes in bytes never overflow.
const MAX_PARAMETERS: u128 = 1 << 36;

/// How the output of each block is scaled before it joins the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResidualScale {
    /// Plain addition, as in Llama and Qwen.
    #[default]
    None,
    /// 1/√(2·layers): keeps the variance of the stream at one at initialisation (DeepNet, arXiv 2203.00555, in spirit).
    Deepnet,
}

/// A decoder-only transformer, read at run time from a preset, a TOML file or a Hugging Face `config.json`.
///
/// Projections have no bias and the activation is SiLU·gate throughout; a description that says otherwise is
/// refused by the readers. Rotary positions always rotate component `i` with `i + head_dim/2` (half-split);
/// formats that rotate neighbouring pairs are permuted when weights are read or written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Width of the residual stream.
    pub dim: usize,
    /// Width of the feed-forward block.
    pub hidden: usize,
    /// Number of transformer layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; each serves `heads / kv_heads` consecutive query heads.
    pub kv_heads: usize,
    /// Size of one head; need not be `dim / heads`.
    pub head_dim: usize,
    /// Number of token ids.
    pub vocab: usize,
    /// Default training sequence length; also the longest context used for generation.
    pub sequence: usize,
    /// Added to the mean square inside RMSNorm.
    #[serde(default = "default_norm_eps")]
    pub norm_eps: f64,
    /// Base of the rotary frequencies (theta).
    #[serde(default = "default_rope_base")]
    pub rope_base: f64,
    /// Frequency scaling for long contexts, if any.
    #[serde(default)]
    pub rope_scaling: RotaryScaling,
    /// RMSNorm over each query and key head before rotation (Qwen3).
    #[serde(default)]
    pub qk_norm: bool,
    /// The output head shares the embedding matrix.
    #[serde(default = "default_tied")]
    pub tied: bool,
    /// Scaling of block outputs.
    #[serde(default)]
    pub residual_scale: ResidualScale,
}

fn default_norm_eps() -> f64 {
    1e-5
}
fn default_rope_base() -> f64 {
    10_000.0
}
fn default_tied() -> bool {
    true
}

impl ModelConfig {
    /// Reads a TOML description (the fields of this struct) and validates it.
    ///
    /// # Errors
    /// [`ModelError::Syntax`] for text that does not parse, otherwise as [`ModelConfig::validate`].
    pub fn from_toml(text: &str) -> Result<Self, ModelError> {
        let config: Self = toml::from_str(text).map_err(|e| ModelError::Syntax(one_line(e.message())))?;
        config.validate()?;
        Ok(config)
    }

    /// The description as TOML; [`ModelConfig::from_toml`] reads it back.
    ///
    /// # Errors
    /// [`ModelError::Syntax`] if a number cannot be written, which a validated configuration excludes.
    pub fn to_toml(&self) -> Result<String, ModelError> {
        toml::to_string(self).map_err(|e| ModelError::Syntax(one_line(&e.to_string())))
    }

    /// Checks every bound that later code relies on.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] naming the first field that is out of range.
    pub fn validate(&self) -> Result<(), ModelError> {
        let sizes = [
            ("dim", self.dim),
            ("hidden", self.hidden),
            ("layers", self.layers),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("vocab", self.vocab),
            ("sequence", self.sequence),
        ];
        for (field, value) in sizes {
            if value == 0 || value > MAX_DIMENSION {
                return Err(ModelError::invalid(field, format!("{value} is not in 1…{MAX_DIMENSION}")));
            }
        }
        if self.layers > 4096 {
            return Err(ModelError::invalid("layers", format!("{} is not in 1…4096", self.layers)));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(ModelError::invalid(
                "kv_heads",
                format!("{} does not divide the {} query heads", self.kv_heads, self.heads),
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(ModelError::invalid(
                "head_dim",
                format!("{} is odd; rotary positions need pairs", self.head_dim),
            ));
        }
        if self.heads.saturating_mul(self.head_dim) > MAX_DIMENSION {
            return Err(ModelError::invalid("heads", "heads × head_dim is too large"));
        }
        if !(self.norm_eps.is_finite() && self.norm_eps > 0.0 && self.norm_eps < 1.0) {
            return Err(ModelError::invalid("norm_eps", format!("{} is not in (0, 1)", self.norm_eps)));
        }
        if !(self.rope_base.is_finite() && self.rope_base > 1.0) {
            return Err(ModelError::invalid("rope_base", format!("{} is not above 1", self.rope_base)));
        }
        self.rope_scaling.validate()?;
        let count = self.parameter_count_wide();
        if count > MAX_PARAMETERS {
            return Err(ModelError::invalid("layers", format!("{count} parameters in all is too many")));
        }
        Ok(())
    }

    /// Rows of the query projection: `heads × head_dim`.
    pub fn query_dim(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Rows of the key and of the value projection: `kv_heads × head_dim`.
    pub fn kv_dim(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Query heads served by one key/value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Factor on each block's output where it joins the residual stream.
    pub fn residual_factor(&self) -> f32 {
        match self.residual_scale {
            ResidualScale::None => 1.0,
            ResidualScale::Deepnet => (1.0 / (2.0 * self.layers as f64).sqrt()) as f32,
        }
    }

    /// Number of trainable parameters, a tied matrix counted once.
    pub fn parameter_count(&self) -> usize {
        self.parameter_count_wide() as usize
    }

    fn parameter_count_wide(&self) -> u128 {
        let [dim, hidden, layers, vocab] =
            [self.dim, self.hidden, self.layers, self.vocab].map(|v| v as u128);
        let (query, kv) = (self.query_dim() as u128, self.kv_dim() as u128);
        let norms = 2 * dim + if self.qk_norm { 2 * self.head_dim as u128 } else { 0 };
        let layer = dim * (2 * query + 2 * kv + 3 * hidden) + norms;
        vocab * dim * if self.tied { 1 } else { 2 } + layers * layer + dim
    }

    /// Floating-point operations of one forward and backward pass over `tokens` tokens in sequences of
    /// `sequence`: 6 per weight and token (embedding look-up excluded, output head included) plus causal attention.
    pub fn training_flops(&self, tokens: usize, sequence: usize) -> f64 {
        let head = (self.vocab * self.dim) as f64;
        let layers = self.layers as f64;
        let layer = (self.dim * (2 * self.query_dim() + 2 * self.kv_dim() + 3 * self.hidden)) as f64;
        // Two products of `query_dim` per position pair, half of the pairs masked, three times for fwd + bwd.
        let attention = layers * 6.0 * (self.query_dim() as f64) * (sequence as f64);
        tokens as f64 * (6.0 * (layers * layer + head) + attention)
    }
}

/// Parser messages span lines; ours are one.
pub(crate) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;

    #[test]
    fn toml_round_trips_every_preset() {
        for (name, _) in crate::PRESETS {
            let config = preset(name).unwrap();
            assert_eq!(ModelConfig::from_toml(&config.to_toml().unwrap()).unwrap(), config);
        }
    }

    #[test]
    fn heads_that_do_not_group_are_refused() {
        let config = ModelConfig { heads: 6, kv_heads: 4, ..preset("tiny").unwrap() };
        let message = config.validate().unwrap_err().to_string();
        assert_eq!(message, "model field `kv_heads`: 4 does not divide the 6 query heads");
    }

    #[test]
    fn sizes_that_would_overflow_are_refused() {
        let config = ModelConfig { dim: MAX_DIMENSION, vocab: MAX_DIMENSION, ..preset("tiny").unwrap() };
        assert!(config.validate().is_err());
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let text = "qk_nrom = true\n".to_owned() + &preset("tiny").unwrap().to_toml().unwrap();
        assert!(ModelConfig::from_toml(&text).unwrap_err().to_string().contains("qk_nrom"));
    }
}
