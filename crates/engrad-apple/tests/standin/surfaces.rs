//! Who may use a surface when.

use engrad_engine::{EngineError, Surface};

use super::common::{StandIn, bind, engine, options, outputs, program, reference, run, scaled};

#[test]
fn a_surface_of_the_host_or_of_another_size_is_refused() {
    let standin = StandIn::new();
    let kernel = engine(options()).compile_program(&scaled(2.0)).unwrap();
    let own = kernel.surface(&kernel.outputs()[0]).unwrap();
    let host = Surface::for_port(&kernel.inputs()[0]).unwrap();
    let request = kernel.bind(vec![host], vec![own.clone()]).unwrap();
    let failed = request.evaluate().unwrap_err();
    assert!(matches!(&failed, EngineError::Bind { port, .. } if port == "x"), "{failed}");
    let small = Surface::new(64).unwrap();
    assert!(kernel.bind(vec![small], vec![own]).is_err());
    drop((request, kernel));
    standin.assert_nothing_left();
}

#[test]
fn new_surfaces_are_zero_have_a_page_and_rows_of_the_models_stride() {
    let standin = StandIn::new();
    let kernel = engine(options()).compile_program(&program()).unwrap();
    let port = &kernel.inputs()[0];
    assert_eq!((port.width(), port.row_stride), (33, 128));
    let surface = kernel.surface(port).unwrap();
    assert_eq!(surface.bytes(), 16_384);
    assert!(surface.read().bytes().iter().all(|&b| b == 0));
    drop((surface, kernel));
    standin.assert_nothing_left();
}

#[test]
fn evaluation_waits_for_guards_of_the_host_in_any_order() {
    let standin = StandIn::new();
    let kernel = engine(options()).compile_program(&program()).unwrap();
    let expected = run(reference().as_ref(), &program());
    let request = bind(&kernel);
    let (input, output) = (request.inputs()[0].clone(), request.outputs()[1].clone());
    std::thread::scope(|scope| {
        for order in 0..2 {
            let (input, output) = (&input, &output);
            scope.spawn(move || {
                for _ in 0..200 {
                    // As gradient workers do: two surfaces at a time, in an order of their own.
                    let (first, second) = if order == 0 { (input, output) } else { (output, input) };
                    let (first, second) = (first.read(), second.read());
                    assert_eq!(first.bytes().len(), second.bytes().len());
                }
            });
        }
        for _ in 0..50 {
            request.evaluate().unwrap();
        }
    });
    assert_eq!(outputs(&request), expected);
    drop((request, input, output, kernel));
    // The stand-in notes a locked surface during an evaluation as a violation.
    standin.assert_nothing_left();
}

#[test]
fn one_surface_may_serve_two_inputs() {
    let standin = StandIn::new();
    let kernel = engine(options()).compile_program(&program()).unwrap();
    let shared = bind(&kernel).inputs()[0].clone();
    let results = kernel.outputs().iter().map(|p| kernel.surface(p).unwrap()).collect();
    let request = kernel.bind(vec![shared.clone(), shared], results).unwrap();
    request.evaluate().unwrap();
    let difference = outputs(&request).into_iter().find(|(name, _)| name == "a").unwrap().1;
    assert!(difference.iter().all(|&bits| bits & 0x7FFF == 0));
    drop((request, kernel));
    assert_eq!(standin.live_surfaces(), 0);
    standin.assert_nothing_left();
}
