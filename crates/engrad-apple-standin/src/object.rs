//! Objects: a class, a count of references, and a Rust value.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::class::{self, Class};
use crate::control;
use crate::exceptions::throw;

/// An object as clients see it; classes are objects too.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) isa: *const Class,
    count: AtomicUsize,
    immortal: bool,
    payload: Box<dyn Any + Send + Sync>,
}

/// A reference to an object, or nil.
pub(crate) type Id = *mut Object;

pub(crate) const NIL: Id = std::ptr::null_mut();

static LIVE: LazyLock<Mutex<HashSet<usize>>> = LazyLock::new(Mutex::default);

fn live() -> MutexGuard<'static, HashSet<usize>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn is_live(object: Id) -> bool {
    live().contains(&(object as usize)) || class::is_class(object)
}

/// Live objects by class, those that never end not counted.
pub(crate) fn census() -> BTreeMap<String, usize> {
    let mut census = BTreeMap::new();
    for &address in live().iter() {
        // SAFETY: in the set of live objects, which is locked.
        let object = unsafe { &*(address as Id) };
        if !object.immortal {
            // SAFETY: every object has a class, which never ends.
            *census.entry(unsafe { &*object.isa }.name().to_owned()).or_default() += 1;
        }
    }
    census
}

/// A new object with one reference, the caller's.
pub(crate) fn new(class: &str, payload: impl Any + Send + Sync) -> Id {
    make(class, Box::new(payload), false)
}

/// An object that never ends, as constants are.
pub(crate) fn new_immortal(class: &str, payload: impl Any + Send + Sync) -> Id {
    make(class, Box::new(payload), true)
}

fn make(class: &str, payload: Box<dyn Any + Send + Sync>, immortal: bool) -> Id {
    let isa = class::find(class).map_or(std::ptr::null(), std::ptr::from_ref);
    let object = Box::into_raw(Box::new(Object { isa, count: AtomicUsize::new(1), immortal, payload }));
    live().insert(object as usize);
    object
}

pub(crate) fn retain(object: Id) -> Id {
    if !object.is_null() && !class::is_class(object) {
        if !is_live(object) {
            control::violation(format!("retain of {object:p}, which is gone"));
            return NIL;
        }
        // SAFETY: live.
        unsafe { &*object }.count.fetch_add(1, Ordering::Relaxed);
    }
    object
}

pub(crate) fn release(object: Id) {
    if object.is_null() || class::is_class(object) {
        return;
    }
    if !is_live(object) {
        control::violation(format!("release of {object:p}, which is gone"));
        return;
    }
    // SAFETY: live.
    let (count, immortal) = unsafe { ((*object).count.fetch_sub(1, Ordering::AcqRel), (*object).immortal) };
    if count > 1 || immortal {
        return;
    }
    live().remove(&(object as usize));
    // SAFETY: made by `make`, and the last reference is gone.
    let object = unsafe { Box::from_raw(object) };
    // SAFETY: every object has a class, which never ends.
    let framework = unsafe { &*object.isa }.name().starts_with("_ANE");
    drop(object);
    if framework && control::fault("throw-on-dealloc") {
        throw("NSInternalInconsistencyException", "thrown by dealloc");
    }
}

thread_local! {
    /// Objects to be released, with nil where a pool begins.
    static POOLS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Gives the caller's reference to the innermost pool.
pub(crate) fn autorelease(object: Id) -> Id {
    if object.is_null() {
        return object;
    }
    POOLS.with_borrow_mut(|pools| {
        if pools.is_empty() {
            // SAFETY: live, being the caller's.
            let name = unsafe { &*(*object).isa }.name();
            control::violation(format!("{name} autoreleased with no pool in place"));
        } else {
            pools.push(object as usize);
        }
    });
    object
}

pub(crate) fn push_pool() -> usize {
    POOLS.with_borrow_mut(|pools| {
        pools.push(0);
        pools.len()
    })
}

pub(crate) fn pop_pool(token: usize) {
    let known = POOLS.with_borrow(|pools| token > 0 && pools.get(token - 1) == Some(&0));
    if !known {
        control::violation(format!("pop of pool {token}, which is not there"));
        return;
    }
    loop {
        let (last, length) = POOLS.with_borrow_mut(|pools| (pools.pop(), pools.len()));
        if let Some(object) = last.filter(|&object| object != 0) {
            release(object as Id);
        }
        if length < token {
            return;
        }
    }
}

/// The value of an object, if it is of that type.
pub(crate) fn payload<'a, T: Any>(object: Id) -> Option<&'a T> {
    if object.is_null() || class::is_class(object) || !live().contains(&(object as usize)) {
        return None;
    }
    // SAFETY: live; it stays so during the call that was given it.
    unsafe { &*object }.payload.downcast_ref()
}

/// The value of an argument that must be of a type; anything else is a violation and throws.
pub(crate) fn argument<'a, T: Any>(object: Id, what: &str) -> &'a T {
    payload(object).unwrap_or_else(|| {
        let found = class_name(object);
        let reason = format!("{what} is {found}");
        control::violation(reason.clone());
        throw("NSInvalidArgumentException", &reason)
    })
}

/// As [`argument`], but nil is allowed.
pub(crate) fn optional<'a, T: Any>(object: Id, what: &str) -> Option<&'a T> {
    (!object.is_null()).then(|| argument(object, what))
}

pub(crate) fn class_name(object: Id) -> String {
    if object.is_null() {
        return "nil".to_owned();
    }
    if !is_live(object) {
        return "an object that is gone".to_owned();
    }
    // SAFETY: live; classes never end.
    unsafe { &*(*object).isa }.name().to_owned()
}

/// A reference of its own.
#[derive(Debug)]
pub(crate) struct Ref(Id);

// SAFETY: objects are counted atomically and their values are `Send` and `Sync`.
unsafe impl Send for Ref {}
// SAFETY: as above.
unsafe impl Sync for Ref {}

impl Ref {
    /// A further reference.
    pub(crate) fn retain(object: Id) -> Self {
        Self(retain(object))
    }

    /// The caller's reference.
    pub(crate) fn adopt(object: Id) -> Self {
        Self(object)
    }

    pub(crate) fn get(&self) -> Id {
        self.0
    }
}

impl Clone for Ref {
    fn clone(&self) -> Self {
        Self::retain(self.0)
    }
}

impl Drop for Ref {
    fn drop(&mut self) {
        release(self.0);
    }
}
