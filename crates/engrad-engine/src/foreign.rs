use std::any::Any;
use std::fmt::Debug;

use crate::HostMemory;

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
    Host(HostMemory),
    /// A device's.
    Foreign(Box<dyn ForeignMemory>),
}

impl Memory {
    /// Address and size, locked for the host. Needs the surface's lock in the mode given.
    pub(crate) fn lock(&self, write: bool) -> (*mut u8, usize) {
        match self {
            Self::Host(memory) => (memory.address(), memory.len()),
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
            Self::Host(_) => None,
            Self::Foreign(memory) => Some(memory.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::UnsafeCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::*;
    use crate::Surface;

    #[repr(align(64))]
    #[derive(Debug)]
    struct Block(UnsafeCell<[u8; 128]>);

    /// Counts readers, and a writer as 100.
    #[derive(Debug)]
    struct Counted(Block, Arc<AtomicI32>);

    // SAFETY: the bytes are reached through the surface's guards only.
    unsafe impl Sync for Counted {}

    fn weight(write: bool) -> i32 {
        if write { 100 } else { 1 }
    }

    // SAFETY: one block, aligned and initialised, at one place as long as the surface's box lives.
    unsafe impl ForeignMemory for Counted {
        fn bytes(&self) -> usize {
            128
        }

        fn lock(&self, write: bool) -> *mut u8 {
            self.1.fetch_add(weight(write), Ordering::Relaxed);
            self.0.0.get().cast()
        }

        fn unlock(&self, write: bool) {
            self.1.fetch_sub(weight(write), Ordering::Relaxed);
        }

        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    #[test]
    fn memory_of_a_device_is_locked_for_as_long_as_a_guard_lives() {
        let count = Arc::new(AtomicI32::new(0));
        let block = Block(UnsafeCell::new([0; 128]));
        let surface = Surface::foreign(Box::new(Counted(block, Arc::clone(&count))));
        let locks = || count.load(Ordering::Relaxed);
        {
            let mut guard = surface.write();
            guard.bytes_mut()[127] = 7;
            assert_eq!(locks(), 100);
        }
        let (first, second) = (surface.read(), surface.read());
        assert_eq!((first.bytes()[127], second.fp16().len(), locks()), (7, 64, 2));
        drop((first, second));
        assert_eq!((locks(), surface.bytes()), (0, 128));
        assert_eq!(surface.with_foreign(|m| m.as_any().is::<Counted>()), Some(true));
        assert_eq!(Surface::new(64).unwrap().with_foreign(|m| m.bytes()), None);
    }
}
