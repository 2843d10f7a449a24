//! Operations that make tensors from extents and single values.

use super::{Types, one, product};
use crate::ops::{Operands, range_length};
use crate::{DType, Dim, ShapedType, Type};

/// Element type of a scalar constant argument, or that of its default.
fn value_dtype(operands: &Operands<'_>, name: &str, default: DType) -> Result<DType, String> {
    if !operands.has(name) {
        return Ok(default);
    }
    let value = operands.shaped(name)?;
    match product(&value.dims) {
        Dim::Fixed(1) => Ok(value.dtype),
        _ => Err(format!("{name} must be a scalar, not {value}")),
    }
}

pub(crate) fn fill(operands: &Operands<'_>) -> Types {
    let dtype = value_dtype(operands, "value", DType::Fp32)?;
    one(ShapedType::new(dtype, operands.extents("shape")?))
}

pub(crate) fn fill_like(operands: &Operands<'_>) -> Types {
    let dtype = value_dtype(operands, "value", DType::Fp32)?;
    one(ShapedType { dtype, ..operands.shaped("ref_tensor")? })
}

pub(crate) fn shape(operands: &Operands<'_>) -> Types {
    let rank = operands.shaped("x")?.rank();
    one(ShapedType::new(DType::Int32, [Dim::Fixed(rank)]))
}

pub(crate) fn one_hot(operands: &Operands<'_>) -> Types {
    let indices = operands.shaped("indices")?;
    let axis = operands.axis("axis", indices.rank() + 1)?;
    let (on, off) = (operands.has("on_value"), operands.has("off_value"));
    let on_dtype = value_dtype(operands, if on || !off { "on_value" } else { "off_value" }, DType::Int32)?;
    let off_dtype = value_dtype(operands, "off_value", on_dtype)?;
    if on_dtype != off_dtype {
        return Err(format!("on_value is {on_dtype} but off_value is {off_dtype}; make them the same"));
    }
    let size = match operands.known_ints("one_hot_vector_size")?.as_deref() {
        None => Dim::Any,
        Some(&[size]) => usize::try_from(size)
            .map(Dim::Fixed)
            .map_err(|_| format!("one_hot_vector_size must not be negative, as {size} is"))?,
        Some(_) => return Err("one_hot_vector_size must be one number".to_owned()),
    };
    let mut dims = indices.dims;
    dims.insert(axis, size);
    one(ShapedType::new(on_dtype, dims))
}

pub(crate) fn range_1d(operands: &Operands<'_>) -> Types {
    let [start, end, step] = ["start", "end", "step"].map(|name| operands.shaped(name));
    let (start, end, step) = (start?, end?, step?);
    if start.dtype != end.dtype || start.dtype != step.dtype {
        return Err(format!("start, end and step are {}, {} and {}", start.dtype, end.dtype, step.dtype));
    }
    if [&start, &end, &step].iter().any(|ty| !product(&ty.dims).may_equal(&Dim::Fixed(1))) {
        return Err(format!("start, end and step must be scalars, not {start}, {end} and {step}"));
    }
    let value = |name: &str| operands.constant(name)?.to_f64()?.first().copied();
    let length = match (value("start"), value("end"), value("step")) {
        (Some(first), Some(end), Some(step)) => Dim::Fixed(range_length(start.dtype, first, end, step)?),
        _ => Dim::Any,
    };
    one(ShapedType::new(start.dtype, [length]))
}

/// The most likely class, and the probability of each.
pub(crate) fn classify(operands: &Operands<'_>) -> Types {
    let probabilities = operands.shaped("probabilities")?;
    let classes = operands.type_given("classes")?;
    let (dtype, count) = match &classes {
        Type::List(item, count) => (item.dtype(), count.clone()),
        Type::Tensor(ty) if ty.rank() == 1 => (Some(ty.dtype), Dim::Fixed(ty.shape[0])),
        _ => (None, Dim::Any),
    };
    let dtype = match dtype {
        Some(dtype @ (DType::String | DType::Int64)) => dtype,
        _ => return Err(format!("classes must be a list of string or int64, not {classes}")),
    };
    if !product(&probabilities.dims).may_equal(&count) {
        return Err(format!("{count} classes for probabilities {probabilities}"));
    }
    let scalar = |dtype| Type::tensor_of(dtype, Vec::new());
    Ok(vec![scalar(dtype), Type::Dict(Box::new(scalar(dtype)), Box::new(scalar(DType::Fp64)))])
}
