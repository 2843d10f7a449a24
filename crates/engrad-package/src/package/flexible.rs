//! What a function takes and gives, and the `FlexibleShapeInformation` that says it in text.
//!
//! [`Function::flexible_shapes`] reads the attribute; this writes it. Names of enumerated choices mean nothing: here they
//! are numbers of eight hexadecimal digits.

use std::collections::HashMap;

use engrad_mil::{
    ConstantData, DType, Dim, FlexibleShapes, Function, Literal, Name, Payload, TensorType, Type,
};

use crate::PackageError;

/// Name of the attribute.
pub(crate) const ATTRIBUTE: &str = "FlexibleShapeInformation";

/// An input, output or state of a function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Feature {
    pub(crate) name: String,
    pub(crate) ty: Type,
    /// Default shape; `None` for an output whose shape is not known and for what is no tensor.
    pub(crate) shape: Option<Vec<i64>>,
    pub(crate) flexibility: Flexibility,
}

/// Which shapes an input may have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Flexibility {
    /// Its default only, or nothing is said.
    None,
    /// One of these.
    Enumerated(Vec<Vec<i64>>),
    /// Each extent within bounds; a negative upper bound is none.
    Ranges(Vec<(i64, i64)>),
}

/// What a function takes and gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Interface {
    pub(crate) inputs: Vec<Feature>,
    pub(crate) states: Vec<Feature>,
    pub(crate) outputs: Vec<Feature>,
}

impl Interface {
    pub(crate) fn of(function: &Function) -> Result<Self, PackageError> {
        let place = || format!("function `{}`", function.name);
        let said =
            function.flexible_shapes().map_err(|reason| PackageError::inexpressible(place(), reason))?;
        let said = Said::by_input(said);
        let mut interface = Self { inputs: Vec::new(), states: Vec::new(), outputs: Vec::new() };
        for &id in function.inputs() {
            let value = function.value(id);
            if matches!(value.ty, Type::State(_)) {
                let shape = value.ty.dims().and_then(|dims| known(&dims));
                interface.states.push(Feature {
                    name: value.name.clone(),
                    ty: value.ty.clone(),
                    shape,
                    flexibility: Flexibility::None,
                });
            } else {
                let feature = input(&value.name, &value.ty, said.get(&value.name))
                    .map_err(|reason| PackageError::inexpressible(place(), reason))?;
                interface.inputs.push(feature);
            }
        }
        for &id in function.outputs() {
            let value = function.value(id);
            let shape = value.ty.dims().and_then(|dims| known(&dims));
            interface.outputs.push(Feature {
                name: value.name.clone(),
                ty: value.ty.clone(),
                shape,
                flexibility: Flexibility::None,
            });
        }
        Ok(interface)
    }
}

fn known(dims: &[Dim]) -> Option<Vec<i64>> {
    dims.iter().map(|dim| dim.fixed().and_then(|extent| i64::try_from(extent).ok())).collect()
}

/// What the attribute says of one input.
#[derive(Default)]
struct Said {
    shape: Option<Vec<i64>>,
    choices: Vec<Vec<i64>>,
    ranges: Option<Vec<(i64, i64)>>,
}

impl Said {
    fn by_input(said: FlexibleShapes) -> HashMap<String, Self> {
        let extent = |extent: usize| i64::try_from(extent).unwrap_or(i64::MAX);
        let signed = |shape: Vec<usize>| shape.into_iter().map(extent).collect::<Vec<_>>();
        let mut inputs: HashMap<String, Self> = HashMap::new();
        for (input, shape) in said.defaults {
            inputs.entry(input).or_default().shape = Some(signed(shape));
        }
        for (input, shape) in said.choices.into_iter().flatten() {
            inputs.entry(input).or_default().choices.push(signed(shape));
        }
        for (input, ranges) in said.ranges {
            let ranges = ranges.into_iter().map(|(low, high)| (extent(low), high.map_or(-1, extent)));
            inputs.entry(input).or_default().ranges = Some(ranges.collect());
        }
        inputs
    }
}

fn input(name: &str, ty: &Type, said: Option<&Said>) -> Result<Feature, String> {
    let dims = ty.dims().ok_or_else(|| format!("input `{name}` is {ty}, no tensor"))?;
    let shape = known(&dims);
    let feature = Feature { name: name.to_owned(), ty: ty.clone(), shape, flexibility: Flexibility::None };
    if feature.shape.is_some() {
        return Ok(feature);
    }
    let Some(said) = said else {
        return Ok(feature.completed());
    };
    let flexibility = match &said.ranges {
        _ if !said.choices.is_empty() => Flexibility::Enumerated(said.choices.clone()),
        Some(ranges) => Flexibility::Ranges(ranges.clone()),
        None => Flexibility::None,
    };
    Ok(Feature { shape: said.shape.clone(), flexibility, ..feature }.completed())
}

impl Feature {
    /// Whether every shape is of that rank.
    pub(super) fn fits(&self, rank: usize) -> bool {
        let flexible = match &self.flexibility {
            Flexibility::None => true,
            Flexibility::Enumerated(shapes) => shapes.iter().all(|shape| shape.len() == rank),
            Flexibility::Ranges(ranges) => ranges.len() == rank,
        };
        flexible && self.shape.as_ref().is_none_or(|shape| shape.len() == rank)
    }

    /// The same with what is not said: an input of which nothing is known may have the extents that its type allows, and
    /// the default is the first or least shape.
    pub(super) fn completed(mut self) -> Self {
        if self.shape.is_none() && self.flexibility == Flexibility::None {
            let dims = self.ty.dims().unwrap_or_default();
            self.flexibility = Flexibility::Ranges(dims.iter().map(written_range).collect());
        }
        if self.shape.is_none() {
            self.shape = match &self.flexibility {
                Flexibility::Enumerated(shapes) => shapes.first().cloned(),
                Flexibility::Ranges(ranges) => Some(ranges.iter().map(|range| range.0).collect()),
                Flexibility::None => None,
            };
        }
        self
    }
}

/// The range that an extent of the type itself says: `1..512`, or any.
fn written_range(dim: &Dim) -> (i64, i64) {
    match dim {
        Dim::Fixed(extent) => (*extent as i64, *extent as i64),
        Dim::Any => (1, -1),
        Dim::Symbol(text) => match text.split_once("..") {
            Some((low, high)) => (low.parse().unwrap_or(1), high.parse().unwrap_or(-1)),
            None => (1, -1),
        },
    }
}

/// The attribute that says what these inputs may be; `None` if each has one shape.
///
/// # Errors
/// An extent beyond 32 bits.
pub(crate) fn attribute(inputs: &[Feature]) -> Result<Option<(Name, Literal)>, String> {
    let flexible = inputs.iter().filter(|input| matches!(input.ty, Type::Flexible(_)));
    let mut sections = Vec::new();
    let (mut defaults, mut ranges) = (Vec::new(), Vec::new());
    let mut choices: Vec<Vec<(Payload, Payload)>> = Vec::new();
    for input in flexible {
        let name = || Payload::text(&input.name);
        if let Some(shape) = &input.shape {
            defaults.push((name(), list(shape)?));
        }
        match &input.flexibility {
            Flexibility::None => {}
            Flexibility::Ranges(bounds) => {
                let bounds =
                    bounds.iter().map(|&(low, high)| list(&[low, high])).collect::<Result<_, _>>()?;
                ranges.push((name(), Payload::List(bounds)));
            }
            Flexibility::Enumerated(shapes) => {
                choices.resize(choices.len().max(shapes.len()), Vec::new());
                for (choice, shape) in choices.iter_mut().zip(shapes) {
                    choice.push((name(), list(shape)?));
                }
            }
        }
    }
    if !defaults.is_empty() {
        sections.push(("DefaultShapes", by_name(open_list()), Payload::Dict(defaults)));
    }
    if !choices.is_empty() {
        let named = choices.into_iter().enumerate();
        let choices =
            named.map(|(number, shapes)| (Payload::text(format!("{number:08x}")), Payload::Dict(shapes)));
        sections.push(("EnumeratedShapes", by_name(by_name(open_list())), Payload::Dict(choices.collect())));
    }
    if !ranges.is_empty() {
        let pairs = Type::List(Box::new(Type::Tensor(TensorType::new(DType::Int32, [2]))), Dim::Any);
        sections.push(("RangeDims", by_name(pairs), Payload::Dict(ranges)));
    }
    if sections.is_empty() {
        return Ok(None);
    }
    let (types, values) = sections
        .into_iter()
        .map(|(name, ty, value)| {
            (Type::Tuple(vec![text(), ty]), Payload::Tuple(vec![Payload::text(name), value]))
        })
        .unzip();
    Ok(Some((
        Name::Borrowed(ATTRIBUTE),
        Literal::Composite { ty: Type::Tuple(types), value: Payload::Tuple(values) },
    )))
}

fn text() -> Type {
    Type::Tensor(TensorType::scalar(DType::String))
}

fn by_name(value: Type) -> Type {
    Type::Dict(Box::new(text()), Box::new(value))
}

fn open_list() -> Type {
    Type::tensor_of(DType::Int32, vec![Dim::Any])
}

fn list(values: &[i64]) -> Result<Payload, String> {
    let values = values.iter().map(|&v| i32::try_from(v).map_err(|_| format!("an extent of {v}")));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    Ok(Payload::Elements { shape: vec![values.len()], data: ConstantData::Int32(values) })
}
