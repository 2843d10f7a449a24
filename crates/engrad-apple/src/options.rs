use std::sync::Arc;
use std::time::Duration;

use engrad_engine::Engine;

use crate::Source;

/// Which of the framework's entries evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EvaluationPath {
    /// The model's own method, through the daemon.
    #[default]
    Plain,
    /// The client's direct method, which spares the daemon (ane-facts 1.3: about a tenth faster).
    ClientDirect,
    /// The client's real-time methods; release systems often refuse them (ane-facts 1.10).
    RealTime,
}

/// How an Apple engine is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the libraries are.
    pub source: Source,
    /// Quality of service passed with every call; no effect on speed is known (ane-facts 1.6).
    pub quality_of_service: u32,
    /// Which entry evaluates. There is no falling back: a path that is refused is an error.
    pub path: EvaluationPath,
    /// Whether surfaces are mapped to the device when they are bound, and not by the first evaluation.
    pub map_surfaces: bool,
    /// Compiles allowed in the life of the process; the framework fails at about 119 (C01).
    pub compile_limit: u64,
    /// Programs that the process may have loaded at once (C02).
    pub loaded_limit: u64,
    /// How many of the programs compiled last stay loaded although nobody uses them, so that compiling one of them
    /// again costs nothing. For a process that makes the same programs time and again, and would spend its budget of
    /// compiles on them.
    pub kept_programs: usize,
    /// Rest before the compile that follows a failed one: a failure restarts the compile helper that the whole machine
    /// shares (C06).
    pub pause_after_failure: Duration,
    /// Rest before the one further attempt to load, so that a place can become free.
    pub pause_before_reload: Duration,
    /// The engine that each compiled program is compared with, once, on a random input. `None` trusts the device.
    pub reference: Option<Arc<dyn Engine>>,
    /// Largest root mean square difference from the reference that is taken for rounding, as a share of the reference's
    /// own root mean square.
    pub canary_tolerance: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: Source::System,
            quality_of_service: 21,
            path: EvaluationPath::Plain,
            map_surfaces: false,
            compile_limit: 110,
            loaded_limit: 127,
            kept_programs: 0,
            pause_after_failure: Duration::from_secs(15),
            pause_before_reload: Duration::from_millis(100),
            reference: None,
            canary_tolerance: 0.05,
        }
    }
}
