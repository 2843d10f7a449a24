//! The life of one program with the framework.

use std::path::Path;

use super::foundation::{Values, available, receiver};
use super::object::{Owned, Pool};
use crate::budget::Place;
use crate::error::Phase;
use crate::folder::Folder;
use crate::sys::Api;
use crate::sys::runtime::Object;
use crate::{AppleError, EvaluationPath, Options};

/// A weight file: its path as the program's text has it, and its content.
pub(crate) type WeightFile<'a> = (&'a str, &'a [u8]);

/// What weight files' paths begin with; the framework puts the folder of the program's files in its place.
pub(crate) const MODEL_PATH: &str = "@model_path/";

/// A model and its files, not yet loaded.
#[derive(Debug)]
pub(crate) struct Model {
    // In the order of their ends: the folder goes last.
    model: Owned,
    /// Passed as options with every call.
    no_options: Owned,
    folder: Folder,
    api: &'static Api,
    quality_of_service: u32,
}

impl Model {
    /// Makes the descriptor, the model, and the folder with its files.
    pub(crate) fn new(
        api: &'static Api,
        text: &str,
        weights: &[WeightFile<'_>],
        options: &Options,
    ) -> Result<Self, AppleError> {
        let _pool = Pool::new(api);
        let no_options = api.make_dictionary(&[])?;
        let data = api.make_data(text.as_bytes())?;
        let weight_dictionary = weight_dictionary(api, weights)?;
        let class = &api.classes.descriptor;
        // SAFETY: a class method; text as data, weights as a dictionary that is never nil (C20), no options list.
        let descriptor = unsafe {
            class.with_text.send(
                &api.runtime,
                class.class.into(),
                data.get(),
                weight_dictionary.get(),
                Object::NIL,
            )
        }?;
        // SAFETY: what the method returned.
        let descriptor = unsafe { Owned::retain(api, descriptor, Phase::Compile, "the model's descriptor") }?;
        let class = &api.classes.model;
        // SAFETY: a class method, given a descriptor.
        let model =
            unsafe { class.with_descriptor.send(&api.runtime, class.class.into(), descriptor.get()) }?;
        // SAFETY: what the method returned.
        let model = unsafe { Owned::retain(api, model, Phase::Compile, "the model") }?;
        // SAFETY: a model.
        let identifier = unsafe { class.identifier.send(&api.runtime, model.get()) }?;
        let string = |object, what: &str| -> Result<String, AppleError> {
            api.read_string(object)?.ok_or_else(|| AppleError::Unexpected {
                phase: Phase::Compile,
                reason: format!("{what} is {}", api.runtime.class_name(object)),
            })
        };
        let identifier = string(identifier, "the model's identifier")?;
        let parent = string(api.temporary_directory()?, "the temporary directory")?;
        let folder = Folder::make(Path::new(&parent), &identifier)?;
        folder.write("model.mil", text.as_bytes())?;
        for (path, content) in weights {
            folder.write(path.strip_prefix(MODEL_PATH).unwrap_or(path), content)?;
        }
        Ok(Self { model, no_options, folder, api, quality_of_service: options.quality_of_service })
    }

    /// Compiles. The caller holds the permit.
    pub(crate) fn compile(&self) -> Result<(), AppleError> {
        let _pool = Pool::new(self.api);
        let (class, runtime) = (&self.api.classes.model, &self.api.runtime);
        self.api.attempt(Phase::Compile, |error| {
            // SAFETY: a model, and a place for an error.
            unsafe {
                class.compile.send(
                    runtime,
                    self.model.get(),
                    self.quality_of_service,
                    self.no_options.get(),
                    error,
                )
            }
        })
    }

    fn try_load(&self) -> Result<(), AppleError> {
        let _pool = Pool::new(self.api);
        let (class, runtime) = (&self.api.classes.model, &self.api.runtime);
        self.api.attempt(Phase::Load, |error| {
            // SAFETY: a compiled model, and a place for an error.
            unsafe {
                class.load.send(
                    runtime,
                    self.model.get(),
                    self.quality_of_service,
                    self.no_options.get(),
                    error,
                )
            }
        })
    }

    /// Loads the compiled program, trying once more after a rest if the framework refuses, and prepares the chosen path
    /// of evaluation.
    pub(crate) fn load(self, options: &Options) -> Result<Loaded, AppleError> {
        let place = Place::take(options)?;
        match self.try_load() {
            Err(AppleError::Framework(_)) => {
                std::thread::sleep(options.pause_before_reload);
                self.try_load()?;
            }
            other => other?,
        }
        let mut loaded =
            Loaded { client: None, real_time: false, model: self, _place: place, path: options.path };
        if options.path != EvaluationPath::Plain {
            loaded.connect()?;
        }
        Ok(loaded)
    }
}

fn weight_dictionary(api: &'static Api, weights: &[WeightFile<'_>]) -> Result<Owned, AppleError> {
    let (offset_key, data_key) = (api.make_string("offset")?, api.make_string("data")?);
    let offset = api.make_number(0)?;
    let mut entries = Vec::new();
    for (path, content) in weights {
        let data = api.make_data(content)?;
        let entry = api.make_dictionary(&[(offset_key.get(), offset.get()), (data_key.get(), data.get())])?;
        entries.push((api.make_string(path)?, entry));
    }
    let pairs: Vec<(Object, Object)> = entries.iter().map(|(k, v)| (k.get(), v.get())).collect();
    api.make_dictionary(&pairs)
}

/// A model on the device; taken off with the value.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The client and its view of the model, for paths other than the plain one.
    client: Option<(Owned, Owned)>,
    /// Whether the real-time task has begun and the model is loaded for it.
    real_time: bool,
    model: Model,
    _place: Place,
    path: EvaluationPath,
}

impl Loaded {
    pub(crate) fn api(&self) -> &'static Api {
        self.model.api
    }

    /// The model object.
    pub(crate) fn object(&self) -> Object {
        self.model.model.get()
    }

    pub(crate) fn no_options(&self) -> Object {
        self.model.no_options.get()
    }

    /// Gets the client, and for the real-time path begins its task.
    fn connect(&mut self) -> Result<(), AppleError> {
        let (client, view) = self.new_client()?;
        let api = self.api();
        let _pool = Pool::new(api);
        let class = &api.classes.client;
        if self.path == EvaluationPath::RealTime {
            let begin = available(class.begin_real_time, "beginRealTimeTask")?;
            let end = available(class.end_real_time, "endRealTimeTask")?;
            let load = available(class.load_real_time, "loadRealTimeModel:options:qos:error:")?;
            // SAFETY: a client.
            if !unsafe { begin.send(&api.runtime, client.get()) }? {
                let reason = "the real-time task was refused".to_owned();
                return Err(AppleError::NotAvailable(reason));
            }
            let loaded = api.attempt(Phase::Load, |error| {
                // SAFETY: a client and its view of a loaded model.
                unsafe {
                    load.send(
                        &api.runtime,
                        client.get(),
                        view.get(),
                        self.no_options(),
                        self.model.quality_of_service,
                        error,
                    )
                }
            });
            if let Err(error) = loaded {
                // SAFETY: ends the task just begun.
                let _ = unsafe { end.send(&api.runtime, client.get()) };
                return Err(error);
            }
            self.real_time = true;
        }
        self.client = Some((client, view));
        Ok(())
    }

    /// The shared client and its view of the model.
    pub(crate) fn new_client(&self) -> Result<(Owned, Owned), AppleError> {
        let api = self.api();
        let _pool = Pool::new(api);
        let class = &api.classes.client;
        let shared = available(class.shared, "sharedConnection")?;
        let view = available(api.classes.model.model, "model")?;
        // SAFETY: a class method.
        let client = unsafe { shared.send(&api.runtime, receiver(class.class, "_ANEClient")?) }?;
        // SAFETY: what the method returned.
        let client = unsafe { Owned::retain(api, client, Phase::Load, "the shared connection") }?;
        // SAFETY: a model.
        let view = unsafe { view.send(&api.runtime, self.object()) }?;
        // SAFETY: what the method returned.
        let view = unsafe { Owned::retain(api, view, Phase::Load, "the client's view of the model") }?;
        Ok((client, view))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.model.folder.path()
    }

    /// Takes the program off the device and puts it there again.
    pub(crate) fn reload(&self) -> Result<(), AppleError> {
        let api = self.api();
        let _pool = Pool::new(api);
        api.attempt(Phase::Unload, |error| {
            let message = api.classes.model.unload;
            // SAFETY: a loaded model.
            unsafe { message.send(&api.runtime, self.object(), self.model.quality_of_service, error) }
        })?;
        self.model.try_load()
    }

    /// The model's attributes, for as long as `read` looks at them.
    pub(crate) fn with_attributes<R>(
        &self,
        read: impl FnOnce(&'static Api, Object) -> Result<R, AppleError>,
    ) -> Result<R, AppleError> {
        let api = self.api();
        let _pool = Pool::new(api);
        // SAFETY: a loaded model.
        let attributes = unsafe { api.classes.model.attributes.send(&api.runtime, self.object()) }?;
        read(api, attributes)
    }

    /// A request of surface objects, in the order of the model's symbols; weights buffer, statistics (both may be nil)
    /// and index of the procedure.
    pub(crate) fn request(
        &self,
        inputs: &[Object],
        outputs: &[Object],
        (weights_buffer, statistics, procedure): (Object, Object, u64),
    ) -> Result<Owned, AppleError> {
        let api = self.api();
        let _pool = Pool::new(api);
        let indices = |count: usize| -> Result<Owned, AppleError> {
            let numbers = (0..count as u64).map(|i| api.make_number(i)).collect::<Result<Vec<_>, _>>()?;
            api.make_array(&numbers.iter().map(Owned::get).collect::<Vec<_>>())
        };
        let (input_indices, output_indices) = (indices(inputs.len())?, indices(outputs.len())?);
        let (inputs, outputs) = (api.make_array(inputs)?, api.make_array(outputs)?);
        let procedure = api.make_number(procedure)?;
        let class = &api.classes.request;
        // SAFETY: a class method; arrays of surface objects and numbers, and what else a request takes.
        let request = unsafe {
            class.with_surfaces.send(
                &api.runtime,
                class.class.into(),
                inputs.get(),
                input_indices.get(),
                outputs.get(),
                output_indices.get(),
                weights_buffer,
                statistics,
                procedure.get(),
            )
        }?;
        // SAFETY: what the method returned.
        unsafe { Owned::retain(api, request, Phase::Bind, "the request") }
    }

    /// Runs a request; returns when the device is done.
    pub(crate) fn evaluate(&self, request: &PreparedRequest) -> Result<(), AppleError> {
        let api = self.api();
        let _pool = Pool::new(api);
        let (runtime, quality_of_service) = (&api.runtime, self.model.quality_of_service);
        let (options, request) = (self.no_options(), request.request.get());
        match (&self.client, self.path) {
            (None, _) | (_, EvaluationPath::Plain) => api.attempt(Phase::Evaluate, |error| {
                let message = api.classes.model.evaluate;
                // SAFETY: a loaded model and a request of its own.
                unsafe { message.send(runtime, self.object(), quality_of_service, options, request, error) }
            }),
            (Some((client, view)), EvaluationPath::ClientDirect) => {
                let message = available(
                    api.classes.client.evaluate_direct,
                    "doEvaluateDirectWithModel:options:request:qos:error:",
                )?;
                api.attempt(Phase::Evaluate, |error| {
                    // SAFETY: a client, its view of a loaded model and a request of the model.
                    unsafe {
                        message.send(
                            runtime,
                            client.get(),
                            view.get(),
                            options,
                            request,
                            quality_of_service,
                            error,
                        )
                    }
                })
            }
            (Some((client, view)), EvaluationPath::RealTime) => {
                let message = available(
                    api.classes.client.evaluate_real_time,
                    "evaluateRealTimeWithModel:options:request:error:",
                )?;
                api.attempt(Phase::Evaluate, |error| {
                    // SAFETY: as above, and the model is loaded for real time.
                    unsafe { message.send(runtime, client.get(), view.get(), options, request, error) }
                })
            }
        }
    }

    /// As [`Loaded::evaluate`], by the plain or the direct entry, with another quality of service.
    pub(crate) fn evaluate_object(
        &self,
        request: &Owned,
        quality_of_service: u32,
        direct: bool,
    ) -> Result<(), AppleError> {
        let api = self.api();
        let _pool = Pool::new(api);
        let (runtime, options) = (&api.runtime, self.no_options());
        if !direct {
            let message = api.classes.model.evaluate;
            return api.attempt(Phase::Evaluate, |error| {
                // SAFETY: a loaded model and a request of its own.
                unsafe {
                    message.send(runtime, self.object(), quality_of_service, options, request.get(), error)
                }
            });
        }
        let message = available(
            api.classes.client.evaluate_direct,
            "doEvaluateDirectWithModel:options:request:qos:error:",
        )?;
        let (client, view) = self.new_client()?;
        api.attempt(Phase::Evaluate, |error| {
            // SAFETY: a client, its view of a loaded model and a request of the model.
            unsafe {
                message.send(
                    runtime,
                    client.get(),
                    view.get(),
                    options,
                    request.get(),
                    quality_of_service,
                    error,
                )
            }
        })
    }

    fn end_real_time(&self) {
        let Some((client, view)) = self.client.as_ref().filter(|_| self.real_time) else { return };
        let (api, class) = (self.api(), &self.api().classes.client);
        if let Some(unload) = class.unload_real_time {
            let _ = api.attempt(Phase::Unload, |error| {
                // SAFETY: a client and its view of a model that it loaded.
                unsafe {
                    unload.send(
                        &api.runtime,
                        client.get(),
                        view.get(),
                        self.no_options(),
                        self.model.quality_of_service,
                        error,
                    )
                }
            });
        }
        if let Some(end) = class.end_real_time {
            // SAFETY: a client whose task was begun once.
            let _ = unsafe { end.send(&api.runtime, client.get()) };
        }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        let api = self.api();
        let _pool = Pool::new(api);
        self.end_real_time();
        // Nobody could act on a failure here: the model is released in any case.
        let _ = api.attempt(Phase::Unload, |error| {
            let message = api.classes.model.unload;
            // SAFETY: a loaded model, unloaded once.
            unsafe { message.send(&api.runtime, self.object(), self.model.quality_of_service, error) }
        });
    }
}

/// A request object, and whether its surfaces are mapped.
#[derive(Debug)]
pub(crate) struct PreparedRequest {
    request: Owned,
    /// Set while mapped.
    mapped: Option<std::sync::Arc<Loaded>>,
}

impl PreparedRequest {
    pub(crate) fn new(
        loaded: &std::sync::Arc<Loaded>,
        inputs: &[Object],
        outputs: &[Object],
        map: bool,
    ) -> Result<Self, AppleError> {
        let request = loaded.request(inputs, outputs, (Object::NIL, Object::NIL, 0))?;
        if !map {
            return Ok(Self { request, mapped: None });
        }
        let api = loaded.api();
        let _pool = Pool::new(api);
        let message = available(api.classes.model.map, "mapIOSurfacesWithRequest:cacheInference:error:")?;
        available(api.classes.model.unmap, "unmapIOSurfacesWithRequest:")?;
        api.attempt(Phase::Bind, |error| {
            // SAFETY: a loaded model and a request of its own.
            unsafe { message.send(&api.runtime, loaded.object(), request.get(), true, error) }
        })?;
        Ok(Self { request, mapped: Some(std::sync::Arc::clone(loaded)) })
    }
}

impl Drop for PreparedRequest {
    fn drop(&mut self) {
        let Some(loaded) = &self.mapped else { return };
        let api = loaded.api();
        let _pool = Pool::new(api);
        if let Some(message) = api.classes.model.unmap {
            // SAFETY: the model that mapped the request, once.
            let _ = unsafe { message.send(&api.runtime, loaded.object(), self.request.get()) };
        }
    }
}
