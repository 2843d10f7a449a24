use std::collections::{HashMap, HashSet};

use half::f16;

use super::{BlobFile, BlobWriter, fault};
use crate::{
    Argument, ArgumentKind, Constant, ConstantData, DType, Function, Literal, MilError, Op, Program, ValueId,
};

/// Most constants of one program that may copy the same blob; more is taken for an attempt to exhaust memory.
const MAX_COPIES: u32 = 16;

/// Moves fp16, fp32, int8 and uint8 constants of at least `min_elements` elements out of the text: the program with
/// references to `path`, and the blob file to be written there. Scalars stay, and so do constants passed for an argument
/// that must be a constant: its value has to be in the text for types to be inferred.
///
/// # Errors
/// [`MilError::Blob`] if the program refers to `path` already, or the data of a constant to be moved is no whole number
/// of elements of at least one.
pub fn externalize(
    program: &Program,
    path: &str,
    min_elements: usize,
) -> Result<(Program, Vec<u8>), MilError> {
    let mut writer = BlobWriter::new();
    let moved = map_constants(program, |constant, attribute| {
        if matches!(&constant.data, ConstantData::Blob { path: used, .. } if used == path) {
            return Err(fault(0, format!("the program refers to {path} already")));
        }
        let large = constant.stored_elements().is_some_and(|n| n >= min_elements.max(1));
        let stays = attribute || !large || constant.ty.rank() == 0;
        let elements = if stays { None } else { to_bytes(&constant.data) };
        let Some(elements) = elements else {
            return Ok(constant.data.clone());
        };
        let offset = writer.add(constant.ty.dtype, &elements)?;
        Ok(ConstantData::Blob { path: path.to_owned(), offset })
    })?;
    Ok((moved, writer.finish()))
}

/// Replaces every blob reference by the elements; `file` gives the content of the file of a path as the text has it.
///
/// # Errors
/// [`MilError::Blob`] if a file is not given or damaged, if there is no blob at an offset, if a blob's type or size is
/// not the constant's, or if more than 16 constants refer to one blob.
pub fn inline<'a>(program: &Program, file: impl Fn(&str) -> Option<&'a [u8]>) -> Result<Program, MilError> {
    let mut files: HashMap<String, BlobFile<'a>> = HashMap::new();
    let mut copies: HashMap<(String, u64), u32> = HashMap::new();
    map_constants(program, |constant, _| {
        let ConstantData::Blob { path, offset } = &constant.data else {
            return Ok(constant.data.clone());
        };
        let path_text = path.escape_debug();
        if !files.contains_key(path) {
            let bytes =
                file(path).ok_or_else(|| fault(*offset, format!("there is no file `{path_text}`")))?;
            files.insert(path.clone(), BlobFile::parse(bytes)?);
        }
        let copied = copies.entry((path.clone(), *offset)).or_default();
        *copied += 1;
        if *copied > MAX_COPIES {
            return Err(fault(
                *offset,
                format!("more than {MAX_COPIES} constants refer to this blob of `{path_text}`"),
            ));
        }
        let (dtype, bytes) = match files.get(path) {
            Some(file) => file.get(*offset)?,
            None => return Err(fault(*offset, format!("there is no file `{path_text}`"))),
        };
        let wanted = constant.ty.elements().checked_mul(constant.ty.dtype.size());
        if dtype != constant.ty.dtype || wanted != Some(bytes.len()) {
            let reason = format!("{} bytes of {dtype} in `{path_text}` for {}", bytes.len(), constant.ty);
            return Err(fault(*offset, reason));
        }
        from_bytes(constant, bytes)
    })
}

/// The same program with other constant data; `data` is told whether the constant is an attribute of some operation.
///
/// # Errors
/// Those of `data`.
pub fn map_constants(
    program: &Program,
    mut data: impl FnMut(&Constant, bool) -> Result<ConstantData, MilError>,
) -> Result<Program, MilError> {
    let mut program = program.clone();
    for function in &mut program.functions {
        let attributes = attributes(function);
        for op in &mut function.ops {
            let attribute = op.op == Op::Const && op.results.iter().any(|r| attributes.contains(r));
            let literals = op.attributes.iter_mut().map(|(_, literal)| literal);
            let arguments = op.arguments.iter_mut().filter_map(|(_, argument)| match argument {
                Argument::Literal(literal) => Some(literal),
                _ => None,
            });
            for literal in literals.chain(arguments) {
                if let Literal::Tensor(constant) = literal {
                    constant.data = data(constant, attribute)?;
                }
            }
        }
    }
    Ok(program)
}

/// Values passed for an argument that must be a constant.
fn attributes(function: &Function) -> HashSet<ValueId> {
    let arguments = function.ops.iter().flat_map(|op| op.arguments.iter().map(|argument| (op.op, argument)));
    arguments
        .filter(|(op, (name, _))| {
            let kind = op.info().argument(name).map(|spec| spec.kind);
            !matches!(kind, Some(ArgumentKind::Tensor | ArgumentKind::Tensors))
        })
        .flat_map(|(_, (_, argument))| argument.values().iter().copied())
        .collect()
}

/// Little-endian bytes of the types that are moved.
fn to_bytes(data: &ConstantData) -> Option<Vec<u8>> {
    Some(match data {
        ConstantData::Fp16(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::Fp32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::Int8(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ConstantData::UInt8(values) => values.clone(),
        _ => return None,
    })
}

fn from_bytes(constant: &Constant, bytes: &[u8]) -> Result<ConstantData, MilError> {
    let (pairs, quads) = (bytes.as_chunks::<2>().0, bytes.as_chunks::<4>().0);
    Ok(match constant.ty.dtype {
        DType::Fp16 => ConstantData::Fp16(pairs.iter().map(|&b| f16::from_le_bytes(b)).collect()),
        DType::Fp32 => ConstantData::Fp32(quads.iter().map(|&b| f32::from_le_bytes(b)).collect()),
        DType::Int32 => ConstantData::Int32(quads.iter().map(|&b| i32::from_le_bytes(b)).collect()),
        DType::Int8 => ConstantData::Int8(bytes.iter().map(|&b| b.cast_signed()).collect()),
        DType::UInt8 => ConstantData::UInt8(bytes.to_vec()),
        other => return Err(MilError::Constant(format!("blobs do not store {other}"))),
    })
}
