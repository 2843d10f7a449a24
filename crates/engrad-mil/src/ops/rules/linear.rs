//! Products.

use super::{Types, broadcast_dims, list, one, unify};
use crate::ops::Operands;
use crate::{DType, Dim, ShapedType};

pub(crate) fn matmul(operands: &Operands<'_>) -> Types {
    let (x, y) = (operands.shaped("x")?, operands.shaped("y")?);
    let dtype = product_dtype(operands, x.dtype, y.dtype)?;
    if x.rank() == 0 || y.rank() == 0 {
        return Err(format!("needs matrices or vectors, not {x} and {y}"));
    }
    let matrix = |name: &str, ty: &ShapedType, vector: [Dim; 2], transposed: bool| {
        let [rows, columns] = match &ty.dims[..] {
            [.., rows, columns] => [rows.clone(), columns.clone()],
            _ if transposed => return Err(format!("{name} is a vector, which cannot be transposed")),
            _ => vector,
        };
        Ok(if transposed { (columns, rows) } else { (rows, columns) })
    };
    let one_row = [Dim::Fixed(1), x.dims[0].clone()];
    let one_column = [y.dims[0].clone(), Dim::Fixed(1)];
    let (rows, inner) = matrix("x", &x, one_row, operands.bool("transpose_x")?)?;
    let (other, columns) = matrix("y", &y, one_column, operands.bool("transpose_y")?)?;
    if unify(&inner, &other).is_none() {
        return Err(format!(
            "inner extents {inner} and {other} of {} and {} differ",
            list(&x.dims),
            list(&y.dims)
        ));
    }
    let batch = |ty: &ShapedType| ty.dims[..ty.rank().saturating_sub(2)].to_vec();
    let mut dims = broadcast_dims(&batch(&x), &batch(&y))?;
    if x.rank() > 1 {
        dims.push(rows);
    }
    if y.rank() > 1 {
        dims.push(columns);
    }
    one(ShapedType { dtype, dims })
}

/// Of operands of different types, the constant one follows the other (since ios17).
fn product_dtype(operands: &Operands<'_>, x: DType, y: DType) -> Result<DType, String> {
    match (operands.is_constant("x"), operands.is_constant("y")) {
        _ if x == y => Ok(x),
        (false, true) => Ok(x),
        (true, false) => Ok(y),
        _ => Err(format!("x is {x} but y is {y}; cast one")),
    }
}

pub(crate) fn linear(operands: &Operands<'_>) -> Types {
    let (mut x, weight) = (operands.shaped("x")?, operands.shaped("weight")?);
    let [out, inner] = &weight.dims[..] else {
        return Err(format!("weight must be a matrix, not {weight}"));
    };
    let Some(last) = x.dims.last_mut() else {
        return Err("x must have a dimension".to_owned());
    };
    if unify(last, inner).is_none() {
        return Err(format!("x has {last} features, but the weight {} takes {inner}", list(&weight.dims)));
    }
    if operands.has("bias") {
        let bias = operands.shaped("bias")?;
        if !matches!(&bias.dims[..], [extent] if unify(extent, out).is_some()) {
            return Err(format!("bias must be [{out}], not {}", list(&bias.dims)));
        }
    }
    *last = out.clone();
    one(x)
}

pub(crate) fn attention(operands: &Operands<'_>) -> Types {
    let [query, key, value] = [operands.shaped("query")?, operands.shaped("key")?, operands.shaped("value")?];
    if query.dtype != key.dtype || query.dtype != value.dtype {
        return Err(format!("query, key and value are {}, {} and {}", query.dtype, key.dtype, value.dtype));
    }
    let rank = query.rank();
    if rank < 3 || key.rank() != rank || value.rank() != rank {
        return Err(format!("query, key and value need one rank of at least 3, not {query}, {key}, {value}"));
    }
    let batch = |ty: &ShapedType| ty.dims[..rank - 2].to_vec();
    let [queried, keyed, valued] = [batch(&query), batch(&key), batch(&value)];
    let mut dims = Vec::with_capacity(rank);
    for ((q, k), v) in queried.iter().zip(&keyed).zip(&valued) {
        let agreed = unify(q, k).and_then(|dim| unify(&dim, v));
        dims.push(agreed.ok_or_else(|| {
            format!(
                "leading extents of query {}, key {} and value {} differ",
                list(&queried),
                list(&keyed),
                list(&valued)
            )
        })?);
    }
    let [length, features] = [&query.dims[rank - 2], &query.dims[rank - 1]];
    let positions = &key.dims[rank - 2];
    if unify(features, &key.dims[rank - 1]).is_none() {
        return Err(format!("query has {features} features, key {}", key.dims[rank - 1]));
    }
    if unify(positions, &value.dims[rank - 2]).is_none() {
        return Err(format!("key has {positions} positions, value {}", value.dims[rank - 2]));
    }
    if operands.has("attn_mask") {
        let mask = operands.shaped("attn_mask")?;
        if mask.dtype != DType::Bool && !mask.dtype.is_float() {
            return Err(format!("attn_mask must be bool or floating-point, not {}", mask.dtype));
        }
        let mut scores = dims.clone();
        scores.extend([length.clone(), positions.clone()]);
        let stretched = broadcast_dims(&mask.dims, &scores)
            .ok()
            .filter(|d| d.len() == scores.len() && d.iter().zip(&scores).all(|(a, b)| a.may_equal(b)));
        if stretched.is_none() {
            return Err(format!("attn_mask {} does not broadcast to {}", list(&mask.dims), list(&scores)));
        }
    }
    dims.extend([length.clone(), value.dims[rank - 1].clone()]);
    one(query.with(dims))
}
