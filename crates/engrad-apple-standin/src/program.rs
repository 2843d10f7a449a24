//! Programs: compiled from files, loaded, evaluated on the virtual engine.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use engrad_engine::{Engine, Kernel, Surface};
use engrad_mil::{Program, blob};
use engrad_virtual::{Options, VirtualEngine};

use crate::control;
use crate::foundation::refuse;
use crate::object::Id;

const COMPILER: &str = "com.apple.appleneuralengine.compiler";
pub(crate) const ENGINE: &str = "com.apple.appleneuralengine";
/// `@model_path` stands for the folder of the program's files.
pub(crate) const MODEL_PATH: &str = "@model_path/";

static VIRTUAL: LazyLock<Option<VirtualEngine>> =
    LazyLock::new(|| VirtualEngine::new(Options { threads: Some(2), ..Options::default() }).ok());

static COMPILES: AtomicU64 = AtomicU64::new(0);
static MOST_COMPILES: AtomicU64 = AtomicU64::new(119);
static LOADED: AtomicU64 = AtomicU64::new(0);
static MOST_LOADED: AtomicU64 = AtomicU64::new(128);
static COMPILING: Mutex<()> = Mutex::new(());

pub(crate) fn set_limits(compiles: u64, loaded: u64) {
    COMPILES.store(0, Ordering::Relaxed);
    MOST_COMPILES.store(compiles, Ordering::Relaxed);
    MOST_LOADED.store(loaded, Ordering::Relaxed);
}

pub(crate) fn loaded() -> u64 {
    LOADED.load(Ordering::Relaxed)
}

/// One input or output as the compiled program lists it.
#[derive(Debug, Clone)]
pub(crate) struct Symbol {
    /// Position among the program's inputs or outputs.
    pub(crate) position: usize,
    pub(crate) port: engrad_engine::Port,
}

impl Symbol {
    /// Bytes of the surface that the program addresses.
    pub(crate) fn bytes(&self) -> usize {
        self.port.bytes()
    }
}

/// A compiled program. Files no longer matter to it: weights are baked.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    kernel: Arc<dyn Kernel>,
    /// In the order of their names.
    pub(crate) inputs: Vec<Symbol>,
    pub(crate) outputs: Vec<Symbol>,
}

/// What a model and the client's view of it share.
#[derive(Debug, Default)]
pub(crate) struct State {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    compiled: Option<Compiled>,
    loaded: bool,
    real_time: bool,
}

impl Drop for State {
    fn drop(&mut self) {
        let inner = self.inner();
        if inner.loaded || inner.real_time {
            let real_time = inner.real_time;
            drop(inner);
            LOADED.fetch_sub(1, Ordering::Relaxed);
            control::violation(format!("a model ended while loaded (for real time: {real_time})"));
        }
    }
}

/// Weights as a descriptor has them: path in the text, content.
pub(crate) type Weights = [(String, Vec<u8>)];

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn compiled(&self) -> Option<Compiled> {
        self.inner().compiled.clone()
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.inner().loaded
    }

    /// Compiles the files of a folder.
    pub(crate) fn compile(&self, folder: &Path, text: &[u8], weights: &Weights, error: *mut Id) -> bool {
        let Ok(_alone) = COMPILING.try_lock() else {
            control::violation("two compiles at a time".to_owned());
            return refuse(error, COMPILER, 1, "Compiler internal error");
        };
        let fail = |reason: &str| refuse(error, COMPILER, 1, reason);
        let failed = |why: &str| fail(&format!("_ANECompiler : ANECCompile() FAILED: err=({why})"));
        for (fault, text) in [
            ("compile-invalid", "_ANECompiler : ANECCompile() FAILED: err=(InvalidMILProgram)"),
            ("compile-lowering", "_ANECompiler : ANECCompile() FAILED: err=(CompilationFailure)"),
            ("compile-crash", "Compiler internal error: lost connection to the helper application"),
        ] {
            if control::fault(fault) {
                return fail(text);
            }
        }
        if control::fault("compile-silent")
            || COMPILES.fetch_add(1, Ordering::Relaxed) >= MOST_COMPILES.load(Ordering::Relaxed)
        {
            return false;
        }
        let file = |path: &str| std::fs::read(folder.join(path.strip_prefix(MODEL_PATH).unwrap_or(path)));
        let files: Option<Vec<(&str, Vec<u8>)>> =
            weights.iter().map(|(path, _)| Some((path.as_str(), file(path).ok()?))).collect();
        let (Ok(text_on_disk), Some(files)) = (file("model.mil"), files) else {
            return failed("InvalidMILProgram");
        };
        if text_on_disk != text || files.iter().zip(weights).any(|((_, disk), (_, given))| disk != given) {
            control::violation("the files on disk are not those the descriptor was given".to_owned());
        }
        match compile(&text_on_disk, &files) {
            Ok(compiled) => {
                // The real compiler leaves its result beside the text.
                let _ = std::fs::write(folder.join("net.plist"), b"");
                self.inner().compiled = Some(compiled);
                true
            }
            Err(reason) => failed(&format!("InvalidMILProgram: {reason}")),
        }
    }

    pub(crate) fn load(&self, error: *mut Id) -> bool {
        let mut inner = self.inner();
        if inner.compiled.is_none() {
            drop(inner);
            return refuse(error, ENGINE, 6, "createProgramInstanceForModel: Program load failure (0x1)");
        }
        if inner.loaded {
            drop(inner);
            control::violation("a model was loaded twice".to_owned());
            return refuse(error, ENGINE, 6, "createProgramInstanceForModel: Program load failure (0x2)");
        }
        let full = LOADED.load(Ordering::Relaxed) >= MOST_LOADED.load(Ordering::Relaxed);
        if full || control::fault("load-refused") {
            drop(inner);
            return refuse(error, ENGINE, 6, "createProgramInstanceForModel: Program load failure (0x20004)");
        }
        LOADED.fetch_add(1, Ordering::Relaxed);
        inner.loaded = true;
        true
    }

    pub(crate) fn unload(&self, error: *mut Id) -> bool {
        let mut inner = self.inner();
        if !inner.loaded || inner.real_time {
            let real_time = inner.real_time;
            drop(inner);
            control::violation(format!(
                "unload of a model that is not loaded (or for real time: {real_time})"
            ));
            return refuse(error, ENGINE, 7, "unload of a model that is not loaded");
        }
        inner.loaded = false;
        drop(inner);
        LOADED.fetch_sub(1, Ordering::Relaxed);
        if control::fault("unload-fails") {
            return refuse(error, ENGINE, 7, "unloadModel failed");
        }
        true
    }

    pub(crate) fn set_real_time(&self, on: bool) {
        let mut inner = self.inner();
        if inner.real_time == on {
            drop(inner);
            control::violation("real-time load and unload do not alternate".to_owned());
            return;
        }
        inner.real_time = on;
    }

    pub(crate) fn is_real_time(&self) -> bool {
        self.inner().real_time
    }
}

fn compile(text: &[u8], files: &[(&str, Vec<u8>)]) -> Result<Compiled, String> {
    let text = std::str::from_utf8(text).map_err(|e| e.to_string())?;
    let program: Program = engrad_mil::parse(text).map_err(|e| e.to_string())?;
    let content = |path: &str| files.iter().find(|(p, _)| *p == path).map(|(_, content)| content.as_slice());
    let program = blob::inline(&program, content).map_err(|e| e.to_string())?;
    let engine = VIRTUAL.as_ref().ok_or("no threads")?;
    let kernel = engine.compile(&program).map_err(|e| e.to_string())?;
    let sorted = |ports: &[engrad_engine::Port]| {
        let symbol =
            |(position, port): (usize, &engrad_engine::Port)| Symbol { position, port: port.clone() };
        let mut symbols: Vec<Symbol> = ports.iter().enumerate().map(symbol).collect();
        symbols.sort_by(|a, b| a.port.name.cmp(&b.port.name));
        symbols
    };
    let (inputs, outputs) = (sorted(kernel.inputs()), sorted(kernel.outputs()));
    Ok(Compiled { kernel, inputs, outputs })
}

impl Compiled {
    /// Runs the program; surfaces in the order of symbols.
    pub(crate) fn evaluate(&self, inputs: &[Surface], outputs: &[Surface]) -> Result<(), String> {
        let ordered = |symbols: &[Symbol], surfaces: &[Surface]| -> Vec<Surface> {
            let mut pairs: Vec<(usize, &Surface)> =
                symbols.iter().zip(surfaces).map(|(s, surface)| (s.position, surface)).collect();
            pairs.sort_by_key(|(position, _)| *position);
            pairs.into_iter().map(|(_, surface)| surface.clone()).collect()
        };
        let (inputs, outputs) = (ordered(&self.inputs, inputs), ordered(&self.outputs, outputs));
        let request = self.kernel.bind(inputs, outputs).map_err(|e| e.to_string())?;
        request.evaluate().map_err(|e| e.to_string())
    }
}
