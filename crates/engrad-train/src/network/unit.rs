//! Units: one stage bound to the surfaces of one layer, or of one tile of the output head.
//!
//! All units of a stage share its compiled kernels. Surfaces that live only between two calls on the host (results,
//! cotangents) are shared too; those that must last until the backward pass belong to the unit.

use std::collections::HashMap;
use std::sync::Arc;

use engrad_engine::{Engine, Kernel, Port, Request, Surface};
use engrad_mil::MilError;
use engrad_mil::differentiate::{Contraction, Source, WeightGradient};
use engrad_mil::pack::Packing;

use super::gradient_worker::{Job, Product, Ticket};
use crate::TrainError;
use crate::host::Window;
use crate::stages::{Stage, StageProgram, StageWeight};

/// Surfaces by port name, shared between units.
pub(super) type SharedSurfaces = HashMap<String, Surface>;

/// A compiled program of a stage.
#[derive(Debug)]
struct CompiledProgram {
    kernel: Arc<dyn Kernel>,
    packing: Packing,
}

impl CompiledProgram {
    fn new(engine: &dyn Engine, program: &StageProgram) -> Result<Self, TrainError> {
        Ok(Self { kernel: engine.compile(&program.program)?, packing: program.packing.clone() })
    }

    fn input(&self, name: &str, surfaces: &[Surface]) -> Result<Window, TrainError> {
        let place = self.packing.find(name).ok_or_else(|| missing(name))?;
        let port = &self.kernel.inputs()[place.port];
        let columns = place.ty.shape.last().copied().unwrap_or(1);
        Ok(Window::part(port, &surfaces[place.port], place.offset, columns))
    }

    fn has_input(&self, name: &str) -> bool {
        self.packing.find(name).is_some()
    }

    /// The port that is this input and nothing else.
    fn own_port(&self, name: &str) -> Option<usize> {
        let place = self.packing.find(name)?;
        (self.kernel.inputs()[place.port].name == name).then_some(place.port)
    }

    fn output_position(&self, name: &str) -> Option<usize> {
        self.kernel.outputs().iter().position(|p| p.name == name)
    }

    fn output(&self, name: &str, surfaces: &[Surface]) -> Result<Window, TrainError> {
        let position = self.output_position(name).ok_or_else(|| missing(name))?;
        Ok(Window::of_port(&self.kernel.outputs()[position], &surfaces[position]))
    }
}

fn missing(name: &str) -> TrainError {
    MilError::Function { function: "main".into(), reason: format!("no port for `{name}`") }.into()
}

/// A stage compiled on an engine.
#[derive(Debug)]
pub(super) struct CompiledStage {
    forward: CompiledProgram,
    backward: Option<CompiledProgram>,
    weights: Vec<StageWeight>,
    gradients: Vec<WeightGradient>,
}

impl CompiledStage {
    /// Compiles for training, or only the inference program.
    pub(super) fn new(engine: &dyn Engine, stage: &Stage, training: bool) -> Result<Self, TrainError> {
        let forward = if training { &stage.forward } else { &stage.inference };
        Ok(Self {
            forward: CompiledProgram::new(engine, forward)?,
            backward: training.then(|| CompiledProgram::new(engine, &stage.backward)).transpose()?,
            weights: stage.weights.clone(),
            gradients: if training { stage.gradients.clone() } else { Vec::new() },
        })
    }
}

/// A weight of a unit and everywhere it must be written when it changes.
#[derive(Debug)]
pub(super) struct UnitWeight {
    /// Position in the canonical parameter list.
    pub(super) parameter: usize,
    /// Stored `[in, out]` instead of `[out, in]`.
    pub(super) transposed: bool,
    pub(super) windows: Vec<Window>,
}

impl UnitWeight {
    /// The window, if the weight lies in one only, as it is.
    pub(super) fn row_major(&self) -> Option<Window> {
        match self.windows.as_slice() {
            [window] if !self.transposed => Some(window.clone()),
            _ => None,
        }
    }

    /// Writes the weight everywhere it is read.
    pub(super) fn write(&self, values: &[f32]) {
        for window in &self.windows {
            if self.transposed {
                window.write_transposed(values);
            } else {
                window.write(values);
            }
        }
    }
}

/// How one weight's gradient is formed after the unit's backward evaluation.
#[derive(Debug)]
pub(super) struct UnitGradient {
    /// Position in the canonical parameter list.
    parameter: usize,
    activation: Window,
    cotangent: Window,
    /// For an elementwise product, the weight's element that each row belongs to.
    index: Option<Arc<[usize]>>,
}

impl UnitGradient {
    /// Adds the work of forming this gradient to `jobs`, to the last of them if that is of the same activation.
    fn add_to(&self, jobs: &mut Vec<Job>) {
        let (parameter, cotangent) = (self.parameter, self.cotangent.clone());
        if let Some(index) = &self.index {
            let (index, activation) = (Arc::clone(index), self.activation.clone());
            jobs.push(Job::Elementwise { parameter, index, activation, cotangent });
            return;
        }
        let product = Product { parameter, start: 0, rows: cotangent.rows(), cotangent };
        match jobs.last_mut() {
            Some(Job::Products { activation, weights }) if activation.is_same(&self.activation) => {
                weights.push(product);
            }
            _ => jobs.push(Job::Products { activation: self.activation.clone(), weights: vec![product] }),
        }
    }
}

/// The backward half of a unit.
#[derive(Debug)]
pub(super) struct BackwardUnit {
    pub(super) request: Request,
    pub(super) d_y: Window,
    pub(super) d_x: Window,
    gradients: Vec<UnitGradient>,
    /// Values that the backward program takes packed, copied from where the forward one left them.
    copies: Vec<(Window, Window)>,
}

impl BackwardUnit {
    /// Runs the backward program on what `d_y` and the forward pass left.
    pub(super) fn evaluate(&self) -> Result<(), TrainError> {
        for (from, to) in &self.copies {
            from.copy_to(to);
        }
        Ok(self.request.evaluate()?)
    }

    /// The weight gradients that the evaluation left to be formed.
    pub(super) fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::with_capacity(self.gradients.len());
        self.gradients.iter().for_each(|gradient| gradient.add_to(&mut jobs));
        jobs
    }
}

/// A stage bound to surfaces.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) forward: Request,
    pub(super) x: Window,
    pub(super) y: Window,
    pub(super) backward: Option<BackwardUnit>,
    pub(super) weights: Vec<UnitWeight>,
    kept: Vec<Surface>,
    /// The last weight-gradient job that reads this unit's surfaces.
    pub(super) pending: Ticket,
}

/// What is written again before a unit's backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrittenAgain {
    Nothing,
    /// The activation.
    Input,
    /// The activation and all results.
    All,
}

/// Surfaces a unit shares with others, by port.
pub(super) struct Sharing<'a> {
    /// Forward ports that live only until the host has read or written them, e.g. `y`, and their surfaces.
    pub(super) passing: (&'a [&'a str], &'a mut SharedSurfaces),
    /// Ports of the forward program that are written again before the unit's backward pass, and their surfaces. Others
    /// the unit keeps to itself until then.
    pub(super) written_again: (WrittenAgain, &'a mut SharedSurfaces),
    /// Every backward output and `d_y` are shared by the units of one set.
    pub(super) backward: &'a mut SharedSurfaces,
    /// `d_y` is written over `y`, which then belongs to the unit.
    pub(super) gradient_over_result: bool,
}

impl Unit {
    /// Binds a stage; `parameter` says which parameter each of its weights is here.
    pub(super) fn new(
        stage: &CompiledStage,
        parameter: impl Fn(&StageWeight) -> usize,
        sharing: &mut Sharing<'_>,
    ) -> Result<Self, TrainError> {
        let program = &stage.forward;
        let again = sharing.written_again.0;
        let passing = sharing.passing.0;
        let mut obtain = |port: &Port, written_again: bool| {
            if passing.contains(&port.name.as_str()) {
                shared(sharing.passing.1, program, port)
            } else if written_again {
                shared(sharing.written_again.1, program, port)
            } else {
                Ok(program.kernel.surface(port)?)
            }
        };
        let input_again = |port: &Port| port.name == "x" && again != WrittenAgain::Nothing;
        let inputs = program.kernel.inputs().iter().map(|port| obtain(port, input_again(port)));
        let inputs = inputs.collect::<Result<Vec<_>, TrainError>>()?;
        let outputs = program.kernel.outputs().iter().map(|port| obtain(port, again == WrittenAgain::All));
        let outputs = outputs.collect::<Result<Vec<_>, TrainError>>()?;
        let results = program.kernel.outputs().iter().zip(&outputs);
        let kept = results
            .filter(|(port, _)| again != WrittenAgain::All && !passing.contains(&port.name.as_str()))
            .map(|(_, surface)| surface.clone())
            .collect();
        let mut weights = Vec::new();
        for weight in &stage.weights {
            let windows = vec![program.input(&weight.input, &inputs)?];
            weights.push(UnitWeight { parameter: parameter(weight), transposed: weight.transposed, windows });
        }
        let (x, y) = (program.input("x", &inputs)?, program.output("y", &outputs)?);
        let backward = match &stage.backward {
            Some(backward) => {
                Some(Self::bind_backward(stage, backward, (&inputs, &outputs), &mut weights, sharing)?)
            }
            None => None,
        };
        let forward = program.kernel.bind(inputs, outputs)?;
        Ok(Self { forward, x, y, backward, weights, kept, pending: Ticket::default() })
    }

    /// Results that the unit keeps to itself until its backward pass.
    pub(super) fn kept(&self) -> &[Surface] {
        &self.kept
    }

    fn bind_backward(
        stage: &CompiledStage,
        program: &CompiledProgram,
        (forward_inputs, forward_outputs): (&[Surface], &[Surface]),
        weights: &mut [UnitWeight],
        sharing: &mut Sharing<'_>,
    ) -> Result<BackwardUnit, TrainError> {
        let forward = &stage.forward;
        // An input with a port of its own is the very surface the forward pass used or wrote.
        let mut inputs = Vec::new();
        for (position, port) in program.kernel.inputs().iter().enumerate() {
            let own = program.own_port(&port.name) == Some(position);
            let surface = if own && port.name == "d_y" {
                let result = forward.output_position("y").filter(|_| sharing.gradient_over_result);
                match result {
                    Some(y) => forward_outputs[y].clone(),
                    None => shared(sharing.backward, program, port)?,
                }
            } else if let Some(input) = forward.own_port(&port.name).filter(|_| own) {
                forward_inputs[input].clone()
            } else if let Some(output) = forward.output_position(&port.name).filter(|_| own) {
                forward_outputs[output].clone()
            } else {
                program.kernel.surface(port)?
            };
            inputs.push(surface);
        }
        let outputs = program.kernel.outputs().iter().map(|port| shared(sharing.backward, program, port));
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;

        let mut copies = Vec::new();
        for place in &program.packing.placements {
            let to = program.input(&place.input, &inputs)?;
            let from = if forward.has_input(&place.input) {
                forward.input(&place.input, forward_inputs)?
            } else if forward.output_position(&place.input).is_some() {
                forward.output(&place.input, forward_outputs)?
            } else {
                continue; // d_y, which the host writes
            };
            if from.shares_surface(&to) {
                continue;
            }
            match stage.weights.iter().position(|w| w.input == place.input) {
                Some(weight) => weights[weight].windows.push(to),
                None => copies.push((from, to)),
            }
        }

        let find = |source: &Source| match source {
            Source::ForwardInput(name) => forward.input(name, forward_inputs),
            Source::ForwardOutput(name) => forward.output(name, forward_outputs),
            Source::BackwardInput(name) => program.input(name, &inputs),
            Source::BackwardOutput(name) => program.output(name, &outputs),
        };
        let mut gradients = Vec::new();
        for gradient in &stage.gradients {
            let weight = stage.weights.iter().position(|w| w.input == gradient.weight);
            let weight = weight.ok_or_else(|| missing(&gradient.weight))?;
            gradients.push(UnitGradient {
                parameter: weights[weight].parameter,
                activation: find(&gradient.activation)?,
                cotangent: find(&gradient.cotangent)?,
                index: match &gradient.contraction {
                    Contraction::OutputByInput | Contraction::InputByOutput => None,
                    Contraction::Elementwise { product, weight } => Some(row_index(product, weight)?),
                },
            });
        }
        let (d_y, d_x) = (program.input("d_y", &inputs)?, program.output("d_x", &outputs)?);
        let request = program.kernel.bind(inputs, outputs)?;
        Ok(BackwardUnit { request, d_y, d_x, gradients, copies })
    }
}

fn shared(
    surfaces: &mut SharedSurfaces,
    program: &CompiledProgram,
    port: &Port,
) -> Result<Surface, TrainError> {
    if let Some(surface) = surfaces.get(&port.name) {
        return Ok(surface.clone());
    }
    let surface = program.kernel.surface(port)?;
    surfaces.insert(port.name.clone(), surface.clone());
    Ok(surface)
}

/// For each row of `product` (all dimensions but the last), the element of `weight` broadcast to it.
fn row_index(product: &[usize], weight: &[usize]) -> Result<Arc<[usize]>, TrainError> {
    let fits = product.len() == weight.len() && weight.last() == Some(&1);
    if !fits {
        let reason = format!("weight {weight:?} of product {product:?} must not vary along positions");
        return Err(MilError::Function { function: "main".into(), reason }.into());
    }
    let rows: usize = product[..product.len() - 1].iter().product();
    let element = |row: usize| {
        let (mut rest, mut place, mut stride) = (row, 0, 1);
        for dimension in (0..product.len() - 1).rev() {
            let position = rest % product[dimension];
            rest /= product[dimension];
            if weight[dimension] > 1 {
                place += position * stride;
            }
            stride *= weight[dimension];
        }
        place
    };
    Ok((0..rows).map(element).collect())
}

#[cfg(test)]
mod tests {
    use super::row_index;

    #[test]
    fn a_head_norm_weight_repeats_for_every_head() {
        assert_eq!(*row_index(&[1, 2, 3, 9], &[1, 1, 3, 1]).unwrap(), [0, 1, 2, 0, 1, 2]);
        assert_eq!(*row_index(&[1, 2, 2, 9], &[1, 2, 1, 1]).unwrap(), [0, 0, 1, 1]);
        assert!(row_index(&[1, 2, 3, 9], &[1, 2, 3, 9]).is_err());
    }
}
