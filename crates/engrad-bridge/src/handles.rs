//! Kernel handles: numbers in the shape of pointers.
//!
//! A handle is looked up, never followed. Numbers are not used again, so that a handle which was freed stays refused, and
//! freeing twice, or from two threads, frees once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use crate::drop_in::ANEKernelHandle;
use crate::error::BridgeError;
use crate::kernel::BoundKernel;

type Table = HashMap<usize, Arc<BoundKernel>>;

static TABLE: LazyLock<RwLock<Table>> = LazyLock::new(RwLock::default);

/// The first handle, and the distance of one from the next: looks like a pointer to a debugger, is odd to an allocator.
const FIRST: usize = 0x1001;
const STEP: usize = 16;
static NEXT: AtomicUsize = AtomicUsize::new(FIRST);

/// Keeps a kernel and gives its handle.
pub(crate) fn keep(kernel: BoundKernel) -> *mut ANEKernelHandle {
    let number = NEXT.fetch_add(STEP, Ordering::Relaxed);
    TABLE.write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::new(kernel));
    std::ptr::without_provenance_mut(number)
}

/// The kernel of a handle; it lives on while the caller has it, whoever frees the handle.
pub(crate) fn find(handle: *const ANEKernelHandle) -> Result<Arc<BoundKernel>, BridgeError> {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.get(&handle.addr()).cloned().ok_or(BridgeError::Handle)
}

/// Forgets a handle.
pub(crate) fn free(handle: *const ANEKernelHandle) -> Result<(), BridgeError> {
    let kernel = TABLE.write().unwrap_or_else(PoisonError::into_inner).remove(&handle.addr());
    // Unloading happens here, the table being unlocked again.
    kernel.map(drop).ok_or(BridgeError::Handle)
}
