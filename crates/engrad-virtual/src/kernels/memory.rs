//! Working memory: a zeroed, aligned block of f32 words, and unchecked access to parts of it.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// Bytes to which the block, and every buffer in it, is aligned: a cache line, and the widest vector.
const ALIGNMENT: usize = 64;
/// [`ALIGNMENT`] in words.
pub(crate) const ALIGNMENT_WORDS: usize = ALIGNMENT / size_of::<f32>();

/// An owned block of f32 words, zero at first.
#[derive(Debug)]
pub(crate) struct Arena {
    words: NonNull<f32>,
    len: usize,
}

// SAFETY: the block is plain memory owned by the arena; nothing in it belongs to a thread.
unsafe impl Send for Arena {}
// SAFETY: a shared arena offers no access to the words; `words` needs it exclusively.
unsafe impl Sync for Arena {}

impl Arena {
    /// A block of at least `len` words; `None` if the system has no such memory. The system's zero pages are not
    /// touched before they are used.
    pub(crate) fn new(len: usize) -> Option<Self> {
        let len = len.max(1);
        let layout = Self::layout(len)?;
        // SAFETY: the layout has a size above zero.
        let words = NonNull::new(unsafe { alloc_zeroed(layout) })?.cast();
        Some(Self { words, len })
    }

    fn layout(len: usize) -> Option<Layout> {
        Layout::from_size_align(len.checked_mul(size_of::<f32>())?, ALIGNMENT).ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn words(&mut self) -> Words<'_> {
        Words { base: self.words.as_ptr(), len: self.len, owner: std::marker::PhantomData }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.len) {
            // SAFETY: allocated in `new` with this same layout, and owned.
            unsafe { dealloc(self.words.as_ptr().cast(), layout) };
        }
    }
}

/// Words that several threads may reach at once. Who touches what is decided by the plan contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words<'a> {
    base: *mut f32,
    len: usize,
    owner: std::marker::PhantomData<&'a f32>,
}

// SAFETY: a `Words` is a pointer and a length; its unsafe accessors state what callers on any thread must ensure.
unsafe impl Send for Words<'_> {}
// SAFETY: as above.
unsafe impl Sync for Words<'_> {}

impl<'a> Words<'a> {
    /// Words that are only ever read: writing through it is against the contract of [`Words::write`].
    pub(crate) fn constant(words: &'a [f32]) -> Self {
        Self { base: words.as_ptr().cast_mut(), len: words.len(), owner: std::marker::PhantomData }
    }

    /// The words of a surface that is only read, as [`Words::constant`].
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Self {
        // SAFETY: every pattern is a number.
        let (_, words, _) = unsafe { bytes.align_to::<f32>() };
        Self::constant(words)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Words counted as if the `len` at `address` were those from `start` on.
    ///
    /// # Safety
    /// Only those are ever touched, and as [`Words::write`] and [`Words::read`] say.
    pub(crate) unsafe fn around(address: *mut f32, start: usize, len: usize) -> Self {
        Self { base: address.wrapping_sub(start), len: start + len, owner: std::marker::PhantomData }
    }

    /// The part from `start` of `len` words.
    ///
    /// # Safety
    /// The part must lie inside.
    pub(crate) unsafe fn part(self, start: usize, len: usize) -> Self {
        debug_assert!(start + len <= self.len);
        // SAFETY: inside the block, by contract.
        let base = unsafe { self.base.add(start) };
        Self { base, len, owner: self.owner }
    }

    /// A word's address.
    ///
    /// # Safety
    /// `offset` must lie inside.
    pub(crate) unsafe fn pointer(self, offset: usize) -> *mut f32 {
        debug_assert!(offset < self.len);
        // SAFETY: inside the block, by contract.
        unsafe { self.base.add(offset) }
    }

    /// Words to read.
    ///
    /// # Safety
    /// They must lie inside, and nothing may write them meanwhile.
    pub(crate) unsafe fn read(self, start: usize, len: usize) -> &'a [f32] {
        debug_assert!(start + len <= self.len);
        // SAFETY: inside, initialised (zeroed at first), and unwritten meanwhile by contract.
        unsafe { std::slice::from_raw_parts(self.base.wrapping_add(start), len) }
    }

    /// Words to write.
    ///
    /// # Safety
    /// They must lie inside, come from exclusive memory, and nothing else may touch them meanwhile.
    pub(crate) unsafe fn write(self, start: usize, len: usize) -> &'a mut [f32] {
        debug_assert!(start + len <= self.len);
        // SAFETY: inside, initialised, and untouched by others meanwhile by contract.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(start), len) }
    }
}
