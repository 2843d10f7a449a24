//! Refusals, and how they reach a caller that has no Rust.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use engrad_apple::AppleError;
use engrad_engine::EngineError;
use engrad_mil::MilError;
use thiserror::Error;

/// Why a call was refused.
#[derive(Debug, Error, Clone, PartialEq)]
pub(crate) enum BridgeError {
    /// An argument cannot be what it is. The caller's fault.
    #[error("{0}")]
    Argument(String),
    /// The handle was freed or never given out. The caller's fault.
    #[error("the kernel handle is NULL, was freed, or is none of this library")]
    Handle,
    /// `ane_bridge_init` was not called, or failed.
    #[error("no engine is initialised; call ane_bridge_init first")]
    NotInitialised,
    /// The program's text has faults; every one with its source line.
    #[error("{0}")]
    Text(String),
    /// The program or its weights are not valid.
    #[error("{0}")]
    Program(#[from] MilError),
    /// The engine refused.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// The Neural Engine is not there.
    #[error("{0}")]
    Apple(#[from] AppleError),
    /// A defect of this library; the call had no effect that lasts.
    #[error("internal error: {0}")]
    Panic(String),
}

impl BridgeError {
    pub(crate) fn argument(reason: impl Into<String>) -> Self {
        Self::Argument(reason.into())
    }
}

thread_local! {
    /// Of this thread's last call; empty if it was accepted.
    static LAST: RefCell<CString> = RefCell::default();
}

fn remember(text: &str) {
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    // While a thread ends there is nobody left to ask.
    let _ = LAST.try_with(|last| last.replace(text));
}

/// The text of this thread's last refusal; the pointer holds until the thread's next call.
pub(crate) fn last() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Runs the body of one exported function: a refusal or panic is remembered, and gives `refused`.
pub(crate) fn guard<R>(refused: R, body: impl FnOnce() -> Result<R, BridgeError>) -> R {
    // A panic leaves only values that are complete at every step: the tables of this crate change in single statements.
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("unknown");
        Err(BridgeError::Panic(text.to_owned()))
    });
    match result {
        Ok(value) => {
            remember("");
            value
        }
        Err(error) => {
            remember(&error.to_string());
            refused
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn last_text() -> String {
        // SAFETY: terminated, and no other call of this thread comes between.
        unsafe { CStr::from_ptr(last()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_is_an_error_and_a_later_success_clears_it() {
        assert_eq!(guard(-1, || panic!("index {} of {}", 3, 2)), -1);
        assert_eq!(last_text(), "internal error: index 3 of 2");
        assert_eq!(guard(-1, || Ok(0)), 0);
        assert_eq!(last_text(), "");
    }

    #[test]
    fn texts_with_zero_bytes_end_where_they_should() {
        guard((), || Err(BridgeError::argument("a\0b")));
        assert_eq!(last_text(), "a\u{fffd}b");
    }
}
