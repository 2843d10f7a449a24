//! Kernels of the operations that make tensors from extents and single values.

use engrad_mil::{DType, Op, range_length};

use super::call::{Call, Kernel};
use super::strided::select;
use super::tensor::{Data, Tensor, elements};

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Shape => shape,
        Op::Fill => fill,
        Op::FillLike => fill_like,
        Op::OneHot => one_hot,
        Op::Range1d => range_1d,
        Op::Classify => classify,
        _ => return None,
    })
}

type Results = Result<Vec<Tensor>, String>;

/// A tensor of one value everywhere: that of a scalar converted to the element type, or `default`.
pub(super) fn filled(
    dtype: DType,
    shape: Vec<usize>,
    value: Option<&Tensor>,
    default: i32,
) -> Result<Tensor, String> {
    let scalar = |values: &[f32]| match *values {
        [value] => Ok(value),
        _ => Err(format!("a value of {} elements is not one", values.len())),
    };
    let number = value.map_or(Ok(default as f32), |value| scalar(&value.to_f32()?))?;
    let count = elements(&shape)?;
    if dtype.is_float() {
        return Tensor::floats(dtype, shape, vec![number; count]);
    }
    // Integers above 2^24 are no f32.
    let exact = value.and_then(|value| value.as_ints().ok()?.first().copied());
    let number = exact.unwrap_or(number as i32);
    match dtype {
        DType::Bool => Tensor::bytes(dtype, shape, vec![u8::from(number != 0); count]),
        _ if dtype.bits() <= 8 => Tensor::bytes(dtype, shape, vec![number as u8; count]),
        _ => Tensor::ints(dtype, shape, vec![number; count]),
    }
}

fn shape(call: &Call<'_>) -> Results {
    let x = call.tensor("x")?;
    let extent = |&d: &usize| i32::try_from(d).map_err(|_| format!("the extent {d} is beyond 32 bits"));
    let extents = x.shape.iter().map(extent).collect::<Result<Vec<_>, _>>()?;
    Ok(vec![Tensor::ints(DType::Int32, vec![x.rank()], extents)?])
}

fn fill(call: &Call<'_>) -> Results {
    let value = call.optional("value")?;
    let dtype = value.map_or(DType::Fp32, |value| value.dtype);
    Ok(vec![filled(dtype, call.sizes("shape")?, value, 0)?])
}

fn fill_like(call: &Call<'_>) -> Results {
    let value = call.optional("value")?;
    let dtype = value.map_or(DType::Fp32, |value| value.dtype);
    Ok(vec![filled(dtype, call.tensor("ref_tensor")?.shape.clone(), value, 0)?])
}

/// An index outside the vector gives `off_value` everywhere.
fn one_hot(call: &Call<'_>) -> Results {
    let indices = call.tensor("indices")?;
    let size = match call.sizes("one_hot_vector_size")?[..] {
        [size] => size,
        _ => return Err("one_hot_vector_size must be one number".to_owned()),
    };
    let axis = call.axis("axis", indices.rank() + 1)?;
    let (on, off) = (call.optional("on_value")?, call.optional("off_value")?);
    let dtype = on.or(off).map_or(DType::Int32, |value| value.dtype);
    // One row of off and on, picked from at every place.
    let values = [filled(dtype, vec![1], off, 0)?, filled(dtype, vec![1], on, 1)?];
    let values = pair(&values)?;
    let mut shape = indices.shape.clone();
    shape.insert(axis, size);
    let inner = elements(&shape[axis + 1..])?;
    let mut hot = vec![0; elements(&shape)?];
    for (i, &index) in indices.as_ints()?.iter().enumerate() {
        if let Some(index) = usize::try_from(index).ok().filter(|&index| index < size) {
            hot[(i / inner * size + index) * inner + i % inner] = 1;
        }
    }
    Ok(vec![select(&values, 0, &hot)?.reshaped(shape)?])
}

/// Two tensors of one element as one of two.
fn pair([a, b]: &[Tensor; 2]) -> Result<Tensor, String> {
    let data = match (&a.data, &b.data) {
        (Data::Floats(a), Data::Floats(b)) => Data::Floats([a.as_slice(), b].concat()),
        (Data::Ints(a), Data::Ints(b)) => Data::Ints([a.as_slice(), b].concat()),
        (Data::Bytes(a), Data::Bytes(b)) => Data::Bytes([a.as_slice(), b].concat()),
        _ => return Err(format!("{} and {} values do not go together", a.dtype, b.dtype)),
    };
    Tensor::of(a.dtype, vec![2], data)
}

fn range_1d(call: &Call<'_>) -> Results {
    let [start, end, step] = ["start", "end", "step"].map(|name| call.tensor(name));
    let (start, end, step) = (start?, end?, step?);
    let dtype = start.dtype;
    if dtype.is_float() {
        let scalar =
            |tensor: &Tensor| tensor.as_floats()?.first().copied().ok_or("needs a number".to_owned());
        let (start, end, step) = (scalar(start)?, scalar(end)?, scalar(step)?);
        let count = elements(&[range_length(dtype, start.into(), end.into(), step.into())?])?;
        // The distance of the first two elements is what is added, however it was rounded.
        let step = if dtype == DType::Fp32 { (start + step) - start } else { step };
        let values = (0..count).map(|i| start + i as f32 * step).collect();
        return Ok(vec![Tensor::floats(dtype, vec![count], values)?]);
    }
    let scalar = |tensor: &Tensor| tensor.as_ints()?.first().copied().ok_or("needs a number".to_owned());
    let (start, end, step) = (scalar(start)?, scalar(end)?, scalar(step)?);
    let count = elements(&[range_length(dtype, start.into(), end.into(), step.into())?])?;
    let values = (0..count as i64).map(|i| (i64::from(start) + i * i64::from(step)) as i32).collect();
    Ok(vec![Tensor::ints(dtype, vec![count], values)?])
}

/// The class of the largest probability, the first of equals; and the probabilities in the order of the classes, which
/// stand for the dictionary.
fn classify(call: &Call<'_>) -> Results {
    let (probabilities, classes) = (call.tensor("probabilities")?, call.tensor("classes")?);
    let values = probabilities.to_f32()?;
    if classes.len() != values.len() {
        return Err(format!("{} classes for {} probabilities", classes.len(), values.len()));
    }
    let best = (0..values.len()).reduce(|best, i| if values[i] > values[best] { i } else { best });
    let best = best.ok_or("there are no classes")?;
    Ok(vec![
        classes.pick(Vec::new(), &[best])?,
        Tensor::floats(DType::Fp64, vec![values.len()], values.into_owned())?,
    ])
}
