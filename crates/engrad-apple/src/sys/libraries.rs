//! Where the libraries are.

use std::fmt;
use std::path::PathBuf;

use libloading::Library;

use super::runtime::Object;
use crate::AppleError;

/// Which libraries an engine uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Source {
    /// Those of macOS. On other systems there are none, and the engine is not available.
    #[default]
    System,
    /// One library that exports everything: a stand-in for tests.
    Library(PathBuf),
}

/// The Objective-C runtime, frameworks and the private framework. The latter live in the loader's shared cache; there is
/// no file on disk (ane-facts 1.1).
#[cfg(target_os = "macos")]
const SYSTEM: &[&str] = &[
    "/usr/lib/libobjc.A.dylib",
    "/usr/lib/libc++abi.dylib",
    "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation",
    "/System/Library/Frameworks/Foundation.framework/Foundation",
    "/System/Library/Frameworks/IOSurface.framework/IOSurface",
    "/System/Library/PrivateFrameworks/AppleNeuralEngine.framework/AppleNeuralEngine",
];

pub(crate) struct Libraries {
    /// Leaked: unloading a library that registered classes leaves the runtime with dangling ones.
    open: Vec<&'static Library>,
}

impl fmt::Debug for Libraries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Libraries({})", self.open.len())
    }
}

impl Libraries {
    pub(crate) fn open(source: &Source) -> Result<Self, AppleError> {
        let paths: Vec<PathBuf> = match source {
            Source::Library(path) => vec![path.clone()],
            #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
            Source::System => SYSTEM.iter().map(PathBuf::from).collect(),
            #[cfg(not(all(target_os = "macos", target_arch = "aarch64")))]
            Source::System => {
                let reason = "it needs a Mac with Apple silicon".to_owned();
                return Err(AppleError::NotAvailable(reason));
            }
        };
        let mut open: Vec<&'static Library> = Vec::new();
        for path in paths {
            // SAFETY: initialisers of the system's own frameworks, or of a library that the caller names to be run.
            let library = unsafe { Library::new(&path) }.map_err(|e| {
                AppleError::NotAvailable(format!("cannot load {}: {}", path.display(), one_line(&e)))
            })?;
            open.push(Box::leak(Box::new(library)));
        }
        Ok(Self { open })
    }

    /// A function by name.
    ///
    /// # Safety
    /// `F` must be a function pointer type that fits the function.
    pub(crate) unsafe fn function<F: Copy>(&self, name: &str) -> Result<F, AppleError> {
        for library in &self.open {
            // SAFETY: by the caller; the library is never unloaded.
            if let Ok(symbol) = unsafe { library.get::<F>(name.as_bytes()) } {
                return Ok(*symbol);
            }
        }
        Err(AppleError::NotAvailable(format!("there is no function `{name}`")))
    }

    /// The address of an exported variable.
    pub(crate) fn address(&self, name: &str) -> Option<usize> {
        self.open.iter().find_map(|library| {
            // SAFETY: only the address is taken.
            unsafe { library.get::<*const u8>(name.as_bytes()) }.ok().map(|symbol| *symbol as usize)
        })
    }

    /// The object that an exported variable holds.
    pub(crate) fn constant(&self, name: &str) -> Option<Object> {
        self.open.iter().find_map(|library| {
            // SAFETY: the named variables are constant object references, set before the program begins; the library is
            // never unloaded.
            let symbol = unsafe { library.get::<*const Object>(name.as_bytes()) }.ok()?;
            // SAFETY: as above.
            let object = unsafe { **symbol };
            (!object.is_nil()).then_some(object)
        })
    }
}

fn one_line(error: &libloading::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
