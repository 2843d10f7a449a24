use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engrad_engine::{Engine, EngineError, EngineStatistics, Kernel};
use engrad_mil::{Program, TensorType, ValueId, blob};
use sha2::{Digest, Sha256};

use crate::budget::CompilePermit;
use crate::kernel::AppleKernel;
use crate::safe::Model;
use crate::sys::Api;
use crate::{AppleError, Options, attributes, canary};

/// Constants from this many elements on go to the weight file; smaller ones stay in the text.
const MIN_WEIGHT_ELEMENTS: usize = 32;

/// Runs MIL programs on the Neural Engine.
pub struct AppleEngine {
    pub(crate) api: &'static Api,
    pub(crate) options: Options,
    pub(crate) shared: Arc<Shared>,
    /// Programs by digest, those used last behind.
    kept: Mutex<VecDeque<([u8; 32], Arc<AppleKernel>)>>,
}

/// What an engine and its kernels share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    compiles: AtomicU64,
    pub(crate) loaded: AtomicU64,
    pub(crate) evaluations: AtomicU64,
    /// Held during an evaluation.
    pub(crate) turn: Mutex<()>,
}

impl fmt::Debug for AppleEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppleEngine")
            .field("options", &self.options)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

impl AppleEngine {
    /// Loads the framework and looks up everything that is needed.
    ///
    /// # Errors
    /// [`AppleError::NotAvailable`] if there is none, or if it has other methods than known.
    pub fn new(options: Options) -> Result<Self, AppleError> {
        let api = Api::load(&options.source)?;
        Ok(Self { api, options, shared: Arc::default(), kept: Mutex::default() })
    }

    /// [`Engine::compile`] with the whole error.
    ///
    /// # Errors
    /// Any [`AppleError`].
    pub fn compile_program(&self, program: &Program) -> Result<Arc<dyn Kernel>, AppleError> {
        Ok(self.compile_kernel(program)? as _)
    }

    fn compile_kernel(&self, program: &Program) -> Result<Arc<AppleKernel>, AppleError> {
        if self.options.kept_programs == 0 {
            return self.compile_new(program);
        }
        let digest: [u8; 32] = Sha256::digest(program.to_text().as_bytes()).into();
        if let Some(kernel) = self.find_kept(&digest) {
            return Ok(kernel);
        }
        let kernel = self.compile_new(program)?;
        self.keep(digest, &kernel);
        Ok(kernel)
    }

    pub(crate) fn compile_new(&self, program: &Program) -> Result<Arc<AppleKernel>, AppleError> {
        engrad_mil::verify(program).map_err(|e| AppleError::Program(e.to_string()))?;
        let main =
            program.main().ok_or_else(|| AppleError::Program("there is no function `main`".to_owned()))?;
        let values = |ids: &[ValueId]| -> Vec<(String, TensorType)> {
            ids.iter().map(|&id| (main.value(id).name.clone(), main.ty(id).clone())).collect()
        };
        let (text, weights) = text_and_weights(program)?;
        let files: Vec<(&str, &[u8])> = weights.iter().map(|(p, c)| (p.as_str(), c.as_slice())).collect();

        let permit = CompilePermit::take(&self.options)?;
        let model = Model::new(self.api, &text, &files, &self.options)?;
        match model.compile() {
            Ok(()) => drop(permit),
            Err(error) => {
                permit.failed();
                return Err(error);
            }
        }
        self.shared.compiles.fetch_add(1, Ordering::Relaxed);
        self.make_room();
        let loaded = model.load(&self.options)?;
        let (inputs, outputs) = (values(main.inputs()), values(main.outputs()));
        let places = loaded
            .with_attributes(|api, attributes| attributes::places(api, attributes, &inputs, &outputs))?;
        let kernel =
            Arc::new(AppleKernel::new(loaded, &main.name, places, self.options.map_surfaces, &self.shared));
        if let Some(reference) = &self.options.reference {
            canary::check(
                &(Arc::clone(&kernel) as _),
                reference.as_ref(),
                program,
                self.options.canary_tolerance,
            )?;
        }
        Ok(kernel)
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<([u8; 32], Arc<AppleKernel>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_kept(&self, digest: &[u8; 32]) -> Option<Arc<AppleKernel>> {
        let mut kept = self.kept();
        let position = kept.iter().position(|(other, _)| other == digest)?;
        let found = kept.remove(position)?;
        let kernel = Arc::clone(&found.1);
        kept.push_back(found);
        Some(kernel)
    }

    fn keep(&self, digest: [u8; 32], kernel: &Arc<AppleKernel>) {
        let mut kept = self.kept();
        kept.push_back((digest, Arc::clone(kernel)));
        while kept.len() > self.options.kept_programs {
            kept.pop_front();
        }
    }

    /// Drops the oldest kept program that nobody uses if there is no place for another.
    fn make_room(&self) {
        if crate::loaded() < self.options.loaded_limit {
            return;
        }
        let mut kept = self.kept();
        let idle = kept.iter().position(|(_, kernel)| Arc::strong_count(kernel) == 1);
        let dropped = idle.and_then(|position| kept.remove(position));
        drop(kept);
        drop(dropped);
    }
}

/// Path, as the program's text has it, and content.
type WeightFile = (String, Vec<u8>);

/// A program's text with its large constants in a file of their own.
///
/// The path has a digest of the content in it. Whether the framework's identifier of a model covers the content of
/// weights or only their paths is not settled (ane-facts 1.4); this way two programs that differ in weights alone are
/// two for its caches in either case.
fn text_and_weights(program: &Program) -> Result<(String, Option<WeightFile>), AppleError> {
    let refuse = |e: engrad_mil::MilError| AppleError::Program(e.to_string());
    let (_, content) =
        blob::externalize(program, "@model_path/weights/weight.bin", MIN_WEIGHT_ELEMENTS).map_err(refuse)?;
    if blob::BlobFile::parse(&content).map_err(refuse)?.is_empty() {
        return Ok((program.to_text(), None));
    }
    let digest: String = Sha256::digest(&content).iter().take(8).map(|b| format!("{b:02x}")).collect();
    let path = format!("@model_path/weights/{digest}.bin");
    let (moved, content) = blob::externalize(program, &path, MIN_WEIGHT_ELEMENTS).map_err(refuse)?;
    Ok((moved.to_text(), Some((path, content))))
}

impl Engine for AppleEngine {
    fn name(&self) -> &str {
        "apple"
    }

    fn compile(&self, program: &Program) -> Result<Arc<dyn Kernel>, EngineError> {
        let name = program.main().map_or("main", |f| &f.name);
        self.compile_program(program).map_err(|e| e.at_compile(name))
    }

    /// Working memory is the device's own and not known.
    fn statistics(&self) -> EngineStatistics {
        EngineStatistics {
            compiles: self.shared.compiles.load(Ordering::Relaxed),
            loaded: self.shared.loaded.load(Ordering::Relaxed),
            evaluations: self.shared.evaluations.load(Ordering::Relaxed),
            working_bytes: 0,
        }
    }
}
