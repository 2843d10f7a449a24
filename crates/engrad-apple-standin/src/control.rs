//! What tests ask of the library and tell it, as plain C functions.
//!
//! Faults, by name; each happens as often as asked, then no more:
//!
//! | Fault | Effect |
//! |---|---|
//! | `nil-data`, `nil-descriptor`, `nil-model`, `nil-identifier`, `nil-request`, `nil-surface-object`, `nil-attributes`, `nil-client` | the method returns nil |
//! | `hostile-identifier` | the model's identifier leads out of the temporary directory |
//! | `compile-invalid`, `compile-lowering`, `compile-crash`, `compile-silent` | compile fails: text refused, lowering refused, helper lost, no error given |
//! | `load-refused` | load fails with 0x20004 |
//! | `evaluate-0x1d`, `evaluate-0x16`, `evaluate-0x2`, `evaluate-timeout` | evaluation fails with that status |
//! | `evaluate-zeros`, `swap-outputs`, `evaluate-nothing` | evaluation succeeds with zeros, with two outputs exchanged, without writing |
//! | `map-fails` | mapping surfaces fails |
//! | `real-time-refused`, `real-time-load-fails` | the real-time task or its load is refused |
//! | `unload-fails` | unload fails |
//! | `throw-on-compile`, `throw-on-load`, `throw-on-evaluate`, `throw-on-unload`, `throw-on-dealloc` | the method throws |
//! | `exception-is-no-object` | the exception being handled says it is of another language |
//! | `surface-create-fails`, `surface-lock-fails` | IOSurface's functions fail |
//! | `attributes-empty`, `attributes-missing-symbol`, `attributes-wrong-type`, `attributes-wrong-stride`, `attributes-wrong-extent`, `attributes-not-a-list` | attributes are wrong |

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{exceptions, object, program};

/// What tests have set and seen.
#[derive(Debug)]
struct State {
    /// Times each fault is still to happen.
    faults: BTreeMap<String, u64>,
    hidden: BTreeSet<String>,
    reencoded: BTreeSet<String>,
    violations: Vec<String>,
    /// Folders of models' files, by the identifiers given out.
    folders: BTreeSet<PathBuf>,
    calls: BTreeMap<String, u64>,
}

static STATE: Mutex<State> = Mutex::new(State {
    faults: BTreeMap::new(),
    hidden: BTreeSet::new(),
    reencoded: BTreeSet::new(),
    violations: Vec::new(),
    folders: BTreeSet::new(),
    calls: BTreeMap::new(),
});

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a fault is to happen now.
pub(crate) fn fault(name: &str) -> bool {
    let mut state = state();
    let Some(left) = state.faults.get_mut(name) else { return false };
    *left -= 1;
    if *left == 0 {
        state.faults.remove(name);
    }
    true
}

pub(crate) fn is_hidden(name: &str) -> bool {
    state().hidden.contains(name)
}

pub(crate) fn is_reencoded(selector: &str) -> bool {
    state().reencoded.contains(selector)
}

/// Records what no client may do.
pub(crate) fn violation(what: String) {
    state().violations.push(what);
}

/// Counts a call.
pub(crate) fn count(what: &str) {
    *state().calls.entry(what.to_owned()).or_default() += 1;
}

pub(crate) fn note_folder(path: PathBuf) {
    state().folders.insert(path);
}

fn text<'a>(text: *const c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    // SAFETY: terminated, by the functions' contract.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("")
}

/// Lets a fault happen the next `times` times.
#[unsafe(no_mangle)]
pub extern "C" fn standin_inject(fault: *const c_char, times: u64) {
    let fault = text(fault).to_owned();
    match times {
        0 => state().faults.remove(&fault),
        _ => state().faults.insert(fault, times),
    };
}

/// Hides a class or every method of a selector.
#[unsafe(no_mangle)]
pub extern "C" fn standin_hide(name: *const c_char) {
    state().hidden.insert(text(name).to_owned());
}

/// Gives every method of a selector a wrong type encoding.
#[unsafe(no_mangle)]
pub extern "C" fn standin_reencode(selector: *const c_char) {
    state().reencoded.insert(text(selector).to_owned());
}

/// Undoes faults, hidden names and wrong encodings, and forgets violations and counts. Compiles count on.
#[unsafe(no_mangle)]
pub extern "C" fn standin_reset() {
    let mut state = state();
    state.faults.clear();
    state.hidden.clear();
    state.reencoded.clear();
    state.violations.clear();
    state.calls.clear();
}

/// Sets how many compiles and loaded programs are allowed, and begins to count compiles again.
#[unsafe(no_mangle)]
pub extern "C" fn standin_limits(compiles: u64, loaded: u64) {
    program::set_limits(compiles, loaded);
}

/// Objects alive, those that never end not counted.
#[unsafe(no_mangle)]
pub extern "C" fn standin_live_objects() -> u64 {
    object::census().values().sum::<usize>() as u64
}

/// IOSurfaces alive.
#[unsafe(no_mangle)]
pub extern "C" fn standin_live_surfaces() -> u64 {
    object::census().get("IOSurface").copied().unwrap_or(0) as u64
}

/// Folders of models' files that exist now.
#[unsafe(no_mangle)]
pub extern "C" fn standin_live_folders() -> u64 {
    state().folders.iter().filter(|path| path.exists()).count() as u64
}

/// Writes the folders of models' files that exist now, one a line and terminated, to a buffer.
///
/// # Safety
/// `buffer` has `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn standin_folders(buffer: *mut c_char, size: usize) {
    let state = state();
    let folders: Vec<String> =
        state.folders.iter().filter(|path| path.exists()).map(|path| path.display().to_string()).collect();
    write(&folders.join("\n"), buffer, size);
}

/// Programs loaded now.
#[unsafe(no_mangle)]
pub extern "C" fn standin_loaded() -> u64 {
    program::loaded()
}

/// Exceptions caught and not ended, on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn standin_handled_exceptions() -> u64 {
    exceptions::handled() as u64
}

/// How often a method was called; `compile`, `load`, `unload`, `evaluate`, `evaluate-direct`, `evaluate-real-time`,
/// `map`, `unmap`, `begin-real-time`, `end-real-time`.
#[unsafe(no_mangle)]
pub extern "C" fn standin_calls(what: *const c_char) -> u64 {
    state().calls.get(text(what)).copied().unwrap_or(0)
}

/// Writes all violations, one a line and terminated, to a buffer; returns their number.
///
/// # Safety
/// `buffer` has `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn standin_violations(buffer: *mut c_char, size: usize) -> u64 {
    let state = state();
    write(&state.violations.join("\n"), buffer, size);
    state.violations.len() as u64
}

/// Writes the classes of live objects with their numbers, one a line and terminated, to a buffer.
///
/// # Safety
/// `buffer` has `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn standin_census(buffer: *mut c_char, size: usize) {
    let lines: Vec<String> = object::census().iter().map(|(class, n)| format!("{n} {class}")).collect();
    write(&lines.join("\n"), buffer, size);
}

fn write(text: &str, buffer: *mut c_char, size: usize) {
    if buffer.is_null() || size == 0 {
        return;
    }
    let length = text.len().min(size - 1);
    // SAFETY: within the buffer, by the callers' contract.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), length);
        buffer.add(length).write(0);
    }
}
