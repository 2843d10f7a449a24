//! Shape and type rules: the result type of each operation from its operands.

use super::Operands;
use crate::{DType, TensorType};

type Rule = Result<TensorType, String>;

fn require_float(ty: &TensorType) -> Result<(), String> {
    ty.dtype.is_float().then_some(()).ok_or_else(|| format!("needs fp16 or fp32, not {ty}"))
}

/// Shapes aligned at the last dimension; an extent of one stretches.
fn broadcast_shapes(x: &[usize], y: &[usize]) -> Result<Vec<usize>, String> {
    let rank = x.len().max(y.len());
    let extent =
        |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |position| shape[position]);
    (0..rank)
        .map(|i| match (extent(x, i), extent(y, i)) {
            (a, b) if a == b => Ok(a),
            (1, b) => Ok(b),
            (a, 1) => Ok(a),
            _ => Err(format!("shapes {x:?} and {y:?} do not broadcast")),
        })
        .collect()
}

pub(super) fn broadcast(operands: &Operands<'_>) -> Rule {
    let (x, y) = (operands.tensor("x")?, operands.tensor("y")?);
    require_float(x)?;
    if x.dtype != y.dtype {
        return Err(format!("x is {} but y is {}; cast one", x.dtype, y.dtype));
    }
    Ok(TensorType::new(x.dtype, broadcast_shapes(&x.shape, &y.shape)?))
}

pub(super) fn float_unary(operands: &Operands<'_>) -> Rule {
    let x = operands.tensor("x")?;
    require_float(x)?;
    Ok(x.clone())
}

pub(super) fn same(operands: &Operands<'_>) -> Rule {
    operands.tensor("x").cloned()
}

pub(super) fn cast(operands: &Operands<'_>) -> Rule {
    let x = operands.tensor("x")?;
    let name = operands.string("dtype")?;
    match DType::from_name(name) {
        Some(dtype) if dtype.is_float() => {
            require_float(x)?;
            Ok(TensorType::new(dtype, x.shape.clone()))
        }
        _ => Err(format!("cannot cast to `{name}`; fp16 and fp32 are possible")),
    }
}

pub(super) fn softmax(operands: &Operands<'_>) -> Rule {
    let x = operands.tensor("x")?;
    require_float(x)?;
    operands.axis("axis", x.rank())?;
    Ok(x.clone())
}

pub(super) fn reduce(operands: &Operands<'_>) -> Rule {
    let x = operands.tensor("x")?;
    require_float(x)?;
    let axes = operands.axes("axes", x.rank())?;
    let keep = operands.bool("keep_dims")?;
    let shape = x.shape.iter().enumerate().filter_map(|(i, &extent)| match axes.binary_search(&i) {
        Err(_) => Some(extent),
        Ok(_) if keep => Some(1),
        Ok(_) => None,
    });
    Ok(TensorType::new(x.dtype, shape.collect::<Vec<_>>()))
}

pub(super) fn matmul(operands: &Operands<'_>) -> Rule {
    let (x, y) = (operands.tensor("x")?, operands.tensor("y")?);
    require_float(x)?;
    if x.dtype != y.dtype {
        return Err(format!("x is {} but y is {}; cast one", x.dtype, y.dtype));
    }
    if x.rank() < 2 || y.rank() < 2 {
        return Err(format!("needs matrices, not {x} and {y}"));
    }
    let matrix = |ty: &TensorType, transposed: bool| {
        let [rows, columns] = [ty.shape[ty.rank() - 2], ty.shape[ty.rank() - 1]];
        if transposed { (columns, rows) } else { (rows, columns) }
    };
    let (rows, inner) = matrix(x, operands.bool("transpose_x")?);
    let (inner_y, columns) = matrix(y, operands.bool("transpose_y")?);
    if inner != inner_y {
        return Err(format!("inner extents differ: {inner} and {inner_y}"));
    }
    let mut shape = broadcast_shapes(&x.shape[..x.rank() - 2], &y.shape[..y.rank() - 2])?;
    shape.extend([rows, columns]);
    Ok(TensorType::new(x.dtype, shape))
}

pub(super) fn reshape(operands: &Operands<'_>) -> Rule {
    let x = operands.tensor("x")?;
    let wanted = operands.ints("shape")?;
    let known = wanted.iter().filter(|&&d| d != -1).try_fold(1usize, |product, &d| {
        usize::try_from(d).ok().filter(|&d| d > 0).and_then(|d| product.checked_mul(d))
    });
    let known = known.ok_or_else(|| format!("shape {wanted:?} has an extent that is not positive or −1"))?;
    let open = wanted.iter().filter(|&&d| d == -1).count();
    if open > 1 || (open == 0 && known != x.elements()) || !x.elements().is_multiple_of(known) {
        return Err(format!("{:?} cannot become {wanted:?}", x.shape));
    }
    let shape = wanted.iter().map(|&d| if d == -1 { x.elements() / known } else { d as usize });
    Ok(TensorType::new(x.dtype, shape.collect::<Vec<_>>()))
}

pub(super) fn expand_dims(operands: &Operands<'_>) -> Rule {
    let x = operands.tensor("x")?;
    let rank = x.rank() + operands.ints("axes")?.len();
    let axes = operands.axes("axes", rank)?;
    let mut rest = x.shape.iter().copied();
    let shape = (0..rank).map(|i| match axes.binary_search(&i) {
        Ok(_) => Some(1),
        Err(_) => rest.next(),
    });
    Ok(TensorType::new(x.dtype, shape.flatten().collect::<Vec<_>>()))
}

pub(super) fn squeeze(operands: &Operands<'_>) -> Rule {
    let x = operands.tensor("x")?;
    let axes = operands.axes("axes", x.rank())?;
    if let Some(axis) = axes.iter().find(|&&a| x.shape[a] != 1) {
        return Err(format!("axis {axis} of {:?} is not of extent one", x.shape));
    }
    let shape = x.shape.iter().enumerate().filter(|(i, _)| axes.binary_search(i).is_err()).map(|(_, &d)| d);
    Ok(TensorType::new(x.dtype, shape.collect::<Vec<_>>()))
}

pub(super) fn transpose(operands: &Operands<'_>) -> Rule {
    let x = operands.tensor("x")?;
    let perm = operands.ints("perm")?;
    let axes = operands.axes("perm", x.rank())?;
    if axes.len() != x.rank() {
        return Err(format!("perm {perm:?} does not order {} dimensions", x.rank()));
    }
    let rank = x.rank() as i32;
    let shape = perm.iter().map(|&p| x.shape[(if p < 0 { p + rank } else { p }) as usize]);
    Ok(TensorType::new(x.dtype, shape.collect::<Vec<_>>()))
}

pub(super) fn slice_by_size(operands: &Operands<'_>) -> Rule {
    let x = operands.tensor("x")?;
    let (begin, size) = (operands.ints("begin")?, operands.ints("size")?);
    if begin.len() != x.rank() || size.len() != x.rank() {
        return Err(format!("begin and size need {} numbers each", x.rank()));
    }
    let extent = |i: usize| {
        let (extent, begin, size) = (x.shape[i] as i64, i64::from(begin[i]), i64::from(size[i]));
        let size = if size == -1 { extent - begin } else { size };
        (begin >= 0 && size > 0 && begin + size <= extent)
            .then_some(size as usize)
            .ok_or_else(|| format!("dimension {i}: {size} elements from {begin} are not inside {extent}"))
    };
    let shape = (0..x.rank()).map(extent).collect::<Result<Vec<_>, _>>()?;
    Ok(TensorType::new(x.dtype, shape))
}

pub(super) fn concat(operands: &Operands<'_>) -> Rule {
    let values = operands.tensors("values")?;
    let first = operands.type_of(values[0]);
    let axis = operands.axis("axis", first.rank())?;
    if operands.bool("interleave")? {
        return Err("interleave = true is not supported".to_owned());
    }
    let mut shape = first.shape.clone();
    for &value in &values[1..] {
        let ty = operands.type_of(value);
        let fits = ty.dtype == first.dtype
            && ty.rank() == first.rank()
            && ty.shape.iter().zip(&first.shape).enumerate().all(|(i, (a, b))| i == axis || a == b);
        if !fits {
            return Err(format!("{ty} cannot join {first} along axis {axis}"));
        }
        shape[axis] = shape[axis].saturating_add(ty.shape[axis]);
    }
    Ok(TensorType::new(first.dtype, shape))
}
