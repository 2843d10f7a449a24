use crate::micro;

/// What the multiplicands of a product are; sums are f32, or i32 for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// f32: fp16 and bf16 factors are exact.
    #[default]
    F32,
    /// Rounded to bf16 when packed, to nearest even. Processors' instructions for it treat subnormal numbers as zero
    /// and sum neighbours in pairs, so results differ between processors in the last bits.
    Bf16,
    /// Bytes.
    Int8,
}

impl Precision {
    /// Bytes of an element in packed panels.
    pub fn bytes(self) -> usize {
        size_of::<u32>() / self.group()
    }

    /// Neighbours along the inner dimension in a 32-bit word.
    pub(crate) fn group(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
            Self::Int8 => 4,
        }
    }

    /// Whether this processor multiplies in this precision by instructions made for it. Without them products are
    /// right, but slower than in f32.
    pub fn is_native(self) -> bool {
        self == Self::F32 || self.kernel_name() != "portable"
    }

    /// Name of the micro-kernel that this processor uses.
    pub fn kernel_name(self) -> &'static str {
        micro::kernel(self).name
    }
}
