//! Programs that work.

use std::sync::Arc;

use engrad_apple::{EvaluationPath, Options, Source};
use engrad_engine::{Engine, EngineStatistics};

use super::common::{StandIn, bind, engine, options, outputs, program, reference, run, scaled};

#[test]
fn a_program_gives_the_bits_of_the_virtual_engine_and_leaves_nothing() {
    let standin = StandIn::new();
    let apple = engine(options());
    let expected = run(reference().as_ref(), &program());
    assert!(expected.iter().all(|(_, bits)| bits.iter().any(|&b| b != 0)));
    assert_eq!(run(&apple, &program()), expected);
    assert_eq!((standin.calls("compile"), standin.calls("evaluate")), (1, 1));
    standin.assert_nothing_left();
}

#[test]
fn every_path_of_evaluation_gives_the_same_and_uses_its_own_entry() {
    let standin = StandIn::new();
    let expected = run(reference().as_ref(), &program());
    for (path, entry) in [
        (EvaluationPath::Plain, "evaluate"),
        (EvaluationPath::ClientDirect, "evaluate-direct"),
        (EvaluationPath::RealTime, "evaluate-real-time"),
    ] {
        let before = standin.calls(entry);
        assert_eq!(run(&engine(Options { path, ..options() }), &program()), expected, "{path:?}");
        assert_eq!(standin.calls(entry), before + 1, "{path:?}");
        standin.assert_nothing_left();
    }
    assert_eq!((standin.calls("begin-real-time"), standin.calls("end-real-time")), (1, 1));
}

#[test]
fn a_request_is_made_once_and_sees_what_is_written_later() {
    let standin = StandIn::new();
    let kernel = engine(options()).compile(&scaled(2.0)).unwrap();
    let request = bind(&kernel);
    request.evaluate().unwrap();
    let first = outputs(&request);
    request.inputs()[0].write().bytes_mut().fill(0);
    request.evaluate().unwrap();
    assert_ne!(outputs(&request), first);
    assert!(outputs(&request)[0].1.iter().all(|&bits| bits == 0));
    drop((request, kernel));
    standin.assert_nothing_left();
}

#[test]
fn an_output_surface_is_the_next_kernels_input() {
    let standin = StandIn::new();
    let apple = engine(options());
    let (double, triple) = (apple.compile(&scaled(2.0)).unwrap(), apple.compile(&scaled(3.0)).unwrap());
    let first = bind(&double);
    let result = triple.surface(&triple.outputs()[0]).unwrap();
    let second = triple.bind(vec![first.outputs()[0].clone()], vec![result]).unwrap();
    first.evaluate().unwrap();
    second.evaluate().unwrap();
    assert_eq!(outputs(&second), run(reference().as_ref(), &scaled(6.0)));
    drop((first, second, double, triple));
    standin.assert_nothing_left();
}

#[test]
fn surfaces_are_mapped_with_the_request_and_unmapped_with_it() {
    let standin = StandIn::new();
    let apple = engine(Options { map_surfaces: true, ..options() });
    assert_eq!(run(&apple, &program()), run(reference().as_ref(), &program()));
    assert_eq!((standin.calls("map"), standin.calls("unmap")), (1, 1));
    standin.assert_nothing_left();
}

#[test]
fn two_kernels_of_one_program_share_its_folder_until_the_last_ends() {
    let standin = StandIn::new();
    let apple = engine(options());
    let (first, second) = (apple.compile(&program()).unwrap(), apple.compile(&program()).unwrap());
    assert_eq!(standin.live_folders(), 1);
    drop(first);
    assert_eq!(standin.live_folders(), 1);
    let request = bind(&second);
    request.evaluate().unwrap();
    drop((second, request));
    standin.assert_nothing_left();
}

#[test]
fn weights_stay_as_they_were_when_compiled() {
    let standin = StandIn::new();
    let kernel = engine(options()).compile(&program()).unwrap();
    let request = bind(&kernel);
    request.evaluate().unwrap();
    let before = outputs(&request);
    let folders = standin.folders();
    assert_eq!(folders.len(), 1);
    for file in std::fs::read_dir(folders[0].join("weights")).unwrap() {
        let path = file.unwrap().path();
        let length = std::fs::metadata(&path).unwrap().len() as usize;
        std::fs::write(&path, vec![0; length]).unwrap();
    }
    request.evaluate().unwrap();
    assert_eq!(outputs(&request), before);
    drop((kernel, request));
    standin.assert_nothing_left();
}

#[test]
fn evaluations_from_several_threads_take_turns() {
    let standin = StandIn::new();
    let apple = engine(options());
    let kernel = apple.compile(&program()).unwrap();
    let expected = run(reference().as_ref(), &program());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let request = bind(&kernel);
                for _ in 0..8 {
                    request.evaluate().unwrap();
                    assert_eq!(outputs(&request), expected);
                }
            });
        }
    });
    drop(kernel);
    assert_eq!(apple.statistics(), EngineStatistics { compiles: 1, evaluations: 32, ..Default::default() });
    standin.assert_nothing_left();
}

#[test]
fn the_engine_outlives_nothing_its_kernels_need() {
    let standin = StandIn::new();
    let kernel = {
        let apple = engine(options());
        apple.compile(&scaled(1.5)).unwrap()
    };
    let request = bind(&kernel);
    drop(kernel);
    request.evaluate().unwrap();
    drop(request);
    standin.assert_nothing_left();
}

#[test]
fn a_library_that_is_not_there_or_not_the_right_one_is_not_available() {
    for path in ["/nowhere/at/all.so", "libc.so.6"] {
        let source = Source::Library(path.into());
        let error = engrad_apple::AppleEngine::new(Options { source, ..Options::default() }).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("the Neural Engine is not available: ") && !text.contains('\n'), "{text}");
    }
}

#[cfg(not(target_os = "macos"))]
#[test]
fn without_a_mac_the_system_has_no_engine() {
    let error = engrad_apple::AppleEngine::new(Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "the Neural Engine is not available: it needs a Mac with Apple silicon");
}

#[test]
fn a_request_of_another_kernel_is_refused() {
    let standin = StandIn::new();
    let apple = engine(options());
    let (one, other) = (apple.compile(&scaled(1.0)).unwrap(), apple.compile(&scaled(2.0)).unwrap());
    let request = bind(&one);
    let error = other.evaluate(&request).unwrap_err().to_string();
    assert!(error.contains("bound to another kernel"), "{error}");
    drop((request, one, other));
    standin.assert_nothing_left();
}

#[test]
fn an_engine_trait_object_reports_errors_of_the_contract() {
    let standin = StandIn::new();
    standin.inject("compile-lowering", 1);
    let apple: Arc<dyn Engine> = Arc::new(engine(options()));
    let error = apple.compile(&program()).unwrap_err().to_string();
    assert!(error.starts_with("cannot compile `main`: compile: "), "{error}");
    assert!(error.contains("(com.apple.appleneuralengine.compiler 1); the text is accepted"), "{error}");
    standin.assert_nothing_left();
}

#[test]
fn a_kept_program_is_not_compiled_again_and_gives_way_to_others() {
    let standin = StandIn::new();
    let apple = engine(Options { kept_programs: 2, loaded_limit: 3, ..options() });
    for _ in 0..3 {
        assert_eq!(run(&apple, &scaled(2.0)), run(reference().as_ref(), &scaled(2.0)));
    }
    assert_eq!((standin.calls("compile"), apple.statistics().loaded), (1, 1));
    drop((apple.compile(&scaled(3.0)).unwrap(), apple.compile(&scaled(4.0)).unwrap()));
    assert_eq!((standin.calls("compile"), standin.loaded()), (3, 2));
    // Those in use stay; the kept ones make room.
    let used: Vec<_> = (5..8).map(|i| apple.compile(&scaled(i as f32)).unwrap()).collect();
    assert_eq!(standin.loaded(), 3);
    drop((used, apple));
    standin.assert_nothing_left();
}
