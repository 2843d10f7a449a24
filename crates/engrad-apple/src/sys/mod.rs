//! The lowest layer: what Apple's libraries export, with types, and nothing of what it is for.
//!
//! * [`libraries`]: where the libraries are and how symbols are found in them.
//! * [`runtime`]: the Objective-C runtime's functions.
//! * [`guard`]: calls that may throw.
//! * [`encode`] and [`message`]: messages whose types are checked against the runtime's own before the first is sent.
//! * [`classes`]: the classes and selectors in use, as a table.
//! * [`iosurface`]: IOSurface and CoreFoundation.
//!
//! Nothing is linked: every symbol is looked up when the engine is made. Libraries are never unloaded, since classes they
//! registered cannot be.

pub(crate) mod classes;
pub(crate) mod encode;
pub(crate) mod guard;
pub(crate) mod iosurface;
pub(crate) mod libraries;
pub(crate) mod message;
pub(crate) mod runtime;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::{AppleError, Source};
use classes::Classes;
use iosurface::IoSurface;
use libraries::Libraries;
use runtime::Runtime;

/// Everything that was looked up, for the life of the process.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) runtime: Runtime,
    pub(crate) iosurface: IoSurface,
    pub(crate) classes: Classes,
    libraries: Libraries,
}

impl Api {
    /// Loads the libraries of a source once in a process; later calls get the same.
    pub(crate) fn load(source: &Source) -> Result<&'static Self, AppleError> {
        static LOADED: Mutex<BTreeMap<Source, &'static Api>> = Mutex::new(BTreeMap::new());
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(api) = loaded.get(source) {
            return Ok(api);
        }
        let libraries = Libraries::open(source)?;
        let runtime = Runtime::load(&libraries)?;
        let iosurface = IoSurface::load(&libraries)?;
        let classes = Classes::load(&runtime)?;
        let api: &'static Self = Box::leak(Box::new(Self { runtime, iosurface, classes, libraries }));
        loaded.insert(source.clone(), api);
        Ok(api)
    }

    /// The directory for temporary files that the framework uses too.
    pub(crate) fn temporary_directory(&self) -> Result<runtime::Object, AppleError> {
        // SAFETY: the function takes nothing and returns an autoreleased string.
        let function = unsafe {
            self.libraries.function::<extern "C-unwind" fn() -> runtime::Object>("NSTemporaryDirectory")
        }?;
        guard::call(&self.runtime, || function())
    }

    /// The value of an exported constant object, as the framework's option keys are; `None` if there is no such symbol.
    pub(crate) fn constant(&self, name: &str) -> Option<runtime::Object> {
        self.libraries.constant(name)
    }
}
