//! The description of a model: its features, for the program and from it.

use std::collections::HashMap;

use engrad_mil::{DType, Function, Program, Type, identifier};

use super::flexible::{self, Feature, Flexibility, Interface};
use super::program::format_version;
use crate::PackageError;
use crate::metadata::Metadata;
use crate::proto::{
    ArrayDataType, ArrayFeatureType, EnumeratedShapes, FeatureDescription, FeatureKind, FeatureType,
    FunctionDescription, ImageFeatureType, ModelDescription, Shape, ShapeFlexibility, ShapeRange, SizeRange,
    StateFeatureType,
};

/// Element types of features, and the format version that came with each.
const ARRAYS: [(DType, ArrayDataType, i32); 5] = [
    (DType::Fp16, ArrayDataType::Float16, 7),
    (DType::Fp32, ArrayDataType::Float32, 6),
    (DType::Fp64, ArrayDataType::Double, 6),
    (DType::Int8, ArrayDataType::Int8, 10),
    (DType::Int32, ArrayDataType::Int32, 6),
];
/// The format version of states and of several functions.
const STATES: i32 = 9;
/// `DictionaryFeatureType` with texts and with integers as keys: one empty message as field 2 or 1.
const TEXT_KEYS: [u8; 2] = [0x12, 0];
const INTEGER_KEYS: [u8; 2] = [0x0a, 0];

/// What a description says of one function. Files may describe any number of features, so that all are found by name in
/// one step.
#[derive(Default)]
struct Described<'a> {
    input: HashMap<String, &'a FeatureDescription>,
    output: HashMap<String, &'a FeatureDescription>,
    state: HashMap<String, &'a FeatureDescription>,
    predicted_feature_name: &'a str,
    predicted_probabilities_name: &'a str,
}

impl<'a> Described<'a> {
    /// By function, under the names of the program. What stands outside all functions is for the only one, or `main`.
    fn of(description: &'a ModelDescription, program: &Program) -> HashMap<String, Self> {
        let mut functions: HashMap<String, Self> = HashMap::new();
        let outer = match &program.functions[..] {
            [only] => &only.name,
            _ => "main",
        };
        let outer_description = Self {
            input: by_name(&description.input),
            output: by_name(&description.output),
            state: by_name(&description.state),
            predicted_feature_name: &description.predicted_feature_name,
            predicted_probabilities_name: &description.predicted_probabilities_name,
        };
        functions.insert(outer.to_owned(), outer_description);
        for function in &description.functions {
            let own = Self {
                input: by_name(&function.input),
                output: by_name(&function.output),
                state: by_name(&function.state),
                predicted_feature_name: &function.predicted_feature_name,
                predicted_probabilities_name: &function.predicted_probabilities_name,
            };
            functions.insert(identifier(&function.name), own);
        }
        functions
    }
}

/// Names that are identifiers win over those that are rewritten to them.
fn by_name(features: &[FeatureDescription]) -> HashMap<String, &FeatureDescription> {
    let rewritten = features.iter().rev().map(|feature| (identifier(&feature.name), feature));
    let exact = features.iter().rev().map(|feature| (feature.name.clone(), feature));
    rewritten.chain(exact).collect()
}

/// Adds to each function what the description says of its flexible inputs.
pub(super) fn add_flexible_shapes(
    program: &mut Program,
    description: &ModelDescription,
) -> Result<(), PackageError> {
    let (nothing, described) = (Described::default(), Described::of(description, program));
    for function in &mut program.functions {
        let inputs = &described.get(&function.name).unwrap_or(&nothing).input;
        let values = function.inputs().iter().map(|&id| function.value(id));
        let flexible = values.filter(|value| matches!(value.ty, Type::Flexible(_)));
        let features: Vec<Feature> =
            flexible.map(|value| feature(&value.name, &value.ty, inputs.get(&value.name).copied())).collect();
        let attribute = flexible::attribute(&features)
            .map_err(|reason| PackageError::unsupported(format!("function `{}`", function.name), reason))?;
        // The format's own attributes come first; one of this name would be the text's.
        function.attributes.retain(|(name, _)| name != flexible::ATTRIBUTE);
        function.attributes.extend(attribute);
    }
    Ok(())
}

/// The input as the description has it. A description of another rank says nothing.
fn feature(name: &str, ty: &Type, input: Option<&FeatureDescription>) -> Feature {
    let dims = ty.dims().unwrap_or_default();
    let nothing =
        || Feature { name: name.to_owned(), ty: ty.clone(), shape: None, flexibility: Flexibility::None };
    let kind = input.and_then(|input| input.r#type.as_ref()).and_then(|ty| ty.kind.as_ref());
    let known = match kind {
        Some(FeatureKind::MultiArray(array)) => {
            let flexibility = match &array.flexibility {
                None => Flexibility::None,
                Some(ShapeFlexibility::Enumerated(shapes)) if shapes.shapes.is_empty() => Flexibility::None,
                Some(ShapeFlexibility::Enumerated(shapes)) => {
                    Flexibility::Enumerated(shapes.shapes.iter().map(|shape| shape.shape.clone()).collect())
                }
                Some(ShapeFlexibility::Range(range)) => {
                    Flexibility::Ranges(range.size_ranges.iter().map(bounds).collect())
                }
            };
            let shape = (array.shape.len() == dims.len()).then(|| array.shape.clone());
            Some(Feature { shape, flexibility, ..nothing() })
        }
        Some(FeatureKind::Image(image)) => {
            let dims: Vec<_> = dims.iter().map(|dim| dim.fixed().map(|extent| extent as i64)).collect();
            image_shape(image, &dims).map(|(shape, flexibility)| Feature {
                shape: Some(shape),
                flexibility,
                ..nothing()
            })
        }
        _ => None,
    };
    known.filter(|feature| feature.fits(dims.len())).unwrap_or_else(nothing).completed()
}

fn bounds(range: &SizeRange) -> (i64, i64) {
    (i64::try_from(range.lower_bound).unwrap_or(i64::MAX), range.upper_bound.max(-1))
}

/// Shapes of an image's tensor: height and width are the last two extents, the others are fixed or 1.
fn image_shape(image: &ImageFeatureType, dims: &[Option<i64>]) -> Option<(Vec<i64>, Flexibility)> {
    let (outer, [_, _]) = dims.split_last_chunk::<2>()?;
    let outer: Vec<i64> = outer.iter().map(|dim| dim.unwrap_or(1)).collect();
    let with = |height: i64, width: i64| [&outer[..], &[height, width]].concat();
    let flexibility = if let Some(sizes) = &image.enumerated_sizes {
        let signed = |extent: u64| i64::try_from(extent).unwrap_or(i64::MAX);
        Flexibility::Enumerated(
            sizes.sizes.iter().map(|size| with(signed(size.height), signed(size.width))).collect(),
        )
    } else if let Some(range) = &image.image_size_range {
        let fixed = outer.iter().map(|&extent| (extent, extent));
        let free = [range.height_range.as_ref(), range.width_range.as_ref()];
        Flexibility::Ranges(fixed.chain(free.map(|range| range.map_or((1, -1), bounds))).collect())
    } else {
        Flexibility::None
    };
    Some((with(image.height, image.width), flexibility))
}

/// The description of a program, and the format version it needs. What `original`, the description it was read with,
/// says of features of the same name beyond the program stays: images, defaults of optional inputs, texts.
pub(super) fn describe(
    program: &Program,
    metadata: &Metadata,
    original: Option<&ModelDescription>,
) -> Result<(ModelDescription, i32), PackageError> {
    let mut version = 6;
    let mut functions = Vec::with_capacity(program.functions.len());
    let nothing = Described::default();
    let described = original.map(|original| Described::of(original, program)).unwrap_or_default();
    for function in &program.functions {
        version = version.max(format_version(&function.opset).unwrap_or(version));
        let old = described.get(&function.name).unwrap_or(&nothing);
        functions.push(describe_function(function, old, &mut version)?);
    }
    let mut description = ModelDescription { metadata: Some(metadata.to_proto()), ..Default::default() };
    let single =
        program.functions.len() == 1 && original.is_none_or(|original| original.functions.is_empty());
    if single {
        let function = functions.pop().unwrap_or_default();
        description.input = function.input;
        description.output = function.output;
        description.state = function.state;
        description.predicted_feature_name = function.predicted_feature_name;
        description.predicted_probabilities_name = function.predicted_probabilities_name;
    } else {
        version = version.max(STATES);
        let named =
            original.map(|original| original.default_function_name.clone()).filter(|name| !name.is_empty());
        let main = program.functions.iter().find(|f| f.name == "main").or(program.functions.first());
        description.default_function_name = named.or(main.map(|f| f.name.clone())).unwrap_or_default();
        description.functions = functions;
    }
    Ok((description, version))
}

fn describe_function(
    function: &Function,
    old: &Described<'_>,
    version: &mut i32,
) -> Result<FunctionDescription, PackageError> {
    let interface = Interface::of(function)?;
    let mut describe = |features: &[Feature], old: &HashMap<String, &FeatureDescription>| {
        let described = features.iter().map(|feature| {
            describe_feature(feature, old.get(&feature.name).copied(), version).map_err(|reason| {
                PackageError::inexpressible(
                    format!("function `{}`, `{}`", function.name, feature.name),
                    reason,
                )
            })
        });
        described.collect::<Result<Vec<_>, _>>()
    };
    Ok(FunctionDescription {
        name: function.name.clone(),
        input: describe(&interface.inputs, &old.input)?,
        output: describe(&interface.outputs, &old.output)?,
        state: describe(&interface.states, &old.state)?,
        predicted_feature_name: old.predicted_feature_name.to_owned(),
        predicted_probabilities_name: old.predicted_probabilities_name.to_owned(),
    })
}

fn describe_feature(
    feature: &Feature,
    old: Option<&FeatureDescription>,
    version: &mut i32,
) -> Result<FeatureDescription, String> {
    let mut kind = kind(feature, version)?;
    let mut is_optional = false;
    if let Some(old) = old.and_then(|old| old.r#type.as_ref()) {
        is_optional = old.is_optional;
        match (&mut kind, &old.kind) {
            (FeatureKind::MultiArray(new), Some(FeatureKind::MultiArray(old))) => {
                new.default_optional_value.clone_from(&old.default_optional_value);
            }
            (new @ FeatureKind::MultiArray(_), Some(image @ FeatureKind::Image(_))) => *new = image.clone(),
            _ => {}
        }
    }
    Ok(FeatureDescription {
        name: feature.name.clone(),
        short_description: old.map_or_else(String::new, |old| old.short_description.clone()),
        r#type: Some(FeatureType { kind: Some(kind), is_optional }),
    })
}

fn kind(feature: &Feature, version: &mut i32) -> Result<FeatureKind, String> {
    Ok(match &feature.ty {
        Type::Dict(key, _) if key.dtype() == Some(DType::String) => {
            FeatureKind::Dictionary(TEXT_KEYS.to_vec())
        }
        Type::Dict(key, _) if key.dtype().is_some_and(DType::is_integer) => {
            FeatureKind::Dictionary(INTEGER_KEYS.to_vec())
        }
        Type::Tensor(ty) if ty.dtype == DType::String && ty.shape.is_empty() => {
            FeatureKind::String(Vec::new())
        }
        Type::Tensor(ty) if ty.dtype == DType::Int64 && ty.shape.is_empty() => FeatureKind::Int64(Vec::new()),
        Type::State(_) => {
            *version = STATES.max(*version);
            FeatureKind::State(StateFeatureType { array_type: Some(array(feature, version)?) })
        }
        _ => FeatureKind::MultiArray(array(feature, version)?),
    })
}

fn array(feature: &Feature, version: &mut i32) -> Result<ArrayFeatureType, String> {
    let dtype = feature.ty.dtype();
    let Some((_, data_type, since)) = ARRAYS.iter().find(|row| Some(row.0) == dtype) else {
        return Err(format!("packages have no inputs or outputs of type {}; cast it", feature.ty));
    };
    *version = (*since).max(*version);
    let flexibility = match &feature.flexibility {
        Flexibility::None => None,
        Flexibility::Enumerated(shapes) => Some(ShapeFlexibility::Enumerated(EnumeratedShapes {
            shapes: shapes.iter().map(|shape| Shape { shape: shape.clone() }).collect(),
        })),
        Flexibility::Ranges(ranges) => {
            let size = |&(low, high): &(i64, i64)| SizeRange {
                lower_bound: low.max(0).cast_unsigned(),
                upper_bound: high,
            };
            Some(ShapeFlexibility::Range(ShapeRange { size_ranges: ranges.iter().map(size).collect() }))
        }
    };
    Ok(ArrayFeatureType {
        shape: feature.shape.clone().unwrap_or_default(),
        data_type: *data_type as i32,
        flexibility,
        default_optional_value: None,
    })
}
