use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engrad_engine::{Engine, EngineError, EngineStatistics, Kernel, Port, Request};
use engrad_mil::{Function, Program};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::interpret::run::Executable;
use crate::interpret::surfaces::InterpretedKernel;
use crate::kernels::Team;
use crate::kernels::memory::Arena;
use crate::kernels::panels::PanelCache;
use crate::plan::{Plan, compile};
use crate::{Limits, Numerics, Options, execute};

/// Runs MIL programs on the processor's cores.
///
/// All kernels of an engine share one working memory, as large as the largest of them needs. Evaluations that
/// overlap in time each get their own, made when first needed and kept.
///
/// Evaluation runs on the engine's thread pool ([`VirtualEngine::pool`]). Work of the host may share the pool; while
/// a thread of the pool waits inside an evaluation it may take up such work, so that work must not lock surfaces
/// that are bound to a running request.
pub struct VirtualEngine {
    numerics: Numerics,
    limits: Limits,
    pool: Arc<ThreadPool>,
    shared: Arc<Shared>,
}

/// What an engine and its kernels share.
#[derive(Debug)]
struct Shared {
    evaluations: AtomicU64,
    panels: PanelCache,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    compiles: u64,
    loaded: u64,
    /// Bytes of the constants of the kernels alive.
    constant_bytes: u64,
    /// Words an arena needs for the largest program so far.
    arena_words: usize,
    /// Arenas that no evaluation is using.
    idle: Vec<Arena>,
    /// Words of all arenas, in use or not.
    total_words: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete in one statement; a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An arena of at least `words`, of the idle ones or new.
    fn take_arena(&self, words: usize) -> Option<Arena> {
        let mut state = self.state();
        while let Some(arena) = state.idle.pop() {
            if arena.len() >= words {
                return Some(arena);
            }
            state.total_words -= arena.len();
        }
        let arena = Arena::new(words.max(state.arena_words))?;
        state.total_words += arena.len();
        Some(arena)
    }

    fn give_arena(&self, arena: Arena) {
        self.state().idle.push(arena);
    }
}

impl VirtualEngine {
    /// An engine with its own thread pool.
    ///
    /// # Errors
    /// [`EngineError::Limit`] if the system gives no threads, or the processor has no instructions for the numerics.
    pub fn new(options: Options) -> Result<Self, EngineError> {
        if !options.numerics.precision().is_native() {
            return Err(EngineError::Limit(
                "this processor has no bf16 multiply instructions; choose the numerics `fast` or `f32`"
                    .into(),
            ));
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(options.threads.unwrap_or(0))
            .thread_name(|i| format!("engrad-virtual-{i}"))
            .build()
            .map_err(|e| EngineError::Limit(format!("cannot start worker threads: {e}")))?;
        Ok(Self {
            numerics: options.numerics,
            limits: options.limits,
            pool: Arc::new(pool),
            shared: Arc::new(Shared {
                evaluations: AtomicU64::new(0),
                panels: PanelCache::new(options.panel_bytes),
                state: Mutex::default(),
            }),
        })
    }

    /// The threads that evaluations run on.
    pub fn pool(&self) -> Arc<ThreadPool> {
        Arc::clone(&self.pool)
    }

    /// Refuses one more kernel where a budget is spent.
    fn check_limits(&self, state: &State) -> Result<(), EngineError> {
        if let Some(most) = self.limits.compiles.filter(|most| state.compiles >= *most) {
            return Err(EngineError::Limit(format!(
                "{most} programs compiled, no more in this engine's life; start a new one"
            )));
        }
        if let Some(most) = self.limits.loaded.filter(|most| state.loaded >= *most) {
            return Err(EngineError::Limit(format!("{most} kernels are loaded; drop one first")));
        }
        Ok(())
    }

    /// A kernel of the interpreter, for a function that `reason` keeps from being planned.
    fn interpret(&self, function: &Function, reason: &str) -> Result<Arc<dyn Kernel>, EngineError> {
        let executable = self.pool.install(|| Executable::new(function, self.numerics));
        let executable = executable.map_err(|error| match error {
            EngineError::Compile { program, reason: other } => {
                EngineError::Compile { program, reason: format!("{other}; as a plan: {reason}") }
            }
            other => other,
        })?;
        let constant_bytes = executable.constant_bytes();
        let (evaluated, dropped) = (Arc::clone(&self.shared), Arc::clone(&self.shared));
        let on_evaluation = Box::new(move || {
            evaluated.evaluations.fetch_add(1, Ordering::Relaxed);
        });
        let on_drop = Box::new(move || {
            let mut state = dropped.state();
            state.loaded -= 1;
            state.constant_bytes -= constant_bytes;
        });
        // Counted before the kernel exists, since dropping it counts back.
        {
            let mut state = self.shared.state();
            self.check_limits(&state)?;
            state.compiles += 1;
            state.loaded += 1;
            state.constant_bytes += constant_bytes;
        }
        let uncount = Arc::clone(&self.shared);
        let kernel = InterpretedKernel::new(executable, Arc::clone(&self.pool), on_evaluation, on_drop);
        match kernel {
            Ok(kernel) => Ok(Arc::new(kernel)),
            Err(error) => {
                let mut state = uncount.state();
                state.compiles -= 1;
                state.loaded -= 1;
                state.constant_bytes -= constant_bytes;
                Err(error)
            }
        }
    }

    /// The rounding that was chosen.
    pub fn numerics(&self) -> Numerics {
        self.numerics
    }
}

impl fmt::Debug for VirtualEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualEngine")
            .field("numerics", &self.numerics)
            .field("limits", &self.limits)
            .field("threads", &self.pool.current_num_threads())
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

impl Engine for VirtualEngine {
    fn name(&self) -> &str {
        "virtual"
    }

    fn compile(&self, program: &Program) -> Result<Arc<dyn Kernel>, EngineError> {
        let function = program.main();
        let name = function.map_or("main", |f| &f.name);
        let refuse = |reason: String| EngineError::Compile { program: name.to_owned(), reason };
        engrad_mil::verify(program).map_err(|e| refuse(e.to_string()))?;
        let function = function.ok_or_else(|| refuse("there is no function `main`".to_owned()))?;
        let plan = match compile(&function.with_named_literals(), self.numerics) {
            Ok(plan) => plan,
            // Not everything can be planned; what can be interpreted is. The reason counts only if neither is possible.
            Err(reason) => return self.interpret(function, &reason),
        };
        let threads = self.pool.current_num_threads();
        let words = execute::arena_words(&plan, threads);

        let mut state = self.shared.state();
        self.check_limits(&state)?;
        // Room for the arena is found now, so that evaluation allocates nothing.
        if words > state.arena_words || state.total_words == 0 {
            let arena = Arena::new(words).ok_or_else(|| {
                refuse(format!("the system has no {} MiB of working memory", (words * 4) >> 20))
            })?;
            let dropped: usize = state.idle.drain(..).map(|a| a.len()).sum();
            state.total_words = state.total_words - dropped + arena.len();
            state.arena_words = words;
            state.idle.push(arena);
        }
        state.compiles += 1;
        state.loaded += 1;
        state.constant_bytes += bytes(plan.constants.len());
        drop(state);
        Ok(Arc::new(VirtualKernel {
            name: name.to_owned(),
            plan,
            words,
            pool: Arc::clone(&self.pool),
            shared: Arc::clone(&self.shared),
        }))
    }

    fn statistics(&self) -> EngineStatistics {
        let state = self.shared.state();
        EngineStatistics {
            compiles: state.compiles,
            loaded: state.loaded,
            evaluations: self.shared.evaluations.load(Ordering::Relaxed),
            working_bytes: bytes(state.total_words) + state.constant_bytes + self.shared.panels.bytes(),
        }
    }
}

fn bytes(words: usize) -> u64 {
    (words * size_of::<f32>()) as u64
}

struct VirtualKernel {
    name: String,
    plan: Plan,
    /// Words of arena, scratch of all threads included.
    words: usize,
    pool: Arc<ThreadPool>,
    shared: Arc<Shared>,
}

impl fmt::Debug for VirtualKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualKernel")
            .field("name", &self.name)
            .field("steps", &self.plan.steps.len())
            .field("words", &self.words)
            .finish_non_exhaustive()
    }
}

impl Kernel for VirtualKernel {
    fn inputs(&self) -> &[Port] {
        &self.plan.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.plan.outputs
    }

    fn evaluate(&self, request: &Request) -> Result<(), EngineError> {
        let bound_to = Arc::as_ptr(request.kernel()).cast::<()>();
        if !std::ptr::eq(bound_to, std::ptr::from_ref(self).cast()) {
            return Err(EngineError::Evaluate(format!(
                "the request is bound to another kernel than `{}`",
                self.name
            )));
        }
        let mut arena = self.shared.take_arena(self.words).ok_or_else(|| {
            EngineError::Evaluate(format!(
                "the system has no {} MiB of working memory",
                (self.words * 4) >> 20
            ))
        })?;
        let panels = &self.shared.panels;
        match self.plan.team {
            Team::Caller => execute::run(&self.plan, &mut arena, request, panels),
            Team::Pool => self.pool.install(|| execute::run(&self.plan, &mut arena, request, panels)),
        }
        self.shared.give_arena(arena);
        self.shared.evaluations.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for VirtualKernel {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.loaded -= 1;
        state.constant_bytes -= bytes(self.plan.constants.len());
    }
}
