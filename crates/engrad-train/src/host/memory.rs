use std::ops::{Deref, DerefMut};

use engrad_engine::{EngineError, HostMemory};

/// f32 memory, zero at first, for what is read end to end in every step: gradients, moments. Pages never touched cost
/// nothing, as the moments of token ids that the data lacks.
#[derive(Debug)]
pub struct Buffer {
    memory: HostMemory,
    length: usize,
}

impl Buffer {
    /// `length` zeros.
    ///
    /// # Errors
    /// [`EngineError::Memory`] if the system has not as much.
    pub fn zeros(length: usize) -> Result<Self, EngineError> {
        let bytes = length.checked_mul(size_of::<f32>());
        let refused = || EngineError::Memory { bytes: usize::MAX, reason: "too large".to_owned() };
        Ok(Self { memory: HostMemory::zeroed(bytes.ok_or_else(refused)?)?, length })
    }

    /// As many numbers as fit in memory, whatever they are.
    pub(crate) fn from_memory(memory: HostMemory) -> Self {
        let length = memory.len() / size_of::<f32>();
        Self { memory, length }
    }

    /// Its memory.
    pub(crate) fn into_memory(self) -> HostMemory {
        self.memory
    }

    /// Its memory, in whose place it gets other, which is zero.
    pub(crate) fn take_memory(&mut self) -> Result<HostMemory, EngineError> {
        Ok(std::mem::replace(self, Self::zeros(self.length)?).memory)
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
