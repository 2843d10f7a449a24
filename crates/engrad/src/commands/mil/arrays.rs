//! Tensors as `.npy` files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use engrad_mil::{Constant, ConstantData, DType, TensorType, Type};
use half::f16;
use npyz::{DType as NpyType, NpyFile, Order, TypeChar, WriterBuilder};

/// Reads an array, converted to the element type of a program's input where no value changes but by rounding of
/// floating-point numbers.
pub(super) fn read(path: &Path, declared: &Type) -> Result<Constant> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let size = file.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
    let array =
        NpyFile::new(BufReader::new(file)).with_context(|| format!("{} is no .npy file", path.display()))?;
    let shape: Vec<usize> = array.shape().iter().map(|&d| d as usize).collect();
    let elements = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64));
    let NpyType::Plain(element) = array.dtype() else {
        bail!("{} holds records, not numbers", path.display());
    };
    let width = element.size_field();
    // The header's shape is only believed as far as the file is long.
    if elements.and_then(|n| n.checked_mul(width)).is_none_or(|bytes| bytes > size) {
        bail!("{} is shorter than its header says", path.display());
    }
    let fortran = array.order() == Order::Fortran;
    let (kind, dtype) = (element.type_char(), declared.dtype());
    let Some(dtype) = dtype else {
        bail!("an array cannot be given for {declared}");
    };
    let unreadable = || format!("cannot read the elements of {}", path.display());
    let data = match (kind, width) {
        (TypeChar::Float, 2) => floats(array.into_vec::<f16>().with_context(unreadable)?, f16::to_f64),
        (TypeChar::Float, 4) => floats(array.into_vec::<f32>().with_context(unreadable)?, f64::from),
        (TypeChar::Float, 8) => floats(array.into_vec::<f64>().with_context(unreadable)?, |v| v),
        (TypeChar::Bool, _) => Numbers::Whole(
            array.into_vec::<bool>().with_context(unreadable)?.into_iter().map(i64::from).collect(),
        ),
        (TypeChar::Int, 1) => whole(array.into_vec::<i8>().with_context(unreadable)?),
        (TypeChar::Int, 2) => whole(array.into_vec::<i16>().with_context(unreadable)?),
        (TypeChar::Int, 4) => whole(array.into_vec::<i32>().with_context(unreadable)?),
        (TypeChar::Int, 8) => whole(array.into_vec::<i64>().with_context(unreadable)?),
        (TypeChar::Uint, 1) => whole(array.into_vec::<u8>().with_context(unreadable)?),
        (TypeChar::Uint, 2) => whole(array.into_vec::<u16>().with_context(unreadable)?),
        (TypeChar::Uint, 4) => whole(array.into_vec::<u32>().with_context(unreadable)?),
        _ => bail!("{} holds elements of a type that is not read", path.display()),
    };
    let data = if fortran { data.row_major(&shape) } else { data };
    let data =
        data.cast(dtype).with_context(|| format!("{} cannot be given for {declared}", path.display()))?;
    Ok(Constant { ty: TensorType::new(dtype, shape), data })
}

enum Numbers {
    Floats(Vec<f64>),
    Whole(Vec<i64>),
}

fn floats<T>(values: Vec<T>, widen: impl Fn(T) -> f64) -> Numbers {
    Numbers::Floats(values.into_iter().map(widen).collect())
}

fn whole<T: Into<i64>>(values: Vec<T>) -> Numbers {
    Numbers::Whole(values.into_iter().map(Into::into).collect())
}

impl Numbers {
    /// The same array with its last dimension contiguous instead of its first.
    fn row_major(self, shape: &[usize]) -> Self {
        fn reorder<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
            let place = |mut position: usize| {
                let (mut at, mut stride) = (0, values.len());
                for &extent in shape.iter().rev() {
                    stride /= extent;
                    at += position % extent * stride;
                    position /= extent;
                }
                values[at]
            };
            (0..values.len()).map(place).collect()
        }
        match self {
            Self::Floats(values) => Self::Floats(reorder(&values, shape)),
            Self::Whole(values) => Self::Whole(reorder(&values, shape)),
        }
    }

    fn cast(self, dtype: DType) -> Result<ConstantData> {
        fn narrow<T: TryFrom<i64>>(values: Vec<i64>) -> Result<Vec<T>> {
            let one = |v| T::try_from(v).map_err(|_| anyhow::anyhow!("{v} is out of range"));
            values.into_iter().map(one).collect()
        }
        let values = match (self, dtype.is_float()) {
            (Self::Floats(values), true) => values,
            (Self::Whole(values), true) => values.into_iter().map(|v| v as f64).collect(),
            (Self::Floats(_), false) => bail!("its elements are floating-point numbers"),
            (Self::Whole(values), false) => {
                return Ok(match dtype {
                    DType::Bool if values.iter().all(|v| matches!(v, 0 | 1)) => {
                        ConstantData::Bool(values.into_iter().map(|v| v != 0).collect())
                    }
                    DType::Int8 => ConstantData::Int8(narrow(values)?),
                    DType::UInt8 => ConstantData::UInt8(narrow(values)?),
                    DType::Int16 => ConstantData::Int16(narrow(values)?),
                    DType::UInt16 => ConstantData::UInt16(narrow(values)?),
                    DType::Int32 => ConstantData::Int32(narrow(values)?),
                    DType::UInt32 => ConstantData::UInt32(narrow(values)?),
                    DType::Int64 => ConstantData::Int64(values),
                    other => bail!("no arrays are read for {other}"),
                });
            }
        };
        Ok(match dtype {
            DType::Fp16 => ConstantData::Fp16(values.into_iter().map(f16::from_f64).collect()),
            DType::Fp32 => ConstantData::Fp32(values.into_iter().map(|v| v as f32).collect()),
            DType::Fp64 => ConstantData::Fp64(values),
            other => bail!("no arrays are read for {other}"),
        })
    }
}

/// Writes an array; bfloat16, which NumPy lacks, as float32.
pub(super) fn write(path: &Path, array: &Constant) -> Result<()> {
    fn put<T: npyz::AutoSerialize + Copy>(path: &Path, shape: &[u64], values: &[T]) -> std::io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        let mut writer =
            npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut out).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()?;
        out.flush()
    }
    let shape: Vec<u64> = array.ty.shape.iter().map(|&d| d as u64).collect();
    let written = match &array.data {
        ConstantData::Bool(values) => put(path, &shape, values),
        ConstantData::Int8(values) => put(path, &shape, values),
        ConstantData::UInt8(values) => put(path, &shape, values),
        ConstantData::Int16(values) => put(path, &shape, values),
        ConstantData::UInt16(values) => put(path, &shape, values),
        ConstantData::Int32(values) => put(path, &shape, values),
        ConstantData::UInt32(values) => put(path, &shape, values),
        ConstantData::Int64(values) => put(path, &shape, values),
        ConstantData::UInt64(values) => put(path, &shape, values),
        ConstantData::Fp16(values) => put(path, &shape, values),
        ConstantData::Bf16(values) => {
            put(path, &shape, &values.iter().map(|v| v.to_f32()).collect::<Vec<_>>())
        }
        ConstantData::Fp32(values) => put(path, &shape, values),
        ConstantData::Fp64(values) => put(path, &shape, values),
        ConstantData::String(_) | ConstantData::Blob { .. } => {
            bail!("{} cannot be written as .npy", array.ty)
        }
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}
