//! Shared events, chaining and weight instances: classes that construct and are then of no use (ane-facts 1.3, 1.8,
//! 1.9), as on release systems.

use crate::class::{Definition, Sel, SurfaceArgument, m2, m3, m4, m9};
use crate::foundation::{Array, Number, Text};
use crate::iosurface::IoSurface;
use crate::object::{self, Id, NIL, Ref, argument, autorelease, optional};

/// What an object of these classes keeps.
#[derive(Debug)]
struct Kept(#[allow(dead_code, reason = "kept alive")] Vec<Ref>);

fn keep(class: &str, objects: &[Id]) -> Id {
    let objects = objects.iter().filter(|o| !o.is_null()).map(|&o| Ref::retain(o)).collect();
    autorelease(object::new(class, Kept(objects)))
}

mod code {
    use super::*;

    pub(super) extern "C-unwind" fn events(_: Id, _: Sel, signal: Id, wait: Id) -> Id {
        argument::<Array>(signal, "the signal events");
        argument::<Array>(wait, "the wait events");
        keep("_ANESharedEvents", &[signal, wait])
    }

    pub(super) extern "C-unwind" fn signal_event(
        _: Id,
        _: Sel,
        _value: u64,
        _symbol: u32,
        _kind: i64,
        event: Id,
    ) -> Id {
        if event.is_null() { NIL } else { keep("_ANESharedSignalEvent", &[event]) }
    }

    pub(super) extern "C-unwind" fn wait_event(_: Id, _: Sel, _value: u64, event: Id) -> Id {
        if event.is_null() { NIL } else { keep("_ANESharedWaitEvent", &[event]) }
    }

    #[allow(clippy::too_many_arguments, reason = "the method has as many")]
    pub(super) extern "C-unwind" fn chaining(
        _: Id,
        _: Sel,
        inputs: Id,
        output_sets: Id,
        input_symbols: Id,
        output_symbols: Id,
        procedure: Id,
        signals: Id,
        transaction: Id,
        delay: Id,
        pool: Id,
    ) -> Id {
        for list in [inputs, output_sets, input_symbols, output_symbols, signals] {
            argument::<Array>(list, "a list of the chaining request");
        }
        for number in [procedure, transaction, delay, pool] {
            argument::<Number>(number, "a number of the chaining request");
        }
        keep("_ANEChainingRequest", &[inputs, output_sets])
    }

    pub(super) extern "C-unwind" fn buffer(_: Id, _: Sel, surface: Id, symbol: Id, _source: i64) -> Id {
        argument::<crate::request::SurfaceObject>(surface, "the buffer's surface");
        argument::<Number>(symbol, "the buffer's symbol");
        keep("_ANEBuffer", &[surface])
    }

    pub(super) extern "C-unwind" fn output_sets(
        _: Id,
        _: Sel,
        statistics: SurfaceArgument,
        buffers: Id,
    ) -> Id {
        optional::<IoSurface>(statistics.0, "the statistics surface");
        argument::<Array>(buffers, "the output buffers");
        keep("_ANEIOSurfaceOutputSets", &[statistics.0, buffers])
    }

    pub(super) extern "C-unwind" fn weight(_: Id, _: Sel, symbol: Id, url: Id) -> Id {
        argument::<Text>(symbol, "the weight's symbol");
        keep("_ANEWeight", &[symbol, url])
    }

    pub(super) extern "C-unwind" fn procedure_data(_: Id, _: Sel, symbol: Id, weights: Id) -> Id {
        argument::<Text>(symbol, "the procedure's symbol");
        argument::<Array>(weights, "the procedure's weights");
        keep("_ANEProcedureData", &[symbol, weights])
    }

    pub(super) extern "C-unwind" fn parameters(_: Id, _: Sel, data: Id, procedures: Id) -> Id {
        argument::<Array>(procedures, "the procedures");
        keep("_ANEModelInstanceParameters", &[data, procedures])
    }
}

pub(crate) fn classes() -> Vec<Definition> {
    let class = |name, method| Definition { name, class_methods: vec![method], instance_methods: Vec::new() };
    vec![
        class(
            "_ANESharedEvents",
            m2("sharedEventsWithSignalEvents:waitEvents:", "@32@0:8@16@24", code::events),
        ),
        class(
            "_ANESharedSignalEvent",
            m4(
                "signalEventWithValue:symbolIndex:eventType:sharedEvent:",
                "@44@0:8Q16I24q28@36",
                code::signal_event,
            ),
        ),
        class(
            "_ANESharedWaitEvent",
            m2("waitEventWithValue:sharedEvent:", "@32@0:8Q16@24", code::wait_event),
        ),
        class(
            "_ANEChainingRequest",
            m9(
                "chainingRequestWithInputs:outputSets:lbInputSymbolId:lbOutputSymbolId:procedureIndex:signalEvents:transactionHandle:fwEnqueueDelay:memoryPoolId:",
                "@88@0:8@16@24@32@40@48@56@64@72@80",
                code::chaining,
            ),
        ),
        class(
            "_ANEBuffer",
            m3("bufferWithIOSurfaceObject:symbolIndex:source:", "@40@0:8@16@24q32", code::buffer),
        ),
        class(
            "_ANEIOSurfaceOutputSets",
            m2("objectWithstatsSurRef:outputBuffer:", "@32@0:8^{__IOSurface=}16@24", code::output_sets),
        ),
        class("_ANEWeight", m2("weightWithSymbolAndURL:weightURL:", "@32@0:8@16@24", code::weight)),
        class(
            "_ANEProcedureData",
            m2("procedureDataWithSymbol:weightArray:", "@32@0:8@16@24", code::procedure_data),
        ),
        class(
            "_ANEModelInstanceParameters",
            m2("withProcedureData:procedureArray:", "@32@0:8@16@24", code::parameters),
        ),
    ]
}
