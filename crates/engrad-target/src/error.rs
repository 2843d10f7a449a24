use thiserror::Error;

/// What can go wrong when asking about a target.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The caller named a chip that is neither an architecture nor a product in the data.
    #[error("no chip is called `{name}`; known are {known}")]
    UnknownChip {
        /// The name asked for.
        name: String,
        /// Architecture names, with the products that carry them.
        known: String,
    },
}
