//! Every documented failure, injected: a clear error, nothing left, and the next try succeeds.

use engrad_apple::{AppleError, EvaluationPath, Failure, Options, Phase};

use super::common::{StandIn, bind, engine, error, options, program, reference, run};

const COMPILER: &str = "com.apple.appleneuralengine.compiler";
const ENGINE: &str = "com.apple.appleneuralengine";

/// Compiles with a fault, expects its error and a clean state, and compiles again.
fn compile_fails(fault: &str, times: u64, options: Options) -> AppleError {
    let standin = StandIn::new();
    standin.inject(fault, times);
    let apple = engine(options);
    let failed = error(apple.compile_program(&program()));
    standin.assert_nothing_left();
    assert_eq!(run(&apple, &program()), run(reference().as_ref(), &program()), "after {fault}");
    standin.assert_nothing_left();
    assert!(!failed.to_string().contains('\n'), "{failed}");
    failed
}

fn failure(error: AppleError) -> Failure {
    match error {
        AppleError::Framework(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn refusals_to_compile_keep_domain_code_text_phase_and_advice() {
    for (fault, text, advice) in [
        ("compile-invalid", "InvalidMILProgram", "does not accept the text"),
        ("compile-lowering", "CompilationFailure", "cannot be lowered"),
        ("compile-crash", "helper application", "crashed"),
    ] {
        let failure = failure(compile_fails(fault, 1, options()));
        assert_eq!((failure.phase, failure.domain.as_str(), failure.code), (Phase::Compile, COMPILER, 1));
        assert!(failure.text.contains(text), "{failure}");
        assert!(failure.advice.unwrap().contains(advice), "{failure}");
    }
}

#[test]
fn a_refusal_without_an_error_says_so() {
    let failure = failure(compile_fails("compile-silent", 1, options()));
    assert_eq!(
        (failure.domain.as_str(), failure.text.as_str()),
        ("", "the framework refused and gave no reason")
    );
    assert!(failure.advice.unwrap().contains("119 compiles"));
}

#[test]
fn load_is_tried_twice() {
    let standin = StandIn::new();
    standin.inject("load-refused", 1);
    assert_eq!(run(&engine(options()), &program()), run(reference().as_ref(), &program()));
    assert_eq!(standin.calls("load"), 2);
    standin.assert_nothing_left();
    drop(standin);
    let failure = failure(compile_fails("load-refused", 2, options()));
    assert_eq!((failure.phase, failure.domain.as_str(), failure.code), (Phase::Load, ENGINE, 6));
    assert!(failure.advice.unwrap().contains("no place"), "{failure}");
}

#[test]
fn exceptions_become_errors() {
    for fault in ["throw-on-compile", "throw-on-load"] {
        let name = "NSGenericException".to_owned();
        let reason = format!("thrown by {}", fault.trim_start_matches("throw-on-"));
        assert_eq!(compile_fails(fault, 1, options()), AppleError::Exception { name, reason });
    }
    let standin = StandIn::new();
    standin.inject("throw-on-load", 1);
    standin.inject("exception-is-no-object", 1);
    let failed = error(engine(options()).compile_program(&program()));
    assert_eq!(failed.to_string(), "the framework threw C++ exception: thrown by the framework");
    standin.assert_nothing_left();
}

#[test]
fn exceptions_of_dealloc_and_unload_are_survived() {
    for (fault, times) in [("throw-on-dealloc", 20), ("throw-on-unload", 1), ("unload-fails", 1)] {
        let standin = StandIn::new();
        standin.inject(fault, times);
        assert_eq!(run(&engine(options()), &program()), run(reference().as_ref(), &program()), "{fault}");
        standin.assert_nothing_left();
    }
}

#[test]
fn nil_where_an_object_should_be_is_an_error_that_says_what_is_missing() {
    for (fault, what) in [
        ("nil-data", "NSData is nil"),
        ("nil-descriptor", "the model's descriptor is nil"),
        ("nil-model", "the model is nil"),
        ("nil-identifier", "the model's identifier is nil"),
        ("nil-attributes", "the model's attributes have no NetworkStatusList"),
    ] {
        let failed = compile_fails(fault, 1, options());
        assert!(
            matches!(&failed, AppleError::Unexpected { reason, .. } if reason == what),
            "{fault}: {failed}"
        );
    }
}

#[test]
fn an_identifier_that_leads_elsewhere_writes_nothing() {
    let failed = compile_fails("hostile-identifier", 1, options());
    assert_eq!(failed.to_string(), "../../engrad-hostile: the model's identifier is no file name");
}

#[test]
fn attributes_that_contradict_the_program_are_refused() {
    for (fault, text) in [
        ("attributes-empty", "no NetworkStatusList"),
        ("attributes-not-a-list", "no LiveInputList"),
        ("attributes-missing-symbol", "the model has 1 inputs, the program 2"),
        ("attributes-wrong-type", "the model has elements of type Int8"),
        ("attributes-wrong-extent", "the model has extents"),
        ("attributes-wrong-stride", "rows must lie one after the other"),
    ] {
        let failed = compile_fails(fault, 1, options()).to_string();
        assert!(failed.contains(text), "{fault}: {failed}");
    }
}

#[test]
fn paths_that_are_refused_are_errors_and_no_other_path_is_taken() {
    let real_time = Options { path: EvaluationPath::RealTime, ..options() };
    let failed = compile_fails("real-time-refused", 1, real_time.clone());
    assert!(failed.to_string().contains("real-time task was refused"), "{failed}");
    let failed = failure(compile_fails("real-time-load-fails", 1, real_time));
    assert!(failed.phase == Phase::Load && failed.advice.unwrap().contains("entitlement"), "{failed}");
    let direct = Options { path: EvaluationPath::ClientDirect, ..options() };
    let failed = compile_fails("nil-client", 1, direct);
    assert!(failed.to_string().contains("the shared connection is nil"), "{failed}");
}

#[test]
fn a_failed_evaluation_is_an_error_and_the_next_may_succeed() {
    for (fault, text) in [
        (
            "evaluate-0x1d",
            "status=0x1d : statusType=0x9: Program Inference error (com.apple.appleneuralengine 8); a surface is smaller",
        ),
        ("evaluate-0x16", "results are not to be used"),
        ("evaluate-0x2", "results are not to be used"),
        ("evaluate-timeout", "the firmware did not answer in time"),
        ("throw-on-evaluate", "the framework threw NSGenericException: thrown by evaluate"),
        ("nil-request", "the request is nil"),
    ] {
        for path in [EvaluationPath::Plain, EvaluationPath::ClientDirect, EvaluationPath::RealTime] {
            let standin = StandIn::new();
            let kernel = engine(Options { path, ..options() }).compile_program(&program()).unwrap();
            let request = bind(&kernel);
            standin.inject(fault, 1);
            let failed = request.evaluate().unwrap_err().to_string();
            assert!(failed.starts_with("evaluation failed: ") && failed.contains(text), "{fault}: {failed}");
            request.evaluate().unwrap();
            drop((request, kernel));
            standin.assert_nothing_left();
        }
    }
}

#[test]
fn surfaces_that_cannot_be_made_or_mapped_are_errors() {
    for (fault, text) in [
        ("surface-create-fails", "cannot allocate a surface of 16384 bytes"),
        ("surface-lock-fails", "lock status 0xe00002cc"),
        ("nil-surface-object", "the surface object is nil"),
    ] {
        let standin = StandIn::new();
        let kernel = engine(options()).compile_program(&program()).unwrap();
        standin.inject(fault, 1);
        let failed = kernel.surface(&kernel.inputs()[0]).unwrap_err().to_string();
        assert!(failed.contains(text), "{fault}: {failed}");
        drop(bind(&kernel));
        drop(kernel);
        standin.assert_nothing_left();
    }
    let standin = StandIn::new();
    let kernel = engine(Options { map_surfaces: true, ..options() }).compile_program(&program()).unwrap();
    let request = bind(&kernel);
    standin.inject("map-fails", 1);
    let failed = request.evaluate().unwrap_err().to_string();
    assert!(failed.contains("bind: ") && failed.contains("no resources left"), "{failed}");
    request.evaluate().unwrap();
    drop((request, kernel));
    standin.assert_nothing_left();
}

#[test]
fn a_lock_that_is_refused_is_reported_by_the_next_evaluation() {
    let standin = StandIn::new();
    let kernel = engine(options()).compile_program(&program()).unwrap();
    let request = bind(&kernel);
    standin.inject("surface-lock-fails", 1);
    request.inputs()[0].write().bytes_mut()[0] = 1;
    let failed = request.evaluate().unwrap_err().to_string();
    assert!(failed.contains("could not be locked or unlocked, status 0xe00002cc"), "{failed}");
    drop((request, kernel));
    standin.assert_nothing_left();
}

#[test]
fn an_invalid_program_reaches_no_framework() {
    let standin = StandIn::new();
    let mut invalid = program();
    invalid.functions.clear();
    let failed = error(engine(options()).compile_program(&invalid));
    assert!(matches!(failed, AppleError::Program(_)), "{failed:?}");
    assert_eq!(standin.calls("compile"), 0);
    standin.assert_nothing_left();
}

#[test]
fn files_that_cannot_be_written_are_an_error() {
    let standin = StandIn::new();
    let apple = engine(options());
    let kernel = apple.compile_program(&program()).unwrap();
    let folder = standin.folders().remove(0);
    drop(kernel);
    // A folder where a file should be.
    std::fs::create_dir_all(folder.join("model.mil")).unwrap();
    let failed = error(apple.compile_program(&program()));
    assert!(matches!(&failed, AppleError::Files { path, .. } if path.ends_with("model.mil")), "{failed:?}");
    standin.assert_nothing_left();
}
