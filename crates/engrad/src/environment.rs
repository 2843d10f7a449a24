use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use engrad_apple::{AppleEngine, Source};
use engrad_engine::Engine;
use engrad_kernels::{Precision, ProductLibrary};
use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_train::GradientPrecision;
use engrad_train::evaluate::Execution;
use engrad_virtual::{Numerics, Options, VirtualEngine};
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};

use crate::affinity::Affinity;
use crate::host_products::HostProductsChoice;

/// Numbers inside the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NumericsChoice {
    /// fp16 programs as the Neural Engine runs them: fp16 storage, f32 accumulation, one rounding per operation.
    #[default]
    Fast,
    /// fp32 programs, nothing rounded: for gradient checks, or as a plain CPU trainer.
    F32,
    /// fp16 between programs, products of bf16 factors with f32 sums inside: the fastest where the processor has
    /// instructions for it.
    Bf16,
}

impl NumericsChoice {
    pub(crate) fn dtype(self) -> DType {
        match self {
            Self::Fast | Self::Bf16 => DType::Fp16,
            Self::F32 => DType::Fp32,
        }
    }

    pub(crate) fn numerics(self) -> Numerics {
        match self {
            Self::Fast => Numerics::Fast,
            Self::F32 => Numerics::F32,
            Self::Bf16 => Numerics::Bf16,
        }
    }

    /// What weight gradients are formed from.
    pub(crate) fn gradient_precision(self) -> GradientPrecision {
        match self {
            Self::Fast | Self::F32 => GradientPrecision::F32,
            Self::Bf16 => GradientPrecision::Bf16,
        }
    }

    /// The precision that products are computed in.
    pub(crate) fn precision(self) -> Precision {
        match self {
            Self::Fast | Self::F32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// How programs take their inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LayoutChoice {
    /// Activations and each weight in a port of its own.
    #[default]
    Ports,
    /// Weights packed beside the activations along the width axis: one input for each channel count.
    Packed,
}

impl LayoutChoice {
    pub(crate) fn layout(self) -> InputLayout {
        match self {
            Self::Ports => InputLayout::Ports,
            Self::Packed => InputLayout::Packed,
        }
    }
}

/// Where programs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EngineChoice {
    /// The processor's cores.
    #[default]
    Virtual,
    /// The Neural Engine of a Mac with Apple silicon.
    Apple,
}

/// Names a library to be used in place of Apple's runtime and frameworks: for tests on systems that have none.
const APPLE_RUNTIME: &str = "ENGRAD_APPLE_RUNTIME";

/// Programs that stay loaded on the Neural Engine between uses: those of one model for training, validation and samples
/// of text at each length of context.
const KEPT_PROGRAMS: usize = 48;

/// Flags every command that runs programs takes.
#[derive(Debug, Clone, Args, Default)]
pub(crate) struct ExecutionFlags {
    /// Where programs run [default: virtual]
    #[arg(long, value_enum)]
    pub(crate) engine: Option<EngineChoice>,
    /// Numbers inside the programs [default: fast]
    #[arg(long, value_enum)]
    pub(crate) numerics: Option<NumericsChoice>,
    /// Input layout of the programs [default: ports]
    #[arg(long, value_enum)]
    pub(crate) layout: Option<LayoutChoice>,
    /// Worker threads [default: one for each core, and one that waits for the Neural Engine if that is used]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Processors that the worker threads stay on, one each, e.g. `0,1` or `0-3` [default: wherever the system puts
    /// them]
    #[arg(long, value_name = "LIST")]
    pub(crate) affinity: Option<Affinity>,
}

/// Makes sure that training a model of that many parameters has a chance: weights, gradient sums and two moments in
/// f32. Elsewhere a failed allocation ends the process without a word.
///
/// Nothing is kept, and no page is touched.
pub(crate) fn reserve(parameters: usize) -> Result<()> {
    let needed = parameters.saturating_mul(4);
    if Vec::<f32>::new().try_reserve_exact(needed).is_err() {
        let gib = needed as f64 * 4.0 / f64::from(1 << 30);
        bail!("{parameters} parameters need {gib:.1} GiB of memory to train, more than this machine offers");
    }
    Ok(())
}

/// A chosen engine, and threads for the host's work.
#[derive(Debug)]
pub(crate) struct Environment {
    engine: Arc<dyn Engine>,
    pool: Arc<ThreadPool>,
    numerics: NumericsChoice,
    layout: LayoutChoice,
    affinity: Option<Affinity>,
    host_products: HostProductsChoice,
    library: Option<Arc<dyn ProductLibrary>>,
}

impl Environment {
    pub(crate) fn new(flags: &ExecutionFlags) -> Result<Self> {
        let numerics = flags.numerics.unwrap_or_default();
        let listed = flags.affinity.as_ref().map(|affinity| affinity.processors().len());
        let chosen = flags.engine.unwrap_or_default();
        let waiting = (chosen == EngineChoice::Apple).then(cores).map(|cores| cores + 1);
        let threads = flags.threads.map(usize::from).or(listed).or(waiting);
        if let (Some(threads), Some(listed)) = (threads, listed)
            && threads > listed
        {
            bail!("--affinity lists {listed} processors for {threads} threads; list one for each");
        }
        let options = Options { numerics: numerics.numerics(), threads, ..Options::default() };
        let cpu = VirtualEngine::new(options)?;
        let pool = cpu.pool();
        if let Some(affinity) = &flags.affinity {
            affinity.pin(&pool)?;
        }
        let engine: Arc<dyn Engine> = match chosen {
            EngineChoice::Virtual => Arc::new(cpu),
            EngineChoice::Apple => Arc::new(apple(cpu)?),
        };
        let layout = flags.layout.unwrap_or_default();
        Ok(Self {
            engine,
            pool,
            numerics,
            layout,
            affinity: flags.affinity.clone(),
            host_products: HostProductsChoice::Own,
            library: None,
        })
    }

    /// The same with another choice of who forms weight gradients.
    pub(crate) fn with_host_products(self, choice: Option<HostProductsChoice>) -> Result<Self> {
        let (host_products, library) = choice.unwrap_or_default().settle(self.numerics)?;
        Ok(Self { host_products, library, ..self })
    }

    pub(crate) fn execution(&self) -> Execution<'_> {
        Execution {
            engine: self.engine.as_ref(),
            pool: self.pool(),
            dtype: self.numerics.dtype(),
            layout: self.layout.layout(),
            products: self.library.clone(),
        }
    }

    pub(crate) fn pool(&self) -> Arc<ThreadPool> {
        Arc::clone(&self.pool)
    }

    pub(crate) fn numerics(&self) -> NumericsChoice {
        self.numerics
    }

    /// The precision of products on this processor's cores; none if another device, or a library that may use one, computes
    /// some of them.
    pub(crate) fn products(&self) -> Option<Precision> {
        (self.engine.name() == "virtual" && self.library.is_none()).then(|| self.numerics.precision())
    }

    /// Who forms weight gradients: not `Auto`.
    pub(crate) fn host_products(&self) -> HostProductsChoice {
        self.host_products
    }

    /// The library that forms weight gradients, if one does.
    pub(crate) fn library(&self) -> Option<&dyn ProductLibrary> {
        self.library.as_deref()
    }

    pub(crate) fn affinity(&self) -> Option<&Affinity> {
        self.affinity.as_ref()
    }

    /// Engine, number format and threads, for people.
    pub(crate) fn describe(&self) -> String {
        let threads = self.pool().current_num_threads();
        let library = self.library().map(|library| format!(", weight gradients by {}", library.name()));
        let (engine, numerics) = (self.engine.name(), self.numerics.name());
        format!("{engine} engine, {numerics}, {threads} threads{}", library.unwrap_or_default())
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The Neural Engine, each of its compiled programs compared once with `reference`.
fn apple(reference: VirtualEngine) -> Result<AppleEngine> {
    let options = apple_options(Arc::new(reference));
    Ok(AppleEngine::new(engrad_apple::Options { kept_programs: KEPT_PROGRAMS, ..options })?)
}

/// How the Neural Engine is set up.
pub(crate) fn apple_options(reference: Arc<dyn Engine>) -> engrad_apple::Options {
    let options = engrad_apple::Options { reference: Some(reference), ..engrad_apple::Options::default() };
    match std::env::var_os(APPLE_RUNTIME) {
        // Behind a stand-in there is no helper that a failed compile restarts.
        Some(path) => engrad_apple::Options {
            source: Source::Library(PathBuf::from(path)),
            pause_after_failure: Duration::ZERO,
            ..options
        },
        None => options,
    }
}

#[cfg(test)]
mod tests {
    use super::reserve;

    #[test]
    fn a_model_beyond_any_memory_is_refused_before_it_is_made() {
        let message = reserve(1 << 60).unwrap_err().to_string();
        assert!(message.contains("GiB of memory to train"), "{message}");
        reserve(1 << 10).unwrap();
    }
}
