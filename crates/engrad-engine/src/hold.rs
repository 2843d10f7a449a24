use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use smallvec::SmallVec;

use crate::foreign::Memory;
use crate::{ForeignMemory, Request, Surface};

/// Keeps the host out of a request's surfaces while a device works on them: its inputs cannot be written, its outputs
/// not even read. The memory itself is not locked for the host, as devices demand.
#[derive(Debug)]
pub struct Hold<'a> {
    held: SmallVec<[Held<'a>; 24]>,
}

#[derive(Debug)]
enum Held<'a> {
    Shared(RwLockReadGuard<'a, Memory>),
    Exclusive(RwLockWriteGuard<'a, Memory>),
}

impl Held<'_> {
    fn memory(&self) -> &Memory {
        match self {
            Self::Shared(memory) => memory,
            Self::Exclusive(memory) => memory,
        }
    }
}

impl Hold<'_> {
    /// Calls `work` with each memory, inputs first, and whether it is held to be written.
    pub(crate) fn each(&self, mut work: impl FnMut(&Memory, bool)) {
        self.held.iter().for_each(|held| work(held.memory(), matches!(held, Held::Exclusive(_))));
    }

    /// The foreign memories held, each once.
    pub fn memories(&self) -> impl Iterator<Item = &dyn ForeignMemory> {
        self.held.iter().filter_map(|held| held.memory().foreign())
    }
}

impl Request {
    /// Waits until no guard of the host is in the way, and keeps it so until the hold is dropped.
    ///
    /// Nothing is held while waiting, so that a thread of the host may lock several surfaces in any order.
    pub fn hold(&self) -> Hold<'_> {
        'again: loop {
            let mut held = SmallVec::new();
            for (position, surface) in self.inputs().iter().enumerate() {
                // One surface may serve several inputs; binding made sure that no output is among them.
                if self.inputs()[..position].iter().any(|other| other.is_same(surface)) {
                    continue;
                }
                match surface.memory().try_read() {
                    Ok(guard) => held.push(Held::Shared(guard)),
                    Err(TryLockError::Poisoned(guard)) => held.push(Held::Shared(guard.into_inner())),
                    Err(TryLockError::WouldBlock) => {
                        drop(held);
                        drop(surface.memory().read().unwrap_or_else(PoisonError::into_inner));
                        continue 'again;
                    }
                }
            }
            for surface in self.outputs() {
                match surface.memory().try_write() {
                    Ok(guard) => held.push(surface.exclusive(guard)),
                    Err(TryLockError::Poisoned(guard)) => held.push(surface.exclusive(guard.into_inner())),
                    Err(TryLockError::WouldBlock) => {
                        drop(held);
                        drop(surface.memory().write().unwrap_or_else(PoisonError::into_inner));
                        continue 'again;
                    }
                }
            }
            return Hold { held };
        }
    }
}

impl Surface {
    /// What is held to write, it will be written.
    fn exclusive<'a>(&self, guard: RwLockWriteGuard<'a, Memory>) -> Held<'a> {
        self.count_writing();
        Held::Exclusive(guard)
    }

    /// Looks at the memory of a surface that an engine allocated; `None` for the host's own. Waits while a writer holds
    /// the surface.
    pub fn with_foreign<R>(&self, look: impl FnOnce(&dyn ForeignMemory) -> R) -> Option<R> {
        self.memory().read().unwrap_or_else(PoisonError::into_inner).foreign().map(look)
    }
}
