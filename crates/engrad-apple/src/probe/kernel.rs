use std::path::Path;
use std::sync::Arc;

use engrad_engine::{Kernel, Request, Surface};

use crate::error::Phase;
use crate::kernel::AppleKernel;
use crate::safe::foundation::{available, receiver};
use crate::safe::{Loaded, Owned, Pool, PreparedRequest, Values as _};
use crate::surface::SurfaceMemory;
use crate::sys::encode::SurfaceRef;
use crate::sys::runtime::Object;
use crate::{AppleError, EvaluationPath, Options};

/// A loaded program and the questions that can be asked of it.
#[derive(Debug)]
pub struct ProbeKernel {
    kernel: Arc<AppleKernel>,
    options: Options,
}

/// How one evaluation is asked for.
#[derive(Debug, Clone, Copy)]
pub struct EvaluateOptions<'a> {
    /// Quality of service, 0 to 63; the engine's own if `None`.
    pub quality_of_service: Option<u32>,
    /// Whether to ask for the hardware's own time.
    pub statistics: bool,
    /// Index of the procedure.
    pub procedure: u64,
    /// A surface passed as weights buffer.
    pub weights_buffer: Option<&'a Surface>,
    /// Which entry evaluates; not real time.
    pub path: EvaluationPath,
}

impl Default for EvaluateOptions<'_> {
    fn default() -> Self {
        Self {
            quality_of_service: None,
            statistics: false,
            procedure: 0,
            weights_buffer: None,
            path: EvaluationPath::Plain,
        }
    }
}

/// What the framework says of a loaded model; `None` where this system has no such question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadedState {
    /// State; 3 is seen after load.
    pub state: Option<u64>,
    /// Handle of the program.
    pub program_handle: Option<u64>,
    /// Handle of the buffer for intermediate values; 0 is seen for small programs.
    pub intermediate_handle: Option<u64>,
    /// Requests that may wait.
    pub queue_depth: Option<i8>,
    /// Performance counters asked for.
    pub statistics_mask: Option<u32>,
    /// Whether the compiled program is in the framework's cache.
    pub compiled_exists: Option<bool>,
}

impl ProbeKernel {
    pub(crate) fn new(kernel: Arc<AppleKernel>, options: &Options) -> Self {
        Self { kernel, options: options.clone() }
    }

    fn loaded(&self) -> &Arc<Loaded> {
        self.kernel.loaded()
    }

    /// The kernel, to bind surfaces to and evaluate as any other.
    pub fn kernel(&self) -> Arc<dyn Kernel> {
        Arc::clone(&self.kernel) as _
    }

    /// The folder that the program's files are in, for as long as the kernel lives.
    pub fn folder(&self) -> &Path {
        self.loaded().folder()
    }

    /// What the framework says of the loaded model.
    ///
    /// # Errors
    /// [`AppleError::Exception`].
    pub fn state(&self) -> Result<LoadedState, AppleError> {
        let (loaded, api) = (self.loaded(), self.loaded().api());
        let _pool = Pool::new(api);
        let class = &api.classes.model;
        macro_rules! ask {
            ($message:expr) => {
                // SAFETY: a loaded model, and a getter of its class.
                $message.map(|m| unsafe { m.send(&api.runtime, loaded.object()) }).transpose()?
            };
        }
        Ok(LoadedState {
            state: ask!(class.state),
            program_handle: ask!(class.program_handle),
            intermediate_handle: ask!(class.intermediate_handle),
            queue_depth: ask!(class.queue_depth),
            statistics_mask: ask!(class.statistics_mask),
            compiled_exists: ask!(class.compiled_exists),
        })
    }

    /// Sets how many requests may wait.
    ///
    /// # Errors
    /// [`AppleError::NotAvailable`], [`AppleError::Exception`].
    pub fn set_queue_depth(&self, depth: i8) -> Result<(), AppleError> {
        let api = self.loaded().api();
        let _pool = Pool::new(api);
        let message = available(api.classes.model.set_queue_depth, "setQueueDepth:")?;
        // SAFETY: a loaded model.
        unsafe { message.send(&api.runtime, self.loaded().object(), depth) }
    }

    /// Sets which performance counters to ask for.
    ///
    /// # Errors
    /// [`AppleError::NotAvailable`], [`AppleError::Exception`].
    pub fn set_statistics_mask(&self, mask: u32) -> Result<(), AppleError> {
        let api = self.loaded().api();
        let _pool = Pool::new(api);
        let message = available(api.classes.model.set_statistics_mask, "setPerfStatsMask:")?;
        // SAFETY: a loaded model.
        unsafe { message.send(&api.runtime, self.loaded().object(), mask) }
    }

    /// Unloads the model and loads it again, without compiling. No evaluation may be running.
    ///
    /// # Errors
    /// [`AppleError::Framework`]. The kernel is of no use afterwards.
    pub fn reload(&self) -> Result<(), AppleError> {
        self.loaded().reload()
    }

    /// A surface of any size, also one too small.
    ///
    /// # Errors
    /// [`AppleError::Memory`] and the framework's.
    pub fn surface_of(&self, bytes: usize) -> Result<Surface, AppleError> {
        Ok(Surface::foreign(Box::new(SurfaceMemory::new(self.loaded().api(), bytes)?)))
    }

    /// Evaluates as asked for; returns the hardware's time in nanoseconds if it was asked for and given.
    ///
    /// # Errors
    /// Those of evaluation.
    pub fn evaluate(
        &self,
        request: &Request,
        options: &EvaluateOptions<'_>,
    ) -> Result<Option<u64>, AppleError> {
        let surfaces = (self.kernel.input_objects(request)?, self.kernel.output_objects(request)?);
        self.evaluate_objects(&surfaces, request, options)
    }

    /// Evaluates on surfaces in the order of the program's ports, of whatever size.
    ///
    /// # Errors
    /// Those of evaluation; [`AppleError::Bind`] for surfaces that are not this engine's.
    pub fn evaluate_unchecked_sizes(
        &self,
        inputs: &[Surface],
        outputs: &[Surface],
    ) -> Result<(), AppleError> {
        let objects = self.kernel.objects_of_any_size(inputs, outputs)?;
        let prepared = PreparedRequest::new(self.loaded(), &objects.0, &objects.1, false)?;
        self.loaded().evaluate(&prepared)
    }

    fn evaluate_objects(
        &self,
        (inputs, outputs): &(Vec<Object>, Vec<Object>),
        request: &Request,
        options: &EvaluateOptions<'_>,
    ) -> Result<Option<u64>, AppleError> {
        let loaded = self.loaded();
        let api = loaded.api();
        let _pool = Pool::new(api);
        let statistics = if options.statistics { Some(self.new_statistics()?) } else { None };
        let buffer = options.weights_buffer.map(object_of).transpose()?.unwrap_or(Object::NIL);
        let object = |owned: &Option<Owned>| owned.as_ref().map_or(Object::NIL, Owned::get);
        let made = loaded.request(inputs, outputs, (buffer, object(&statistics), options.procedure))?;
        let hold = request.hold();
        let quality_of_service = options.quality_of_service.unwrap_or(self.options.quality_of_service);
        let direct = options.path == EvaluationPath::ClientDirect;
        loaded.evaluate_object(&made, quality_of_service, direct)?;
        drop(hold);
        let Some(statistics) = statistics else { return Ok(None) };
        let time = available(api.classes.statistics.time, "hwExecutionTime")?;
        // SAFETY: a statistics object.
        unsafe { time.send(&api.runtime, statistics.get()) }.map(Some)
    }

    /// `alloc` and `init` give nil; this factory does not (ane-facts 1.7).
    fn new_statistics(&self) -> Result<Owned, AppleError> {
        let api = self.loaded().api();
        let class = &api.classes.statistics;
        let message = available(class.with_time, "statsWithHardwareExecutionNS:")?;
        // SAFETY: a class method.
        let object =
            unsafe { message.send(&api.runtime, receiver(class.class, "_ANEPerformanceStats")?, 0) }?;
        // SAFETY: what the method returned.
        unsafe { Owned::retain(api, object, Phase::Probe, "the statistics object") }
    }

    /// Whether the framework finds a request of these surfaces valid.
    ///
    /// # Errors
    /// [`AppleError::NotAvailable`] and the framework's.
    pub fn validate(&self, request: &Request) -> Result<bool, AppleError> {
        let api = self.loaded().api();
        let _pool = Pool::new(api);
        let (inputs, outputs) = (self.kernel.input_objects(request)?, self.kernel.output_objects(request)?);
        let made = self.loaded().request(&inputs, &outputs, (Object::NIL, Object::NIL, 0))?;
        let message = available(api.classes.request.validate, "validate")?;
        // SAFETY: a request.
        unsafe { message.send(&api.runtime, made.get()) }
    }

    /// Makes an empty set of shared events and gives it to a request of these surfaces, without evaluating: with events
    /// in it an evaluation is known to wait for ever (ane-facts 1.8).
    ///
    /// # Errors
    /// [`AppleError::NotAvailable`] and the framework's.
    pub fn attach_shared_events(&self, request: &Request) -> Result<(), AppleError> {
        let api = self.loaded().api();
        let _pool = Pool::new(api);
        let class = &api.classes.shared_events;
        let message = available(class.with_events, "sharedEventsWithSignalEvents:waitEvents:")?;
        let none = api.make_array(&[])?;
        let this = receiver(class.class, "_ANESharedEvents")?;
        // SAFETY: a class method, given two arrays.
        let events = unsafe { message.send(&api.runtime, this, none.get(), none.get()) }?;
        // SAFETY: what the method returned.
        let events = unsafe { Owned::retain(api, events, Phase::Probe, "the shared events") }?;
        let (inputs, outputs) = (self.kernel.input_objects(request)?, self.kernel.output_objects(request)?);
        let made = self.loaded().request(&inputs, &outputs, (Object::NIL, Object::NIL, 0))?;
        let set = available(api.classes.request.set_shared_events, "setSharedEvents:")?;
        // SAFETY: a request, given shared events.
        unsafe { set.send(&api.runtime, made.get(), events.get()) }
    }

    /// Whether the event constructors take no event: they are known to answer nil (ane-facts 1.8).
    ///
    /// # Errors
    /// [`AppleError::NotAvailable`] and the framework's.
    pub fn events_without_an_event_are_nil(&self) -> Result<bool, AppleError> {
        let api = self.loaded().api();
        let _pool = Pool::new(api);
        let (signal, wait) = (&api.classes.signal_event, &api.classes.wait_event);
        let make_signal =
            available(signal.with_value, "signalEventWithValue:symbolIndex:eventType:sharedEvent:")?;
        let make_wait = available(wait.with_value, "waitEventWithValue:sharedEvent:")?;
        let (signal, wait) =
            (receiver(signal.class, "_ANESharedSignalEvent")?, receiver(wait.class, "_ANESharedWaitEvent")?);
        // SAFETY: class methods; nil is what is asked about.
        unsafe {
            let signal = make_signal.send(&api.runtime, signal, 1, 0, 0, Object::NIL)?;
            let wait = make_wait.send(&api.runtime, wait, 1, Object::NIL)?;
            Ok(signal.is_nil() && wait.is_nil())
        }
    }

    /// Makes a chaining request of the surfaces and asks the client to prepare it (ane-facts 1.9).
    ///
    /// # Errors
    /// The framework's refusal, as a rule.
    pub fn prepare_chaining(&self, request: &Request) -> Result<(), AppleError> {
        let api = self.loaded().api();
        let _pool = Pool::new(api);
        let classes = &api.classes;
        let buffers = |objects: Vec<Object>| -> Result<Vec<Owned>, AppleError> {
            let message =
                available(classes.buffer.with_surface, "bufferWithIOSurfaceObject:symbolIndex:source:")?;
            let this = receiver(classes.buffer.class, "_ANEBuffer")?;
            let make = |(index, object): (usize, Object)| {
                let index = api.make_number(index as u64)?;
                // SAFETY: a class method, given a surface object and a number.
                let buffer = unsafe { message.send(&api.runtime, this, object, index.get(), 0) }?;
                // SAFETY: what the method returned.
                unsafe { Owned::retain(api, buffer, Phase::Probe, "the buffer") }
            };
            objects.into_iter().enumerate().map(make).collect()
        };
        let array = |items: &[Owned]| api.make_array(&items.iter().map(Owned::get).collect::<Vec<_>>());
        let inputs = array(&buffers(self.kernel.input_objects(request)?)?)?;
        let outputs = array(&buffers(self.kernel.output_objects(request)?)?)?;
        let sets = available(classes.output_sets.with_buffers, "objectWithstatsSurRef:outputBuffer:")?;
        let this = receiver(classes.output_sets.class, "_ANEIOSurfaceOutputSets")?;
        // SAFETY: a class method, given no statistics surface and an array of buffers.
        let set = unsafe { sets.send(&api.runtime, this, SurfaceRef(std::ptr::null_mut()), outputs.get()) }?;
        // SAFETY: what the method returned.
        let set = unsafe { Owned::retain(api, set, Phase::Probe, "the output set") }?;
        let (sets, none, zero) = (api.make_array(&[set.get()])?, api.make_array(&[])?, api.make_number(0)?);
        let make = available(classes.chaining.with_inputs, "chainingRequestWithInputs:…")?;
        let this = receiver(classes.chaining.class, "_ANEChainingRequest")?;
        // SAFETY: a class method, given arrays and numbers where they belong.
        let chaining = unsafe {
            make.send(
                &api.runtime,
                this,
                inputs.get(),
                sets.get(),
                none.get(),
                none.get(),
                zero.get(),
                none.get(),
                zero.get(),
                zero.get(),
                zero.get(),
            )
        }?;
        // SAFETY: what the method returned.
        let chaining = unsafe { Owned::retain(api, chaining, Phase::Probe, "the chaining request") }?;
        let prepare = available(
            classes.client.prepare_chaining,
            "prepareChainingWithModel:options:chainingReq:qos:error:",
        )?;
        let (client, view) = self.loaded().new_client()?;
        let (options, qos) = (self.loaded().no_options(), self.options.quality_of_service);
        api.attempt(Phase::Probe, |error| {
            // SAFETY: a client, its view of the model and a chaining request.
            unsafe {
                prepare.send(&api.runtime, client.get(), view.get(), options, chaining.get(), qos, error)
            }
        })
    }

    /// Asks the client to load the model once more with a weight of its own for `symbol`, from a file (ane-facts 1.3,
    /// question Q17).
    ///
    /// # Errors
    /// The framework's refusal.
    pub fn load_instance_with_weight(&self, symbol: &str, file: &str) -> Result<(), AppleError> {
        let api = self.loaded().api();
        let _pool = Pool::new(api);
        let classes = &api.classes;
        let (symbol, file, main) =
            (api.make_string(symbol)?, api.make_string(file)?, api.make_string("main")?);
        let make = available(classes.weight.with_symbol, "weightWithSymbolAndURL:weightURL:")?;
        let this = receiver(classes.weight.class, "_ANEWeight")?;
        // SAFETY: a class method, given two strings; an exception is an error like another.
        let weight = unsafe { make.send(&api.runtime, this, symbol.get(), file.get()) }?;
        // SAFETY: what the method returned.
        let weight = unsafe { Owned::retain(api, weight, Phase::Probe, "the weight") }?;
        let weights = api.make_array(&[weight.get()])?;
        let make = available(classes.procedure_data.with_weights, "procedureDataWithSymbol:weightArray:")?;
        let this = receiver(classes.procedure_data.class, "_ANEProcedureData")?;
        // SAFETY: a class method, given a string and an array.
        let data = unsafe { make.send(&api.runtime, this, main.get(), weights.get()) }?;
        // SAFETY: what the method returned.
        let data = unsafe { Owned::retain(api, data, Phase::Probe, "the procedure's data") }?;
        let procedures = api.make_array(&[data.get()])?;
        let make =
            available(classes.instance_parameters.with_procedures, "withProcedureData:procedureArray:")?;
        let this = receiver(classes.instance_parameters.class, "_ANEModelInstanceParameters")?;
        // SAFETY: a class method, given the data and an array of it.
        let parameters = unsafe { make.send(&api.runtime, this, data.get(), procedures.get()) }?;
        // SAFETY: what the method returned.
        let parameters = unsafe { Owned::retain(api, parameters, Phase::Probe, "the parameters") }?;
        let load = available(
            classes.client.load_instance,
            "loadModelNewInstance:options:modelInstParams:qos:error:",
        )?;
        let (client, view) = self.loaded().new_client()?;
        let (options, qos) = (self.loaded().no_options(), self.options.quality_of_service);
        api.attempt(Phase::Probe, |error| {
            // SAFETY: a client, its view of the model and parameters for it.
            unsafe {
                load.send(&api.runtime, client.get(), view.get(), options, parameters.get(), qos, error)
            }
        })
    }

    /// The identifier that the framework gave the model (ane-facts 1.4).
    pub fn identifier(&self) -> String {
        self.folder().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

fn object_of(surface: &Surface) -> Result<Object, AppleError> {
    let object =
        surface.with_foreign(|m| m.as_any().downcast_ref::<SurfaceMemory>().map(SurfaceMemory::object));
    object.flatten().ok_or_else(|| AppleError::Bind {
        port: "weights buffer".to_owned(),
        reason: "its surface is no IOSurface of this engine".to_owned(),
    })
}
