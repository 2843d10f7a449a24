//! Rule E0019, and the reading of `FlexibleShapeInformation`.

use crate::{ConstantData, Dim, Function, Payload};

/// Checks the attribute, if there is one.
pub(super) fn check(function: &Function) -> Result<(), String> {
    for (input, shape) in entries(function, "DefaultShapes")? {
        let dims = dims_of(function, &input)?;
        if shape.len() != dims.len() {
            return Err(format!(
                "DefaultShapes gives {} extents for `{input}`, which has {}",
                shape.len(),
                dims.len()
            ));
        }
        for (position, (&extent, dim)) in shape.iter().zip(&dims).enumerate() {
            if dim.fixed().is_some_and(|fixed| i64::try_from(fixed) != Ok(extent)) {
                return Err(format!(
                    "DefaultShapes gives {extent} for dimension {position} of `{input}`, which is {dim}"
                ));
            }
        }
    }
    for (input, bounds) in entries(function, "RangeDims")? {
        let dims = dims_of(function, &input)?;
        if bounds.len() != 2 * dims.len() {
            return Err(format!(
                "RangeDims gives {} bounds for `{input}`, two for each of {} dimensions are needed",
                bounds.len(),
                dims.len()
            ));
        }
        for pair in bounds.chunks_exact(2) {
            // An upper bound of −1 is none.
            if pair[0] < 0 || (pair[1] >= 0 && pair[1] < pair[0]) {
                return Err(format!("RangeDims of `{input}` has the empty range {} to {}", pair[0], pair[1]));
            }
        }
    }
    Ok(())
}

fn dims_of(function: &Function, input: &str) -> Result<Vec<Dim>, String> {
    let known = function.inputs.iter().map(|&id| function.value(id)).find(|value| value.name == input);
    let value =
        known.ok_or_else(|| format!("flexible shapes name `{}`, which is no input", input.escape_debug()))?;
    value.ty.dims().ok_or_else(|| format!("`{input}` is no tensor"))
}

/// Integers that a section of the attribute gives for each input; none if there is no attribute or no such section.
fn entries(function: &Function, section: &str) -> Result<Vec<(String, Vec<i64>)>, String> {
    let Some(crate::Literal::Composite { value, .. }) = function.attribute("FlexibleShapeInformation") else {
        return Ok(Vec::new());
    };
    let sections = value.items().unwrap_or_default();
    let wanted = sections.iter().find_map(|entry| match entry.items() {
        Some([name, value]) if name.as_str() == Some(section) => Some(value),
        _ => None,
    });
    let Some(Payload::Dict(pairs)) = wanted else {
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
            into.extend(list.iter().map(|&v| i64::from(v)))
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
