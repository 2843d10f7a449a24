//! Every class and selector in use, with types (ane-facts 1.3, 1.6–1.9).
//!
//! A row is `+` (class method) or `-` (instance method), a name, the selector, argument types and result type. Without
//! the required rows there is no engine; the optional ones serve probes and other paths of evaluation, and what is
//! missing is reported when it is asked for.

use std::ffi::{c_char, c_void};

use super::encode::{Out, SurfaceRef, normalize};
use super::message::{Message, Unusable};
use super::runtime::{Class, Object, Runtime};
use crate::AppleError;

type Pointer = *const c_void;
type Text = *const c_char;

/// One method of the table and what the runtime has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Name of the class.
    pub class: &'static str,
    /// `+` for a class method, `-` for an instance method.
    pub kind: char,
    /// Its selector.
    pub selector: &'static str,
    /// Whether there is no engine without it.
    pub required: bool,
    /// The type encoding that calls are made with, without frame offsets.
    pub expected: String,
    /// The type encoding found; `None` if there is no such method or class.
    pub found: Option<String>,
}

impl Symbol {
    /// Whether it is there and has the types that calls are made with.
    pub fn usable(&self) -> bool {
        self.found.as_ref().is_some_and(|found| normalize(found) == self.expected)
    }
}

macro_rules! instance {
    (+) => {
        false
    };
    (-) => {
        true
    };
}

macro_rules! classes {
    ($(
        $(#[$doc:meta])* $field:ident $struct:ident = $class:literal {
            required { $( $kind:tt $name:ident = $selector:literal ($($arg:ty),*) -> $result:ty; )* }
            optional { $( $okind:tt $oname:ident = $oselector:literal ($($oarg:ty),*) -> $oresult:ty; )* }
        }
    )*) => {
        /// The table, looked up.
        #[derive(Debug)]
        pub(crate) struct Classes { $( $(#[$doc])* pub(crate) $field: $struct, )* }

        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(crate) struct $struct {
                /// Null if the class is missing, which only one of optional rows may be.
                #[allow(dead_code, reason = "the root class is never a receiver")]
                pub(crate) class: Class,
                $( pub(crate) $name: Message<($($arg,)*), $result>, )*
                $( pub(crate) $oname: Option<Message<($($oarg,)*), $oresult>>, )*
            }

            impl $struct {
                fn load(runtime: &Runtime) -> Result<Self, AppleError> {
                    let class = runtime.class($class).unwrap_or(Class(std::ptr::null_mut()));
                    Ok(Self {
                        class,
                        $( $name: required(Message::<($($arg,)*), $result>::find(runtime, class, $selector, instance!($kind)), $class, $selector)?, )*
                        $( $oname: Message::<($($oarg,)*), $oresult>::find(runtime, class, $oselector, instance!($okind)).ok(), )*
                    })
                }
            }
        )*

        impl Classes {
            pub(crate) fn load(runtime: &Runtime) -> Result<Self, AppleError> {
                Ok(Self { $( $field: $struct::load(runtime)?, )* })
            }
        }

        /// Every row of the table against a runtime.
        pub(crate) fn symbols(runtime: &Runtime) -> Vec<Symbol> {
            let mut symbols = Vec::new();
            $(
                let class = runtime.class($class);
                let found = |selector, instance| runtime.encoding(class?, runtime.selector(selector), instance);
                $( symbols.push(Symbol {
                    class: $class, kind: kind(instance!($kind)), selector: $selector, required: true,
                    expected: normalize(&Message::<($($arg,)*), $result>::encoding()),
                    found: found($selector, instance!($kind)),
                }); )*
                $( symbols.push(Symbol {
                    class: $class, kind: kind(instance!($okind)), selector: $oselector, required: false,
                    expected: normalize(&Message::<($($oarg,)*), $oresult>::encoding()),
                    found: found($oselector, instance!($okind)),
                }); )*
                let _ = &found;
            )*
            symbols
        }
    };
}

fn kind(instance: bool) -> char {
    if instance { '-' } else { '+' }
}

fn required<M>(found: Result<M, Unusable>, class: &str, selector: &str) -> Result<M, AppleError> {
    found.map_err(|reason| {
        AppleError::NotAvailable(match reason {
            Unusable::Missing => format!("`{class}` has no method `{selector}`"),
            Unusable::Encoding(found) => {
                format!("`{class}`'s method `{selector}` has other types than known: {found}")
            }
        })
    })
}

classes! {
    object ObjectClass = "NSObject" {
        required {
            - is_kind_of = "isKindOfClass:" (Class) -> bool;
        }
        optional {}
    }
    data DataClass = "NSData" {
        required {
            + with_bytes = "dataWithBytes:length:" (Pointer, u64) -> Object;
        }
        optional {}
    }
    string StringClass = "NSString" {
        required {
            + with_text = "stringWithUTF8String:" (Text) -> Object;
            - text = "UTF8String" () -> Text;
        }
        optional {}
    }
    number NumberClass = "NSNumber" {
        required {
            + with_u64 = "numberWithUnsignedLongLong:" (u64) -> Object;
            - u64 = "unsignedLongLongValue" () -> u64;
        }
        optional {}
    }
    array ArrayClass = "NSArray" {
        required {
            + with_objects = "arrayWithObjects:count:" (Out, u64) -> Object;
            - count = "count" () -> u64;
            - at = "objectAtIndex:" (u64) -> Object;
        }
        optional {}
    }
    dictionary DictionaryClass = "NSDictionary" {
        required {
            + with_objects = "dictionaryWithObjects:forKeys:count:" (Out, Out, u64) -> Object;
            - get = "objectForKey:" (Object) -> Object;
        }
        optional {}
    }
    error ErrorClass = "NSError" {
        required {
            - domain = "domain" () -> Object;
            - code = "code" () -> i64;
            - description = "localizedDescription" () -> Object;
        }
        optional {}
    }
    descriptor DescriptorClass = "_ANEInMemoryModelDescriptor" {
        required {
            + with_text = "modelWithMILText:weights:optionsPlist:" (Object, Object, Object) -> Object;
        }
        optional {}
    }
    model ModelClass = "_ANEInMemoryModel" {
        required {
            + with_descriptor = "inMemoryModelWithDescriptor:" (Object) -> Object;
            - identifier = "hexStringIdentifier" () -> Object;
            - compile = "compileWithQoS:options:error:" (u32, Object, Out) -> bool;
            - load = "loadWithQoS:options:error:" (u32, Object, Out) -> bool;
            - evaluate = "evaluateWithQoS:options:request:error:" (u32, Object, Object, Out) -> bool;
            - unload = "unloadWithQoS:error:" (u32, Out) -> bool;
            - attributes = "modelAttributes" () -> Object;
        }
        optional {
            - map = "mapIOSurfacesWithRequest:cacheInference:error:" (Object, bool, Out) -> bool;
            - unmap = "unmapIOSurfacesWithRequest:" (Object) -> ();
            - compiled_exists = "compiledModelExists" () -> bool;
            - queue_depth = "queueDepth" () -> i8;
            - set_queue_depth = "setQueueDepth:" (i8) -> ();
            - statistics_mask = "perfStatsMask" () -> u32;
            - set_statistics_mask = "setPerfStatsMask:" (u32) -> ();
            - program_handle = "programHandle" () -> u64;
            - intermediate_handle = "intermediateBufferHandle" () -> u64;
            - state = "state" () -> u64;
            - model = "model" () -> Object;
        }
    }
    request RequestClass = "_ANERequest" {
        required {
            + with_surfaces = "requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:procedureIndex:"
                (Object, Object, Object, Object, Object, Object, Object) -> Object;
        }
        optional {
            - validate = "validate" () -> bool;
            - set_shared_events = "setSharedEvents:" (Object) -> ();
        }
    }
    surface SurfaceClass = "_ANEIOSurfaceObject" {
        required {
            + with_surface = "objectWithIOSurface:" (SurfaceRef) -> Object;
        }
        optional {}
    }
    client ClientClass = "_ANEClient" {
        required {}
        optional {
            + shared = "sharedConnection" () -> Object;
            - evaluate_direct = "doEvaluateDirectWithModel:options:request:qos:error:" (Object, Object, Object, u32, Out) -> bool;
            - begin_real_time = "beginRealTimeTask" () -> bool;
            - end_real_time = "endRealTimeTask" () -> bool;
            - load_real_time = "loadRealTimeModel:options:qos:error:" (Object, Object, u32, Out) -> bool;
            - unload_real_time = "unloadRealTimeModel:options:qos:error:" (Object, Object, u32, Out) -> bool;
            - evaluate_real_time = "evaluateRealTimeWithModel:options:request:error:" (Object, Object, Object, Out) -> bool;
            - prepare_chaining = "prepareChainingWithModel:options:chainingReq:qos:error:" (Object, Object, Object, u32, Out) -> bool;
            - load_instance = "loadModelNewInstance:options:modelInstParams:qos:error:" (Object, Object, Object, u32, Out) -> bool;
        }
    }
    device DeviceClass = "_ANEDeviceInfo" {
        required {}
        optional {
            + has_engine = "hasANE" () -> bool;
            + engines = "numANEs" () -> u32;
            + cores = "numANECores" () -> u32;
            + architecture = "aneArchitectureType" () -> Object;
            + sub_type = "aneSubType" () -> Object;
            + product = "productName" () -> Object;
            + build = "buildVersion" () -> Object;
            + is_virtual = "isVirtualMachine" () -> bool;
        }
    }
    statistics StatisticsClass = "_ANEPerformanceStats" {
        required {}
        optional {
            + with_time = "statsWithHardwareExecutionNS:" (u64) -> Object;
            - time = "hwExecutionTime" () -> u64;
            + driver_mask = "driverMaskForANEFMask:" (u32) -> u32;
        }
    }
    qos QosClass = "_ANEQoSMapper" {
        required {}
        optional {
            + background = "aneBackgroundTaskQoS" () -> u32;
            + utility = "aneUtilityTaskQoS" () -> u32;
            + default = "aneDefaultTaskQoS" () -> u32;
            + user_initiated = "aneUserInitiatedTaskQoS" () -> u32;
            + user_interactive = "aneUserInteractiveTaskQoS" () -> u32;
            + real_time = "aneRealTimeTaskQoS" () -> u32;
        }
    }
    shared_events SharedEventsClass = "_ANESharedEvents" {
        required {}
        optional {
            + with_events = "sharedEventsWithSignalEvents:waitEvents:" (Object, Object) -> Object;
        }
    }
    signal_event SignalEventClass = "_ANESharedSignalEvent" {
        required {}
        optional {
            + with_value = "signalEventWithValue:symbolIndex:eventType:sharedEvent:" (u64, u32, i64, Object) -> Object;
        }
    }
    wait_event WaitEventClass = "_ANESharedWaitEvent" {
        required {}
        optional {
            + with_value = "waitEventWithValue:sharedEvent:" (u64, Object) -> Object;
        }
    }
    chaining ChainingClass = "_ANEChainingRequest" {
        required {}
        optional {
            + with_inputs = "chainingRequestWithInputs:outputSets:lbInputSymbolId:lbOutputSymbolId:procedureIndex:signalEvents:transactionHandle:fwEnqueueDelay:memoryPoolId:"
                (Object, Object, Object, Object, Object, Object, Object, Object, Object) -> Object;
        }
    }
    buffer BufferClass = "_ANEBuffer" {
        required {}
        optional {
            + with_surface = "bufferWithIOSurfaceObject:symbolIndex:source:" (Object, Object, i64) -> Object;
        }
    }
    output_sets OutputSetsClass = "_ANEIOSurfaceOutputSets" {
        required {}
        optional {
            + with_buffers = "objectWithstatsSurRef:outputBuffer:" (SurfaceRef, Object) -> Object;
        }
    }
    weight WeightClass = "_ANEWeight" {
        required {}
        optional {
            + with_symbol = "weightWithSymbolAndURL:weightURL:" (Object, Object) -> Object;
        }
    }
    procedure_data ProcedureDataClass = "_ANEProcedureData" {
        required {}
        optional {
            + with_weights = "procedureDataWithSymbol:weightArray:" (Object, Object) -> Object;
        }
    }
    instance_parameters InstanceParametersClass = "_ANEModelInstanceParameters" {
        required {}
        optional {
            + with_procedures = "withProcedureData:procedureArray:" (Object, Object) -> Object;
        }
    }
}
