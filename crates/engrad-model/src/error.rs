use thiserror::Error;

/// Why a model description was refused. The fault is always the description's, never the program's.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum ModelError {
    /// The text is not TOML or JSON, or has a field of the wrong type.
    #[error("not a readable model description: {0}")]
    Syntax(String),
    /// A field is present and readable but its value makes no model.
    #[error("model field `{field}`: {reason}")]
    Invalid {
        /// Name as written in the description.
        field: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The description is a valid one of a model outside the Llama-2 / Qwen3 family.
    #[error("model feature not supported: {0}")]
    Unsupported(String),
    /// No preset of that name.
    #[error("no preset named `{name}`; presets: {known}")]
    UnknownPreset {
        /// The name asked for.
        name: String,
        /// Comma-separated names there are.
        known: String,
    },
}

impl ModelError {
    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }
}
