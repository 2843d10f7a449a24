use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use engrad_engine::{EngineError, Kernel, Port, Request, Surface};

use crate::AppleError;
use crate::attributes::Place;
use crate::engine::Shared;
use crate::error::Phase;
use crate::safe::{Loaded, PreparedRequest};
use crate::surface::SurfaceMemory;
use crate::sys::runtime::Object;

/// A program on the Neural Engine.
#[derive(Debug)]
pub(crate) struct AppleKernel {
    loaded: Arc<Loaded>,
    name: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    input_places: Vec<Place>,
    output_places: Vec<Place>,
    map_surfaces: bool,
    shared: Arc<Shared>,
}

impl AppleKernel {
    pub(crate) fn new(
        loaded: Loaded,
        name: &str,
        (input_places, output_places): (Vec<Place>, Vec<Place>),
        map_surfaces: bool,
        shared: &Arc<Shared>,
    ) -> Self {
        let ports = |places: &[Place]| places.iter().map(|p| p.port.clone()).collect();
        shared.loaded.fetch_add(1, Ordering::Relaxed);
        Self {
            loaded: Arc::new(loaded),
            name: name.to_owned(),
            inputs: ports(&input_places),
            outputs: ports(&output_places),
            input_places,
            output_places,
            map_surfaces,
            shared: Arc::clone(shared),
        }
    }

    /// The model behind the kernel, for probes.
    pub(crate) fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    pub(crate) fn input_objects(&self, request: &Request) -> Result<Vec<Object>, AppleError> {
        objects(&self.input_places, request.inputs(), true)
    }

    pub(crate) fn output_objects(&self, request: &Request) -> Result<Vec<Object>, AppleError> {
        objects(&self.output_places, request.outputs(), true)
    }

    /// Objects of surfaces in port order that may be too small, for probes.
    pub(crate) fn objects_of_any_size(
        &self,
        inputs: &[Surface],
        outputs: &[Surface],
    ) -> Result<(Vec<Object>, Vec<Object>), AppleError> {
        Ok((objects(&self.input_places, inputs, false)?, objects(&self.output_places, outputs, false)?))
    }

    fn run(&self, request: &Request) -> Result<(), AppleError> {
        let prepare = || {
            let (inputs, outputs) = (self.input_objects(request)?, self.output_objects(request)?);
            PreparedRequest::new(&self.loaded, &inputs, &outputs, self.map_surfaces)
        };
        let prepared = request.prepared(prepare)?.ok_or_else(|| AppleError::Unexpected {
            phase: Phase::Bind,
            reason: "the request was prepared by another engine".to_owned(),
        })?;
        let hold = request.hold();
        for memory in hold.memories() {
            let fault = memory.as_any().downcast_ref().and_then(SurfaceMemory::fault);
            if let Some(status) = fault {
                return Err(AppleError::Unexpected {
                    phase: Phase::Evaluate,
                    reason: format!("a surface could not be locked or unlocked, status {status:#x}"),
                });
            }
        }
        // The classes are not documented as safe to use from several threads, and the device runs one at a time.
        let _turn = self.shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.loaded.evaluate(prepared)
    }
}

/// Surface objects in the order of the model's symbols.
fn objects(places: &[Place], surfaces: &[Surface], sized: bool) -> Result<Vec<Object>, AppleError> {
    let mut objects = vec![Object::NIL; places.len()];
    for (place, surface) in places.iter().zip(surfaces) {
        let object = surface.with_foreign(|memory| {
            memory.as_any().downcast_ref::<SurfaceMemory>().map(SurfaceMemory::object)
        });
        let refuse = |reason: String| AppleError::Bind { port: place.port.name.clone(), reason };
        let Some(Some(object)) = object else {
            let reason = "its surface is no IOSurface of this engine; make it with the kernel's `surface`";
            return Err(refuse(reason.to_owned()));
        };
        if sized && surface.bytes() < place.bytes {
            return Err(refuse(format!(
                "surface of {} bytes, the loaded model needs {}",
                surface.bytes(),
                place.bytes
            )));
        }
        if let Some(symbol) = objects.get_mut(place.symbol) {
            *symbol = object;
        }
    }
    match objects.iter().any(|object| object.is_nil()) {
        true => Err(AppleError::Unexpected {
            phase: Phase::Bind,
            reason: format!("{} surfaces for {} symbols", surfaces.len(), places.len()),
        }),
        false => Ok(objects),
    }
}

impl Kernel for AppleKernel {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn surface(&self, port: &Port) -> Result<Surface, EngineError> {
        let place = self.input_places.iter().chain(&self.output_places).find(|p| p.port == *port);
        let bytes = place.map_or(port.bytes(), |p| p.bytes);
        let memory = SurfaceMemory::new(self.loaded.api(), bytes).map_err(AppleError::at_evaluation)?;
        Ok(Surface::foreign(Box::new(memory)))
    }

    fn evaluate(&self, request: &Request) -> Result<(), EngineError> {
        let bound_to = Arc::as_ptr(request.kernel()).cast::<()>();
        if !std::ptr::eq(bound_to, std::ptr::from_ref(self).cast()) {
            let reason = format!("the request is bound to another kernel than `{}`", self.name);
            return Err(EngineError::Evaluate(reason));
        }
        self.run(request).map_err(AppleError::at_evaluation)?;
        self.shared.evaluations.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for AppleKernel {
    fn drop(&mut self) {
        self.shared.loaded.fetch_sub(1, Ordering::Relaxed);
    }
}
