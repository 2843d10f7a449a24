use thiserror::Error;

/// What training, evaluation and generation can refuse or meet.
#[derive(Debug, Error)]
pub enum TrainError {
    /// The model description.
    #[error(transparent)]
    Model(#[from] engrad_model::ModelError),
    /// A stage's program; a validated model gives none.
    #[error(transparent)]
    Mil(#[from] engrad_mil::MilError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] engrad_engine::EngineError),
    /// Tokens and datasets.
    #[error(transparent)]
    Data(#[from] engrad_data::Error),
    /// Weights and checkpoints.
    #[error(transparent)]
    Store(#[from] engrad_store::StoreError),
    /// A setting is out of range; says which and what is possible.
    #[error("setting `{setting}`: {reason}")]
    Setting {
        /// Name as on the command line and in the configuration file.
        setting: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A token id does not exist in the model.
    #[error("token {id} at position {position} is outside the vocabulary of {vocab}")]
    Token {
        /// The id.
        id: u32,
        /// Its position in the input.
        position: usize,
        /// Number of ids the model has.
        vocab: usize,
    },
    /// The numbers left the range of the engine and no smaller loss scale helps.
    #[error("{0}")]
    NotFinite(String),
    /// Work in the background failed.
    #[error("background work failed: {0}")]
    Worker(String),
}

impl TrainError {
    pub(crate) fn setting(setting: &'static str, reason: impl Into<String>) -> Self {
        Self::Setting { setting, reason: reason.into() }
    }
}
