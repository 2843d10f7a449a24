//! The comparison after each compile finds what the framework does not report.

use engrad_apple::{AppleError, Options};

use super::common::{StandIn, engine, error, options, program, reference, run};

fn watched() -> Options {
    Options { reference: Some(reference()), ..options() }
}

#[test]
fn a_right_program_passes() {
    let standin = StandIn::new();
    assert_eq!(run(&engine(watched()), &program()), run(reference().as_ref(), &program()));
    assert_eq!(standin.calls("evaluate"), 2);
    standin.assert_nothing_left();
}

#[test]
fn silent_zeros_swapped_ports_and_results_never_written_are_found() {
    for (fault, port, reason) in [
        ("evaluate-zeros", "z", "is zero throughout"),
        ("swap-outputs", "z", "has the values of `a`"),
        ("evaluate-nothing", "z", "is zero throughout"),
    ] {
        let standin = StandIn::new();
        standin.inject(fault, 1);
        let failed = error(engine(watched()).compile_program(&program()));
        assert_eq!(
            failed,
            AppleError::Canary { port: port.to_owned(), reason: reason.to_owned() },
            "{fault}"
        );
        standin.assert_nothing_left();
    }
}

#[test]
fn an_evaluation_that_fails_at_once_is_found_at_compile() {
    let standin = StandIn::new();
    standin.inject("evaluate-0x1d", 1);
    let failed = error(engine(watched()).compile_program(&program())).to_string();
    assert!(failed.contains("could not be compared") && failed.contains("0x1d"), "{failed}");
    standin.assert_nothing_left();
}
