use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::visit::{self, Tensor};
use super::{Blob, BlobWriter, fault, record_at, stores};
use crate::{Argument, ConstantData, DType, Literal, MilError, Payload, Program};

/// How often the bytes of the blob files may be copied by one program; more is taken for an attempt to exhaust memory.
const MAX_COPIES: usize = 16;

/// Moves weights of at least `min_elements` elements out of the text: the program with references to `path`, and the
/// blob file to be written there.
///
/// Weights are the payloads of constants, attributes and literal arguments that stand where the op table has a tensor, of
/// a type that blobs [store](super::stores). Scalars stay, and so does what types may be inferred from: axes and shapes,
/// 32-bit integers in general, and whatever an unknown operation takes.
///
/// # Errors
/// [`MilError::Blob`] if the program refers to `path` already, or the data of a constant to be moved is not of its type.
pub fn externalize(
    program: &Program,
    path: &str,
    min_elements: usize,
) -> Result<(Program, Vec<u8>), MilError> {
    let mut writer = BlobWriter::new();
    let mut moved = program.clone();
    visit::program(&mut moved, &mut |tensor: Tensor<'_>| {
        let Some(count) = tensor.data.len() else {
            return match tensor.data {
                ConstantData::Blob { path: used, .. } if used == path => {
                    Err(fault(0, format!("the program refers to {path} already")))
                }
                _ => Ok(()),
            };
        };
        let values = matches!(tensor.dtype, DType::Int32 | DType::UInt32) || !stores(tensor.dtype);
        if values || !tensor.is_weight || tensor.shape.is_empty() || count < min_elements.max(1) {
            return Ok(());
        }
        let offset = writer.add_data(tensor.dtype, tensor.data)?;
        *tensor.data = ConstantData::Blob { path: path.to_owned(), offset };
        Ok(())
    })?;
    Ok((moved, writer.finish()))
}

/// Replaces every blob reference by the elements; `file` gives the content of the file of a path as the text has it.
/// Records are found [by offset](record_at).
///
/// # Errors
/// [`MilError::Blob`] if a file is not given, there is no sound record at an offset, a record's type or number of elements is
/// not the constant's, two records overlap, or the elements are more than 16 times the size of the files.
pub fn inline<'a>(program: &Program, file: impl Fn(&str) -> Option<&'a [u8]>) -> Result<Program, MilError> {
    let mut files: HashMap<String, Records<'a>> = HashMap::new();
    let (mut copied, mut available) = (0usize, 0usize);
    let mut inlined = program.clone();
    visit::program(&mut inlined, &mut |tensor: Tensor<'_>| {
        let ConstantData::Blob { path, offset } = &*tensor.data else {
            return Ok(());
        };
        let (offset, name) = (*offset, path.escape_debug());
        if !files.contains_key(path) {
            let bytes = file(path).ok_or_else(|| fault(offset, format!("there is no file `{name}`")))?;
            available = available.saturating_add(bytes.len());
            files.insert(path.clone(), Records { bytes, ends: BTreeMap::new() });
        }
        let blob = match files.get_mut(path) {
            Some(records) => records.at(offset)?,
            None => return Err(fault(offset, format!("there is no file `{name}`"))),
        };
        let wanted = tensor.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if blob.dtype != tensor.dtype || Some(blob.count) != wanted {
            let reason = format!(
                "{} elements of {} in `{name}` for a tensor<{}, {:?}>",
                blob.count, blob.dtype, tensor.dtype, tensor.shape
            );
            return Err(fault(offset, reason));
        }
        copied = copied.saturating_add(blob.bytes.len());
        if copied > available.saturating_mul(MAX_COPIES) {
            let reason = format!("the program copies the blobs of its files more than {MAX_COPIES} times");
            return Err(fault(offset, reason));
        }
        *tensor.data = blob.decode()?;
        Ok(())
    })?;
    Ok(inlined)
}

/// A file and the records that have been read from it.
struct Records<'a> {
    bytes: &'a [u8],
    /// Where each record ends, by its offset.
    ends: BTreeMap<u64, u64>,
}

impl<'a> Records<'a> {
    fn at(&mut self, offset: u64) -> Result<Blob<'a>, MilError> {
        let blob = record_at(self.bytes, offset)?;
        if self.ends.contains_key(&offset) {
            return Ok(blob);
        }
        let before = self.ends.range(..offset).next_back().filter(|(_, end)| **end > offset);
        let after = self.ends.range(offset..blob.end()).next();
        if let Some((other, _)) = before.or(after) {
            return Err(fault(offset, format!("the blob overlaps that at byte {other}")));
        }
        self.ends.insert(offset, blob.end());
        Ok(blob)
    }
}

/// Paths of every blob file that the program refers to, as its text has them.
pub fn paths(program: &Program) -> BTreeSet<&str> {
    let functions = program.functions.iter();
    let ops = functions.clone().flat_map(|function| &function.ops);
    let arguments = ops.clone().flat_map(|op| &op.arguments).filter_map(|(_, argument)| match argument {
        Argument::Literal(literal) => Some(literal),
        _ => None,
    });
    let attributes = program.attributes.iter().chain(functions.flat_map(|f| &f.attributes));
    let attributes = attributes.chain(ops.flat_map(|op| &op.attributes)).map(|(_, literal)| literal);
    let mut paths = BTreeSet::new();
    for literal in attributes.chain(arguments) {
        match literal {
            Literal::Tensor(constant) => path_of(&constant.data, &mut paths),
            Literal::Composite { value, .. } => paths_of(value, &mut paths),
        }
    }
    paths
}

fn path_of<'a>(data: &'a ConstantData, into: &mut BTreeSet<&'a str>) {
    if let ConstantData::Blob { path, .. } = data {
        into.insert(path);
    }
}

fn paths_of<'a>(payload: &'a Payload, into: &mut BTreeSet<&'a str>) {
    match payload {
        Payload::Elements { data, .. } => path_of(data, into),
        Payload::List(items) | Payload::Tuple(items) => items.iter().for_each(|item| paths_of(item, into)),
        Payload::Dict(pairs) => pairs.iter().for_each(|(key, value)| {
            paths_of(key, into);
            paths_of(value, into);
        }),
    }
}

/// Refers to other paths; `path` gives the new one of each that changes.
pub fn rename(program: &mut Program, path: impl Fn(&str) -> Option<String>) {
    let visited = visit::program(program, &mut |tensor: Tensor<'_>| {
        if let ConstantData::Blob { path: old, .. } = tensor.data
            && let Some(new) = path(old)
        {
            *old = new;
        }
        Ok(())
    });
    debug_assert!(visited.is_ok());
}
