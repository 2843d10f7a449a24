use crate::ModelConfig;

/// What a parameter does; decides initialisation, weight decay and rotary permutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterRole {
    /// Token embedding, `[vocab, dim]`; also the output head when tied.
    Embedding,
    /// Separate output head, `[vocab, dim]`.
    Head,
    /// Query projection, `[heads·head_dim, dim]`.
    Query,
    /// Key projection, `[kv_heads·head_dim, dim]`.
    Key,
    /// Value projection, `[kv_heads·head_dim, dim]`.
    Value,
    /// Attention output projection, `[dim, heads·head_dim]`.
    AttentionOutput,
    /// Feed-forward gate (w1 of llama2.c), `[hidden, dim]`.
    Gate,
    /// Feed-forward up projection (w3), `[hidden, dim]`.
    Up,
    /// Feed-forward down projection (w2), `[dim, hidden]`.
    Down,
    /// RMSNorm weight of the residual stream, `[dim]`.
    Norm,
    /// RMSNorm weight of the query or key heads, `[head_dim]`.
    HeadNorm,
}

impl ParameterRole {
    /// Norm weights are not decayed.
    pub fn is_norm(self) -> bool {
        matches!(self, Self::Norm | Self::HeadNorm)
    }

    /// The projection's result is added to the residual stream.
    pub fn joins_residual(self) -> bool {
        matches!(self, Self::AttentionOutput | Self::Down)
    }
}

/// One trainable tensor: its Hugging Face name, shape (row-major, output features first) and role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name in Hugging Face checkpoints, e.g. `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// Row-major shape; one or two dimensions.
    pub shape: Vec<usize>,
    /// What it does.
    pub role: ParameterRole,
    /// The layer it belongs to, if any.
    pub layer: Option<usize>,
}

impl Parameter {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements; never true for a validated configuration.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Per-layer parameters in canonical order, with the Hugging Face name after `model.layers.N.`.
const LAYER: &[(&str, ParameterRole)] = &[
    ("input_layernorm", ParameterRole::Norm),
    ("self_attn.q_proj", ParameterRole::Query),
    ("self_attn.k_proj", ParameterRole::Key),
    ("self_attn.v_proj", ParameterRole::Value),
    ("self_attn.o_proj", ParameterRole::AttentionOutput),
    ("self_attn.q_norm", ParameterRole::HeadNorm),
    ("self_attn.k_norm", ParameterRole::HeadNorm),
    ("post_attention_layernorm", ParameterRole::Norm),
    ("mlp.gate_proj", ParameterRole::Gate),
    ("mlp.up_proj", ParameterRole::Up),
    ("mlp.down_proj", ParameterRole::Down),
];

impl ModelConfig {
    /// Every trainable tensor, in canonical order: embedding, layers, final norm, head (if not tied).
    pub fn parameters(&self) -> Vec<Parameter> {
        let make = |name: String, role, layer| Parameter { name, shape: self.shape_of(role), role, layer };
        let mut all = vec![make("model.embed_tokens.weight".into(), ParameterRole::Embedding, None)];
        for layer in 0..self.layers {
            for &(name, role) in LAYER {
                if role != ParameterRole::HeadNorm || self.qk_norm {
                    all.push(make(format!("model.layers.{layer}.{name}.weight"), role, Some(layer)));
                }
            }
        }
        all.push(make("model.norm.weight".into(), ParameterRole::Norm, None));
        if !self.tied {
            all.push(make("lm_head.weight".into(), ParameterRole::Head, None));
        }
        all
    }

    fn shape_of(&self, role: ParameterRole) -> Vec<usize> {
        let (dim, hidden, query, kv) = (self.dim, self.hidden, self.query_dim(), self.kv_dim());
        match role {
            ParameterRole::Embedding | ParameterRole::Head => vec![self.vocab, dim],
            ParameterRole::Query => vec![query, dim],
            ParameterRole::Key | ParameterRole::Value => vec![kv, dim],
            ParameterRole::AttentionOutput => vec![dim, query],
            ParameterRole::Gate | ParameterRole::Up => vec![hidden, dim],
            ParameterRole::Down => vec![dim, hidden],
            ParameterRole::Norm => vec![dim],
            ParameterRole::HeadNorm => vec![self.head_dim],
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{PRESETS, preset};

    #[test]
    fn table_agrees_with_the_closed_form_count() {
        for (name, config) in PRESETS {
            let counted: usize = config.parameters().iter().map(|p| p.len()).sum();
            assert_eq!(counted, config.parameter_count(), "{name}");
        }
    }

    #[test]
    fn head_norms_exist_only_with_qk_norm() {
        let has = |name| preset(name).unwrap().parameters().iter().any(|p| p.name.ends_with("q_norm.weight"));
        assert!(has("qwen3-0.6b"));
        assert!(!has("stories110m"));
    }
}
