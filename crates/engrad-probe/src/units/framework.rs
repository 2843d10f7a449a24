//! The framework and its ways to evaluate.

use std::time::Instant;

use engrad_apple::probe::{EvaluateOptions, ProbeKernel};
use engrad_apple::{AppleEngine, AppleError, EvaluationPath, Options};
use engrad_engine::{Port, Request, Surface};

use crate::numbers::{agreement, sample, wide};
use crate::program::Text;
use crate::subject::{Subject, fill, parse, run, values};
use crate::verdict::{Outcome, ProbeError, Verdict};

type Answer = Result<Verdict, ProbeError>;

const SHAPE: [usize; 4] = [1, 64, 1, 32];

/// y = 2 x + 1
fn simple() -> String {
    let text = Text::new().input("x", &SHAPE).numbers("one", &[], &[1.0]);
    text.op(&SHAPE, "twice", "add", "x = x, y = x").op(&SHAPE, "y", "add", "x = twice, y = one").outputs("y")
}

fn simple_result(x: &[f32]) -> Vec<f64> {
    wide(x).iter().map(|v| 2.0 * v + 1.0).collect()
}

/// A compiled program with filled inputs.
pub(super) struct Ready {
    pub(super) kernel: ProbeKernel,
    pub(super) request: Request,
}

impl Ready {
    /// On Apple's engine, with every input filled.
    pub(super) fn new(subject: &Subject<'_>, text: &str, inputs: &[&[f32]]) -> Result<Self, ProbeError> {
        let kernel = subject.apple()?.engine.compile_for_probe(&parse(text)?)?;
        let bound = kernel.kernel();
        let surfaces = |ports: &[Port]| -> Result<Vec<Surface>, ProbeError> {
            ports.iter().map(|port| Ok(bound.surface(port)?)).collect()
        };
        let request = bound.bind(surfaces(bound.inputs())?, surfaces(bound.outputs())?)?;
        for ((port, surface), values) in bound.inputs().iter().zip(request.inputs()).zip(inputs) {
            fill(port, surface, values);
        }
        Ok(Self { kernel, request })
    }

    /// Evaluates and gives the first output.
    pub(super) fn evaluate(
        &self,
        options: &EvaluateOptions<'_>,
    ) -> Result<(Vec<f32>, Option<u64>), ProbeError> {
        let time = self.kernel.evaluate(&self.request, options)?;
        Ok((self.output(), time))
    }

    pub(super) fn output(&self) -> Vec<f32> {
        let ports = self.kernel.kernel();
        let first = ports.outputs().first().zip(self.request.outputs().first());
        first.map_or_else(Vec::new, |(port, surface)| values(port, surface))
    }
}

pub(crate) fn exploration(subject: &Subject<'_>) -> Answer {
    let engine = subject.apple()?.engine;
    let symbols = engine.symbols();
    let name = |s: &engrad_apple::Symbol| format!("{}[{} {}]", s.kind, s.class, s.selector);
    let missing: Vec<String> = symbols.iter().filter(|s| s.found.is_none()).map(name).collect();
    let different = symbols.iter().filter(|s| s.found.is_some() && !s.usable());
    let different: Vec<String> =
        different.map(|s| format!("{}: {}", name(s), s.found.as_deref().unwrap_or_default())).collect();
    let required = symbols.iter().filter(|s| s.required).all(engrad_apple::Symbol::usable);
    let mut classes: Vec<&str> = symbols.iter().map(|s| s.class).collect();
    classes.dedup();
    // Methods of its own that the table does not have: new in this system, or not needed.
    let others: usize = classes
        .iter()
        .filter(|class| class.starts_with("_ANE"))
        .filter_map(|class| engine.methods(class))
        .map(|methods| methods.class.len() + methods.instance.len())
        .sum();
    Ok(Verdict::judge(
        required,
        "every required method is there",
        "a required method is missing or different",
    )
    .number("known_methods", symbols.len() as f64)
    .number("methods_of_the_private_classes", others as f64)
    .texts("missing", missing)
    .texts("different", different))
}

pub(crate) fn in_memory(subject: &Subject<'_>) -> Answer {
    let x = sample(2048, 1);
    let started = Instant::now();
    let kernel = subject.compile(&simple())?;
    let compiled = started.elapsed();
    let outputs = run(&kernel, &[&x])?;
    Ok(agreement(&outputs, &[simple_result(&x)]).number("compile_ms", compiled.as_secs_f64() * 1e3))
}

pub(crate) fn quality_of_service(subject: &Subject<'_>) -> Answer {
    let x = sample(2048, 1);
    let ready = Ready::new(subject, &simple(), &[&x])?;
    let (wanted, _) = ready.evaluate(&EvaluateOptions::default())?;
    let (mut times, mut refused, mut different) = (Vec::new(), Vec::new(), Vec::new());
    for level in 0..64u32 {
        let options = EvaluateOptions { quality_of_service: Some(level), ..EvaluateOptions::default() };
        let started = Instant::now();
        match ready.evaluate(&options) {
            Ok((found, _)) => {
                times.push(started.elapsed().as_secs_f64() * 1e6);
                if found != wanted {
                    different.push(f64::from(level));
                }
            }
            Err(_) => refused.push(f64::from(level)),
        }
    }
    let levels = subject.apple()?.engine.quality_of_service_levels()?;
    let levels = levels.iter().filter_map(|(name, level)| Some(format!("{name} {}", (*level)?))).collect();
    let all = refused.is_empty() && different.is_empty();
    Ok(Verdict::judge(all, "all 64 levels give the same result", "a level is refused or changes the result")
        .numbers("evaluate_us", times)
        .numbers("refused", refused)
        .numbers("different", different)
        .texts("framework_levels", levels))
}

pub(crate) fn statistics(subject: &Subject<'_>) -> Answer {
    let x = sample(2048, 1);
    let ready = Ready::new(subject, &simple(), &[&x])?;
    let options = EvaluateOptions { statistics: true, ..EvaluateOptions::default() };
    let (_, time) = ready.evaluate(&options)?;
    let masks = [0x1, 0xF, 0x10, 0xFFFF_FFFF]
        .map(|mask| subject.apple()?.engine.driver_statistics_mask(mask).map_err(ProbeError::from));
    let masks: Vec<f64> = masks.into_iter().flatten().flatten().map(f64::from).collect();
    let told = time.is_some_and(|ns| ns > 0);
    Ok(Verdict::judge(told, "the hardware's time is reported", "the time stays zero")
        .number("hardware_ns", time.unwrap_or(0) as f64)
        .numbers("driver_masks_of_1_f_10_ffffffff", masks))
}

pub(crate) fn procedure(subject: &Subject<'_>) -> Answer {
    let x = sample(2048, 1);
    let ready = Ready::new(subject, &simple(), &[&x])?;
    ready.evaluate(&EvaluateOptions::default())?;
    let second = ready.evaluate(&EvaluateOptions { procedure: 1, ..EvaluateOptions::default() });
    let refusal = second.as_ref().err().map(ToString::to_string).unwrap_or_default();
    Ok(Verdict::judge(
        second.is_err(),
        "the only procedure runs and another is refused",
        "an index that does not exist is accepted",
    )
    .text("refusal", refusal))
}

pub(crate) fn client_direct(subject: &Subject<'_>) -> Answer {
    let x = sample(2048, 1);
    let ready = Ready::new(subject, &simple(), &[&x])?;
    let mut medians = Vec::new();
    let mut results = Vec::new();
    for path in [EvaluationPath::Plain, EvaluationPath::ClientDirect] {
        let options = EvaluateOptions { path, ..EvaluateOptions::default() };
        let mut times = Vec::new();
        for _ in 0..21 {
            let started = Instant::now();
            results.push(ready.evaluate(&options)?.0);
            times.push(started.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        medians.push(times[times.len() / 2]);
    }
    let same = results.windows(2).all(|pair| pair[0] == pair[1]);
    Ok(Verdict::judge(same, "both paths give the same", "the paths give different results")
        .numbers("median_us_plain_direct", medians))
}

pub(crate) fn shared_events(subject: &Subject<'_>) -> Answer {
    let ready = Ready::new(subject, &simple(), &[&sample(2048, 1)])?;
    ready.kernel.attach_shared_events(&ready.request)?;
    let nil = ready.kernel.events_without_an_event_are_nil()?;
    Ok(Verdict::judge(
        nil,
        "an empty set is taken, events of nothing are nil; events are not evaluated with",
        "events are made of nothing",
    ))
}

pub(crate) fn chaining(subject: &Subject<'_>) -> Answer {
    let ready = Ready::new(subject, &simple(), &[&sample(2048, 1)])?;
    Ok(match ready.kernel.prepare_chaining(&ready.request) {
        Ok(()) => Verdict::new(Outcome::Pass, "the client prepared the request"),
        Err(error @ AppleError::NotAvailable(_)) => return Err(error.into()),
        Err(error) => Verdict::new(Outcome::Fail, error.to_string()),
    })
}

pub(crate) fn real_time(subject: &Subject<'_>) -> Answer {
    let apple = subject.apple()?;
    let engine = AppleEngine::new(Options { path: EvaluationPath::RealTime, ..apple.options.clone() })?;
    let x = sample(2048, 1);
    let kernel = engine.compile_program(&parse(&simple())?)?;
    Ok(agreement(&run(&kernel, &[&x])?, &[simple_result(&x)]))
}
