//! Weight files in memory, under the paths that program text gives them.
//!
//! Files are blob storage as `engrad_mil::blob` reads it, and two looser forms that programs for the known bridge write
//! (ane-facts 3.2): several records with the count left at one and no alignment between them, and the bridge's own int8
//! blob, a record without file header whose size field holds something else. Those have no table to go by: a record
//! is found by its sentinel where the text points, and is as long as the constant that it is for.

use std::collections::HashMap;

use engrad_mil::blob::{self, BlobFile, BlobWriter};
use engrad_mil::{Constant, ConstantData, MilError, Program};

use crate::error::BridgeError;

/// A weight file: its path as the text has it, and its content.
pub(crate) type File<'a> = (&'a str, &'a [u8]);

const SENTINEL: [u8; 4] = 0xDEAD_BEEF_u32.to_le_bytes();
/// Bytes of a record before its elements, and of a file before its first record.
const METADATA: usize = 64;

/// The program with every reference to a file replaced by its elements.
pub(crate) fn inline(program: &Program, files: &[File<'_>]) -> Result<Program, BridgeError> {
    let mut by_path: HashMap<&str, &[u8]> = HashMap::new();
    for (path, content) in files {
        if by_path.insert(path, content).is_some() {
            return Err(BridgeError::argument(format!("two weight files are named `{path}`")));
        }
    }
    let strict: HashMap<&str, BlobFile<'_>> =
        files.iter().filter_map(|(path, content)| Some((*path, BlobFile::parse(content).ok()?))).collect();

    let mut tidied = Tidied::default();
    let program = blob::map_constants(program, |constant, _| {
        let kept = constant.data.clone();
        let ConstantData::Blob { path, offset } = &constant.data else {
            return Ok(kept);
        };
        let Some(content) = by_path.get(path.as_str()) else {
            return Ok(kept); // `blob::inline` says what is missing.
        };
        let listed = strict.get(path.as_str()).is_some_and(|file| file.offsets().any(|o| o == *offset));
        match loose_record(content, *offset, constant) {
            Some(elements) if !listed => tidied.add(path, *offset, constant, elements),
            _ => Ok(kept),
        }
    })?;
    let tidied = tidied.writer.finish();
    let file = |path: &str| match path {
        TIDIED => Some(tidied.as_slice()),
        other => by_path.get(other).copied(),
    };
    Ok(blob::inline(&program, file)?)
}

/// Path of the file that loose records are moved to. Has a zero byte, which no path from C can have.
const TIDIED: &str = "\0";

/// Loose records in strict form, each once.
#[derive(Default)]
struct Tidied {
    writer: BlobWriter,
    known: HashMap<(String, u64), u64>,
}

impl Tidied {
    fn add(
        &mut self,
        path: &str,
        at: u64,
        constant: &Constant,
        elements: &[u8],
    ) -> Result<ConstantData, MilError> {
        let key = (path.to_owned(), at);
        let offset = match self.known.get(&key) {
            Some(&offset) => offset,
            None => self.writer.add(constant.ty.dtype, elements)?,
        };
        self.known.insert(key, offset);
        Ok(ConstantData::Blob { path: TIDIED.to_owned(), offset })
    }
}

/// The elements of a record at `offset` that no table lists.
fn loose_record<'a>(content: &'a [u8], offset: u64, constant: &Constant) -> Option<&'a [u8]> {
    let bytes = constant.ty.elements().checked_mul(constant.ty.dtype.size())?;
    let offset = usize::try_from(offset).ok()?;
    let begins = |at: usize| content.get(at..at.checked_add(4)?).filter(|found| *found == SENTINEL);
    let start = if begins(offset).is_some() {
        let field = content.get(offset.checked_add(16)?..offset.checked_add(24)?)?;
        let absolute = usize::try_from(u64::from_le_bytes(field.try_into().ok()?)).ok()?;
        let behind = offset.checked_add(METADATA)?;
        if absolute == 0 { behind } else { absolute }
    } else if offset == METADATA && begins(0).is_some() {
        // A record without file header, at the offset that is right for one with header.
        METADATA
    } else {
        return None;
    };
    content.get(start..start.checked_add(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_mil::{DType, TensorType};

    fn constant(dtype: DType, elements: usize) -> Constant {
        let data = ConstantData::Blob { path: "p".into(), offset: 0 };
        Constant { ty: TensorType::new(dtype, [elements]), data }
    }

    #[test]
    fn records_without_alignment_or_header_are_found_and_no_others() {
        let mut file = vec![0; 64];
        for (at, fill) in [(64usize, 1u8), (64 + 64 + 6, 2)] {
            let mut record = SENTINEL.to_vec();
            record.resize(64, 0);
            record[16..24].copy_from_slice(&((at + 64) as u64).to_le_bytes());
            record.extend([fill; 6]);
            file.extend(record);
        }
        let fp16 = constant(DType::Fp16, 3);
        assert_eq!(loose_record(&file, 64, &fp16), Some(&[1u8; 6][..]));
        assert_eq!(loose_record(&file, 134, &fp16), Some(&[2u8; 6][..]));
        assert_eq!(loose_record(&file, 128, &fp16), None, "the elements are no record");
        assert_eq!(loose_record(&file, 134, &constant(DType::Fp16, 4)), None, "ends beyond the file");
        assert_eq!(loose_record(&file, u64::MAX, &fp16), None);

        let mut int8 = SENTINEL.to_vec();
        int8.resize(64, 0);
        int8.extend([7; 4]);
        for offset in [0, 64] {
            assert_eq!(loose_record(&int8, offset, &constant(DType::Int8, 4)), Some(&[7u8; 4][..]));
        }
    }

    #[test]
    fn an_offset_field_near_the_end_of_numbers_is_refused() {
        let mut file = SENTINEL.to_vec();
        file.resize(128, 0);
        file[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(loose_record(&file, 0, &constant(DType::Int8, 4)), None);
    }
}
