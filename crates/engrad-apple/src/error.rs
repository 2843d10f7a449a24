use std::fmt;

use engrad_engine::EngineError;
use thiserror::Error;

use crate::advice;

/// What the engine was doing when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Making descriptor, model and files, and compiling.
    Compile,
    /// Loading the compiled program to the device.
    Load,
    /// Making a request of surfaces.
    Bind,
    /// Running it.
    Evaluate,
    /// Taking it off the device.
    Unload,
    /// A question outside the life of a program.
    Probe,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compile => "compile",
            Self::Load => "load",
            Self::Bind => "bind",
            Self::Evaluate => "evaluate",
            Self::Unload => "unload",
            Self::Probe => "probe",
        })
    }
}

/// An error of the framework, as it gave it, and what we know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the engine was doing.
    pub phase: Phase,
    /// The error's domain; empty if the framework refused without an error.
    pub domain: String,
    /// The error's code within the domain.
    pub code: i64,
    /// The framework's text.
    pub text: String,
    /// What it means and what to do, where known.
    pub advice: Option<&'static str>,
}

impl Failure {
    pub(crate) fn new(phase: Phase, domain: String, code: i64, text: String) -> Self {
        let advice = advice::find(phase, &domain, code, &text);
        Self { phase, domain, code, text, advice }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.text)?;
        if !self.domain.is_empty() {
            write!(f, " ({} {})", self.domain, self.code)?;
        }
        match self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

/// Why the Neural Engine was not used or refused.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum AppleError {
    /// There is no engine here, or its interface is not the one known. The system's.
    #[error("the Neural Engine is not available: {0}")]
    NotAvailable(String),
    /// The framework refused.
    #[error("{0}")]
    Framework(Failure),
    /// The framework threw an Objective-C exception; it was caught.
    #[error("the framework threw {name}: {reason}")]
    Exception {
        /// The exception's name.
        name: String,
        /// Its reason.
        reason: String,
    },
    /// The framework answered with something that cannot be: nil, another class, attributes that contradict the program.
    #[error("{phase}: unexpected answer of the framework: {reason}")]
    Unexpected {
        /// What the engine was doing.
        phase: Phase,
        /// What came and what should have.
        reason: String,
    },
    /// The program is not valid. The caller's fault.
    #[error("{0}")]
    Program(String),
    /// A budget is spent.
    #[error("{0}")]
    Limit(String),
    /// Surfaces do not fit. The caller's fault.
    #[error("port `{port}`: {reason}")]
    Bind {
        /// The port.
        port: String,
        /// What was given and what is needed.
        reason: String,
    },
    /// No memory for a surface.
    #[error("no IOSurface of {0} bytes")]
    Memory(usize),
    /// Files of the program could not be written.
    #[error("{path}: {reason}")]
    Files {
        /// The file or folder.
        path: String,
        /// The system's message.
        reason: String,
    },
    /// The compiled program computes something else than the reference engine.
    #[error("the compiled program is wrong: output `{port}` {reason}")]
    Canary {
        /// The output.
        port: String,
        /// How it differs.
        reason: String,
    },
}

impl AppleError {
    /// The same error in the engine contract's terms, for a program being compiled. `program` is its function's name.
    pub(crate) fn at_compile(self, program: &str) -> EngineError {
        match self {
            Self::Limit(reason) => EngineError::Limit(reason),
            other => EngineError::Compile { program: program.to_owned(), reason: other.to_string() },
        }
    }

    /// The same error in the engine contract's terms, for surfaces and evaluation.
    pub(crate) fn at_evaluation(self) -> EngineError {
        match self {
            Self::Memory(bytes) => {
                EngineError::Memory { bytes, reason: "IOSurfaceCreate refused".to_owned() }
            }
            Self::Bind { port, reason } => EngineError::Bind { port, reason },
            other => EngineError::Evaluate(other.to_string()),
        }
    }
}
