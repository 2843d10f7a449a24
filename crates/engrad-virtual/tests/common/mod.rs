//! Running a function on the virtual engine and on the reference, and comparing.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::HashMap;
use std::sync::Arc;

use engrad_engine::{Engine, Kernel, Port, Surface};
use engrad_mil::{DType, Function, Program};
use engrad_virtual::{Numerics, Options, VirtualEngine, reference};
use half::f16;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) fn engine(numerics: Numerics, threads: usize) -> VirtualEngine {
    VirtualEngine::new(Options { numerics, threads: Some(threads), ..Options::default() }).unwrap()
}

/// Numbers for each input, exact in the input's type.
pub(crate) fn random_inputs(function: &Function, seed: u64) -> HashMap<String, Vec<f64>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut numbers = |id| {
        let value = function.value(id);
        let draw = |_| f64::from(f16::from_f32(random.random_range(-1.0f32..1.0)));
        (value.name.clone(), (0..function.ty(id).elements()).map(draw).collect())
    };
    function.inputs().iter().map(|&id| numbers(id)).collect()
}

/// Writes row-major numbers to a surface, and a pattern that must not matter to its padding.
pub(crate) fn write(port: &Port, surface: &Surface, numbers: &[f64]) {
    let (width, stride) = (port.width(), port.stride_elements());
    let mut guard = surface.write();
    guard.bytes_mut().fill(0x7E);
    for (i, &number) in numbers.iter().enumerate() {
        let at = i / width * stride + i % width;
        match port.ty.dtype {
            DType::Fp16 => guard.fp16_mut()[at] = f16::from_f64(number),
            _ => guard.fp32_mut()[at] = number as f32,
        }
    }
}

/// The row-major numbers of a surface.
pub(crate) fn read(port: &Port, surface: &Surface) -> Vec<f64> {
    let (width, stride) = (port.width(), port.stride_elements());
    let guard = surface.read();
    let at = |i: usize| i / width * stride + i % width;
    (0..port.ty.elements())
        .map(|i| match port.ty.dtype {
            DType::Fp16 => guard.fp16()[at(i)].to_f64(),
            _ => f64::from(guard.fp32()[at(i)]),
        })
        .collect()
}

pub(crate) fn bind(kernel: &Arc<dyn Kernel>, inputs: &HashMap<String, Vec<f64>>) -> engrad_engine::Request {
    let surfaces = |ports: &[Port]| ports.iter().map(|p| Surface::for_port(p).unwrap()).collect::<Vec<_>>();
    let (sources, targets) = (surfaces(kernel.inputs()), surfaces(kernel.outputs()));
    for (port, surface) in kernel.inputs().iter().zip(&sources) {
        write(port, surface, &inputs[&port.name]);
    }
    kernel.bind(sources, targets).unwrap()
}

pub(crate) fn run(
    engine: &VirtualEngine,
    function: &Function,
    inputs: &HashMap<String, Vec<f64>>,
) -> HashMap<String, Vec<f64>> {
    let kernel = engine.compile(&Program::new(function.clone())).unwrap();
    let request = bind(&kernel, inputs);
    request.evaluate().unwrap();
    // A second time: nothing of the first may be left that matters.
    request.evaluate().unwrap();
    let outputs = kernel.outputs().iter().zip(request.outputs());
    outputs.map(|(port, surface)| (port.name.clone(), read(port, surface))).collect()
}

/// Holds the engine to the reference: f32 within 1e-5 of the tensor's largest number, or of 0.1 for tensors of
/// small differences (an fp16 port rounds besides); fast within some units of fp16; bf16, where the processor has it,
/// within some of its.
pub(crate) fn check(function: &Function, seed: u64) {
    let inputs = random_inputs(function, seed);
    let bf16 = Options { numerics: Numerics::Bf16, threads: Some(1), ..Options::default() };
    let bf16 = VirtualEngine::new(bf16).is_ok().then_some((Numerics::Bf16, 2e-2));
    for (numerics, tolerance) in [(Numerics::F32, 1e-5), (Numerics::Fast, 4e-3)].into_iter().chain(bf16) {
        let expected = reference::evaluate_with(function, &inputs, numerics).unwrap();
        for threads in [1, 3] {
            let actual = run(&engine(numerics, threads), function, &inputs);
            for &id in function.outputs() {
                let value = function.value(id);
                let (actual, expected) = (&actual[&value.name], &expected[&value.name]);
                // A unit in the last place of fp16, and half a step of its subnormals.
                let (port, step) =
                    if function.ty(id).dtype == DType::Fp16 { (1e-3, 3e-8) } else { (0.0, 0.0) };
                let scale = expected.iter().filter(|v| v.is_finite()).fold(0.1f64, |m, v| m.max(v.abs()));
                for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
                    let close = (a - e).abs() <= tolerance * scale + port * e.abs() + step;
                    let same = a == e || (a.is_nan() && e.is_nan());
                    let overflow = port > 0.0 && e.abs() > 65000.0 && a.abs() >= 65000.0;
                    assert!(
                        close || same || overflow,
                        "{numerics:?}, {threads} threads, `{}` element {i}: {a}, not {e}\n{function:#?}",
                        value.name
                    );
                }
            }
        }
    }
}
