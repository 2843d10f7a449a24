//! What a loaded model says of its inputs and outputs (ane-facts 1.5), held against the program.

use engrad_engine::Port;
use engrad_mil::{DType, TensorType};

use crate::AppleError;
use crate::error::Phase;
use crate::safe::Values;
use crate::sys::Api;
use crate::sys::runtime::Object;

/// Names of element types in attributes.
const TYPES: &[(&str, DType)] = &[
    ("Float16", DType::Fp16),
    ("Float32", DType::Fp32),
    ("Int8", DType::Int8),
    ("UInt8", DType::UInt8),
    ("Int32", DType::Int32),
];

/// Smallest surface: the device's page (ane-facts 4.3).
const PAGE: usize = 16_384;

/// What a listed symbol ends in that the program's output does not.
const OUTPUT_SUFFIX: &str = "@output";

/// One entry of the list of inputs or outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    dtype: Option<String>,
    /// Batches, depth, channels, height, width; 1 where not given.
    extents: [u64; 5],
    row_stride: u64,
    plane_stride: u64,
    batch_stride: u64,
    interleave: u64,
}

/// Where a program's input or output is among the model's symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) port: Port,
    /// Position in the list, by which surfaces are bound.
    pub(crate) symbol: usize,
    /// Bytes its surface must have.
    pub(crate) bytes: usize,
}

fn unexpected(reason: String) -> AppleError {
    AppleError::Unexpected { phase: Phase::Load, reason }
}

/// Inputs and outputs of the model in program order.
pub(crate) fn places(
    api: &'static Api,
    attributes: Object,
    inputs: &[(String, TensorType)],
    outputs: &[(String, TensorType)],
) -> Result<(Vec<Place>, Vec<Place>), AppleError> {
    let statuses = api.read_key(attributes, "NetworkStatusList")?;
    let statuses = statuses.map(|s| api.read_array(s)).transpose()?.flatten();
    let status = statuses.and_then(|s| s.first().copied());
    let status =
        status.ok_or_else(|| unexpected("the model's attributes have no NetworkStatusList".to_owned()))?;
    Ok((
        matched(&entries(api, status, "LiveInputList")?, inputs, "input")?,
        matched(&entries(api, status, "LiveOutputList")?, outputs, "output")?,
    ))
}

fn entries(api: &'static Api, status: Object, list: &str) -> Result<Vec<Entry>, AppleError> {
    let items = api.read_key(status, list)?.map(|l| api.read_array(l)).transpose()?.flatten();
    let items = items.ok_or_else(|| unexpected(format!("the model's attributes have no {list}")))?;
    items.into_iter().map(|item| entry(api, item, list)).collect()
}

fn entry(api: &'static Api, item: Object, list: &str) -> Result<Entry, AppleError> {
    let text = |key| -> Result<Option<String>, AppleError> {
        Ok(api.read_key(item, key)?.map(|v| api.read_string(v)).transpose()?.flatten())
    };
    let number = |key| -> Result<Option<u64>, AppleError> {
        Ok(api.read_key(item, key)?.map(|v| api.read_number(v)).transpose()?.flatten())
    };
    let name = match text("Symbol")? {
        Some(name) => Some(name),
        None => text("Name")?,
    };
    let name = name.ok_or_else(|| unexpected(format!("an entry of {list} has no name")))?;
    let name = name.strip_suffix(OUTPUT_SUFFIX).unwrap_or(&name).to_owned();
    let needed = |key| number(key)?.ok_or_else(|| unexpected(format!("`{name}` in {list} has no {key}")));
    let extent = |key| Ok::<_, AppleError>(number(key)?.unwrap_or(1));
    Ok(Entry {
        dtype: text("Type")?,
        extents: [
            extent("Batches")?,
            extent("Depth")?,
            extent("Channels")?,
            extent("Height")?,
            needed("Width")?,
        ],
        row_stride: needed("RowStride")?,
        plane_stride: needed("PlaneStride")?,
        batch_stride: needed("BatchStride")?,
        interleave: number("Interleave")?.unwrap_or(1),
        name,
    })
}

fn matched(entries: &[Entry], values: &[(String, TensorType)], kind: &str) -> Result<Vec<Place>, AppleError> {
    if entries.len() != values.len() {
        return Err(unexpected(format!(
            "the model has {} {kind}s, the program {}",
            entries.len(),
            values.len()
        )));
    }
    values.iter().map(|(name, ty)| place(entries, name, ty, kind)).collect()
}

/// The program's value among the entries. Rows must lie one after the other, as [`Port`] has them.
fn place(entries: &[Entry], name: &str, ty: &TensorType, kind: &str) -> Result<Place, AppleError> {
    let mut named = entries.iter().enumerate().filter(|(_, entry)| entry.name == name);
    let (symbol, entry) = match (named.next(), named.next()) {
        (Some(found), None) => found,
        (None, _) => return Err(unexpected(format!("the model has no {kind} `{name}`"))),
        (Some(_), Some(_)) => return Err(unexpected(format!("the model has two {kind}s `{name}`"))),
    };
    let refuse = |reason: String| Err(unexpected(format!("{kind} `{name}` of type {ty}: {reason}")));
    if let Some(dtype) = &entry.dtype {
        let known = TYPES.iter().find(|(n, _)| n == dtype).map(|(_, d)| *d);
        if known != Some(ty.dtype) {
            return refuse(format!("the model has elements of type {dtype}"));
        }
    }
    let width = ty.shape.last().copied().unwrap_or(1) as u64;
    let elements = entry.extents.iter().try_fold(1u64, |n, &e| n.checked_mul(e));
    if elements != Some(ty.elements() as u64) || entry.extents[4] != width {
        return refuse(format!("the model has extents {:?}", entry.extents));
    }
    let [batches, depth, channels, height, _] = entry.extents;
    let row = width * ty.dtype.size() as u64;
    let product = |factors: &[u64]| factors.iter().try_fold(1u64, |n, &f| n.checked_mul(f));
    let dense = entry.interleave <= 1
        && entry.row_stride >= row
        && entry.row_stride.is_multiple_of(ty.dtype.size().max(1) as u64)
        && Some(entry.plane_stride) == product(&[entry.row_stride, height])
        && Some(entry.batch_stride) == product(&[entry.plane_stride, channels, depth]);
    let bytes = product(&[entry.batch_stride, batches]).and_then(|b| usize::try_from(b).ok());
    match (dense, bytes, usize::try_from(entry.row_stride)) {
        (true, Some(bytes), Ok(row_stride)) => {
            let port = Port { name: name.to_owned(), ty: ty.clone(), row_stride };
            Ok(Place { port, symbol, bytes: bytes.max(PAGE) })
        }
        _ => refuse(format!(
            "strides of rows, planes and batches {}, {}, {}, interleave {}: rows must lie one after the other",
            entry.row_stride, entry.plane_stride, entry.batch_stride, entry.interleave
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Entry {
        Entry {
            name: "x".to_owned(),
            dtype: Some("Float16".to_owned()),
            extents: [1, 1, 4, 1, 4],
            row_stride: 64,
            plane_stride: 64,
            batch_stride: 256,
            interleave: 1,
        }
    }

    fn check(entry: Entry) -> Result<Vec<Place>, AppleError> {
        matched(&[entry], &[("x".to_owned(), TensorType::channels(DType::Fp16, 4, 4))], "input")
    }

    #[test]
    fn the_known_example_gives_rows_of_64_bytes_in_a_page() {
        let places = check(small()).unwrap();
        assert_eq!((places[0].port.row_stride, places[0].bytes), (64, 16_384));
    }

    #[test]
    fn attributes_that_contradict_the_program_are_refused() {
        type Change = fn(&mut Entry);
        let cases: [(&str, Change); 8] = [
            ("no input `x`", |e| e.name = "y".to_owned()),
            ("type Float32", |e| e.dtype = Some("Float32".to_owned())),
            ("extents", |e| e.extents = [1, 1, 8, 1, 4]),
            ("extents", |e| e.extents = [1, 1, 1, 1, 16]),
            ("extents", |e| e.extents = [u64::MAX, u64::MAX, 1, 1, 4]),
            ("strides", |e| e.row_stride = 4),
            ("strides", |e| e.plane_stride = 128),
            ("strides", |e| e.interleave = 4),
        ];
        for (expected, change) in cases {
            let mut entry = small();
            change(&mut entry);
            let message = check(entry).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
