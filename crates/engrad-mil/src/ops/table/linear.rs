//! Products.

use crate::differentiate::rules as vjp;
use crate::ops::row::{ArgumentKind, DTypes, Default, OpInfo, Opset, arg, args, row, tensor};
use crate::ops::{Op, rules};

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::Matmul,
        args![
            arg("transpose_x", ArgumentKind::Bool).or(Default::Bool(false)),
            arg("transpose_y", ArgumentKind::Bool).or(Default::Bool(false)),
            tensor("x", DTypes::NUMBER),
            tensor("y", DTypes::NUMBER),
        ],
        Some(rules::linear::matmul),
        "Matrix product over the last two dimensions, leading ones broadcast; a vector is one row, or one column of y.",
    )
    .derivative(vjp::matmul),
    row(
        Op::Linear,
        args![
            tensor("bias", DTypes::NUMBER).optional(),
            tensor("weight", DTypes::NUMBER),
            tensor("x", DTypes::NUMBER),
        ],
        Some(rules::linear::linear),
        "x · weightᵀ + bias over the last dimension of x; weight is `[out, in]`.",
    ).derivative(vjp::linear::linear),
    row(
        Op::Einsum,
        args![arg("equation", ArgumentKind::String), arg("values", ArgumentKind::Tensors).of(DTypes::NUMBER)],
        Some(rules::einsum::einsum),
        "The sum of products that an equation such as `nchw,nwhu->nchu` writes: one letter for each dimension, summed \
         over those that the result lacks; extents of one stretch.",
    ),
    row(
        Op::ScaledDotProductAttention,
        args![
            tensor("attn_mask", DTypes::ANY).optional(),
            tensor("key", DTypes::FLOAT),
            tensor("query", DTypes::FLOAT),
            tensor("value", DTypes::FLOAT),
        ],
        Some(rules::linear::attention),
        "softmax(query · keyᵀ/√E + attn_mask) · value, E the last extent of the query; a mask of truth values keeps what \
         is true.",
    )
    .since(Opset::Ios18),
];
