//! What a function takes and gives, and the `FlexibleShapeInformation` of the text.
//!
//! The attribute is a tuple of sections, each a pair of its name and a dictionary by input:
//!
//! * `DefaultShapes`: the shape of each input that has another than its type says.
//! * `RangeDims`: a list of pairs, the least and the largest extent of each dimension; −1 for no bound.
//! * `EnumeratedShapes`: by a name for each choice, the shapes of the inputs in it. The names mean nothing; here they are
//!   numbers of eight hexadecimal digits.

use engrad_mil::{ConstantData, DType, Dim, Function, Literal, Name, Payload, TensorType, Type};

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
        let information = match function.attribute(ATTRIBUTE) {
            Some(Literal::Composite { value, .. }) => Some(value),
            Some(Literal::Tensor(_)) => {
                return Err(PackageError::inexpressible(place(), "FlexibleShapeInformation is no tuple"));
            }
            None => None,
        };
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
                let feature = input(&value.name, &value.ty, information)
                    .map_err(|r| PackageError::inexpressible(place(), r))?;
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

fn input(name: &str, ty: &Type, information: Option<&Payload>) -> Result<Feature, String> {
    let dims = ty.dims().ok_or_else(|| format!("input `{name}` is {ty}, no tensor"))?;
    let fixed = |shape: Option<Vec<i64>>| Feature {
        name: name.to_owned(),
        ty: ty.clone(),
        shape,
        flexibility: Flexibility::None,
    };
    if let Some(shape) = known(&dims) {
        return Ok(fixed(Some(shape)));
    }
    let section = |wanted: &str| information.and_then(|sections| section(sections, wanted));
    let of_input = |payload: &Payload| payload.get(name).and_then(integers);
    let mut shape = section("DefaultShapes").and_then(of_input);
    let flexibility = if let Some(Payload::Dict(choices)) = section("EnumeratedShapes") {
        Flexibility::Enumerated(choices.iter().filter_map(|(_, inputs)| of_input(inputs)).collect())
    } else if let Some(bounds) = section("RangeDims").and_then(of_input) {
        Flexibility::Ranges(
            bounds.chunks(2).map(|pair| (pair[0], pair.get(1).copied().unwrap_or(pair[0]))).collect(),
        )
    } else if information.is_none() {
        Flexibility::Ranges(dims.iter().map(written_range).collect())
    } else {
        Flexibility::None
    };
    let ranks = match &flexibility {
        Flexibility::None => Vec::new(),
        Flexibility::Enumerated(shapes) => shapes.iter().map(Vec::len).collect(),
        Flexibility::Ranges(ranges) => vec![ranges.len()],
    };
    if ranks.iter().copied().chain(shape.as_ref().map(Vec::len)).any(|rank| rank != dims.len()) {
        return Err(format!("{ATTRIBUTE} of `{name}` is not of rank {}", dims.len()));
    }
    if shape.is_none() {
        shape = match &flexibility {
            Flexibility::Enumerated(shapes) => shapes.first().cloned(),
            Flexibility::Ranges(ranges) => Some(ranges.iter().map(|range| range.0).collect()),
            Flexibility::None => None,
        };
    }
    Ok(Feature { flexibility, ..fixed(shape) })
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

fn section<'a>(sections: &'a Payload, wanted: &str) -> Option<&'a Payload> {
    sections.items()?.iter().find_map(|entry| match entry.items() {
        Some([name, value]) if name.as_str() == Some(wanted) => Some(value),
        _ => None,
    })
}

/// Every integer of a payload, in order.
fn integers(payload: &Payload) -> Option<Vec<i64>> {
    match payload {
        Payload::Elements { data: ConstantData::Int32(list), .. } => {
            Some(list.iter().map(|&v| i64::from(v)).collect())
        }
        Payload::Elements { data: ConstantData::Int64(list), .. } => Some(list.clone()),
        Payload::List(items) | Payload::Tuple(items) => {
            Some(items.iter().map(integers).collect::<Option<Vec<_>>>()?.concat())
        }
        _ => None,
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
