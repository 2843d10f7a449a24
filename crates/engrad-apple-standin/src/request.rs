//! `_ANEIOSurfaceObject` and `_ANERequest`, and what it takes to run one.

use std::sync::atomic::{AtomicBool, Ordering};

use engrad_engine::Surface;

use crate::class::{Definition, Sel, SurfaceArgument, m0, m1, m2, m7};
use crate::control;
use crate::device::PerformanceStatistics;
use crate::exceptions::throw;
use crate::foundation::{Array, Number, array, refuse};
use crate::iosurface::IoSurface;
use crate::object::{self, Id, NIL, Ref, argument, autorelease, optional};
use crate::program::{Compiled, ENGINE, State, Symbol};

#[derive(Debug)]
pub(crate) struct SurfaceObject {
    surface: Ref,
    offset: u64,
}

#[derive(Debug)]
struct Request {
    inputs: Ref,
    input_indices: Ref,
    outputs: Ref,
    output_indices: Ref,
    statistics: Option<Ref>,
    procedure: u64,
    mapped: AtomicBool,
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.mapped.load(Ordering::Relaxed) {
            control::violation("a request ended while its surfaces were mapped".to_owned());
        }
    }
}

/// The surfaces of a request by symbol. `None` if they do not cover the symbols one to one, or one is too small.
fn surfaces<'a>(objects: &Ref, indices: &Ref, symbols: &[Symbol]) -> Option<Vec<&'a IoSurface>> {
    let objects = &argument::<Array>(objects.get(), "the surfaces").0;
    let indices = &argument::<Array>(indices.get(), "the indices").0;
    if objects.len() != symbols.len() || indices.len() != symbols.len() {
        return None;
    }
    let mut by_symbol: Vec<Option<&IoSurface>> = vec![None; symbols.len()];
    for (object, index) in objects.iter().zip(indices) {
        let object = argument::<SurfaceObject>(object.get(), "a surface object");
        let index = usize::try_from(argument::<Number>(index.get(), "an index").0).ok()?;
        let surface = argument::<IoSurface>(object.surface.get(), "a surface");
        let symbol = symbols.get(index)?;
        if object.offset != 0 || surface.bytes < symbol.bytes() {
            return None;
        }
        *by_symbol.get_mut(index)? = Some(surface);
    }
    by_symbol.into_iter().collect()
}

const INFERENCE: &str = "ANEProgramProcessRequestDirect() Failed with status=";

fn inference_error(error: *mut Id, status: &str) -> bool {
    refuse(error, ENGINE, 8, &format!("{INFERENCE}{status} : statusType=0x9: Program Inference error"))
}

pub(crate) fn evaluate(state: &State, request: Id, error: *mut Id) -> bool {
    let request = argument::<Request>(request, "the request");
    if control::fault("throw-on-evaluate") {
        throw("NSGenericException", "thrown by evaluate");
    }
    let program = state.compiled().filter(|_| state.is_loaded());
    let Some(program) = program else {
        control::violation("evaluation of a model that is not loaded".to_owned());
        return inference_error(error, "0x1");
    };
    for status in ["0x1d", "0x16", "0x2"] {
        if control::fault(&format!("evaluate-{status}")) {
            return inference_error(error, status);
        }
    }
    if control::fault("evaluate-timeout") {
        return refuse(error, ENGINE, 8, "ANEProgramProcessRequestDirect() Failed: 0xe0000404");
    }
    let inputs = surfaces(&request.inputs, &request.input_indices, &program.inputs);
    let outputs = surfaces(&request.outputs, &request.output_indices, &program.outputs);
    let (Some(inputs), Some(outputs)) = (inputs, outputs) else {
        return inference_error(error, "0x1d");
    };
    if request.procedure != 0 {
        return inference_error(error, "0x2");
    }
    inputs.iter().for_each(|s| s.begin(false));
    outputs.iter().for_each(|s| s.begin(true));
    let result = run(&program, &inputs, &outputs);
    inputs.iter().for_each(|s| s.end(false));
    outputs.iter().for_each(|s| s.end(true));
    if let Some(statistics) = &request.statistics {
        argument::<PerformanceStatistics>(statistics.get(), "the statistics").set(1_000);
    }
    match result {
        Ok(()) => true,
        Err(reason) => {
            control::violation(format!("the virtual engine: {reason}"));
            inference_error(error, "0x16")
        }
    }
}

fn run(program: &Compiled, inputs: &[&IoSurface], outputs: &[&IoSurface]) -> Result<(), String> {
    if control::fault("evaluate-nothing") {
        return Ok(());
    }
    let memories =
        |surfaces: &[&IoSurface]| -> Vec<Surface> { surfaces.iter().map(|s| s.memory.clone()).collect() };
    let (inputs, mut results) = (memories(inputs), memories(outputs));
    if control::fault("swap-outputs") && results.len() > 1 && outputs[0].bytes == outputs[1].bytes {
        results.swap(0, 1);
    }
    program.evaluate(&inputs, &results)?;
    if control::fault("evaluate-zeros") {
        results.iter().for_each(|surface| surface.write().bytes_mut().fill(0));
    }
    Ok(())
}

pub(crate) fn map(state: &State, request: Id, error: *mut Id) -> bool {
    let request = argument::<Request>(request, "the request");
    let program = state.compiled().filter(|_| state.is_loaded());
    let fits = program.is_some_and(|program| {
        surfaces(&request.inputs, &request.input_indices, &program.inputs).is_some()
            && surfaces(&request.outputs, &request.output_indices, &program.outputs).is_some()
    });
    if !fits {
        return inference_error(error, "0x1d");
    }
    if request.mapped.swap(true, Ordering::Relaxed) {
        control::violation("a request was mapped twice".to_owned());
    }
    true
}

pub(crate) fn unmap(request: Id) {
    if !argument::<Request>(request, "the request").mapped.swap(false, Ordering::Relaxed) {
        control::violation("a request was unmapped that was not mapped".to_owned());
    }
}

mod code {
    use super::*;

    pub(super) extern "C-unwind" fn with_surface(_: Id, _: Sel, surface: SurfaceArgument) -> Id {
        make(surface, 0)
    }

    pub(super) extern "C-unwind" fn with_surface_at(
        _: Id,
        _: Sel,
        surface: SurfaceArgument,
        offset: Id,
    ) -> Id {
        let offset = argument::<Number>(offset, "the offset").0;
        make(surface, u64::try_from(offset).unwrap_or(u64::MAX))
    }

    fn make(surface: SurfaceArgument, offset: u64) -> Id {
        argument::<IoSurface>(surface.0, "the surface");
        if control::fault("nil-surface-object") {
            return NIL;
        }
        let surface = Ref::retain(surface.0);
        autorelease(object::new("_ANEIOSurfaceObject", SurfaceObject { surface, offset }))
    }

    pub(super) extern "C-unwind" fn offset(this: Id, _: Sel) -> Id {
        let offset = argument::<SurfaceObject>(this, "the surface object").offset;
        autorelease(crate::foundation::number(offset))
    }

    #[allow(clippy::too_many_arguments, reason = "the method has as many")]
    pub(super) extern "C-unwind" fn with_surfaces(
        _: Id,
        _: Sel,
        inputs: Id,
        input_indices: Id,
        outputs: Id,
        output_indices: Id,
        weights_buffer: Id,
        statistics: Id,
        procedure: Id,
    ) -> Id {
        for (list, what) in [(inputs, "an input"), (outputs, "an output")] {
            for object in &argument::<Array>(list, "the surfaces").0 {
                argument::<SurfaceObject>(object.get(), what);
            }
        }
        for list in [input_indices, output_indices] {
            for index in &argument::<Array>(list, "the indices").0 {
                argument::<Number>(index.get(), "an index");
            }
        }
        // Accepted and ignored, as the real one does (C08).
        optional::<SurfaceObject>(weights_buffer, "the weights buffer");
        optional::<PerformanceStatistics>(statistics, "the statistics");
        let procedure = argument::<Number>(procedure, "the procedure's index").0;
        if control::fault("nil-request") {
            return NIL;
        }
        let request = Request {
            inputs: Ref::retain(inputs),
            input_indices: Ref::retain(input_indices),
            outputs: Ref::retain(outputs),
            output_indices: Ref::retain(output_indices),
            statistics: (!statistics.is_null()).then(|| Ref::retain(statistics)),
            procedure: u64::try_from(procedure).unwrap_or(u64::MAX),
            mapped: AtomicBool::new(false),
        };
        autorelease(object::new("_ANERequest", request))
    }

    fn this<'a>(request: Id) -> &'a Request {
        argument(request, "the request")
    }

    pub(super) extern "C-unwind" fn validate(request: Id, _: Sel) -> bool {
        let request = this(request);
        let count = |list: &Ref| argument::<Array>(list.get(), "a list").0.len();
        count(&request.inputs) == count(&request.input_indices)
            && count(&request.outputs) == count(&request.output_indices)
    }

    pub(super) extern "C-unwind" fn statistics(request: Id, _: Sel) -> Id {
        this(request).statistics.as_ref().map_or(NIL, Ref::get)
    }

    pub(super) extern "C-unwind" fn statistics_array(request: Id, _: Sel) -> Id {
        autorelease(array(this(request).statistics.iter().cloned().collect()))
    }

    pub(super) extern "C-unwind" fn set_shared_events(request: Id, _: Sel, events: Id) {
        this(request);
        if !events.is_null() && object::class_name(events) != "_ANESharedEvents" {
            let reason = format!("shared events are {}", object::class_name(events));
            control::violation(reason.clone());
            throw("NSInvalidArgumentException", &reason);
        }
    }
}

pub(crate) fn classes() -> Vec<Definition> {
    vec![
        Definition {
            name: "_ANEIOSurfaceObject",
            class_methods: vec![
                m1("objectWithIOSurface:", "@24@0:8^{__IOSurface=}16", code::with_surface),
                m2("objectWithIOSurface:startOffset:", "@32@0:8^{__IOSurface=}16@24", code::with_surface_at),
            ],
            instance_methods: vec![m0("startOffset", "@16@0:8", code::offset)],
        },
        Definition {
            name: "_ANERequest",
            class_methods: vec![m7(
                "requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:procedureIndex:",
                "@72@0:8@16@24@32@40@48@56@64",
                code::with_surfaces,
            )],
            instance_methods: vec![
                m0("validate", "B16@0:8", code::validate),
                m0("perfStats", "@16@0:8", code::statistics),
                m0("perfStatsArray", "@16@0:8", code::statistics_array),
                m1("setSharedEvents:", "v24@0:8@16", code::set_shared_events),
            ],
        },
    ]
}
