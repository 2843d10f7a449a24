//! The wrappers for probes.

use engrad_apple::probe::{EvaluateOptions, ProbeKernel};
use engrad_apple::{AppleError, EvaluationPath, Phase};

use super::common::{StandIn, bind, engine, options, outputs, program, reference, run};

fn probe(_: &StandIn) -> ProbeKernel {
    engine(options()).compile_for_probe(&program()).unwrap()
}

#[test]
fn every_method_of_the_table_is_there_with_the_types_of_the_calls() {
    let standin = StandIn::new();
    let symbols = engine(options()).symbols();
    assert!(symbols.len() > 60);
    for symbol in symbols {
        assert!(symbol.usable(), "{symbol:?}");
    }
    let methods = engine(options()).methods("_ANEInMemoryModel").unwrap();
    assert!(methods.instance.iter().any(|m| m.selector == "compileWithQoS:options:error:"));
    assert_eq!(methods.class[0].encoding, "@24@0:8@16");
    assert_eq!(engine(options()).methods("_ANENothing"), None);
    standin.assert_nothing_left();
}

#[test]
fn device_levels_and_constants_are_read() {
    let standin = StandIn::new();
    let apple = engine(options());
    let device = apple.device().unwrap();
    assert_eq!((device.has_engine, device.cores), (Some(true), Some(16)));
    assert_eq!(device.architecture.as_deref(), Some("standin"));
    assert_eq!(apple.quality_of_service_levels().unwrap()[2], ("default", Some(21)));
    assert_eq!(apple.driver_statistics_mask(0x1F).unwrap(), Some(0));
    let option = apple.constant("kANEFPerformanceStatsMask").unwrap();
    assert_eq!(option.as_deref(), Some("ANEFPerformanceStatsMask"));
    assert_eq!(apple.constant("kANEFNothing").unwrap(), None);
    standin.assert_nothing_left();
}

#[test]
fn a_loaded_model_tells_its_state() {
    let standin = StandIn::new();
    let probe = probe(&standin);
    let state = probe.state().unwrap();
    assert_eq!((state.state, state.queue_depth, state.statistics_mask), (Some(3), Some(127), Some(0)));
    probe.set_queue_depth(4).unwrap();
    probe.set_statistics_mask(1).unwrap();
    let state = probe.state().unwrap();
    assert_eq!((state.queue_depth, state.statistics_mask), (Some(4), Some(1)));
    assert_eq!(probe.identifier().split('_').map(str::len).collect::<Vec<_>>(), [64, 64, 64]);
    assert!(probe.folder().join("model.mil").is_file());
    drop(probe);
    standin.assert_nothing_left();
}

#[test]
fn evaluations_take_statistics_a_weights_buffer_and_a_procedure() {
    let standin = StandIn::new();
    let probe = probe(&standin);
    let request = bind(&probe.kernel());
    let expected = run(reference().as_ref(), &program());
    let buffer = probe.surface_of(16_384).unwrap();
    for path in [EvaluationPath::Plain, EvaluationPath::ClientDirect] {
        let asked = EvaluateOptions {
            quality_of_service: Some(63),
            statistics: true,
            weights_buffer: Some(&buffer),
            path,
            ..EvaluateOptions::default()
        };
        assert_eq!(probe.evaluate(&request, &asked).unwrap(), Some(1_000));
        assert_eq!(outputs(&request), expected);
    }
    let other = EvaluateOptions { procedure: 1, ..EvaluateOptions::default() };
    assert!(matches!(probe.evaluate(&request, &other), Err(AppleError::Framework(_))));
    assert!(probe.validate(&request).unwrap());
    drop((request, buffer, probe));
    standin.assert_nothing_left();
}

#[test]
fn reloading_keeps_the_program() {
    let standin = StandIn::new();
    let probe = probe(&standin);
    probe.reload().unwrap();
    let request = bind(&probe.kernel());
    request.evaluate().unwrap();
    assert_eq!(outputs(&request), run(reference().as_ref(), &program()));
    assert_eq!((standin.calls("compile"), standin.calls("load"), standin.calls("unload")), (1, 2, 1));
    drop((request, probe));
    standin.assert_nothing_left();
}

#[test]
fn a_surface_that_is_too_small_gives_the_devices_status() {
    let standin = StandIn::new();
    let probe = probe(&standin);
    let small = |_: usize| probe.surface_of(512).unwrap();
    let (inputs, results): (Vec<_>, Vec<_>) = ((0..2).map(small).collect(), (0..2).map(small).collect());
    let failed = probe.evaluate_unchecked_sizes(&inputs, &results).unwrap_err();
    assert!(failed.to_string().contains("status=0x1d"), "{failed}");
    drop((inputs, results, probe));
    standin.assert_nothing_left();
}

#[test]
fn chaining_events_and_weight_instances_are_asked_for_and_refused() {
    let standin = StandIn::new();
    let probe = probe(&standin);
    let request = bind(&probe.kernel());
    probe.attach_shared_events(&request).unwrap();
    assert!(probe.events_without_an_event_are_nil().unwrap());
    for refused in [probe.prepare_chaining(&request), probe.load_instance_with_weight("w", "/w.bin")] {
        match refused {
            Err(AppleError::Framework(failure)) => assert_eq!(failure.phase, Phase::Probe),
            other => panic!("{other:?}"),
        }
    }
    drop((request, probe));
    standin.assert_nothing_left();
}
