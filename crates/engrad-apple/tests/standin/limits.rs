//! Budgets: ours come before the framework's.

use std::time::{Duration, Instant};

use engrad_apple::{AppleError, Options};
use engrad_engine::Engine;

use super::common::{StandIn, engine, error, options, scaled};

#[test]
fn our_compile_budget_ends_before_the_frameworks() {
    let standin = StandIn::new();
    let apple = engine(options());
    for i in 0..110 {
        drop(apple.compile_program(&scaled(i as f32 + 1.0)).unwrap());
    }
    let failed = error(apple.compile_program(&scaled(0.5)));
    assert_eq!(
        failed,
        AppleError::Limit(
            "this process has compiled 110 programs for the Neural Engine and may compile 110; the framework fails at \
             about 119. Continue in a new process"
                .to_owned()
        )
    );
    assert_eq!((standin.calls("compile"), engrad_apple::compiles()), (110, 110));
    assert!(matches!(apple.compile(&scaled(0.5)).unwrap_err(), engrad_engine::EngineError::Limit(_)));
    standin.assert_nothing_left();
}

#[test]
fn all_engines_of_a_process_share_the_budget_and_failures_count() {
    let standin = StandIn::new();
    let limited = || engine(Options { compile_limit: 3, ..options() });
    drop(limited().compile_program(&scaled(1.0)).unwrap());
    standin.inject("compile-invalid", 1);
    error(limited().compile_program(&scaled(2.0)));
    drop(limited().compile_program(&scaled(3.0)).unwrap());
    assert!(matches!(error(limited().compile_program(&scaled(4.0))), AppleError::Limit(_)));
    standin.assert_nothing_left();
}

#[test]
fn the_frameworks_own_limit_is_an_error_with_advice() {
    let standin = StandIn::new();
    standin.limits(2, 128);
    let apple = engine(options());
    drop(apple.compile_program(&scaled(1.0)).unwrap());
    drop(apple.compile_program(&scaled(2.0)).unwrap());
    let failed = error(apple.compile_program(&scaled(3.0))).to_string();
    assert!(failed.contains("after about 119 compiles in one process"), "{failed}");
    standin.assert_nothing_left();
}

#[test]
fn loaded_programs_are_limited_and_dropping_one_makes_room() {
    let standin = StandIn::new();
    let apple = engine(Options { loaded_limit: 2, ..options() });
    let first = apple.compile_program(&scaled(1.0)).unwrap();
    let second = apple.compile_program(&scaled(2.0)).unwrap();
    let failed = error(apple.compile_program(&scaled(3.0)));
    assert!(failed.to_string().contains("2 programs loaded and may have 2; drop some"), "{failed}");
    assert_eq!((standin.loaded(), engrad_apple::loaded()), (2, 2));
    drop(first);
    let third = apple.compile_program(&scaled(3.0)).unwrap();
    drop((second, third));
    standin.assert_nothing_left();
}

#[test]
fn the_frameworks_limit_of_loaded_programs_is_an_error_with_advice() {
    let standin = StandIn::new();
    standin.limits(119, 1);
    let apple = engine(options());
    let first = apple.compile_program(&scaled(1.0)).unwrap();
    let failed = error(apple.compile_program(&scaled(2.0))).to_string();
    assert!(failed.contains("0x20004") && failed.contains("release some"), "{failed}");
    drop(first);
    standin.assert_nothing_left();
}

#[test]
fn a_compile_after_a_failed_one_waits() {
    let standin = StandIn::new();
    let pause = Duration::from_millis(200);
    let apple = engine(Options { pause_after_failure: pause, ..options() });
    standin.inject("compile-crash", 1);
    error(apple.compile_program(&scaled(1.0)));
    let failed = Instant::now();
    drop(apple.compile_program(&scaled(1.0)).unwrap());
    // No bound from above: the machine may be busy.
    assert!(failed.elapsed() >= pause - Duration::from_millis(20));
    standin.assert_nothing_left();
}

#[test]
fn compiles_of_several_threads_come_one_at_a_time() {
    let standin = StandIn::new();
    let apple = engine(options());
    std::thread::scope(|scope| {
        for i in 0..4 {
            let apple = &apple;
            scope.spawn(move || {
                for j in 0..4 {
                    drop(apple.compile_program(&scaled((i * 4 + j + 1) as f32)).unwrap());
                }
            });
        }
    });
    // The stand-in notes two at a time as a violation.
    standin.assert_nothing_left();
}
