//! Budgets of the process: the framework's limits hold for all engines in it together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{AppleError, Options};

static COMPILES: AtomicU64 = AtomicU64::new(0);
static LOADED: AtomicU64 = AtomicU64::new(0);
/// Held while a compile runs; when the last one that failed ended.
static COMPILING: Mutex<Option<Instant>> = Mutex::new(None);

/// Programs this process has compiled or tried to.
pub fn compiles() -> u64 {
    COMPILES.load(Ordering::Relaxed)
}

/// Forgets the count of [`compiles`], and with it the protection it gives. The framework's own count goes on.
pub fn reset_compiles() {
    COMPILES.store(0, Ordering::Relaxed);
}

/// Programs this process has loaded now.
pub fn loaded() -> u64 {
    LOADED.load(Ordering::Relaxed)
}

/// The right to compile one program; until it is dropped nobody else compiles.
#[derive(Debug)]
pub(crate) struct CompilePermit(MutexGuard<'static, Option<Instant>>);

impl CompilePermit {
    /// Waits for other compiles, and for the rest after a failed one, and takes one from the budget.
    pub(crate) fn take(options: &Options) -> Result<Self, AppleError> {
        let mut last_failure = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
        let used = COMPILES.load(Ordering::Relaxed);
        if used >= options.compile_limit {
            return Err(AppleError::Limit(format!(
                "this process has compiled {used} programs for the Neural Engine and may compile {}; the framework fails \
                 at about 119. Continue in a new process",
                options.compile_limit
            )));
        }
        if let Some(failed) = last_failure.take() {
            rest(options.pause_after_failure.saturating_sub(failed.elapsed()));
        }
        COMPILES.fetch_add(1, Ordering::Relaxed);
        Ok(Self(last_failure))
    }

    /// Says that the compile failed.
    pub(crate) fn failed(mut self) {
        *self.0 = Some(Instant::now());
    }
}

fn rest(duration: Duration) {
    if !duration.is_zero() {
        std::thread::sleep(duration);
    }
}

/// A loaded program's place.
#[derive(Debug)]
pub(crate) struct Place(());

impl Place {
    pub(crate) fn take(options: &Options) -> Result<Self, AppleError> {
        let take = |n| (n < options.loaded_limit).then_some(n + 1);
        match LOADED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(Self(())),
            Err(n) => Err(AppleError::Limit(format!(
                "this process has {n} programs loaded and may have {}; drop some kernels first",
                options.loaded_limit
            ))),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        LOADED.fetch_sub(1, Ordering::Relaxed);
    }
}
