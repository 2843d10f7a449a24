//! `_ANEClient`, `_ANEDeviceInfo`, `_ANEPerformanceStats` and `_ANEQoSMapper`.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::class::{Definition, Sel, m0, m1, m4, m5};
use crate::control;
use crate::foundation::{Dictionary, refuse, string};
use crate::model::ModelView;
use crate::object::{self, Id, NIL, argument, autorelease};
use crate::program::ENGINE;
use crate::request;

#[derive(Debug)]
struct Client {
    /// Real-time tasks begun and not ended.
    tasks: AtomicU64,
}

/// The shared connection; never ends.
static SHARED: LazyLock<AtomicUsize> = LazyLock::new(|| {
    AtomicUsize::new(object::new_immortal("_ANEClient", Client { tasks: AtomicU64::new(0) }) as usize)
});

#[derive(Debug)]
pub(crate) struct PerformanceStatistics {
    nanoseconds: AtomicU64,
}

impl PerformanceStatistics {
    pub(crate) fn set(&self, nanoseconds: u64) {
        self.nanoseconds.store(nanoseconds, Ordering::Relaxed);
    }
}

mod code {
    use super::*;

    pub(super) extern "C-unwind" fn shared(_: Id, _: Sel) -> Id {
        match control::fault("nil-client") {
            true => NIL,
            false => SHARED.load(Ordering::Relaxed) as Id,
        }
    }

    fn client<'a>(this: Id) -> &'a Client {
        argument(this, "the client")
    }

    fn view<'a>(model: Id) -> &'a ModelView {
        argument(model, "the model")
    }

    pub(super) extern "C-unwind" fn evaluate_direct(
        this: Id,
        _: Sel,
        model: Id,
        options: Id,
        request: Id,
        _qos: u32,
        error: *mut Id,
    ) -> bool {
        control::count("evaluate-direct");
        client(this);
        argument::<Dictionary>(options, "the options");
        request::evaluate(&view(model).state, request, error)
    }

    pub(super) extern "C-unwind" fn begin_real_time(this: Id, _: Sel) -> bool {
        control::count("begin-real-time");
        if control::fault("real-time-refused") {
            return false;
        }
        client(this).tasks.fetch_add(1, Ordering::Relaxed);
        true
    }

    pub(super) extern "C-unwind" fn end_real_time(this: Id, _: Sel) -> bool {
        control::count("end-real-time");
        let more = |n: u64| n.checked_sub(1);
        let ended = client(this).tasks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if !ended {
            control::violation("endRealTimeTask with no task begun".to_owned());
        }
        ended
    }

    pub(super) extern "C-unwind" fn load_real_time(
        this: Id,
        _: Sel,
        model: Id,
        options: Id,
        _qos: u32,
        error: *mut Id,
    ) -> bool {
        argument::<Dictionary>(options, "the options");
        if client(this).tasks.load(Ordering::Relaxed) == 0 {
            control::violation("loadRealTimeModel with no task begun".to_owned());
        }
        if control::fault("real-time-load-fails") {
            return refuse(error, ENGINE, 6, "loadRealTimeModel failed: 0xe00002c7");
        }
        view(model).state.set_real_time(true);
        true
    }

    pub(super) extern "C-unwind" fn unload_real_time(
        this: Id,
        _: Sel,
        model: Id,
        options: Id,
        _qos: u32,
        _error: *mut Id,
    ) -> bool {
        client(this);
        argument::<Dictionary>(options, "the options");
        view(model).state.set_real_time(false);
        true
    }

    pub(super) extern "C-unwind" fn evaluate_real_time(
        this: Id,
        _: Sel,
        model: Id,
        options: Id,
        request: Id,
        error: *mut Id,
    ) -> bool {
        control::count("evaluate-real-time");
        client(this);
        argument::<Dictionary>(options, "the options");
        let state = &view(model).state;
        if !state.is_real_time() {
            control::violation("real-time evaluation of a model not loaded for it".to_owned());
        }
        request::evaluate(state, request, error)
    }

    pub(super) extern "C-unwind" fn prepare_chaining(
        this: Id,
        _: Sel,
        model: Id,
        options: Id,
        _request: Id,
        _qos: u32,
        error: *mut Id,
    ) -> bool {
        client(this);
        view(model);
        argument::<Dictionary>(options, "the options");
        refuse(error, ENGINE, 15, "prepareChainingWithModel: not supported")
    }

    pub(super) extern "C-unwind" fn load_instance(
        this: Id,
        _: Sel,
        model: Id,
        options: Id,
        _parameters: Id,
        _qos: u32,
        error: *mut Id,
    ) -> bool {
        client(this);
        view(model);
        argument::<Dictionary>(options, "the options");
        refuse(error, ENGINE, 6, "loadModelNewInstance failed: 0xe00002c7")
    }

    pub(super) extern "C-unwind" fn has_engine(_: Id, _: Sel) -> bool {
        true
    }

    pub(super) extern "C-unwind" fn engines(_: Id, _: Sel) -> u32 {
        1
    }

    pub(super) extern "C-unwind" fn cores(_: Id, _: Sel) -> u32 {
        16
    }

    pub(super) extern "C-unwind" fn architecture(_: Id, _: Sel) -> Id {
        autorelease(string("standin"))
    }

    pub(super) extern "C-unwind" fn product(_: Id, _: Sel) -> Id {
        autorelease(string("stand-in"))
    }

    pub(super) extern "C-unwind" fn build(_: Id, _: Sel) -> Id {
        autorelease(string("0A0"))
    }

    pub(super) extern "C-unwind" fn is_virtual(_: Id, _: Sel) -> bool {
        true
    }

    pub(super) extern "C-unwind" fn with_time(_: Id, _: Sel, nanoseconds: u64) -> Id {
        let statistics = PerformanceStatistics { nanoseconds: AtomicU64::new(nanoseconds) };
        autorelease(object::new("_ANEPerformanceStats", statistics))
    }

    pub(super) extern "C-unwind" fn time(this: Id, _: Sel) -> u64 {
        argument::<PerformanceStatistics>(this, "the statistics").nanoseconds.load(Ordering::Relaxed)
    }

    pub(super) extern "C-unwind" fn driver_mask(_: Id, _: Sel, mask: u32) -> u32 {
        if mask > 0xF { 0 } else { mask }
    }

    macro_rules! qualities {
        ($($name:ident = $value:literal;)*) => {
            $( pub(super) extern "C-unwind" fn $name(_: Id, _: Sel) -> u32 { $value } )*
        };
    }

    qualities! {
        background = 9;
        utility = 17;
        default = 21;
        user_initiated = 25;
        user_interactive = 33;
        real_time = 63;
    }
}

pub(crate) fn classes() -> Vec<Definition> {
    vec![
        Definition {
            name: "_ANEClient",
            class_methods: vec![m0("sharedConnection", "@16@0:8", code::shared)],
            instance_methods: vec![
                m5(
                    "doEvaluateDirectWithModel:options:request:qos:error:",
                    "B52@0:8@16@24@32I40^@44",
                    code::evaluate_direct,
                ),
                m0("beginRealTimeTask", "B16@0:8", code::begin_real_time),
                m0("endRealTimeTask", "B16@0:8", code::end_real_time),
                m4("loadRealTimeModel:options:qos:error:", "B44@0:8@16@24I32^@36", code::load_real_time),
                m4("unloadRealTimeModel:options:qos:error:", "B44@0:8@16@24I32^@36", code::unload_real_time),
                m4(
                    "evaluateRealTimeWithModel:options:request:error:",
                    "B48@0:8@16@24@32^@40",
                    code::evaluate_real_time,
                ),
                m5(
                    "prepareChainingWithModel:options:chainingReq:qos:error:",
                    "B52@0:8@16@24@32I40^@44",
                    code::prepare_chaining,
                ),
                m5(
                    "loadModelNewInstance:options:modelInstParams:qos:error:",
                    "B52@0:8@16@24@32I40^@44",
                    code::load_instance,
                ),
            ],
        },
        Definition {
            name: "_ANEDeviceInfo",
            class_methods: vec![
                m0("hasANE", "B16@0:8", code::has_engine),
                m0("numANEs", "I16@0:8", code::engines),
                m0("numANECores", "I16@0:8", code::cores),
                m0("aneArchitectureType", "@16@0:8", code::architecture),
                m0("aneSubType", "@16@0:8", code::architecture),
                m0("productName", "@16@0:8", code::product),
                m0("buildVersion", "@16@0:8", code::build),
                m0("isVirtualMachine", "B16@0:8", code::is_virtual),
            ],
            instance_methods: Vec::new(),
        },
        Definition {
            name: "_ANEPerformanceStats",
            class_methods: vec![
                m1("statsWithHardwareExecutionNS:", "@24@0:8Q16", code::with_time),
                m1("driverMaskForANEFMask:", "I20@0:8I16", code::driver_mask),
            ],
            instance_methods: vec![m0("hwExecutionTime", "Q16@0:8", code::time)],
        },
        Definition {
            name: "_ANEQoSMapper",
            class_methods: vec![
                m0("aneBackgroundTaskQoS", "I16@0:8", code::background),
                m0("aneUtilityTaskQoS", "I16@0:8", code::utility),
                m0("aneDefaultTaskQoS", "I16@0:8", code::default),
                m0("aneUserInitiatedTaskQoS", "I16@0:8", code::user_initiated),
                m0("aneUserInteractiveTaskQoS", "I16@0:8", code::user_interactive),
                m0("aneRealTimeTaskQoS", "I16@0:8", code::real_time),
            ],
            instance_methods: Vec::new(),
        },
    ]
}
