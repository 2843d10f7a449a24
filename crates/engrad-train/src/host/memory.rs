use std::ops::{Deref, DerefMut};

use engrad_engine::EngineError;
use memmap2::MmapMut;

/// Buffers from this size on ask for large pages.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// Zeroed f32 memory for what is read end to end in every step: gradients, moments.
///
/// It is mapped rather than allocated for two reasons: large pages, without which the processor's prefetchers stop at
/// every 4 KiB and the first step waits for a hundred thousand page faults; and pages never touched cost nothing, as
/// the moments of token ids that the data lacks.
#[derive(Debug)]
pub struct Buffer {
    memory: MmapMut,
    length: usize,
}

impl Buffer {
    /// `length` zeros.
    ///
    /// # Errors
    /// [`EngineError::Memory`] if the system has not as much.
    pub fn zeros(length: usize) -> Result<Self, EngineError> {
        let refused =
            |reason: String| EngineError::Memory { bytes: length.saturating_mul(size_of::<f32>()), reason };
        let bytes = length.checked_mul(size_of::<f32>()).ok_or_else(|| refused("too large".to_owned()))?;
        let memory = MmapMut::map_anon(bytes.max(1)).map_err(|e| refused(e.to_string()))?;
        #[cfg(target_os = "linux")]
        if bytes >= HUGE_PAGE {
            // A hint; a system that refuses it is only slower.
            let _ = memory.advise(memmap2::Advice::HugePage);
        }
        Ok(Self { memory, length })
    }

    /// Gives the memory back to the system until it is next touched; it is zero then.
    pub(crate) fn give_back(&mut self) -> Result<(), EngineError> {
        *self = Self::zeros(self.length)?;
        Ok(())
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.memory[..self.length * size_of::<f32>()])
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.memory[..self.length * size_of::<f32>()])
    }
}

#[cfg(test)]
mod tests {
    use super::Buffer;

    #[test]
    fn an_empty_and_an_impossible_length_are_no_panic() {
        assert!(Buffer::zeros(0).unwrap().is_empty());
        assert!(Buffer::zeros(usize::MAX).is_err() && Buffer::zeros(usize::MAX / 8).is_err());
        assert_eq!(*Buffer::zeros(3).unwrap(), [0.0; 3]);
    }
}
