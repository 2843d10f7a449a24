//! Aligned words for packed panels, kept by each thread for its next product.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;

/// A cache line, and the widest vector.
pub(crate) const ALIGNMENT: usize = 64;

/// An owned, aligned block of 32-bit words.
#[derive(Debug)]
pub(crate) struct Buffer {
    words: NonNull<u32>,
    len: usize,
}

// SAFETY: plain memory that the buffer owns.
unsafe impl Send for Buffer {}
// SAFETY: shared access only gives the address and shared words.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Zeroed words; the process ends, as for any collection of the standard library, if there is no memory.
    pub(crate) fn new(len: usize) -> Self {
        let len = len.max(1);
        let Some(layout) = Self::layout(len) else {
            panic!("{len} words exceed the address space");
        };
        // SAFETY: the layout has a size above zero.
        let words =
            NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        Self { words: words.cast(), len }
    }

    fn layout(len: usize) -> Option<Layout> {
        Layout::from_size_align(len.checked_mul(size_of::<u32>())?, ALIGNMENT).ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn as_ptr(&self) -> *const u32 {
        self.words.as_ptr()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut u32 {
        self.words.as_ptr()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.len) {
            // SAFETY: allocated in `new` with this same layout, and owned.
            unsafe { dealloc(self.words.as_ptr().cast(), layout) };
        }
    }
}

thread_local! {
    /// Buffers this thread is not using. More than one only if a product ran inside another's wait.
    static IDLE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with `len` words that belong to it alone for the time of the call.
pub(crate) fn with_words<R>(len: usize, work: impl FnOnce(*mut u32) -> R) -> R {
    let found = IDLE.with_borrow_mut(|idle| {
        let fitting = idle.iter().position(|b| b.len() >= len);
        fitting.map(|i| idle.swap_remove(i)).or_else(|| {
            idle.pop(); // too small: replaced
            None
        })
    });
    let mut buffer = found.unwrap_or_else(|| Buffer::new(len));
    let result = work(buffer.as_mut_ptr());
    IDLE.with_borrow_mut(|idle| idle.push(buffer));
    result
}
