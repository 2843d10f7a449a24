//! `_ANEInMemoryModelDescriptor`, `_ANEInMemoryModel` and `_ANEModel`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI8, AtomicU32, Ordering};

use sha2::{Digest, Sha256};

use crate::attributes;
use crate::class::{Definition, Sel, m0, m1, m2, m3, m4};
use crate::control;
use crate::exceptions::throw;
use crate::foundation::{Data, Dictionary, Number, Text, refuse, string};
use crate::object::{self, Id, NIL, Ref, argument, autorelease, optional};
use crate::program::{self, ENGINE, State};
use crate::request;

#[derive(Debug)]
struct Descriptor {
    text: Vec<u8>,
    weights: Vec<(String, Vec<u8>)>,
    dictionary: Ref,
}

#[derive(Debug)]
pub(crate) struct Model {
    descriptor: Ref,
    folder: PathBuf,
    identifier: String,
    pub(crate) state: Arc<State>,
    queue_depth: AtomicI8,
    statistics_mask: AtomicU32,
}

/// The client's view of a model.
#[derive(Debug)]
pub(crate) struct ModelView {
    pub(crate) state: Arc<State>,
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02X}")).collect()
}

impl Descriptor {
    fn text_hash(&self) -> String {
        hash(&self.text)
    }

    fn weights_hash(&self) -> String {
        let mut all = Vec::new();
        for (path, content) in &self.weights {
            all.extend_from_slice(path.as_bytes());
            all.extend_from_slice(content);
        }
        hash(&all)
    }

    fn identifier(&self) -> String {
        [self.text_hash(), self.weights_hash(), hash(b"")].join("_")
    }
}

fn weights(dictionary: &Dictionary) -> Vec<(String, Vec<u8>)> {
    let entry = |(key, value): &(Ref, Ref)| {
        let path = argument::<Text>(key.get(), "a weight's path").as_str().to_owned();
        if !path.starts_with(program::MODEL_PATH) {
            control::violation(format!("the weight path {path} does not begin with @model_path/"));
        }
        let value = argument::<Dictionary>(value.get(), "a weight's entry");
        let (offset, data) = (value.get("offset").unwrap_or(NIL), value.get("data").unwrap_or(NIL));
        argument::<Number>(offset, "a weight's offset");
        (path, argument::<Data>(data, "a weight's data").0.clone())
    };
    let mut weights: Vec<_> = dictionary.0.iter().map(entry).collect();
    weights.sort();
    weights
}

mod code {
    use super::*;

    pub(super) extern "C-unwind" fn descriptor(
        _: Id,
        _: Sel,
        text: Id,
        weight_dictionary: Id,
        plist: Id,
    ) -> Id {
        let text = argument::<Data>(text, "the program's text").0.clone();
        if std::str::from_utf8(&text).is_err() {
            throw("NSInvalidArgumentException", "the program's text is no UTF-8");
        }
        let weights = weights(argument::<Dictionary>(weight_dictionary, "the weights"));
        optional::<Data>(plist, "the options");
        if control::fault("nil-descriptor") {
            return NIL;
        }
        let dictionary = Ref::retain(weight_dictionary);
        autorelease(object::new("_ANEInMemoryModelDescriptor", Descriptor { text, weights, dictionary }))
    }

    pub(super) extern "C-unwind" fn text_hash(this: Id, _: Sel) -> Id {
        autorelease(string(&argument::<Descriptor>(this, "the descriptor").text_hash()))
    }

    pub(super) extern "C-unwind" fn weights_hash(this: Id, _: Sel) -> Id {
        autorelease(string(&argument::<Descriptor>(this, "the descriptor").weights_hash()))
    }

    pub(super) extern "C-unwind" fn weights_of(this: Id, _: Sel) -> Id {
        argument::<Descriptor>(this, "the descriptor").dictionary.get()
    }

    pub(super) extern "C-unwind" fn model(_: Id, _: Sel, descriptor: Id) -> Id {
        let identifier = argument::<Descriptor>(descriptor, "the descriptor").identifier();
        if control::fault("nil-model") {
            return NIL;
        }
        let folder = std::env::temp_dir().join(&identifier);
        control::note_folder(folder.clone());
        let model = Model {
            descriptor: Ref::retain(descriptor),
            folder,
            identifier,
            state: Arc::default(),
            queue_depth: AtomicI8::new(127),
            statistics_mask: AtomicU32::new(0),
        };
        autorelease(object::new("_ANEInMemoryModel", model))
    }

    fn this<'a>(model: Id) -> &'a Model {
        argument(model, "the model")
    }

    pub(super) extern "C-unwind" fn identifier(model: Id, _: Sel) -> Id {
        if control::fault("nil-identifier") {
            return NIL;
        }
        match control::fault("hostile-identifier") {
            true => autorelease(string("../../engrad-hostile")),
            false => autorelease(string(&this(model).identifier)),
        }
    }

    fn check_options(quality_of_service: u32, options: Id) {
        argument::<Dictionary>(options, "the options");
        if quality_of_service > 63 {
            control::violation(format!("quality of service {quality_of_service}"));
        }
    }

    pub(super) extern "C-unwind" fn compile(
        model: Id,
        _: Sel,
        qos: u32,
        options: Id,
        error: *mut Id,
    ) -> bool {
        control::count("compile");
        check_options(qos, options);
        if control::fault("throw-on-compile") {
            throw("NSGenericException", "thrown by compile");
        }
        let model = this(model);
        let descriptor = argument::<Descriptor>(model.descriptor.get(), "the descriptor");
        model.state.compile(&model.folder, &descriptor.text, &descriptor.weights, error)
    }

    pub(super) extern "C-unwind" fn load(model: Id, _: Sel, qos: u32, options: Id, error: *mut Id) -> bool {
        control::count("load");
        check_options(qos, options);
        if control::fault("throw-on-load") {
            throw("NSGenericException", "thrown by load");
        }
        this(model).state.load(error)
    }

    pub(super) extern "C-unwind" fn unload(model: Id, _: Sel, _qos: u32, error: *mut Id) -> bool {
        control::count("unload");
        let unloaded = this(model).state.unload(error);
        if control::fault("throw-on-unload") {
            throw("NSGenericException", "thrown by unload");
        }
        unloaded
    }

    pub(super) extern "C-unwind" fn evaluate(
        model: Id,
        _: Sel,
        qos: u32,
        options: Id,
        request: Id,
        error: *mut Id,
    ) -> bool {
        control::count("evaluate");
        check_options(qos, options);
        request::evaluate(&this(model).state, request, error)
    }

    pub(super) extern "C-unwind" fn map(
        model: Id,
        _: Sel,
        request: Id,
        _cache: bool,
        error: *mut Id,
    ) -> bool {
        control::count("map");
        if control::fault("map-fails") {
            return refuse(error, ENGINE, 8, "mapIOSurfacesWithRequest failed with status=0xe00002be");
        }
        request::map(&this(model).state, request, error)
    }

    pub(super) extern "C-unwind" fn unmap(model: Id, _: Sel, request: Id) {
        control::count("unmap");
        this(model);
        request::unmap(request);
    }

    pub(super) extern "C-unwind" fn attributes(model: Id, _: Sel) -> Id {
        let state = &this(model).state;
        match state.compiled().filter(|_| state.is_loaded() && !control::fault("nil-attributes")) {
            Some(program) => autorelease(attributes::of(&program)),
            None => NIL,
        }
    }

    pub(super) extern "C-unwind" fn compiled_exists(model: Id, _: Sel) -> bool {
        this(model).state.compiled().is_some()
    }

    pub(super) extern "C-unwind" fn purge(model: Id, _: Sel) {
        this(model);
    }

    pub(super) extern "C-unwind" fn queue_depth(model: Id, _: Sel) -> i8 {
        this(model).queue_depth.load(Ordering::Relaxed)
    }

    pub(super) extern "C-unwind" fn set_queue_depth(model: Id, _: Sel, depth: i8) {
        this(model).queue_depth.store(depth, Ordering::Relaxed);
    }

    pub(super) extern "C-unwind" fn mask(model: Id, _: Sel) -> u32 {
        this(model).statistics_mask.load(Ordering::Relaxed)
    }

    pub(super) extern "C-unwind" fn set_mask(model: Id, _: Sel, mask: u32) {
        this(model).statistics_mask.store(mask, Ordering::Relaxed);
    }

    pub(super) extern "C-unwind" fn program_handle(model: Id, _: Sel) -> u64 {
        u64::from(this(model).state.is_loaded())
    }

    pub(super) extern "C-unwind" fn intermediate_handle(model: Id, _: Sel) -> u64 {
        this(model);
        0
    }

    pub(super) extern "C-unwind" fn state(model: Id, _: Sel) -> u64 {
        if this(model).state.is_loaded() { 3 } else { 1 }
    }

    pub(super) extern "C-unwind" fn view(model: Id, _: Sel) -> Id {
        let state = Arc::clone(&this(model).state);
        autorelease(object::new("_ANEModel", ModelView { state }))
    }
}

pub(crate) fn classes() -> Vec<Definition> {
    vec![
        Definition {
            name: "_ANEInMemoryModelDescriptor",
            class_methods: vec![m3(
                "modelWithMILText:weights:optionsPlist:",
                "@40@0:8@16@24@32",
                code::descriptor,
            )],
            instance_methods: vec![
                m0("networkTextHash", "@16@0:8", code::text_hash),
                m0("weightsHash", "@16@0:8", code::weights_hash),
                m0("weights", "@16@0:8", code::weights_of),
            ],
        },
        Definition {
            name: "_ANEInMemoryModel",
            class_methods: vec![m1("inMemoryModelWithDescriptor:", "@24@0:8@16", code::model)],
            instance_methods: vec![
                m0("hexStringIdentifier", "@16@0:8", code::identifier),
                m3("compileWithQoS:options:error:", "B36@0:8I16@20^@28", code::compile),
                m3("loadWithQoS:options:error:", "B36@0:8I16@20^@28", code::load),
                m4("evaluateWithQoS:options:request:error:", "B44@0:8I16@20@28^@36", code::evaluate),
                m2("unloadWithQoS:error:", "B28@0:8I16^@20", code::unload),
                m3("mapIOSurfacesWithRequest:cacheInference:error:", "B36@0:8@16B24^@28", code::map),
                m1("unmapIOSurfacesWithRequest:", "v24@0:8@16", code::unmap),
                m0("modelAttributes", "@16@0:8", code::attributes),
                m0("compiledModelExists", "B16@0:8", code::compiled_exists),
                m0("purgeCompiledModel", "v16@0:8", code::purge),
                m0("queueDepth", "c16@0:8", code::queue_depth),
                m1("setQueueDepth:", "v20@0:8c16", code::set_queue_depth),
                m0("perfStatsMask", "I16@0:8", code::mask),
                m1("setPerfStatsMask:", "v20@0:8I16", code::set_mask),
                m0("programHandle", "Q16@0:8", code::program_handle),
                m0("intermediateBufferHandle", "Q16@0:8", code::intermediate_handle),
                m0("state", "Q16@0:8", code::state),
                m0("model", "@16@0:8", code::view),
            ],
        },
        Definition { name: "_ANEModel", class_methods: Vec::new(), instance_methods: Vec::new() },
    ]
}
