use engrad_kernels::Precision;

/// How numbers are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numerics {
    /// fp16 storage: the result of every operation of type fp16 is rounded to fp16 once, to nearest even; what goes
    /// on inside an operation (products, sums, exponentials) is f32. Values of type fp32 are not rounded.
    #[default]
    Fast,
    /// f32 throughout; only what leaves through an fp16 port is rounded.
    F32,
    /// As `F32`, but factors of matrix products are rounded to bf16 and multiplied by the processor's instructions for
    /// it; sums are f32. Later operations may read what leaves through an fp16 port as the port holds it. Engines refuse
    /// these numerics on processors without such instructions.
    Bf16,
}

impl Numerics {
    /// What factors of products are rounded to.
    pub(crate) fn precision(self) -> Precision {
        match self {
            Self::Fast | Self::F32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
        }
    }
}

/// Budgets enforced as a device would. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Programs that may be compiled in the engine's life.
    pub compiles: Option<u64>,
    /// Kernels that may be alive at once; dropping a kernel frees its place.
    pub loaded: Option<u64>,
}

/// How a virtual engine is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Rounding.
    pub numerics: Numerics,
    /// Worker threads; `None` is one for each core.
    pub threads: Option<usize>,
    /// Budgets.
    pub limits: Limits,
    /// Most bytes of packed weights kept between evaluations. A weight is kept only if it is used again before it is
    /// next written, and only in a precision no wider than its own; 0 keeps none.
    pub panel_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { numerics: Numerics::default(), threads: None, limits: Limits::default(), panel_bytes: 3 << 30 }
    }
}
