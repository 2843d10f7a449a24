//! The safetensors format: u64 header length, JSON header (name → dtype, shape, byte range), tensor bytes.
//!
//! Reading keeps only the header and fetches tensors by position; writing streams slices to the disk, so neither
//! needs a second copy of a model. As the format demands, tensors must fill the data part without gap or overlap.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::Path,
};

use half::slice::HalfFloatSliceExt;
use serde::Deserialize;

use crate::{
    StoreError,
    files::{FileRecord, Output, Source, replace_file, syntax, zeros},
};

/// Bound on the header stated by the format's reference implementation.
const LARGEST_HEADER: u64 = 100_000_000;
/// Elements converted at a time.
const CHUNK: usize = 1 << 16;

/// A tensor to be written: f32, row-major.
#[derive(Debug, Clone)]
pub struct NamedTensor<'a> {
    /// Name in the file; unique within it.
    pub name: Cow<'a, str>,
    /// Shape; its product is the number of elements.
    pub shape: Cow<'a, [usize]>,
    /// The elements.
    pub data: &'a [f32],
}

/// A tensor in memory to be filled from a file.
#[derive(Debug)]
pub struct NamedTensorMut<'a> {
    /// Name in the file.
    pub name: Cow<'a, str>,
    /// As many elements as the file's tensor has.
    pub data: &'a mut [f32],
}

/// One entry of a safetensors header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name in the file.
    pub name: String,
    /// Type as named in the file, e.g. `BF16`.
    pub dtype: String,
    /// Row-major shape; empty for a scalar.
    pub shape: Vec<usize>,
    begin: u64,
    end: u64,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    _metadata: Option<HashMap<String, String>>,
    #[serde(flatten)]
    tensors: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

fn size_of(dtype: &str) -> Option<u64> {
    match dtype {
        "F64" | "I64" | "U64" | "C64" => Some(8),
        "F32" | "I32" | "U32" => Some(4),
        "F16" | "BF16" | "I16" | "U16" => Some(2),
        "I8" | "U8" | "BOOL" | "F8_E4M3" | "F8_E5M2" => Some(1),
        _ => None,
    }
}

/// A safetensors file open for reading; its header is checked against its length.
#[derive(Debug)]
pub struct SafetensorsFile {
    source: Source,
    data: u64,
    tensors: Vec<TensorInfo>,
}

impl SafetensorsFile {
    /// Opens a file and checks its header.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Length`], [`StoreError::Syntax`] for the header's JSON, and
    /// [`StoreError::Layout`] naming the first tensor whose byte range does not fit.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut source = Source::open(path)?;
        let too_short = |what, expected| StoreError::Length {
            path: path.to_owned(),
            what,
            expected,
            found: source.len(),
        };
        if source.len() < 8 {
            return Err(too_short("a safetensors header", 8));
        }
        let mut length = [0; 8];
        source.read_at(0, &mut length)?;
        let length = u64::from_le_bytes(length);
        if length > LARGEST_HEADER {
            return Err(syntax(path, format!("not a safetensors file: a header of {length} bytes")));
        }
        let data = 8 + length;
        if source.len() < data {
            return Err(StoreError::Length {
                path: path.to_owned(),
                what: "the safetensors header",
                expected: data,
                found: source.len(),
            });
        }
        let mut header = vec![0; length as usize];
        source.read_at(8, &mut header)?;
        let header: Header = serde_json::from_slice(&header)
            .map_err(|e| syntax(path, format!("not a safetensors header: {e}")))?;
        let tensors = check_layout(header.tensors, path)?;
        let end = data.saturating_add(tensors.last().map_or(0, |t| t.end));
        if source.len() != end {
            return Err(StoreError::Length {
                path: path.to_owned(),
                what: "the tensors of the safetensors header",
                expected: end,
                found: source.len(),
            });
        }
        Ok(Self { source, data, tensors })
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// The tensors, in the order of their bytes.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Position in [`Self::tensors`] of the tensor of that name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.tensors.iter().position(|t| t.name == name)
    }

    /// Reads a whole tensor, converting F16 and BF16.
    ///
    /// # Errors
    /// [`StoreError::MissingTensor`], [`StoreError::Dtype`], [`StoreError::Io`], [`StoreError::OutOfMemory`].
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>, StoreError> {
        let Some(index) = self.find(name) else {
            return Err(StoreError::MissingTensor {
                path: self.path().to_owned(),
                tensor: name.to_owned(),
                count: 1,
            });
        };
        self.check_dtype(index)?;
        let mut values = zeros(self.tensors[index].shape.iter().product(), self.path())?;
        self.read_from(index, 0, &mut values)?;
        Ok(values)
    }

    /// Fills `into` from element `start` of a tensor on. `index` is a position in [`Self::tensors`].
    pub(crate) fn read_from(
        &mut self,
        index: usize,
        start: usize,
        into: &mut [f32],
    ) -> Result<(), StoreError> {
        let element = self.check_dtype(index)?;
        let tensor = &self.tensors[index];
        let available = ((tensor.end - tensor.begin) / element) as usize;
        if start.saturating_add(into.len()) > available {
            return Err(StoreError::TensorLength {
                tensor: tensor.name.clone(),
                expected: available,
                found: start.saturating_add(into.len()),
            });
        }
        let mut offset = self.data + tensor.begin + start as u64 * element;
        let brain = tensor.dtype == "BF16";
        if element == 4 {
            return self.source.read_at(offset, bytemuck::cast_slice_mut(into));
        }
        let mut buffer = vec![0u16; CHUNK.min(into.len())];
        for part in into.chunks_mut(CHUNK) {
            let bits = &mut buffer[..part.len()];
            self.source.read_at(offset, bytemuck::cast_slice_mut(bits))?;
            if brain {
                bytemuck::cast_slice::<u16, half::bf16>(bits).convert_to_f32_slice(part);
            } else {
                bytemuck::cast_slice::<u16, half::f16>(bits).convert_to_f32_slice(part);
            }
            offset += 2 * part.len() as u64;
        }
        Ok(())
    }

    /// Bytes per element of a tensor that can be read as f32.
    pub(crate) fn check_dtype(&self, index: usize) -> Result<u64, StoreError> {
        let tensor = &self.tensors[index];
        match tensor.dtype.as_str() {
            "F32" => Ok(4),
            "F16" | "BF16" => Ok(2),
            other => Err(StoreError::Dtype {
                path: self.path().to_owned(),
                tensor: tensor.name.clone(),
                dtype: other.to_owned(),
            }),
        }
    }
}

/// Checks that each range has the size of its shape and that the ranges follow each other from 0.
fn check_layout(entries: BTreeMap<String, Entry>, path: &Path) -> Result<Vec<TensorInfo>, StoreError> {
    let mut tensors: Vec<_> = entries
        .into_iter()
        .map(|(name, entry)| TensorInfo {
            name,
            dtype: entry.dtype,
            shape: entry.shape,
            begin: entry.data_offsets.0,
            end: entry.data_offsets.1,
        })
        .collect();
    tensors.sort_by_key(|t| (t.begin, t.end));
    let mut cursor = 0;
    for tensor in &tensors {
        let wrong = |reason: String| StoreError::Layout {
            path: path.to_owned(),
            tensor: tensor.name.clone(),
            reason,
        };
        if tensor.begin != cursor || tensor.end < tensor.begin {
            return Err(wrong(format!(
                "bytes {}…{} do not follow the tensor before, which ends at {cursor}",
                tensor.begin, tensor.end
            )));
        }
        let elements = tensor.shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64));
        // A type not known here can be skipped but not sized.
        if let Some(size) = size_of(&tensor.dtype)
            && elements.and_then(|n| n.checked_mul(size)) != Some(tensor.end - tensor.begin)
        {
            return Err(wrong(format!(
                "bytes {}…{} are not those of shape {}",
                tensor.begin,
                tensor.end,
                crate::error::brief(&format!("{:?}", tensor.shape))
            )));
        }
        cursor = tensor.end;
    }
    Ok(tensors)
}

/// Writes f32 tensors to `path`, in the order given, beside and renamed.
///
/// # Errors
/// [`StoreError::TensorLength`] when a shape does not match its data; [`StoreError::DuplicateTensor`];
/// [`StoreError::Io`].
pub fn write_safetensors(path: &Path, tensors: &[NamedTensor<'_>]) -> Result<(), StoreError> {
    let header = header(path, tensors)?;
    replace_file(path, |out| stream(out, &header, tensors))
}

/// As [`write_safetensors`] but in place, for files inside a directory that is itself renamed when complete.
pub(crate) fn write_in_place(path: &Path, tensors: &[NamedTensor<'_>]) -> Result<FileRecord, StoreError> {
    let header = header(path, tensors)?;
    let mut out = Output::create(path)?;
    stream(&mut out, &header, tensors)?;
    out.finish()
}

fn stream(out: &mut Output, header: &[u8], tensors: &[NamedTensor<'_>]) -> Result<(), StoreError> {
    out.write(&(header.len() as u64).to_le_bytes())?;
    out.write(header)?;
    tensors.iter().try_for_each(|tensor| out.write_f32(tensor.data))
}

fn header(path: &Path, tensors: &[NamedTensor<'_>]) -> Result<Vec<u8>, StoreError> {
    let mut header = serde_json::Map::new();
    // Readers of the Hugging Face family refuse files without it.
    header.insert("__metadata__".into(), serde_json::json!({"format": "pt"}));
    let mut cursor = 0;
    for tensor in tensors {
        let expected = tensor.shape.iter().product();
        if tensor.data.len() != expected {
            return Err(StoreError::TensorLength {
                tensor: tensor.name.to_string(),
                expected,
                found: tensor.data.len(),
            });
        }
        let end = cursor + 4 * expected as u64;
        let entry = serde_json::json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [cursor, end]});
        if header.insert(tensor.name.to_string(), entry).is_some() {
            return Err(StoreError::DuplicateTensor {
                path: path.to_owned(),
                tensor: tensor.name.to_string(),
            });
        }
        cursor = end;
    }
    let mut bytes = serde_json::to_vec(&header).map_err(|e| syntax(path, e))?;
    // Readers that map the file want the data aligned.
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn two() -> [NamedTensor<'static>; 2] {
        [
            NamedTensor { name: "b".into(), shape: vec![2, 2].into(), data: &[1.0, -0.0, f32::NAN, 4.0] },
            NamedTensor { name: "a".into(), shape: vec![1].into(), data: &[0.5] },
        ]
    }

    fn file_of(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    /// Opens and reads every tensor.
    fn read_all(bytes: &[u8]) -> Result<Vec<Vec<f32>>, StoreError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        fs::write(&path, bytes).unwrap();
        let mut file = SafetensorsFile::open(&path)?;
        let names: Vec<_> = file.tensors().iter().map(|t| t.name.clone()).collect();
        names.iter().map(|name| file.read(name)).collect()
    }

    fn message(bytes: &[u8]) -> String {
        let text = read_all(bytes).unwrap_err().to_string();
        text.split_once("t.safetensors: ").unwrap().1.to_owned()
    }

    #[test]
    fn our_files_are_read_by_the_reference_implementation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        write_safetensors(&path, &two()).unwrap();
        let bytes = fs::read(&path).unwrap();
        let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let b = reference.tensor("b").unwrap();
        assert_eq!(b.shape(), [2, 2]);
        assert_eq!(b.data(), bytemuck::cast_slice::<f32, u8>(two()[0].data));
        assert!(
            (b.data().as_ptr() as usize - bytes.as_ptr() as usize).is_multiple_of(8),
            "data is not aligned"
        );
    }

    #[test]
    fn half_types_are_converted() {
        let header = r#"{"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
                         "y":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]}}"#;
        let mut data = Vec::new();
        for bits in [
            half::f16::from_f32(0.5).to_bits(),
            half::f16::from_f32(-2.0).to_bits(),
            half::bf16::from_f32(3.0).to_bits(),
        ] {
            data.extend(bits.to_le_bytes());
        }
        assert_eq!(read_all(&file_of(header, &data)).unwrap(), [vec![0.5, -2.0], vec![3.0]]);
    }

    #[test]
    fn ranges_that_do_not_fit_are_refused_before_anything_is_allocated() {
        for (header, expect) in [
            (
                r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
                "tensor `y`: bytes 0…4 do not follow the tensor before, which ends at 4",
            ),
            (
                r#"{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#,
                "tensor `x`: bytes 0…0 are not those of shape [4611686018427387904, 4]",
            ),
            (
                r#"{"x":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}"#,
                "the tensors of the safetensors header needs 4000000000086 bytes, the file has 94: \
                 truncated, or not this kind of file",
            ),
            (
                r#"{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#,
                "tensor `x` has dtype I64; F32, F16 and BF16 are read",
            ),
        ] {
            assert_eq!(message(&file_of(header, &[0; 8])), expect);
        }
        assert_eq!(
            message(&u64::MAX.to_le_bytes()),
            "not a safetensors file: a header of 18446744073709551615 bytes"
        );
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let header = r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        assert!(read_all(&file_of(header, &[0; 4])).is_ok());
        assert!(message(&file_of(header, &[0; 5])).contains("the file has 67"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_all(&bytes);
            let _ = read_all(&file_of(&String::from_utf8_lossy(&bytes), &bytes));
        }

        #[test]
        fn no_mutation_makes_the_reader_panic(at in 0usize..400, value: u8, cut in 0usize..400) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("t.safetensors");
            write_safetensors(&path, &two()).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            let (at, cut) = (at % bytes.len(), cut % (bytes.len() + 1));
            bytes[at] = value;
            let _ = read_all(&bytes);
            bytes.truncate(cut);
            let _ = read_all(&bytes);
        }
    }
}
