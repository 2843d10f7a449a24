//! IOSurface, and as much of CoreFoundation as making one takes.

use std::ffi::{c_int, c_void};

use super::encode::SurfaceRef;
use super::libraries::Libraries;
use super::runtime::Object;
use crate::AppleError;

/// A CoreFoundation object of any kind.
pub(crate) type CfRef = *const c_void;

/// `kCFNumberSInt64Type`.
const NUMBER_SINT64: isize = 4;

macro_rules! functions {
    ($( $(#[$doc:meta])* $name:ident = $symbol:literal($($arg:ty),*) $(-> $result:ty)?; )*) => {
        #[derive(Debug)]
        pub(crate) struct IoSurface {
            $( $(#[$doc])* pub(crate) $name: unsafe extern "C" fn($($arg),*) $(-> $result)?, )*
            keys: [Object; 6],
            key_callbacks: usize,
            value_callbacks: usize,
        }

        impl IoSurface {
            pub(crate) fn load(libraries: &Libraries) -> Result<Self, AppleError> {
                let variable = |name: &str| {
                    libraries.address(name).ok_or_else(|| AppleError::NotAvailable(format!("there is no variable `{name}`")))
                };
                let mut keys = [Object::NIL; 6];
                for (key, name) in keys.iter_mut().zip(KEYS) {
                    *key = libraries
                        .constant(name)
                        .ok_or_else(|| AppleError::NotAvailable(format!("there is no constant `{name}`")))?;
                }
                Ok(Self {
                    // SAFETY: the types are those of the public headers.
                    $( $name: unsafe { libraries.function($symbol) }?, )*
                    keys,
                    key_callbacks: variable("kCFTypeDictionaryKeyCallBacks")?,
                    value_callbacks: variable("kCFTypeDictionaryValueCallBacks")?,
                })
            }
        }
    };
}

functions! {
    create = "IOSurfaceCreate"(CfRef) -> SurfaceRef;
    lock = "IOSurfaceLock"(SurfaceRef, u32, *mut u32) -> c_int;
    unlock = "IOSurfaceUnlock"(SurfaceRef, u32, *mut u32) -> c_int;
    base_address = "IOSurfaceGetBaseAddress"(SurfaceRef) -> *mut c_void;
    allocation_size = "IOSurfaceGetAllocSize"(SurfaceRef) -> usize;
    release = "CFRelease"(CfRef);
    number_create = "CFNumberCreate"(CfRef, isize, *const c_void) -> CfRef;
    dictionary_create = "CFDictionaryCreate"(CfRef, *const CfRef, *const CfRef, isize, *const c_void, *const c_void) -> CfRef;
}

/// The properties that work for the engine (ane-facts 4.1), and what each is for a surface of some bytes.
const KEYS: [&str; 6] = [
    "kIOSurfaceWidth",
    "kIOSurfaceHeight",
    "kIOSurfaceBytesPerElement",
    "kIOSurfaceBytesPerRow",
    "kIOSurfaceAllocSize",
    "kIOSurfacePixelFormat",
];

impl IoSurface {
    /// A new surface: one row of `bytes` bytes. `None` if the system refuses.
    pub(crate) fn make(&self, bytes: usize) -> Option<SurfaceRef> {
        let bytes = i64::try_from(bytes).ok()?;
        let values = [bytes, 1, 1, bytes, bytes, 0];
        let keys = self.keys.map(|key| key.0.cast_const());
        // SAFETY: a number is copied from where the type says it is; null is the default allocator.
        let numbers = values
            .map(|v| unsafe { (self.number_create)(std::ptr::null(), NUMBER_SINT64, (&raw const v).cast()) });
        let whole = numbers.iter().all(|n| !n.is_null());
        let properties = match whole {
            // SAFETY: as many keys as values; the callbacks are the framework's own.
            true => unsafe {
                (self.dictionary_create)(
                    std::ptr::null(),
                    keys.as_ptr(),
                    numbers.as_ptr(),
                    6,
                    self.key_callbacks as *const c_void,
                    self.value_callbacks as *const c_void,
                )
            },
            false => std::ptr::null(),
        };
        for number in numbers.into_iter().filter(|n| !n.is_null()) {
            // SAFETY: created above; the dictionary has its own reference.
            unsafe { (self.release)(number) };
        }
        if properties.is_null() {
            return None;
        }
        // SAFETY: a dictionary, created above and released once.
        let surface = unsafe { (self.create)(properties) };
        // SAFETY: as above.
        unsafe { (self.release)(properties) };
        (!surface.0.is_null()).then_some(surface)
    }
}
