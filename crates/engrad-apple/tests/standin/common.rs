//! The stand-in library, one test at a time.

use std::ffi::{CStr, CString, c_char};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engrad_apple::{AppleEngine, AppleError, Options, Source};
use engrad_engine::{Engine, Kernel, Port, Request, Surface};
use engrad_mil::Program;
use engrad_virtual::VirtualEngine;
use half::f16;
use libloading::Library;

/// Where cargo puts the stand-in: beside the tests.
pub(crate) fn path() -> PathBuf {
    let name = libloading::library_filename("engrad_apple_standin");
    std::env::current_exe().unwrap().parent().unwrap().join(name)
}

macro_rules! controls {
    ($($name:ident = $symbol:literal($($arg:ty),*) $(-> $result:ty)?;)*) => {
        struct Controls { $( $name: unsafe extern "C" fn($($arg),*) $(-> $result)?, )* }

        static CONTROLS: LazyLock<Controls> = LazyLock::new(|| {
            // SAFETY: the stand-in's initialiser makes some constants.
            let library: &'static Library = Box::leak(Box::new(unsafe { Library::new(path()) }.unwrap()));
            // SAFETY: the types are those of the stand-in's control functions.
            Controls { $( $name: *unsafe { library.get($symbol.as_bytes()) }.unwrap(), )* }
        });
    };
}

controls! {
    reset = "standin_reset"();
    inject = "standin_inject"(*const c_char, u64);
    limits = "standin_limits"(u64, u64);
    live_objects = "standin_live_objects"() -> u64;
    live_surfaces = "standin_live_surfaces"() -> u64;
    live_folders = "standin_live_folders"() -> u64;
    loaded = "standin_loaded"() -> u64;
    handled = "standin_handled_exceptions"() -> u64;
    calls = "standin_calls"(*const c_char) -> u64;
    violations = "standin_violations"(*mut c_char, usize) -> u64;
    census = "standin_census"(*mut c_char, usize);
    folders = "standin_folders"(*mut c_char, usize);
}

fn text(fill: impl FnOnce(*mut c_char, usize)) -> String {
    let mut text = vec![0u8; 16_384];
    fill(text.as_mut_ptr().cast(), text.len());
    CStr::from_bytes_until_nul(&text).unwrap().to_string_lossy().into_owned()
}

static TURN: Mutex<()> = Mutex::new(());

/// The test's turn with the library. At its end nothing may be left in it.
pub(crate) struct StandIn {
    _turn: MutexGuard<'static, ()>,
}

#[allow(clippy::undocumented_unsafe_blocks, reason = "control functions take terminated texts and numbers")]
impl StandIn {
    pub(crate) fn new() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let this = Self { _turn: turn };
        unsafe { (CONTROLS.reset)() };
        this.limits(119, 128);
        engrad_apple::reset_compiles();
        this
    }

    pub(crate) fn inject(&self, fault: &str, times: u64) {
        unsafe { (CONTROLS.inject)(CString::new(fault).unwrap().as_ptr(), times) };
    }

    pub(crate) fn limits(&self, compiles: u64, loaded: u64) {
        unsafe { (CONTROLS.limits)(compiles, loaded) };
    }

    pub(crate) fn calls(&self, what: &str) -> u64 {
        unsafe { (CONTROLS.calls)(CString::new(what).unwrap().as_ptr()) }
    }

    pub(crate) fn live_surfaces(&self) -> u64 {
        unsafe { (CONTROLS.live_surfaces)() }
    }

    pub(crate) fn live_folders(&self) -> u64 {
        unsafe { (CONTROLS.live_folders)() }
    }

    pub(crate) fn loaded(&self) -> u64 {
        unsafe { (CONTROLS.loaded)() }
    }

    /// Folders of programs' files.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        text(|buffer, size| unsafe { (CONTROLS.folders)(buffer, size) }).lines().map(PathBuf::from).collect()
    }

    pub(crate) fn violations(&self) -> String {
        text(|buffer, size| {
            unsafe { (CONTROLS.violations)(buffer, size) };
        })
    }

    /// Nothing is alive, loaded or on disk, and no rule was broken.
    pub(crate) fn assert_nothing_left(&self) {
        let census = text(|buffer, size| unsafe { (CONTROLS.census)(buffer, size) });
        let counts = unsafe {
            [
                (CONTROLS.live_objects)(),
                (CONTROLS.live_surfaces)(),
                (CONTROLS.live_folders)(),
                (CONTROLS.loaded)(),
                (CONTROLS.handled)(),
            ]
        };
        assert_eq!(counts, [0; 5], "objects, surfaces, folders, programs, exceptions: {census}");
        assert_eq!(engrad_apple::loaded(), 0);
        assert_eq!(self.violations(), "");
    }
}

/// Options that use the stand-in and do not rest.
pub(crate) fn options() -> Options {
    Options {
        source: Source::Library(path()),
        pause_after_failure: Duration::ZERO,
        pause_before_reload: Duration::ZERO,
        ..Options::default()
    }
}

pub(crate) fn engine(options: Options) -> AppleEngine {
    AppleEngine::new(options).unwrap()
}

pub(crate) fn reference() -> Arc<dyn Engine> {
    let options = engrad_virtual::Options { threads: Some(1), ..engrad_virtual::Options::default() };
    Arc::new(VirtualEngine::new(options).unwrap())
}

/// Two inputs in an order that is not their names', two outputs of equal size in an order that is not theirs, and a
/// weight large enough for the weight file.
pub(crate) fn program() -> Program {
    let weight: Vec<String> = (0..64).map(|i| format!("{}", f64::from(i % 7) * 0.25 - 0.5)).collect();
    let rows: Vec<String> = weight.chunks(8).map(|row| format!("[{}]", row.join(", "))).collect();
    let text = format!(
        "program(1.3)
[buildInfo = dict<string, string>({{{{\"coremltools-version\", \"9.0\"}}}})]
{{
    func main<ios18>(tensor<fp16, [1, 8, 1, 33]> y, tensor<fp16, [1, 8, 1, 33]> b) {{
        bool no = const()[name = string(\"no\"), val = bool(false)];
        tensor<fp16, [1, 1, 8, 8]> w = const()[name = string(\"w\"), val = tensor<fp16, [1, 1, 8, 8]>([[[{}]]])];
        tensor<int32, [4]> shape = const()[name = string(\"shape\"), val = tensor<int32, [4]>([1, 1, 8, 33])];
        tensor<int32, [4]> back = const()[name = string(\"back\"), val = tensor<int32, [4]>([1, 8, 1, 33])];
        tensor<fp16, [1, 1, 8, 33]> rows = reshape(x = y, shape = shape)[name = string(\"rows\")];
        tensor<fp16, [1, 1, 8, 33]> product = matmul(x = w, y = rows, transpose_x = no, transpose_y = no)[name = string(\"product\")];
        tensor<fp16, [1, 8, 1, 33]> z = reshape(x = product, shape = back)[name = string(\"z\")];
        tensor<fp16, [1, 8, 1, 33]> a = sub(x = y, y = b)[name = string(\"a\")];
    }} -> (z, a);
}}
",
        rows.join(", ")
    );
    engrad_mil::parse(&text).unwrap()
}

/// A program that differs from others by a number.
pub(crate) fn scaled(factor: f32) -> Program {
    let text = format!(
        "program(1.3)
{{
    func main<ios18>(tensor<fp16, [1, 4, 1, 32]> x) {{
        fp16 factor = const()[name = string(\"factor\"), val = fp16({factor:?})];
        tensor<fp16, [1, 4, 1, 32]> y = mul(x = x, y = factor)[name = string(\"y\")];
    }} -> (y);
}}
"
    );
    engrad_mil::parse(&text).unwrap()
}

pub(crate) fn bind(kernel: &Arc<dyn Kernel>) -> Request {
    let surfaces =
        |ports: &[Port]| -> Vec<Surface> { ports.iter().map(|p| kernel.surface(p).unwrap()).collect() };
    let (inputs, outputs) = (surfaces(kernel.inputs()), surfaces(kernel.outputs()));
    for (seed, (port, surface)) in kernel.inputs().iter().zip(&inputs).enumerate() {
        write(port, surface, seed);
    }
    kernel.bind(inputs, outputs).unwrap()
}

fn write(port: &Port, surface: &Surface, seed: usize) {
    let mut guard = surface.write();
    let elements = guard.fp16_mut();
    for row in 0..port.rows() {
        for column in 0..port.width() {
            let value = ((row * 31 + column * 7 + seed * 13) % 23) as f32 * 0.125 - 1.0;
            elements[row * port.stride_elements() + column] = f16::from_f32(value);
        }
    }
}

/// Bits of every output's elements, by name.
pub(crate) fn outputs(request: &Request) -> Vec<(String, Vec<u16>)> {
    let read = |(port, surface): (&Port, &Surface)| {
        let guard = surface.read();
        let row = |row: usize| {
            let start = row * port.stride_elements();
            guard.fp16()[start..start + port.width()].iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        (port.name.clone(), (0..port.rows()).flat_map(row).collect())
    };
    request.kernel().outputs().iter().zip(request.outputs()).map(read).collect()
}

/// The outputs that an engine computes for a program.
pub(crate) fn run(engine: &dyn Engine, program: &Program) -> Vec<(String, Vec<u16>)> {
    let kernel = engine.compile(program).unwrap();
    let request = bind(&kernel);
    request.evaluate().unwrap();
    outputs(&request)
}

pub(crate) fn error(result: Result<Arc<dyn Kernel>, AppleError>) -> AppleError {
    match result {
        Ok(kernel) => panic!("{kernel:?} compiled"),
        Err(error) => error,
    }
}
