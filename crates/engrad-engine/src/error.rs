use thiserror::Error;

/// Why an engine refused or failed.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum EngineError {
    /// The program is not valid, or uses what this engine does not implement. The program's fault.
    #[error("cannot compile `{program}`: {reason}")]
    Compile {
        /// Name of the program's main function.
        program: String,
        /// The rule, with the op or value it concerns.
        reason: String,
    },
    /// Surfaces do not fit the kernel's ports. The caller's fault.
    #[error("cannot bind port `{port}`: {reason}")]
    Bind {
        /// The port, or the count of ports.
        port: String,
        /// What was given and what is needed.
        reason: String,
    },
    /// A limit of the engine is reached; release kernels or start a new process.
    #[error("engine limit reached: {0}")]
    Limit(String),
    /// The operating system gave no memory for a surface.
    #[error("cannot allocate a surface of {bytes} bytes: {reason}")]
    Memory {
        /// Size asked for.
        bytes: usize,
        /// The system's message.
        reason: String,
    },
    /// The evaluation itself failed.
    #[error("evaluation failed: {0}")]
    Evaluate(String),
}
