use std::any::Any;
use std::fmt::Debug;

use memmap2::MmapMut;

/// Memory that belongs to an engine's device, made into a [`Surface`](crate::Surface) by
/// [`Surface::foreign`](crate::Surface::foreign).
///
/// The surface locks it around every access of the host, readers possibly nested, a writer alone.
///
/// # Safety
/// While locked, `bytes()` bytes from the returned address must be mapped, initialised, aligned to at least 64 bytes and
/// written by nobody but the holder of the surface's guard. Address and size must not change during the memory's life,
/// and the mapping must outlive every lock, also one that failed.
pub unsafe trait ForeignMemory: Debug + Send + Sync {
    /// Size in bytes.
    fn bytes(&self) -> usize;

    /// Makes the memory the host's, for reading or also for writing, and returns where it is.
    ///
    /// There is no error: a device that refuses remembers the refusal and reports it at the next evaluation, whose
    /// input or result would be wrong.
    fn lock(&self, write: bool) -> *mut u8;

    /// Ends one [`lock`](Self::lock) of the same kind.
    fn unlock(&self, write: bool);

    /// The memory itself, for the engine that made it.
    fn as_any(&self) -> &dyn Any;
}

/// What a surface stands for.
#[derive(Debug)]
pub(crate) enum Memory {
    /// The host's own.
    Anonymous(MmapMut),
    /// A device's.
    Foreign(Box<dyn ForeignMemory>),
}

impl Memory {
    /// Address and size, locked for the host. Needs the surface's lock in the mode given.
    pub(crate) fn lock(&self, write: bool) -> (*mut u8, usize) {
        match self {
            Self::Anonymous(memory) => (memory.as_ptr().cast_mut(), memory.len()),
            Self::Foreign(memory) => (memory.lock(write), memory.bytes()),
        }
    }

    pub(crate) fn unlock(&self, write: bool) {
        if let Self::Foreign(memory) = self {
            memory.unlock(write);
        }
    }

    pub(crate) fn foreign(&self) -> Option<&dyn ForeignMemory> {
        match self {
            Self::Anonymous(_) => None,
            Self::Foreign(memory) => Some(memory.as_ref()),
        }
    }
}
