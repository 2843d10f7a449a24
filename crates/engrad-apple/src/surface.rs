//! IOSurfaces as surfaces of the engine contract.

use std::any::Any;
use std::sync::atomic::{AtomicI32, Ordering};

use engrad_engine::ForeignMemory;

use crate::AppleError;
use crate::error::Phase;
use crate::safe::{Owned, Pool};
use crate::sys::Api;
use crate::sys::encode::SurfaceRef;
use crate::sys::runtime::Object;

/// `kIOSurfaceLockReadOnly`.
const READ_ONLY: u32 = 1;

/// An IOSurface and the framework's object for it.
#[derive(Debug)]
pub(crate) struct SurfaceMemory {
    // Ended in this order: the object refers to the surface.
    object: Owned,
    handle: Handle,
    address: usize,
    bytes: usize,
    /// The first refusal of a lock or unlock; 0 for none.
    fault: AtomicI32,
    api: &'static Api,
}

#[derive(Debug)]
struct Handle(SurfaceRef, &'static Api);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the reference that this value owns, once.
        unsafe { (self.1.iosurface.release)(self.0.0) };
    }
}

impl SurfaceMemory {
    pub(crate) fn new(api: &'static Api, bytes: usize) -> Result<Self, AppleError> {
        let surface = api.iosurface.make(bytes).ok_or(AppleError::Memory(bytes))?;
        let handle = Handle(surface, api);
        // SAFETY: a live surface.
        let (status, address, size) = unsafe {
            let status = (api.iosurface.lock)(surface, 0, std::ptr::null_mut());
            (status, (api.iosurface.base_address)(surface) as usize, (api.iosurface.allocation_size)(surface))
        };
        if status == 0 {
            // SAFETY: locked above.
            unsafe { (api.iosurface.unlock)(surface, 0, std::ptr::null_mut()) };
        }
        if status != 0 || address == 0 || !address.is_multiple_of(64) || size < bytes {
            let reason = format!(
                "an IOSurface of {size} bytes at {address:#x}, lock status {status:#x}; {bytes} bytes asked for"
            );
            return Err(AppleError::Unexpected { phase: Phase::Bind, reason });
        }
        let _pool = Pool::new(api);
        let class = &api.classes.surface;
        // SAFETY: a class method, given a live surface, which the object retains.
        let object = unsafe { class.with_surface.send(&api.runtime, class.class.into(), surface) }?;
        // SAFETY: what the method returned.
        let object = unsafe { Owned::retain(api, object, Phase::Bind, "the surface object") }?;
        Ok(Self { object, handle, address, bytes, fault: AtomicI32::new(0), api })
    }

    pub(crate) fn object(&self) -> Object {
        self.object.get()
    }

    /// The status of the first lock or unlock that was refused.
    pub(crate) fn fault(&self) -> Option<i32> {
        Some(self.fault.load(Ordering::Relaxed)).filter(|&status| status != 0)
    }

    fn note(&self, status: i32) {
        if status != 0 {
            let _ = self.fault.compare_exchange(0, status, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

fn flags(write: bool) -> u32 {
    if write { 0 } else { READ_ONLY }
}

// SAFETY: the address was read under a lock; an IOSurface stays mapped at one address as long as a reference to it
// lives, which the handle holds, also where a lock fails. Size and alignment were checked, and the system gives zeroed
// pages. The device writes only during evaluations, which hold the surface.
unsafe impl ForeignMemory for SurfaceMemory {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn lock(&self, write: bool) -> *mut u8 {
        // SAFETY: a live surface.
        self.note(unsafe { (self.api.iosurface.lock)(self.handle.0, flags(write), std::ptr::null_mut()) });
        self.address as *mut u8
    }

    fn unlock(&self, write: bool) {
        if self.fault().is_none() {
            // SAFETY: a live surface, locked the same way before.
            self.note(unsafe {
                (self.api.iosurface.unlock)(self.handle.0, flags(write), std::ptr::null_mut())
            });
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
