//! Flexible shapes: what extents a function's inputs may have, from its attribute `FlexibleShapeInformation`.
//!
//! The attribute is a tuple of pairs of a section's name and its value, as Core ML's compiler writes it:
//!
//! | Section | Value |
//! |---|---|
//! | `DefaultShapes` | for each input, its default extents |
//! | `RangeDims` | for each input, least and largest extent of each dimension; a largest of −1 is none |
//! | `EnumeratedShapes` | for each name of a choice, for each input, its extents |

use std::collections::HashMap;

use crate::{ConstantData, Dim, Function, Literal, Payload, Value};

/// Inputs of a function by name.
type Inputs<'a> = HashMap<&'a str, &'a Value>;

/// Extents by input.
pub type Shapes = Vec<(String, Vec<usize>)>;
/// Least and largest extent of each dimension, by input; `None` is no limit.
pub type Ranges = Vec<(String, Vec<(usize, Option<usize>)>)>;

/// What the attribute says; empty for a function without it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlexibleShapes {
    /// Default extents.
    pub defaults: Shapes,
    /// Least and largest extent of each dimension; `None` is no limit.
    pub ranges: Ranges,
    /// Each choice of extents.
    pub choices: Vec<Shapes>,
}

impl Function {
    /// The flexible shapes of the function's inputs.
    ///
    /// # Errors
    /// If the attribute is not of its form, names what is no input, or contradicts a declared type.
    pub fn flexible_shapes(&self) -> Result<FlexibleShapes, String> {
        let Some(literal) = self.attribute("FlexibleShapeInformation") else {
            return Ok(FlexibleShapes::default());
        };
        let Literal::Composite { value, .. } = literal else {
            return Err("FlexibleShapeInformation is no tuple".to_owned());
        };
        let section = |wanted: &str| {
            let sections = value.items().unwrap_or_default();
            sections.iter().find_map(|entry| match entry.items() {
                Some([name, value]) if name.as_str() == Some(wanted) => Some(value),
                _ => None,
            })
        };
        let inputs = self.inputs.iter().map(|&id| self.value(id));
        let inputs: Inputs<'_> = inputs.map(|value| (value.name.as_str(), value)).collect();
        let flexible = FlexibleShapes {
            defaults: shapes(&inputs, "DefaultShapes", section("DefaultShapes"))?,
            ranges: ranges(&inputs, section("RangeDims"))?,
            choices: match section("EnumeratedShapes") {
                Some(Payload::Dict(pairs)) => pairs
                    .iter()
                    .map(|(_, choice)| shapes(&inputs, "EnumeratedShapes", Some(choice)))
                    .collect::<Result<_, _>>()?,
                _ => Vec::new(),
            },
        };
        Ok(flexible)
    }
}

fn shapes(inputs: &Inputs<'_>, section: &str, value: Option<&Payload>) -> Result<Shapes, String> {
    let mut shapes = Shapes::new();
    for (input, numbers) in entries(section, value)? {
        let dims = dims_of(inputs, section, &input)?;
        if numbers.len() != dims.len() {
            let (given, rank) = (numbers.len(), dims.len());
            return Err(format!("{section} gives {given} extents for `{input}`, which has {rank}"));
        }
        for (position, (&extent, dim)) in numbers.iter().zip(&dims).enumerate() {
            if dim.fixed().is_some_and(|fixed| i64::try_from(fixed) != Ok(extent)) {
                return Err(format!(
                    "{section} gives {extent} for dimension {position} of `{input}`, which is {dim}"
                ));
            }
        }
        let extents: Option<Vec<usize>> = numbers.into_iter().map(|n| usize::try_from(n).ok()).collect();
        let extents = extents.ok_or_else(|| format!("{section} has a negative extent for `{input}`"))?;
        shapes.push((input, extents));
    }
    Ok(shapes)
}

fn ranges(inputs: &Inputs<'_>, value: Option<&Payload>) -> Result<Ranges, String> {
    let mut ranges = Vec::new();
    for (input, bounds) in entries("RangeDims", value)? {
        let rank = dims_of(inputs, "RangeDims", &input)?.len();
        let (pairs, []) = bounds.as_chunks::<2>() else {
            return Err(format!("RangeDims of `{input}` has a bound without its other"));
        };
        if pairs.len() != rank {
            let given = pairs.len();
            return Err(format!("RangeDims gives {given} ranges for `{input}`, which has {rank} dimensions"));
        }
        let range = |&[low, high]: &[i64; 2]| {
            let most = usize::try_from(high).ok();
            let least = usize::try_from(low).ok().filter(|&least| most.is_none_or(|most| least <= most));
            let least =
                least.ok_or_else(|| format!("RangeDims of `{input}` has the empty range {low} to {high}"))?;
            Ok((least, most))
        };
        let all = pairs.iter().map(range).collect::<Result<_, String>>()?;
        ranges.push((input, all));
    }
    Ok(ranges)
}

fn dims_of(inputs: &Inputs<'_>, section: &str, input: &str) -> Result<Vec<Dim>, String> {
    let value = inputs
        .get(input)
        .ok_or_else(|| format!("{section} names `{}`, which is no input", input.escape_debug()))?;
    value.ty.dims().ok_or_else(|| format!("{section} names `{input}`, which is no tensor"))
}

impl FlexibleShapes {
    /// Whether inputs of these extents are allowed; the error says what is.
    ///
    /// # Errors
    /// The first input that is outside, or that no choice fits.
    pub fn check(&self, shapes: &[(String, Vec<usize>)]) -> Result<(), String> {
        for (input, shape) in shapes {
            let Some((_, ranges)) = self.ranges.iter().find(|(name, _)| name == input) else { continue };
            for (position, (&extent, (least, most))) in shape.iter().zip(ranges).enumerate() {
                if extent < *least || most.is_some_and(|most| extent > most) {
                    let most = most.map_or("any".to_owned(), |most| most.to_string());
                    return Err(format!(
                        "dimension {position} of `{input}` is {extent}; {least} to {most} are allowed"
                    ));
                }
            }
        }
        let fits = |choice: &Shapes| {
            choice.iter().all(|(name, extents)| shapes.iter().all(|(n, shape)| n != name || shape == extents))
        };
        if self.choices.is_empty() || self.choices.iter().any(fits) {
            return Ok(());
        }
        let shown: Vec<String> = self.choices.iter().take(8).map(|choice| format!("{choice:?}")).collect();
        Err(format!("inputs {shapes:?} are none of the enumerated shapes: {}", shown.join(", ")))
    }
}

/// Integers that a section gives for each input; none without the section.
fn entries(section: &str, value: Option<&Payload>) -> Result<Vec<(String, Vec<i64>)>, String> {
    let Some(Payload::Dict(pairs)) = value else {
        return Ok(Vec::new());
    };
    let entry = |(key, value): &(Payload, Payload)| {
        let name = key.as_str().ok_or_else(|| format!("{section} has a key that is no text"))?;
        let mut numbers = Vec::new();
        integers(value, &mut numbers).ok_or_else(|| format!("{section} of `{name}` lists no integers"))?;
        Ok((name.to_owned(), numbers))
    };
    pairs.iter().map(entry).collect()
}

/// Every integer of a payload, in order.
fn integers(payload: &Payload, into: &mut Vec<i64>) -> Option<()> {
    match payload {
        Payload::Elements { data: ConstantData::Int32(list), .. } => {
            into.extend(list.iter().map(|&v| i64::from(v)));
        }
        Payload::Elements { data: ConstantData::Int64(list), .. } => into.extend(list),
        Payload::List(items) | Payload::Tuple(items) => {
            for item in items {
                integers(item, into)?;
            }
        }
        _ => return None,
    }
    Some(())
}
