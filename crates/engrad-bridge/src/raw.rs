//! Reading what a C caller passes. All `unsafe` of this crate's arguments is here.
//!
//! The argument throughout: a pointer was compared with NULL, its count is not negative and its bytes fit an allocation;
//! that as many elements are readable (or writable) is the caller's promise, stated in the header.

use std::ffi::{CStr, c_char, c_int};

use crate::error::BridgeError;

/// Most weight files or ports of one program.
const MAX_COUNT: usize = 65_536;

/// A count as C writes it.
pub(crate) fn count(n: c_int, what: &str) -> Result<usize, BridgeError> {
    usize::try_from(n)
        .ok()
        .filter(|&n| n <= MAX_COUNT)
        .ok_or_else(|| BridgeError::argument(format!("{n} {what}; 0 to {MAX_COUNT} are taken")))
}

/// An index below `len`.
pub(crate) fn index(index: c_int, len: usize, what: &str) -> Result<usize, BridgeError> {
    usize::try_from(index)
        .ok()
        .filter(|&i| i < len)
        .ok_or_else(|| BridgeError::argument(format!("{what} {index} of {len}")))
}

/// Elements to read; NULL is an empty list.
///
/// # Safety
/// A pointer that is not NULL is to `len` elements that nobody writes during `'a`.
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, len: usize, what: &str) -> Result<&'a [T], BridgeError> {
    if len == 0 {
        return Ok(&[]);
    }
    check(pointer, len, what)?;
    // SAFETY: see the module.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// Elements to write.
///
/// # Safety
/// A pointer that is not NULL is to `len` elements that nobody else reads or writes during `'a`, initialised to anything.
pub(crate) unsafe fn slice_mut<'a, T>(
    pointer: *mut T,
    len: usize,
    what: &str,
) -> Result<&'a mut [T], BridgeError> {
    if len == 0 {
        return Ok(&mut []);
    }
    check(pointer, len, what)?;
    // SAFETY: see the module.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, len) })
}

fn check<T>(pointer: *const T, len: usize, what: &str) -> Result<(), BridgeError> {
    if pointer.is_null() {
        return Err(BridgeError::argument(format!("{what} is NULL")));
    }
    if !pointer.is_aligned() {
        return Err(BridgeError::argument(format!("{what} is not aligned to {} bytes", align_of::<T>())));
    }
    match len.checked_mul(size_of::<T>()).and_then(|bytes| isize::try_from(bytes).ok()) {
        Some(_) => Ok(()),
        None => Err(BridgeError::argument(format!("{what} of {len} elements is larger than memory"))),
    }
}

/// A place for one result.
///
/// # Safety
/// NULL, or writable.
pub(crate) unsafe fn place<'a, T>(pointer: *mut T, what: &str) -> Result<&'a mut T, BridgeError> {
    check(pointer, 1, what)?;
    // SAFETY: see the module.
    Ok(unsafe { &mut *pointer })
}

/// A terminated text.
///
/// # Safety
/// NULL, or terminated, and not written during `'a`.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, what: &str) -> Result<&'a str, BridgeError> {
    if pointer.is_null() {
        return Err(BridgeError::argument(format!("{what} is NULL")));
    }
    // SAFETY: terminated, by the caller.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| BridgeError::argument(format!("{what} is not UTF-8")))
}
