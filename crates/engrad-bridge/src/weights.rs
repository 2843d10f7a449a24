//! Weight files in memory, under the paths that program text gives them.
//!
//! Files are blob storage as `engrad_mil::blob` reads it, and the int8 form that the known bridge and its benchmarks write
//! (ane-facts 3.2): type code 1 whatever the type, a mark where the size should be, no offset of the elements, and, from
//! the bridge itself, no file header. Such records are completed from the constants that refer to them. Nothing else that
//! is wrong with a file is mended.

use std::borrow::Cow;
use std::collections::HashMap;

use engrad_mil::blob::{BlobWriter, inline as inline_files, record_at};
use engrad_mil::{Argument, Constant, ConstantData, DType, Literal, Program};

use crate::error::BridgeError;

/// A weight file: its path as the text has it, and its content.
pub(crate) type File<'a> = (&'a str, &'a [u8]);

const SENTINEL: [u8; 4] = 0xDEAD_BEEF_u32.to_le_bytes();
/// Bytes of a file before its first record, and of a record before its elements.
const HEADER: usize = 64;
const METADATA: usize = 64;
/// What stands in place of the size: the 8 (or 16) is meant to be the bits of an element, two bytes into a field of eight.
const MARKS: [u64; 2] = [0x08_0000, 0x10_0000];

/// The program with every reference to a file replaced by its elements.
pub(crate) fn inline(program: &Program, files: &[File<'_>]) -> Result<Program, BridgeError> {
    let mut contents: HashMap<&str, Cow<'_, [u8]>> = HashMap::new();
    for (path, content) in files {
        if contents.insert(path, with_header(content)).is_some() {
            return Err(BridgeError::argument(format!("two weight files are named `{path}`")));
        }
    }
    for constant in constants(program) {
        let ConstantData::Blob { path, offset } = &constant.data else { continue };
        if let Some(content) = contents.get_mut(path.as_str()) {
            complete(content, *offset, constant);
        }
    }
    Ok(inline_files(program, |path| contents.get(path).map(Cow::as_ref))?)
}

/// A file that begins with a record gets the header that it lacks.
fn with_header(content: &[u8]) -> Cow<'_, [u8]> {
    if !content.starts_with(&SENTINEL) {
        return Cow::Borrowed(content);
    }
    let mut file = vec![0; HEADER];
    (file[0], file[4]) = (1, 2);
    file.extend_from_slice(content);
    Cow::Owned(file)
}

/// Writes what a marked record lacks: type code, size and offset of the elements of the constant it is for.
fn complete(content: &mut Cow<'_, [u8]>, offset: u64, constant: &Constant) {
    if record_at(content, offset).is_ok() || !matches!(constant.ty.dtype, DType::Int8 | DType::Fp16) {
        return;
    }
    let bytes = constant.ty.elements().saturating_mul(constant.ty.dtype.size());
    let Some((at, end)) = usize::try_from(offset).ok().and_then(|at| {
        let end = at.checked_add(METADATA)?.checked_add(bytes)?;
        is_marked(content.get(at..end)?).then_some((at, end))
    }) else {
        return;
    };
    // The writer knows the type's code: a file of one such record has the fields, but for the place.
    let mut sample = BlobWriter::new();
    if sample.add(constant.ty.dtype, constant.ty.elements(), &content[at + METADATA..end]).is_err() {
        return;
    }
    let sample = sample.finish();
    let file = content.to_mut();
    file[at..at + METADATA].copy_from_slice(&sample[HEADER..HEADER + METADATA]);
    file[at + 16..at + 24].copy_from_slice(&((at + METADATA) as u64).to_le_bytes());
}

fn is_marked(record: &[u8]) -> bool {
    let field = |at: usize| Some(u64::from_le_bytes(record.get(at..at + 8)?.try_into().ok()?));
    record.starts_with(&SENTINEL)
        && field(8).is_some_and(|size| MARKS.contains(&size))
        && field(16) == Some(0)
        && field(24) == Some(0)
}

/// Every tensor constant of a program.
fn constants(program: &Program) -> impl Iterator<Item = &Constant> {
    let operations = program.functions.iter().flat_map(|function| function.ops());
    let literals = operations.flat_map(|op| {
        let arguments = op.arguments.iter().filter_map(|(_, argument)| match argument {
            Argument::Literal(literal) => Some(literal),
            _ => None,
        });
        op.attributes.iter().map(|(_, literal)| literal).chain(arguments)
    });
    literals.filter_map(Literal::tensor)
}

#[cfg(test)]
mod tests {
    use engrad_mil::TensorType;
    use engrad_mil::blob::BlobFile;

    use super::*;

    fn constant(dtype: DType, elements: usize) -> Constant {
        let data = ConstantData::Blob { path: "p".into(), offset: 64 };
        Constant { ty: TensorType::new(dtype, [elements]), data }
    }

    fn marked(elements: &[u8]) -> Vec<u8> {
        let mut record = SENTINEL.to_vec();
        record.resize(METADATA, 0);
        (record[4], record[10]) = (1, 8);
        record.extend(elements);
        record
    }

    #[test]
    fn marked_records_are_completed_from_their_constants() {
        // Two records of 6 bytes without alignment, and no file header.
        let bytes = [marked(&[1; 6]), marked(&[2; 6])].concat();
        let mut file = with_header(&bytes);
        for (offset, fill) in [(64, 1u8), (134, 2)] {
            complete(&mut file, offset, &constant(DType::Int8, 6));
            let record = record_at(&file, offset).unwrap();
            assert_eq!((record.dtype, record.bytes), (DType::Int8, &[fill; 6][..]));
        }
    }

    #[test]
    fn records_that_end_beyond_the_file_or_are_not_marked_stay_refused() {
        let short = marked(&[1; 6]);
        let mut unmarked = short.clone();
        unmarked[10] = 7;
        for (bytes, offset, elements) in
            [(&short, 64, 7), (&short, u64::MAX, 6), (&short, 128, 1), (&unmarked, 64, 6)]
        {
            let mut file = with_header(bytes);
            complete(&mut file, offset, &constant(DType::Int8, elements));
            assert!(record_at(&file, offset).is_err());
        }
        assert!(BlobFile::parse(&with_header(b"")).is_err());
    }
}
