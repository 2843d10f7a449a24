//! Budgets of a process.

use engrad_apple::{AppleEngine, Options};
use engrad_engine::Engine;

use crate::program::Text;
use crate::subject::{Subject, parse};
use crate::verdict::{Outcome, ProbeError, Verdict};

/// Programs that are tried; devices stop at 119 to 132 (C01).
const PROGRAMS: u64 = 140;

pub(crate) fn compiles(subject: &Subject<'_>) -> Result<Verdict, ProbeError> {
    // Apple's engine stops before the framework does; here the framework is to be asked.
    let apple = subject.apple.map(|apple| {
        let options =
            Options { compile_limit: u64::MAX, reference: None, kept_programs: 0, ..apple.options.clone() };
        AppleEngine::new(options)
    });
    let apple = apple.transpose()?;
    let engine: &dyn Engine = apple.as_ref().map_or(subject.engine, |engine| engine);
    let before = apple.as_ref().map(|_| engrad_apple::compiles()).unwrap_or_default();
    for compiled in 0..PROGRAMS {
        // Each program differs, so that no cache answers.
        let value = (compiled + 1) as f32 / 256.0;
        let text = Text::new().input("x", &[1, 1, 1, 32]).numbers("c", &[], &[value]);
        let text = text.op(&[1, 1, 1, 32], "y", "add", "x = x, y = c").outputs("y");
        if let Err(error) = engine.compile(&parse(&text)?) {
            if compiled == 0 {
                return Err(error.into());
            }
            return Ok(Verdict::new(Outcome::Fail, error.to_string())
                .number("compiled", compiled as f64)
                .number("compiled_before_in_the_process", before as f64));
        }
    }
    Ok(Verdict::new(Outcome::Pass, "no compile was refused")
        .number("compiled", PROGRAMS as f64)
        .number("compiled_before_in_the_process", before as f64))
}
