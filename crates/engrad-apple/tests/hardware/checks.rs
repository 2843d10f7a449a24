//! The checks. Each makes an engine of its own, which compares every compiled program with the virtual engine; a check
//! passes if that does, and says why not otherwise.

use std::sync::Arc;

use engrad_apple::probe::EvaluateOptions;
use engrad_apple::{AppleEngine, EvaluationPath, Options};
use engrad_engine::{Kernel, Port, Request, Surface};
use engrad_mil::Program;

/// A check; its error says what went wrong.
pub(crate) type Check = fn(&Options) -> Result<(), String>;

pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("every method is there", methods),
    ("one input, one output", |o| compiles(o, &scaled("fp16", 32, 2.0))),
    ("rows that are no multiple of 64 bytes", |o| compiles(o, &scaled("fp16", 33, 2.0))),
    ("fp32 ports", |o| compiles(o, &scaled("fp32", 32, 2.0))),
    ("inputs and outputs in an order that is not their names'", |o| compiles(o, &two_by_two())),
    ("the client-direct path", |o| {
        compiles(&Options { path: EvaluationPath::ClientDirect, ..o.clone() }, &two_by_two())
    }),
    ("the real-time path", |o| {
        compiles(&Options { path: EvaluationPath::RealTime, ..o.clone() }, &two_by_two())
    }),
    ("surfaces mapped when bound", |o| compiles(&Options { map_surfaces: true, ..o.clone() }, &two_by_two())),
    ("one surface for two inputs", shared_input),
    ("a surface smaller than the port is accepted", small_surface),
    ("the hardware's time", statistics),
    ("chaining is prepared", chaining),
    ("a weight instance is loaded", weight_instance),
    ("weights rewritten on disk change the program after a reload", rewritten_weights),
];

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn engine(options: &Options) -> Result<AppleEngine, String> {
    AppleEngine::new(options.clone()).map_err(text)
}

fn compiles(options: &Options, program: &Program) -> Result<(), String> {
    engine(options)?.compile_program(program).map(drop).map_err(text)
}

fn program(text: &str) -> Program {
    engrad_mil::parse(&format!("program(1.3)\n{{\n{text}}}\n")).unwrap()
}

fn scaled(dtype: &str, width: usize, factor: f32) -> Program {
    let ty = format!("tensor<{dtype}, [1, 64, 1, {width}]>");
    // fp32 is for ports only: arithmetic is fp16.
    let body = if dtype == "fp32" {
        let half = format!("tensor<fp16, [1, 64, 1, {width}]>");
        format!(
            "string narrow = const()[name = string(\"narrow\"), val = string(\"fp16\")];
            string wide = const()[name = string(\"wide\"), val = string(\"fp32\")];
            {half} n = cast(x = x, dtype = narrow)[name = string(\"n\")];
            {half} m = mul(x = n, y = factor)[name = string(\"m\")];
            {ty} y = cast(x = m, dtype = wide)[name = string(\"y\")];\n"
        )
    } else {
        format!("{ty} y = mul(x = x, y = factor)[name = string(\"y\")];\n")
    };
    program(&format!(
        "    func main<ios18>({ty} x) {{
            fp16 factor = const()[name = string(\"factor\"), val = fp16({factor:?})];
            {body}        }} -> (y);\n"
    ))
}

fn two_by_two() -> Program {
    let ty = "tensor<fp16, [1, 64, 1, 32]>";
    program(&format!(
        "    func main<ios18>({ty} y, {ty} b) {{
            {ty} z = add(x = y, y = b)[name = string(\"z\")];
            {ty} a = sub(x = y, y = b)[name = string(\"a\")];
        }} -> (z, a);\n"
    ))
}

/// A product with a weight large enough for the weight file.
fn weighted() -> Program {
    let row =
        |i: usize| (0..8).map(|j| format!("{:?}", (i * 8 + j) as f32 / 64.0)).collect::<Vec<_>>().join(", ");
    let rows: Vec<String> = (0..8).map(|i| format!("[{}]", row(i))).collect();
    program(&format!(
        "    func main<ios18>(tensor<fp16, [1, 1, 8, 32]> x) {{
            bool no = const()[name = string(\"no\"), val = bool(false)];
            tensor<fp16, [1, 1, 8, 8]> w = const()[name = string(\"w\"), val = tensor<fp16, [1, 1, 8, 8]>([[[{}]]])];
            tensor<fp16, [1, 1, 8, 32]> y = matmul(x = w, y = x, transpose_x = no, transpose_y = no)[name = string(\"y\")];
        }} -> (y);\n",
        rows.join(", ")
    ))
}

fn bind(kernel: &Arc<dyn Kernel>) -> Result<Request, String> {
    let surfaces = |ports: &[Port]| -> Result<Vec<Surface>, String> {
        ports.iter().map(|p| kernel.surface(p).map_err(text)).collect()
    };
    let (inputs, outputs) = (surfaces(kernel.inputs())?, surfaces(kernel.outputs())?);
    for surface in &inputs {
        // 0x3800 is one half in fp16.
        surface.write().bytes_mut().chunks_exact_mut(2).for_each(|b| b.copy_from_slice(&[0x00, 0x38]));
    }
    kernel.bind(inputs, outputs).map_err(text)
}

fn methods(options: &Options) -> Result<(), String> {
    let missing: Vec<String> = engine(options)?
        .symbols()
        .into_iter()
        .filter(|s| !s.usable())
        .map(|s| format!("{}[{} {}] {:?}", s.kind, s.class, s.selector, s.found))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(missing.join(", ")) }
}

fn shared_input(options: &Options) -> Result<(), String> {
    let kernel = engine(options)?.compile_program(&two_by_two()).map_err(text)?;
    let first = bind(&kernel)?;
    let shared = first.inputs()[0].clone();
    let request = kernel.bind(vec![shared.clone(), shared], first.outputs().to_vec()).map_err(text)?;
    request.evaluate().map_err(text)?;
    let difference = request.outputs()[1].read();
    match difference.bytes()[..64].iter().all(|&b| b == 0) {
        true => Ok(()),
        false => Err("a value minus itself is not zero".to_owned()),
    }
}

fn small_surface(options: &Options) -> Result<(), String> {
    let probe = engine(options)?.compile_for_probe(&two_by_two()).map_err(text)?;
    let small = || (0..2).map(|_| probe.surface_of(2048).map_err(text)).collect::<Result<Vec<_>, _>>();
    probe.evaluate_unchecked_sizes(&small()?, &small()?).map_err(text)
}

fn statistics(options: &Options) -> Result<(), String> {
    let probe = engine(options)?.compile_for_probe(&two_by_two()).map_err(text)?;
    probe.set_statistics_mask(1).map_err(text)?;
    let request = bind(&probe.kernel())?;
    let asked = EvaluateOptions { statistics: true, ..EvaluateOptions::default() };
    match probe.evaluate(&request, &asked).map_err(text)? {
        Some(time) if time > 0 => Ok(()),
        other => Err(format!("time {other:?}")),
    }
}

fn chaining(options: &Options) -> Result<(), String> {
    let probe = engine(options)?.compile_for_probe(&two_by_two()).map_err(text)?;
    let request = bind(&probe.kernel())?;
    probe.prepare_chaining(&request).map_err(text)
}

fn weight_instance(options: &Options) -> Result<(), String> {
    let probe = engine(options)?.compile_for_probe(&weighted()).map_err(text)?;
    probe.load_instance_with_weight("w", &probe.folder().join("weights").to_string_lossy()).map_err(text)
}

fn rewritten_weights(options: &Options) -> Result<(), String> {
    let probe = engine(options)?.compile_for_probe(&weighted()).map_err(text)?;
    let request = bind(&probe.kernel())?;
    request.evaluate().map_err(text)?;
    let before = request.outputs()[0].read().bytes().to_vec();
    for file in std::fs::read_dir(probe.folder().join("weights")).map_err(text)? {
        let path = file.map_err(text)?.path();
        let mut content = std::fs::read(&path).map_err(text)?;
        // Behind the file's header and the blob's metadata.
        content.iter_mut().skip(128).for_each(|b| *b = 0);
        std::fs::write(&path, content).map_err(text)?;
    }
    probe.reload().map_err(text)?;
    request.evaluate().map_err(text)?;
    match request.outputs()[0].read().bytes() == before {
        true => Err("results are those of the weights it was compiled with".to_owned()),
        false => Ok(()),
    }
}
