//! The stand-in library, one test at a time.

use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use engrad_accelerate::{Accelerate, Rule};
use libloading::Library;

/// Where cargo puts the stand-in: beside the tests.
pub(crate) fn path() -> PathBuf {
    let name = libloading::library_filename("engrad_apple_standin");
    std::env::current_exe().unwrap().parent().unwrap().join(name)
}

struct Controls {
    reset: unsafe extern "C" fn(),
    calls: unsafe extern "C" fn(*const c_char) -> u64,
    violations: unsafe extern "C" fn(*mut c_char, usize) -> u64,
}

static CONTROLS: LazyLock<Controls> = LazyLock::new(|| {
    // SAFETY: the stand-in's initialiser makes some constants.
    let library: &'static Library = Box::leak(Box::new(unsafe { Library::new(path()) }.unwrap()));
    // SAFETY: the types are those of the stand-in's control functions.
    unsafe {
        Controls {
            reset: *library.get(b"standin_reset").unwrap(),
            calls: *library.get(b"standin_calls").unwrap(),
            violations: *library.get(b"standin_violations").unwrap(),
        }
    }
});

static TURN: Mutex<()> = Mutex::new(());

/// The test's turn with the library.
pub(crate) struct StandIn {
    _turn: MutexGuard<'static, ()>,
}

impl StandIn {
    pub(crate) fn new() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: takes nothing.
        unsafe { (CONTROLS.reset)() };
        Self { _turn: turn }
    }

    /// Takes every product.
    pub(crate) fn accelerate(&self) -> Accelerate {
        Accelerate::load(&path()).unwrap().with_rule(Rule::ALWAYS)
    }

    /// Products so far.
    pub(crate) fn calls(&self) -> u64 {
        // SAFETY: a terminated text.
        unsafe { (CONTROLS.calls)(c"sgemm".as_ptr()) }
    }

    pub(crate) fn assert_no_violation(&self) {
        let mut text = [0u8; 4096];
        // SAFETY: the buffer has that many bytes.
        unsafe { (CONTROLS.violations)(text.as_mut_ptr().cast(), text.len()) };
        assert_eq!(CStr::from_bytes_until_nul(&text).unwrap().to_string_lossy(), "");
    }
}
