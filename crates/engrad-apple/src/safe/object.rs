use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;

use crate::AppleError;
use crate::error::Phase;
use crate::sys::runtime::{Class, Object};
use crate::sys::{Api, guard};

/// An autorelease pool of this thread; ends with the value. Pools must end in the reverse order of their making, which
/// scopes see to.
pub(crate) struct Pool {
    api: &'static Api,
    token: *mut c_void,
    /// Pools belong to their thread.
    thread: PhantomData<*mut ()>,
}

impl Pool {
    pub(crate) fn new(api: &'static Api) -> Self {
        // SAFETY: takes nothing.
        let token = unsafe { (api.runtime.objc_autoreleasePoolPush)() };
        Self { api, token, thread: PhantomData }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // An exception of a `-dealloc` must not leave a destructor. The object is lost either way.
        // SAFETY: the pool's own token, once.
        let _ = guard::call(&self.api.runtime, || unsafe {
            (self.api.runtime.objc_autoreleasePoolPop)(self.token)
        });
    }
}

/// A reference that this side owns, released with the value.
pub(crate) struct Owned {
    object: Object,
    api: &'static Api,
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:p}", self.api.runtime.class_name(self.object), self.object.0)
    }
}

impl Owned {
    /// Takes a reference of its own to what a method returned; nil is an error that says what is missing.
    ///
    /// # Safety
    /// Nil or a live object.
    pub(crate) unsafe fn retain(
        api: &'static Api,
        object: Object,
        phase: Phase,
        what: &str,
    ) -> Result<Self, AppleError> {
        if object.is_nil() {
            return Err(AppleError::Unexpected { phase, reason: format!("{what} is nil") });
        }
        // SAFETY: a live object, by the caller.
        unsafe { (api.runtime.objc_retain)(object) };
        Ok(Self { object, api })
    }

    pub(crate) fn get(&self) -> Object {
        self.object
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _pool = Pool::new(self.api);
        // An exception of `-dealloc` must not leave a destructor; frameworks' own do throw (ane-facts 1.2).
        // SAFETY: the reference that this value owns, once.
        let _ = guard::call(&self.api.runtime, || unsafe { (self.api.runtime.objc_release)(self.object) });
    }
}

impl Api {
    /// Whether an object is of a class; nil is of none.
    pub(crate) fn is_kind(&self, object: Object, class: Class) -> Result<bool, AppleError> {
        if object.is_nil() {
            return Ok(false);
        }
        // SAFETY: a live object, and every object of these frameworks descends from NSObject.
        unsafe { self.classes.object.is_kind_of.send(&self.runtime, object, class) }
    }
}
