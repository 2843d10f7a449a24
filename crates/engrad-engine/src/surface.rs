//! Surfaces: page-aligned memory shared between host and engine.
//!
//! The `unsafe` of this crate is here and, for all surfaces of a request at once, in `access.rs`. The argument is the same
//! throughout: the memory lives as long as the last handle, is never resized, is replaced only by a holder of the exclusive
//! lock, and is only reached by holders of one reader-writer lock, so a `&mut [u8]` never coexists with another view. Every
//! bit pattern is a valid element of the types offered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use half::f16;

use crate::foreign::{ForeignMemory, Memory};
use crate::{EngineError, HostMemory, Port};

/// A block of page-aligned, zero-initialised memory; clones share it.
#[derive(Debug, Clone)]
pub struct Surface {
    shared: Arc<Shared>,
    bytes: usize,
}

#[derive(Debug)]
struct Shared {
    id: u64,
    /// Times it was locked for writing.
    generation: AtomicU64,
    is_foreign: bool,
    memory: RwLock<Memory>,
}

impl Shared {
    fn new(memory: Memory) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let is_foreign = memory.foreign().is_some();
        Arc::new(Self { id, generation: AtomicU64::new(0), is_foreign, memory: RwLock::new(memory) })
    }
}

/// Tells whether a surface's memory is still there, without keeping it.
#[derive(Debug, Clone)]
pub struct WeakSurface(Weak<Shared>);

impl WeakSurface {
    /// Whether any handle is left.
    pub fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Surface {
    /// A new surface of at least `bytes` bytes.
    ///
    /// # Errors
    /// [`EngineError::Memory`] if the system has none.
    pub fn new(bytes: usize) -> Result<Self, EngineError> {
        Ok(Self { shared: Shared::new(Memory::Host(HostMemory::zeroed(bytes)?)), bytes })
    }

    /// Lends its memory, with the bytes that are in it: until it is put back the surface has other memory, zero and
    /// untouched. Waits while anyone holds the surface. `None` if an engine allocated the memory: that stays.
    ///
    /// # Errors
    /// As [`Surface::new`]; nothing is changed then.
    pub fn take_memory(&self) -> Result<Option<HostMemory>, EngineError> {
        let mut memory = self.shared.memory.write().unwrap_or_else(PoisonError::into_inner);
        let Memory::Host(own) = &mut *memory else { return Ok(None) };
        let taken = std::mem::replace(own, HostMemory::zeroed(self.bytes)?);
        self.count_writing();
        Ok(Some(taken))
    }

    /// Puts memory in the place of its own, with the bytes that are in it. Waits while anyone holds the surface. Memory of
    /// another size, or for a surface whose memory an engine allocated, is given back.
    pub fn put_memory(&self, new: HostMemory) -> Option<HostMemory> {
        let mut memory = self.shared.memory.write().unwrap_or_else(PoisonError::into_inner);
        match &mut *memory {
            Memory::Host(own) if own.len() == new.len() => *own = new,
            _ => return Some(new),
        }
        self.count_writing();
        None
    }

    /// A surface over memory that an engine allocated.
    pub fn foreign(memory: Box<dyn ForeignMemory>) -> Self {
        let bytes = memory.bytes();
        Self { shared: Shared::new(Memory::Foreign(memory)), bytes }
    }

    /// A new surface that fits a port.
    ///
    /// # Errors
    /// As [`Surface::new`].
    pub fn for_port(port: &Port) -> Result<Self, EngineError> {
        Self::new(port.bytes())
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether two handles share memory.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// A number that no other surface of the process ever has; clones share it.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Counts the locks for writing: while it stays the same, so do the bytes. Meaningful while a [`ReadGuard`] of the
    /// surface is held. `None` for memory that a device may write without this lock.
    pub fn generation(&self) -> Option<u64> {
        // Ordered by the lock, which the caller holds.
        (!self.shared.is_foreign).then(|| self.shared.generation.load(Ordering::Relaxed))
    }

    /// A handle that does not keep the memory.
    pub fn downgrade(&self) -> WeakSurface {
        WeakSurface(Arc::downgrade(&self.shared))
    }

    /// Locks for reading; waits while a writer holds it.
    pub fn read(&self) -> ReadGuard<'_> {
        // A panic of another holder leaves bytes, and all bytes are valid: poisoning carries no information.
        let memory = self.shared.memory.read().unwrap_or_else(PoisonError::into_inner);
        let (address, bytes) = memory.lock(false);
        // SAFETY: the memory is initialised and outlives the guard, which keeps writers out.
        let bytes = unsafe { std::slice::from_raw_parts(address, bytes) };
        ReadGuard { bytes, memory }
    }

    /// Locks for writing; waits while anyone holds it.
    pub fn write(&self) -> WriteGuard<'_> {
        let memory = self.shared.memory.write().unwrap_or_else(PoisonError::into_inner);
        self.count_writing();
        let (address, bytes) = memory.lock(true);
        // SAFETY: as for reading, and the guard keeps everyone out.
        let bytes = unsafe { std::slice::from_raw_parts_mut(address, bytes) };
        WriteGuard { bytes, memory }
    }

    /// Begins a generation; the caller holds the lock for writing.
    pub(crate) fn count_writing(&self) {
        self.shared.generation.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn memory(&self) -> &RwLock<Memory> {
        &self.shared.memory
    }
}

/// Shared access to a surface's bytes.
#[derive(Debug)]
pub struct ReadGuard<'a> {
    bytes: &'a [u8],
    memory: RwLockReadGuard<'a, Memory>,
}

impl Drop for ReadGuard<'_> {
    fn drop(&mut self) {
        self.memory.unlock(false);
    }
}

/// Exclusive access to a surface's bytes.
#[derive(Debug)]
pub struct WriteGuard<'a> {
    bytes: &'a mut [u8],
    memory: RwLockWriteGuard<'a, Memory>,
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        self.memory.unlock(true);
    }
}

macro_rules! views {
    ($( $(#[$doc:meta])* $shared:ident $exclusive:ident $ty:ty; )*) => {
        impl ReadGuard<'_> { $(
            $(#[$doc])*
            pub fn $shared(&self) -> &[$ty] {
                let bytes: &[u8] = self.bytes;
                // SAFETY: the memory is page-aligned and initialised, the length is rounded down to whole
                // elements, every bit pattern is valid, and the borrow is tied to the guard.
                unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<$ty>()) }
            }
        )* }
        impl WriteGuard<'_> { $(
            $(#[$doc])*
            pub fn $exclusive(&mut self) -> &mut [$ty] {
                let bytes: &mut [u8] = self.bytes;
                // SAFETY: as for the shared view, and the write lock makes the borrow exclusive.
                unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len() / size_of::<$ty>()) }
            }
        )* }
    };
}

views! {
    /// The bytes.
    bytes bytes_mut u8;
    /// The elements of an fp16 surface, row padding included.
    fp16 fp16_mut f16;
    /// The elements of an fp32 surface, row padding included.
    fp32 fp32_mut f32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_memory_and_new_surfaces_are_zero() {
        let surface = Surface::new(100).unwrap();
        assert!(surface.read().bytes().iter().all(|&b| b == 0));
        let other = surface.clone();
        other.write().fp16_mut()[3] = f16::from_f32(1.5);
        assert_eq!(surface.read().fp16()[3].to_f32(), 1.5);
        assert!(surface.is_same(&other) && !surface.is_same(&Surface::new(100).unwrap()));
        assert!(surface.id() == other.id() && surface.id() != Surface::new(100).unwrap().id());
    }

    #[test]
    fn lent_memory_comes_back_with_its_bytes_and_each_exchange_is_a_new_generation() {
        let surface = Surface::new(100).unwrap();
        let other = surface.clone();
        other.write().bytes_mut().fill(7);
        let mut generations = vec![surface.generation()];
        let mut taken = surface.take_memory().unwrap().unwrap();
        generations.push(surface.generation());
        assert!(other.read().bytes().iter().all(|&b| b == 0) && taken.iter().all(|&b| b == 7));
        taken[0] = 8;
        let small = HostMemory::zeroed(99).unwrap();
        assert_eq!(surface.put_memory(small).map(|m| m.len()), Some(99));
        assert!(surface.put_memory(taken).is_none());
        generations.push(surface.generation());
        assert_eq!(other.read().bytes()[..2], [8, 7]);
        generations.dedup();
        assert_eq!(generations.len(), 3);
    }

    #[test]
    fn every_lock_for_writing_begins_a_generation_and_no_handle_means_no_memory() {
        let surface = Surface::new(100).unwrap();
        let (before, weak) = (surface.generation(), surface.downgrade());
        drop(surface.read());
        assert_eq!(surface.generation(), before);
        let other = surface.clone();
        drop(other.write());
        assert_ne!(surface.generation(), before);
        drop(surface);
        assert!(weak.is_alive());
        drop(other);
        assert!(!weak.is_alive());
    }
}
