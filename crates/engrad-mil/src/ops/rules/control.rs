//! Lists and states. Programs here have no nested blocks, so `cond` and `while_loop` have no results to give types of.

use super::{Types, one};
use crate::ops::Operands;
use crate::{DType, Dim, ShapedType, Type};

/// What `cond` and `while_loop` are refused with.
pub(crate) fn nested_blocks(_: &Operands<'_>) -> Types {
    Err("its nested blocks are not represented; use `select`, or unroll the loop".to_owned())
}

/// Item type and length of a list argument.
fn items(operands: &Operands<'_>) -> Result<(Type, Dim), String> {
    match operands.type_given("ls")? {
        Type::List(item, length) => Ok((*item, length)),
        other => Err(format!("ls must be a list, not {other}")),
    }
}

fn tensor_items(operands: &Operands<'_>) -> Result<ShapedType, String> {
    let (item, _) = items(operands)?;
    item.shaped().ok_or_else(|| format!("the list must hold tensors, not {item}"))
}

/// Extents of the items are constant numbers, or texts for those that are known only at run time.
pub(crate) fn make_list(operands: &Operands<'_>) -> Types {
    let extent = |&id| {
        let constant = operands.constant_of(id)?;
        match (constant.as_str(), constant.to_i64().as_deref()) {
            (Some(_), _) => Some(Dim::Any),
            (None, Some(&[extent])) => usize::try_from(extent).ok().map(Dim::Fixed),
            _ => None,
        }
    };
    let shape = operands.tuple("elem_shape")?.iter().map(extent).collect::<Option<Vec<_>>>();
    let shape = shape.ok_or("elem_shape must be a tuple of constant extents")?;
    let length = match operands.known_ints("init_length")?.as_deref() {
        Some(&[length]) if !operands.bool("dynamic_length")? => {
            Dim::Fixed(usize::try_from(length).map_err(|_| "init_length must not be negative")?)
        }
        _ => Dim::Any,
    };
    Ok(vec![Type::List(Box::new(Type::tensor_of(operands.dtype("dtype")?, shape)), length)])
}

pub(crate) fn list_length(operands: &Operands<'_>) -> Types {
    items(operands)?;
    one(ShapedType::new(DType::Int32, []))
}

pub(crate) fn list_read(operands: &Operands<'_>) -> Types {
    Ok(vec![items(operands)?.0])
}

pub(crate) fn list_write(operands: &Operands<'_>) -> Types {
    let ((item, _), value) = (items(operands)?, operands.shaped("value")?);
    if !item.may_equal(&value.clone().into()) {
        return Err(format!("a list of {item} cannot hold {value}"));
    }
    Ok(vec![operands.type_given("ls")?])
}

/// The dimension of `indices`, which must be a vector.
fn count(operands: &Operands<'_>) -> Result<Dim, String> {
    let indices = operands.shaped("indices")?;
    match &indices.dims[..] {
        [count] => Ok(count.clone()),
        _ => Err(format!("indices must be a vector, not {indices}")),
    }
}

pub(crate) fn list_gather(operands: &Operands<'_>) -> Types {
    let mut item = tensor_items(operands)?;
    item.dims.insert(0, count(operands)?);
    one(item)
}

pub(crate) fn list_scatter(operands: &Operands<'_>) -> Types {
    let mut item = tensor_items(operands)?;
    item.dims.insert(0, count(operands)?);
    let value = operands.shaped("value")?;
    if !Type::from(item.clone()).may_equal(&value.clone().into()) {
        return Err(format!("value must be {item}, not {value}"));
    }
    Ok(vec![operands.type_given("ls")?])
}

/// The type wrapped in a state argument.
fn wrapped(operands: &Operands<'_>, name: &str) -> Result<Type, String> {
    match operands.type_given(name)? {
        Type::State(inner) => Ok(*inner),
        other => Err(format!("{name} must be a state, not {other}")),
    }
}

pub(crate) fn read_state(operands: &Operands<'_>) -> Types {
    Ok(vec![wrapped(operands, "input")?])
}

/// The state's type, if the value of the other argument has it.
fn written(operands: &Operands<'_>, state: &str, data: &str) -> Result<Type, String> {
    let (state, data) = (wrapped(operands, state)?, operands.type_given(data)?);
    if !state.may_equal(&data) {
        return Err(format!("a state of {state} cannot hold {data}"));
    }
    Ok(data)
}

pub(crate) fn write_state(operands: &Operands<'_>) -> Types {
    written(operands, "input", "data").map(|_| Vec::new())
}

pub(crate) fn update_state(operands: &Operands<'_>) -> Types {
    written(operands, "state", "value").map(|ty| vec![ty])
}
