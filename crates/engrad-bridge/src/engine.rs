//! The engine of the process.

use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engrad_apple::{AppleEngine, Source};
use engrad_engine::Engine;
use engrad_virtual::{Numerics, Options, VirtualEngine};

use crate::error::BridgeError;

/// What can be chosen: name in C, and how it is made.
const CHOICES: [(&CStr, Choice); 4] = [
    (c"virtual", Choice::Virtual(Numerics::Fast)),
    (c"virtual-f32", Choice::Virtual(Numerics::F32)),
    (c"virtual-bf16", Choice::Virtual(Numerics::Bf16)),
    (c"apple", Choice::Apple),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Virtual(Numerics),
    Apple,
}

/// The known bridge is for Macs with a Neural Engine; everywhere else its programs run on the processor. It is a rule
/// and no fall-back: on such a Mac without a usable framework, initialisation fails.
const DEFAULT: Choice = match cfg!(all(target_os = "macos", target_arch = "aarch64")) {
    true => Choice::Apple,
    false => Choice::Virtual(Numerics::Fast),
};

#[derive(Debug)]
struct State {
    choice: Choice,
    /// Where Apple's libraries are.
    source: Source,
    engine: Option<Arc<dyn Engine>>,
    compiles: i32,
}

static STATE: Mutex<State> =
    Mutex::new(State { choice: DEFAULT, source: Source::System, engine: None, compiles: 0 });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn make(&self) -> Result<Arc<dyn Engine>, BridgeError> {
        let cpu = |numerics| VirtualEngine::new(Options { numerics, ..Options::default() });
        Ok(match self.choice {
            Choice::Virtual(numerics) => Arc::new(cpu(numerics)?),
            Choice::Apple => Arc::new(AppleEngine::new(engrad_apple::Options {
                source: self.source.clone(),
                reference: Some(Arc::new(cpu(Numerics::Fast)?)),
                ..engrad_apple::Options::default()
            })?),
        })
    }
}

/// Makes the chosen engine, if there is none yet.
pub(crate) fn initialise() -> Result<Arc<dyn Engine>, BridgeError> {
    let mut state = state();
    if let Some(engine) = &state.engine {
        return Ok(Arc::clone(engine));
    }
    let engine = state.make()?;
    state.engine = Some(Arc::clone(&engine));
    Ok(engine)
}

/// The engine, if there is one.
pub(crate) fn current() -> Result<Arc<dyn Engine>, BridgeError> {
    state().engine.clone().ok_or(BridgeError::NotInitialised)
}

/// Chooses and makes an engine for kernels compiled from now on. If it cannot be made, nothing changes.
pub(crate) fn select(name: &str, library: Option<&str>) -> Result<(), BridgeError> {
    let choice = CHOICES.iter().find(|(n, _)| n.to_bytes() == name.as_bytes()).map(|(_, choice)| *choice);
    let Some(choice) = choice else {
        let names: Vec<_> = CHOICES.iter().map(|(n, _)| n.to_string_lossy()).collect();
        return Err(BridgeError::argument(format!("engine `{name}`; there are {}", names.join(", "))));
    };
    if library.is_some() && choice != Choice::Apple {
        return Err(BridgeError::argument(format!("engine `{name}` takes no library")));
    }
    let source = library.map_or(Source::System, |path| Source::Library(PathBuf::from(path)));
    let mut state = state();
    let next = State { choice, source, engine: None, compiles: state.compiles };
    let engine = next.make()?;
    *state = State { engine: Some(engine), ..next };
    Ok(())
}

/// Name of the engine chosen, made or not.
pub(crate) fn name() -> &'static CStr {
    let choice = state().choice;
    CHOICES.iter().find(|(_, c)| *c == choice).map_or(c"", |(name, _)| name)
}

/// Programs compiled since the last reset.
pub(crate) fn compiles() -> i32 {
    state().compiles
}

pub(crate) fn count_compile() {
    let mut state = state();
    state.compiles = state.compiles.saturating_add(1);
}

/// Starts the count again; the framework's own count, which the engine keeps, goes on.
pub(crate) fn reset_compiles() {
    state().compiles = 0;
}
