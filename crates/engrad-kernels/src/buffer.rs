//! Aligned words for packed panels, kept by each thread for its next product.

use std::cell::RefCell;

use memmap2::MmapMut;

/// Bytes from which on large pages are asked for: panels are read end to end.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// An owned block of zeroed 32-bit words, aligned to a page. It is mapped, not allocated, so that its memory goes back to
/// the system when it is dropped.
#[derive(Debug)]
pub(crate) struct Buffer(MmapMut);

impl Buffer {
    /// Zeroed words; as for any collection of the standard library, there is no going on without memory.
    pub(crate) fn new(len: usize) -> Self {
        let mapping = len.max(1).checked_mul(size_of::<u32>()).map(MmapMut::map_anon);
        let Some(Ok(mapping)) = mapping else {
            panic!("the system has no memory for {len} words");
        };
        #[cfg(target_os = "linux")]
        if mapping.len() >= HUGE_PAGE {
            // A hint; a system that refuses it is only slower.
            let _ = mapping.advise(memmap2::Advice::HugePage);
        }
        Self(mapping)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len() / size_of::<u32>()
    }

    pub(crate) fn as_ptr(&self) -> *const u32 {
        self.0.as_ptr().cast()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut u32 {
        self.0.as_mut_ptr().cast()
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
