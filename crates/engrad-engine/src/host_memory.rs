use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

use crate::EngineError;

/// Blocks from this size on ask for large pages: what is read end to end in every evaluation spares address look-ups, the
/// processor's prefetchers do not stop at every 4 KiB, and the first touch is not a hundred thousand page faults.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// Page-aligned memory of the host, zero at first. Pages never touched cost nothing.
#[derive(Debug)]
pub struct HostMemory(MmapMut);

impl HostMemory {
    /// `bytes` zero bytes, or one if that is none.
    ///
    /// # Errors
    /// [`EngineError::Memory`] if the system has not as much.
    pub fn zeroed(bytes: usize) -> Result<Self, EngineError> {
        let mapping = MmapMut::map_anon(bytes.max(1))
            .map_err(|e| EngineError::Memory { bytes, reason: e.to_string() })?;
        #[cfg(target_os = "linux")]
        if bytes >= HUGE_PAGE {
            // A hint; a system that refuses it is only slower.
            let _ = mapping.advise(memmap2::Advice::HugePage);
        }
        Ok(Self(mapping))
    }

    /// Where the bytes are.
    pub(crate) fn address(&self) -> *mut u8 {
        self.0.as_ptr().cast_mut()
    }
}

impl Deref for HostMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for HostMemory {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
