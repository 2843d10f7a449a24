//! Hugging Face `config.json`, read and written. Everything the rest of the project does not implement is
//! refused here by name, so that a model never runs with a feature silently missing.

use serde_json::{Map, Value, json};

use crate::{ModelConfig, ModelError, ResidualScale, RotaryScaling, config::one_line};

/// Context used when `max_position_embeddings` is longer; checkpoints state up to 131,072, training uses less.
const LONGEST_DEFAULT_SEQUENCE: usize = 256;

struct Reader<'a>(&'a Map<String, Value>);

impl Reader<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|v| !v.is_null())
    }

    fn size(&self, key: &'static str) -> Result<usize, ModelError> {
        self.optional_size(key)?.ok_or_else(|| ModelError::invalid(key, "missing from config.json"))
    }

    fn optional_size(&self, key: &'static str) -> Result<Option<usize>, ModelError> {
        self.get(key)
            .map(|v| {
                v.as_u64()
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or_else(|| ModelError::invalid(key, format!("{v} is not a whole number")))
            })
            .transpose()
    }

    fn number(&self, key: &'static str, default: f64) -> Result<f64, ModelError> {
        self.get(key).map_or(Ok(default), |v| {
            v.as_f64().ok_or_else(|| ModelError::invalid(key, format!("{v} is not a number")))
        })
    }

    fn flag(&self, key: &'static str, default: bool) -> Result<bool, ModelError> {
        self.get(key).map_or(Ok(default), |v| {
            v.as_bool().ok_or_else(|| ModelError::invalid(key, format!("{v} is not true or false")))
        })
    }
}

impl ModelConfig {
    /// Reads a Hugging Face `config.json` of a Llama or Qwen3 causal language model.
    ///
    /// `sequence` becomes `max_position_embeddings`, at most 256; set it afterwards for longer contexts.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] names the first feature outside the family (biases, sliding windows, other
    /// activations, other rotary scalings); otherwise as [`ModelConfig::validate`].
    pub fn from_hugging_face(text: &str) -> Result<Self, ModelError> {
        let value: Value =
            serde_json::from_str(text).map_err(|e| ModelError::Syntax(one_line(&e.to_string())))?;
        let Value::Object(map) = &value else {
            return Err(ModelError::Syntax("config.json is not an object".into()));
        };
        let read = Reader(map);
        let kind = read.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let qwen3 = match kind {
            "llama" => false,
            "qwen3" => true,
            other => {
                return Err(ModelError::Unsupported(format!("model_type `{other}`; llama and qwen3 are")));
            }
        };
        refuse_unsupported(&read)?;

        let dim = read.size("hidden_size")?;
        let heads = read.size("num_attention_heads")?;
        let kv_heads = read.optional_size("num_key_value_heads")?.unwrap_or(heads);
        let head_dim = match read.optional_size("head_dim")? {
            Some(size) => size,
            None if qwen3 => 128,
            None if heads > 0 && dim.is_multiple_of(heads) => dim / heads,
            None => {
                return Err(ModelError::invalid(
                    "head_dim",
                    format!("missing, and {heads} heads do not divide hidden_size {dim}"),
                ));
            }
        };
        let (rope_base, rope_scaling) = read_rotary(&read)?;
        let positions = read.optional_size("max_position_embeddings")?.unwrap_or(LONGEST_DEFAULT_SEQUENCE);
        let config = Self {
            dim,
            hidden: read.size("intermediate_size")?,
            layers: read.size("num_hidden_layers")?,
            heads,
            kv_heads,
            head_dim,
            vocab: read.size("vocab_size")?,
            sequence: positions.min(LONGEST_DEFAULT_SEQUENCE),
            norm_eps: read.number("rms_norm_eps", 1e-6)?,
            rope_base,
            rope_scaling,
            qk_norm: qwen3,
            tied: read.flag("tie_word_embeddings", false)?,
            residual_scale: ResidualScale::None,
        };
        config.validate()?;
        Ok(config)
    }

    /// The `config.json` of this model, loadable by Hugging Face `transformers`.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] when residual scaling is on: that format cannot say it, and a model loaded
    /// without it would compute something else.
    pub fn to_hugging_face(&self) -> Result<String, ModelError> {
        if self.residual_scale != ResidualScale::None {
            return Err(ModelError::Unsupported("residual scaling in a Hugging Face config.json".into()));
        }
        let (architecture, kind) =
            if self.qk_norm { ("Qwen3ForCausalLM", "qwen3") } else { ("LlamaForCausalLM", "llama") };
        let scaling = match self.rope_scaling {
            RotaryScaling::Default => Value::Null,
            RotaryScaling::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
            RotaryScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": original_max_position_embeddings as u64,
            }),
        };
        let value = json!({
            "architectures": [architecture],
            "model_type": kind,
            "hidden_size": self.dim,
            "intermediate_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "vocab_size": self.vocab,
            "max_position_embeddings": self.sequence,
            "rms_norm_eps": self.norm_eps,
            "rope_theta": self.rope_base,
            "rope_scaling": scaling,
            "hidden_act": "silu",
            "attention_bias": false,
            "mlp_bias": false,
            "tie_word_embeddings": self.tied,
            "torch_dtype": "float32",
        });
        serde_json::to_string_pretty(&value).map_err(|e| ModelError::Syntax(e.to_string()))
    }
}

fn refuse_unsupported(read: &Reader<'_>) -> Result<(), ModelError> {
    for key in ["attention_bias", "mlp_bias", "use_sliding_window"] {
        if read.flag(key, false)? {
            return Err(ModelError::Unsupported(format!("`{key}` = true")));
        }
    }
    if let Some(act) = read.get("hidden_act")
        && act.as_str() != Some("silu")
    {
        return Err(ModelError::Unsupported(format!("activation {act}; only \"silu\" is")));
    }
    if let Some(types) = read.get("layer_types").and_then(Value::as_array)
        && types.iter().any(|t| t.as_str() != Some("full_attention"))
    {
        return Err(ModelError::Unsupported("layer_types other than full_attention".into()));
    }
    if let Some(quantization) = read.get("quantization_config") {
        return Err(ModelError::Unsupported(format!(
            "quantized checkpoints ({})",
            one_line(&quantization.to_string())
        )));
    }
    Ok(())
}

/// Newer files keep base and scaling in `rope_parameters`, older ones in `rope_theta` and `rope_scaling`.
fn read_rotary(read: &Reader<'_>) -> Result<(f64, RotaryScaling), ModelError> {
    let nested = read.get("rope_parameters").or_else(|| read.get("rope_scaling")).and_then(Value::as_object);
    let empty = Map::new();
    let nested = Reader(nested.unwrap_or(&empty));
    let base = match nested.get("rope_theta") {
        Some(_) => nested.number("rope_theta", 10_000.0)?,
        None => read.number("rope_theta", 10_000.0)?,
    };
    let kind =
        nested.get("rope_type").or_else(|| nested.get("type")).and_then(Value::as_str).unwrap_or("default");
    let scaling = match kind {
        "default" => RotaryScaling::Default,
        "linear" => RotaryScaling::Linear { factor: nested.number("factor", f64::NAN)? },
        "llama3" => RotaryScaling::Llama3 {
            factor: nested.number("factor", f64::NAN)?,
            low_freq_factor: nested.number("low_freq_factor", f64::NAN)?,
            high_freq_factor: nested.number("high_freq_factor", f64::NAN)?,
            original_max_position_embeddings: nested.number("original_max_position_embeddings", f64::NAN)?,
        },
        other => {
            return Err(ModelError::Unsupported(format!(
                "rope_type `{other}`; default, linear and llama3 are"
            )));
        }
    };
    Ok((base, scaling))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;

    #[test]
    fn config_json_round_trips() {
        for name in ["stories110m", "qwen3-0.6b"] {
            let config = preset(name).unwrap();
            let back = ModelConfig::from_hugging_face(&config.to_hugging_face().unwrap()).unwrap();
            assert_eq!(back, config);
        }
    }

    #[test]
    fn features_we_lack_are_named_not_ignored() {
        let base = preset("tiny").unwrap().to_hugging_face().unwrap();
        for (from, to, expect) in [
            ("\"attention_bias\": false", "\"attention_bias\": true", "`attention_bias` = true"),
            ("\"silu\"", "\"gelu\"", "activation \"gelu\"; only \"silu\" is"),
            ("\"llama\"", "\"gpt2\"", "model_type `gpt2`; llama and qwen3 are"),
            ("\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"yarn\"}", "rope_type `yarn`"),
        ] {
            let message = ModelConfig::from_hugging_face(&base.replace(from, to)).unwrap_err().to_string();
            assert!(message.contains(expect), "{message}");
        }
    }

    #[test]
    fn rope_parameters_win_over_the_older_fields() {
        let text = preset("tiny").unwrap().to_hugging_face().unwrap().replace(
            "\"rope_scaling\": null",
            "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 500000.0}",
        );
        assert_eq!(ModelConfig::from_hugging_face(&text).unwrap().rope_base, 500_000.0);
    }
}
