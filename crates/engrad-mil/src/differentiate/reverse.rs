use std::collections::{BTreeSet, HashMap};

use super::{Contraction, Derived, Request, Source, WeightGradient};
use crate::{
    Argument, Builder, Constant, Definition, Function, MilError, Op, Operands, Operation, TensorType, ValueId,
};

/// Derives the backward function of `forward`; see the module documentation for the contract.
///
/// # Errors
/// [`MilError::Differentiate`] if an op on the way has no derivative rule, a weight is used other than as the left
/// operand of a `matmul` or in a `mul`, an activation or weight asked for is not an input, nothing depends on an
/// activation, or two ports of the backward function would share a name. [`MilError::Function`] if a name in the
/// request does not exist, or nothing is left for the backward function to return.
pub fn differentiate(forward: &Function, request: &Request<'_>) -> Result<Derived, MilError> {
    let mut pass = Reverse::new(forward, request)?;
    pass.seed()?;
    for position in (0..forward.ops.len()).rev() {
        let op = &forward.ops[position];
        let [result] = op.results[..] else {
            let wanted = |id: &ValueId| pass.active[id.index()] && !pass.cotangents[id.index()].is_empty();
            if op.results.iter().any(wanted) {
                return Err(pass.fault(format!("`{}` has several results", op.name())));
            }
            continue;
        };
        if !pass.active[result.index()] || pass.cotangents[result.index()].is_empty() {
            continue;
        }
        let cotangent = pass.total_cotangent(result)?;
        let Some(rule) = op.op.info().derivative else {
            return Err(pass.fault(format!("`{}` has no derivative rule", op.op.name())));
        };
        rule(&mut Vjp { pass: &mut pass, op, result, cotangent })?;
    }
    pass.finish(request)
}

/// A share of a value's cotangent.
enum Contribution {
    Whole(ValueId),
    Slice { axis: usize, begin: usize, value: ValueId },
}

pub(crate) struct Reverse<'a> {
    forward: &'a Function,
    backward: Builder,
    /// Per forward value: its cotangent is wanted.
    active: Vec<bool>,
    /// Per forward value: the weight input it is a reshaped view of.
    weight: Vec<Option<ValueId>>,
    taps: Vec<ValueId>,
    used_taps: BTreeSet<ValueId>,
    /// Forward values available in the backward function.
    primals: HashMap<ValueId, ValueId>,
    cotangents: Vec<Vec<Contribution>>,
    gradients: Vec<WeightGradient>,
    /// Backward values that weight gradients read, with the name of their output.
    exposed: Vec<(ValueId, ValueId)>,
}

impl<'a> Reverse<'a> {
    fn new(forward: &'a Function, request: &Request<'_>) -> Result<Self, MilError> {
        let count = forward.values.len();
        let mut active = vec![false; count];
        let mut weight = vec![None; count];
        for name in request.activations {
            active[input_named(forward, name)?.index()] = true;
        }
        for name in request.weights {
            let id = input_named(forward, name)?;
            weight[id.index()] = Some(id);
        }
        for op in &forward.ops {
            let views_weight =
                is_reshape(op.op).then(|| op.value("x")).flatten().and_then(|x| weight[x.index()]);
            let any_active = op.operands().any(|v| active[v.index()] || weight[v.index()].is_some());
            for result in &op.results {
                weight[result.index()] = views_weight;
                active[result.index()] = any_active && views_weight.is_none();
            }
        }
        // Inputs and constants need no saving: the backward function has them at hand.
        let mut taps = Vec::new();
        for name in request.taps {
            let id = forward.named(name)?;
            if forward.defining_op(id).is_some_and(|op| op.constant().is_none()) {
                taps.push(id);
            }
        }
        let backward = reserve_ports(forward, request, &taps)?;
        Ok(Self {
            forward,
            backward,
            active,
            weight,
            taps,
            used_taps: BTreeSet::new(),
            primals: HashMap::new(),
            cotangents: (0..count).map(|_| Vec::new()).collect(),
            gradients: Vec::new(),
            exposed: Vec::new(),
        })
    }

    fn fault(&self, reason: String) -> MilError {
        fault(self.forward, reason)
    }

    fn seed(&mut self) -> Result<(), MilError> {
        for &output in &self.forward.outputs {
            let value = self.forward.value(output);
            if self.weight[output.index()].is_some() {
                return Err(self.fault(format!("weight `{}` is returned as it is", value.name)));
            }
            // A value returned twice has one cotangent.
            if self.active[output.index()] && self.cotangents[output.index()].is_empty() {
                let name = cotangent_name(&value.name);
                let seed = self.backward.input(&name, self.forward.ty(output).clone());
                // An activation's cotangent has that name already, so its share from outside keeps its suffix.
                if !matches!(value.definition, Definition::Input(_)) {
                    self.backward.rename_reserved(seed, &name);
                }
                self.cotangents[output.index()].push(Contribution::Whole(seed));
            }
        }
        Ok(())
    }

    /// The forward value, made available in the backward function: taken from an input or a tap, or recomputed.
    fn primal(&mut self, wanted: ValueId) -> Result<ValueId, MilError> {
        let mut needed = BTreeSet::new();
        let mut open = vec![wanted];
        while let Some(id) = open.pop() {
            if self.primals.contains_key(&id) || !needed.insert(id) || self.taps.contains(&id) {
                continue;
            }
            if let Some(op) = self.forward.defining_op(id) {
                open.extend(op.operands());
            }
        }
        // Ascending handles are definition order, so operands come before their users.
        for id in needed {
            let here = self.provide(id)?;
            self.primals.insert(id, here);
        }
        Ok(self.primals[&wanted])
    }

    fn provide(&mut self, id: ValueId) -> Result<ValueId, MilError> {
        let value = self.forward.value(id);
        let tapped = self.taps.contains(&id);
        if tapped {
            self.used_taps.insert(id);
        }
        let op = match value.definition {
            Definition::Result { op, .. } if !tapped => &self.forward.ops[op],
            _ => {
                let input = self.backward.input(&value.name, self.forward.ty(id).clone());
                self.backward.rename_reserved(input, &value.name);
                return Ok(input);
            }
        };
        if let Some(constant) = op.constant() {
            return Ok(self.backward.constant(&value.name, constant.clone()));
        }
        let arguments = op.arguments.iter().map(|(name, a)| (name.clone(), a.map(|id| self.primals[&id])));
        let arguments: Vec<_> = arguments.collect();
        self.backward.op(op.op, &value.name, arguments)
    }

    /// All contributions to a value's cotangent, joined and summed.
    fn total_cotangent(&mut self, id: ValueId) -> Result<ValueId, MilError> {
        let name = cotangent_name(&self.forward.value(id).name);
        let mut total: Option<ValueId> = None;
        let mut add = |builder: &mut Builder, value: ValueId| -> Result<(), MilError> {
            total = Some(match total {
                None => value,
                Some(sum) => builder.add(&name, sum, value)?,
            });
            Ok(())
        };
        let mut slices: Vec<(usize, usize, ValueId)> = Vec::new();
        for contribution in std::mem::take(&mut self.cotangents[id.index()]) {
            match contribution {
                Contribution::Whole(value) => add(&mut self.backward, value)?,
                Contribution::Slice { axis, begin, value } => slices.push((axis, begin, value)),
            }
        }
        slices.sort_unstable();
        while !slices.is_empty() {
            // Take one layer: slices along the first axis that do not overlap; the rest wait for the next round.
            let (axis, mut end) = (slices[0].0, 0);
            let mut layer = Vec::new();
            slices.retain(|&(a, begin, value)| {
                let taken = a == axis && begin >= end;
                if taken {
                    layer.push((begin, value));
                    end = begin + self.backward.ty(value).shape[axis];
                }
                !taken
            });
            let ty = self.forward.ty(id).clone();
            let whole = self.join_slices(&name, &ty, axis, &layer)?;
            add(&mut self.backward, whole)?;
        }
        total.ok_or_else(|| self.fault(format!("nothing depends on `{}`", self.forward.value(id).name)))
    }

    fn join_slices(
        &mut self,
        name: &str,
        ty: &TensorType,
        axis: usize,
        layer: &[(usize, ValueId)],
    ) -> Result<ValueId, MilError> {
        let mut parts = Vec::new();
        let mut covered = 0;
        for &(begin, value) in layer {
            self.push_zeros(name, ty, axis, begin - covered, &mut parts)?;
            parts.push(value);
            covered = begin + self.backward.ty(value).shape[axis];
        }
        self.push_zeros(name, ty, axis, ty.shape[axis] - covered, &mut parts)?;
        match parts[..] {
            [only] => Ok(only),
            _ => self.backward.concat(name, &parts, axis as i32),
        }
    }

    fn push_zeros(
        &mut self,
        name: &str,
        ty: &TensorType,
        axis: usize,
        extent: usize,
        parts: &mut Vec<ValueId>,
    ) -> Result<(), MilError> {
        if extent > 0 {
            let mut shape = ty.shape.clone();
            shape[axis] = extent;
            let zeros = vec![0.0; shape.iter().product()];
            let constant = Constant::floats(ty.dtype, shape, &zeros)?;
            parts.push(self.backward.constant(&format!("{name}_zeros"), constant));
        }
        Ok(())
    }

    /// Where the host finds a forward value: as an input or tap if it is a reshaped view of one with the same rows,
    /// else recomputed by the backward function.
    fn activation_source(&mut self, id: ValueId) -> Result<Source, MilError> {
        for view in row_preserving_chain(self.forward, id) {
            let value = self.forward.value(view);
            if self.taps.contains(&view) {
                self.used_taps.insert(view);
                return Ok(Source::ForwardOutput(value.name.clone()));
            }
            if matches!(value.definition, Definition::Input(_)) {
                return Ok(Source::ForwardInput(value.name.clone()));
            }
        }
        let here = self.primal(id)?;
        self.expose(here)
    }

    fn cotangent_source(&mut self, id: ValueId) -> Result<Source, MilError> {
        for view in row_preserving_chain(self.backward.function(), id) {
            let value = self.backward.function().value(view);
            if matches!(value.definition, Definition::Input(_)) {
                return Ok(Source::BackwardInput(value.name.clone()));
            }
        }
        self.expose(id)
    }

    /// Makes a backward value an output, in the engine's `[1, features, 1, positions]` layout.
    fn expose(&mut self, id: ValueId) -> Result<Source, MilError> {
        let function = self.backward.function();
        let ty = function.ty(id);
        let width = ty.shape.last().copied().unwrap_or(1);
        let shape = [1, ty.elements() / width, 1, width];
        // Often the value is a reshaped view of one that already has that layout.
        let chain = row_preserving_chain(function, id);
        let found = chain.into_iter().find(|&v| function.ty(v).shape == shape);
        let known = self.exposed.iter().find(|(value, _)| *value == id).map(|(_, output)| *output);
        let output = match (found, known) {
            // A function cannot return a constant.
            (Some(output), _) if function.constant(output).is_none() => output,
            (_, Some(output)) => output,
            _ => {
                let name = format!("{}_out", function.value(id).name);
                let output = self.backward.reshape(&name, id, &shape)?;
                match self.backward.function().constant(output) {
                    Some(_) => self.backward.identity(&name, output)?,
                    None => output,
                }
            }
        };
        if !self.exposed.iter().any(|(_, known)| *known == output) {
            self.exposed.push((id, output));
        }
        Ok(Source::BackwardOutput(self.backward.function().value(output).name.clone()))
    }

    fn finish(mut self, request: &Request<'_>) -> Result<Derived, MilError> {
        let mut outputs = Vec::new();
        for name in request.activations {
            let id = self.forward.named(name)?;
            let total = self.total_cotangent(id)?;
            outputs.push(self.output_named(&cotangent_name(name), total, &outputs)?);
        }
        outputs.extend(self.exposed.iter().map(|(_, output)| *output));
        let backward = self.backward.finish(&outputs)?;
        let mut forward = self.forward.clone();
        for &tap in self.taps.iter().filter(|t| self.used_taps.contains(t)) {
            if !forward.outputs.contains(&tap) {
                forward.outputs.push(tap);
            }
        }
        Ok(Derived { forward, backward, weight_gradients: self.gradients })
    }

    /// Gives a value its reserved output name; one that must keep its own (a port, or an output already) is copied.
    fn output_named(&mut self, name: &str, id: ValueId, outputs: &[ValueId]) -> Result<ValueId, MilError> {
        let is_input = matches!(self.backward.function().value(id).definition, Definition::Input(_));
        let is_output = outputs.contains(&id) || self.exposed.iter().any(|(_, output)| *output == id);
        let own = if is_input || is_output { self.backward.identity(name, id)? } else { id };
        self.backward.rename_reserved(own, name);
        Ok(own)
    }
}

fn fault(forward: &Function, reason: String) -> MilError {
    MilError::Differentiate { function: forward.name.clone(), reason }
}

fn input_named(forward: &Function, name: &str) -> Result<ValueId, MilError> {
    let id = forward.named(name)?;
    match forward.value(id).definition {
        Definition::Input(_) => Ok(id),
        Definition::Result { .. } => Err(fault(forward, format!("`{name}` is not an input"))),
    }
}

/// An empty backward function in which nothing but its ports can get their names: callers find ports by name.
fn reserve_ports(forward: &Function, request: &Request<'_>, taps: &[ValueId]) -> Result<Builder, MilError> {
    let name_of = |id: &ValueId| forward.value(*id).name.as_str();
    let primals: BTreeSet<&str> = forward.inputs.iter().chain(taps).map(name_of).collect();
    let outputs = forward.outputs.iter().map(name_of);
    let cotangents: BTreeSet<String> =
        request.activations.iter().copied().chain(outputs).map(cotangent_name).collect();
    if let Some(name) = cotangents.iter().find(|name| primals.contains(name.as_str())) {
        let reason = format!("`{name}` would be both a forward value and a cotangent; rename the value");
        return Err(fault(forward, reason));
    }
    let mut backward = Builder::new(&forward.name);
    for name in primals.into_iter().chain(cotangents.iter().map(String::as_str)) {
        backward.reserve(name);
    }
    Ok(backward)
}

/// Name of the cotangent of a forward value at the ports of the backward function.
fn cotangent_name(name: &str) -> String {
    format!("d_{name}")
}

fn is_reshape(op: Op) -> bool {
    matches!(op, Op::Reshape | Op::ExpandDims | Op::Squeeze | Op::Flatten2d)
}

/// A value and what it is a reshaped view of, as long as rows (the last dimension) stay whole.
fn row_preserving_chain(function: &Function, id: ValueId) -> Vec<ValueId> {
    let mut chain = vec![id];
    let mut current = id;
    while let Some(x) =
        function.defining_op(current).filter(|op| is_reshape(op.op)).and_then(|op| op.value("x"))
    {
        if function.ty(x).shape.last() != function.ty(id).shape.last() {
            break;
        }
        chain.push(x);
        current = x;
    }
    chain
}

/// What a derivative rule works with: one forward operation and the cotangent of its result.
pub(crate) struct Vjp<'p, 'f> {
    pass: &'p mut Reverse<'f>,
    op: &'f Operation,
    result: ValueId,
    /// Cotangent of the operation's result, in the backward function.
    pub(crate) cotangent: ValueId,
}

impl Vjp<'_, '_> {
    /// The backward function under construction.
    pub(crate) fn build(&mut self) -> &mut Builder {
        &mut self.pass.backward
    }

    /// The operation's shape and type rules' view of its operands.
    pub(crate) fn operands(&self) -> Operands<'_> {
        Operands::of(self.pass.forward, self.op)
    }

    /// A broken rule, as this pass's error.
    pub(crate) fn fault(&self, reason: impl Into<String>) -> MilError {
        self.pass.fault(format!("`{}`: {}", self.op.op.name(), reason.into()))
    }

    /// The forward value passed for an argument.
    pub(crate) fn argument(&self, name: &str) -> Result<ValueId, MilError> {
        self.op.value(name).ok_or_else(|| self.fault(format!("argument `{name}` is missing")))
    }

    /// The values of a tuple argument.
    pub(crate) fn tuple(&self, name: &str) -> Vec<ValueId> {
        self.op.argument(name).map(|a| a.values().to_vec()).unwrap_or_default()
    }

    /// Type of a forward value.
    pub(crate) fn ty(&self, id: ValueId) -> &TensorType {
        self.pass.forward.ty(id)
    }

    /// Type of the operation's result.
    pub(crate) fn result_ty(&self) -> &TensorType {
        self.ty(self.result)
    }

    /// Name for values on the way to the cotangent of a forward value.
    pub(crate) fn name(&self, id: ValueId) -> String {
        cotangent_name(&self.pass.forward.value(id).name)
    }

    /// A forward value, in the backward function.
    pub(crate) fn primal(&mut self, id: ValueId) -> Result<ValueId, MilError> {
        self.pass.primal(id)
    }

    /// The operation's own result, in the backward function.
    pub(crate) fn primal_result(&mut self) -> Result<ValueId, MilError> {
        self.pass.primal(self.result)
    }

    /// Whether a forward value's cotangent is wanted.
    ///
    /// # Errors
    /// If the value is a weight: rules that can meet one ask [`Vjp::is_weight`] first.
    pub(crate) fn wants(&self, id: ValueId) -> Result<bool, MilError> {
        if self.is_weight(id) {
            return Err(self.fault("a weight may only be the left operand of matmul or an operand of mul"));
        }
        Ok(self.pass.active[id.index()])
    }

    /// Whether a forward value is a weight, or a reshaped view of one.
    pub(crate) fn is_weight(&self, id: ValueId) -> bool {
        self.pass.weight[id.index()].is_some()
    }

    /// The same elements of a backward value in another shape. To a scalar that is a `squeeze`: MIL has no empty list
    /// for a `reshape` to name its shape with.
    pub(crate) fn reshape(&mut self, name: &str, x: ValueId, shape: &[usize]) -> Result<ValueId, MilError> {
        let rank = self.build().ty(x).rank() as i32;
        if !shape.is_empty() || rank == 0 {
            return self.build().reshape(name, x, shape);
        }
        let axes: Vec<i32> = (0..rank).collect();
        let axes = self.build().constant(&format!("{name}_axes"), Constant::ints(&axes));
        let arguments = vec![("axes", Argument::Value(axes)), ("x", Argument::Value(x))];
        self.build().op(Op::Squeeze, name, arguments)
    }

    /// Adds to a forward value's cotangent; a broadcast operand's share is summed back to its shape.
    pub(crate) fn give(&mut self, id: ValueId, share: ValueId) -> Result<(), MilError> {
        let name = self.name(id);
        let target = self.ty(id).shape.clone();
        let from = self.build().ty(share).shape.clone();
        let share = if from == target {
            share
        } else {
            let lead = from.len() - target.len();
            let stretched = |i: &usize| *i < lead || (target[i - lead] == 1 && from[*i] != 1);
            let axes: Vec<i32> = (0..from.len()).filter(stretched).map(|i| i as i32).collect();
            let summed = self.build().reduce_sum(&name, share, &axes)?;
            self.reshape(&name, summed, &target)?
        };
        self.pass.cotangents[id.index()].push(Contribution::Whole(share));
        Ok(())
    }

    /// Adds to the cotangent of a block of a forward value along one axis.
    pub(crate) fn give_slice(&mut self, id: ValueId, axis: usize, begin: usize, share: ValueId) {
        self.pass.cotangents[id.index()].push(Contribution::Slice { axis, begin, value: share });
    }

    /// Fills `share`, a block of a forward value's cotangent along one axis, with zeros to `extent` along it.
    pub(crate) fn pad(
        &mut self,
        id: ValueId,
        share: ValueId,
        axis: usize,
        begin: usize,
        extent: usize,
    ) -> Result<ValueId, MilError> {
        let mut ty = self.build().ty(share).clone();
        ty.shape[axis] = extent;
        let name = self.name(id);
        self.pass.join_slices(&name, &ty, axis, &[(begin, share)])
    }

    /// Records the gradient of a weight operand instead of multiplying it out.
    pub(crate) fn weight_gradient(
        &mut self,
        weight: ValueId,
        activation: ValueId,
        contraction: Contraction,
    ) -> Result<(), MilError> {
        let input = self.pass.weight[weight.index()].unwrap_or(weight);
        let gradient = WeightGradient {
            weight: self.pass.forward.value(input).name.clone(),
            contraction,
            activation: self.pass.activation_source(activation)?,
            cotangent: self.pass.cotangent_source(self.cotangent)?,
        };
        self.pass.gradients.push(gradient);
        Ok(())
    }
}
