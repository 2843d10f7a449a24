use std::path::PathBuf;

use thiserror::Error;

/// Why Accelerate was not loaded or refused a product.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum AccelerateError {
    /// This system has none.
    #[error("Accelerate is not available: it is a part of macOS")]
    NotAvailable,
    /// The library cannot be loaded. The system's fault, or that of who named it.
    #[error("Accelerate is not available: cannot load {path}: {reason}", path = .path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// The loader's message, on one line.
        reason: String,
    },
    /// The library lacks a function: it is another one.
    #[error("Accelerate is not available: {path} has no function `{name}`", path = .path.display())]
    Function {
        /// The library.
        path: PathBuf,
        /// The function.
        name: &'static str,
    },
    /// An extent or stride does not fit the interface's 32-bit integers. The caller's fault.
    #[error("a matrix product's {what} of {value} is beyond what Accelerate takes")]
    Extent {
        /// Which one.
        what: &'static str,
        /// Its value.
        value: usize,
    },
    /// A factor is contiguous neither along its rows nor along its columns. The caller's fault.
    #[error(
        "a matrix product's factor has strides of {rows} and {columns}; Accelerate needs one of them to be 1"
    )]
    Strides {
        /// Elements from one row to the next.
        rows: usize,
        /// Elements from one column to the next.
        columns: usize,
    },
}
