//! Compressed weights.
//!
//! Operations of ios16 carry their operands as attributes, those of ios18 as arguments; [`Operands`] reads both.
//!
//! [`Operands`]: crate::Operands

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, OpInfo, Opset, arg, args, row, tensor};
use crate::ops::{Op, rules};

const fn number(name: &'static str) -> ArgumentSpec {
    tensor(name, DTypes::NUMBER)
}

const fn integer(name: &'static str) -> ArgumentSpec {
    tensor(name, DTypes::INTEGER)
}

const SCALE: ArgumentSpec = tensor("scale", DTypes::FLOAT);
const SHAPE: ArgumentSpec = arg("shape", ArgumentKind::Ints).optional();
const VECTOR_AXIS: ArgumentSpec = arg("vector_axis", ArgumentKind::Int).optional().since(Opset::Ios18);

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::ConstexprAffineDequantize,
        args![arg("axis", ArgumentKind::Int), integer("quantized_data"), SCALE, number("zero_point")],
        Some(rules::compression::affine_dequantize),
        "`scale` · (`quantized_data` − `zero_point`), each a scalar or a vector along `axis`.",
    )
    .since(Opset::Ios16),
    row(
        Op::ConstexprBlockwiseShiftScale,
        args![number("data"), number("offset").optional(), SCALE],
        Some(rules::compression::blockwise_shift_scale),
        "`scale` · (`data` − `offset`), each number of `scale` and `offset` for one block of `data`.",
    )
    .since(Opset::Ios18),
    row(
        Op::ConstexprCast,
        args![arg("output_dtype", ArgumentKind::String), number("source_val")],
        Some(rules::compression::cast),
        "`source_val` converted to another element type.",
    )
    .since(Opset::Ios16),
    row(
        Op::ConstexprLutToDense,
        args![integer("indices"), number("lut"), SHAPE, VECTOR_AXIS],
        Some(rules::compression::lut_to_dense),
        "Entries of look-up tables at `indices`: with `shape` (ios16), indices packed in bytes into one table; without (ios18), a table for each block, its entries vectors along `vector_axis`.",
    )
    .since(Opset::Ios16),
    row(
        Op::ConstexprLutToSparse,
        args![integer("indices_mask"), integer("indices_nonzero_data"), number("lut"), VECTOR_AXIS],
        Some(rules::compression::lut_to_sparse),
        "Entries of look-up tables for the elements that a mask marks: the mask, and the entries.",
    )
    .since(Opset::Ios18),
    row(
        Op::ConstexprSparseBlockwiseShiftScale,
        args![integer("data_mask"), number("nonzero_data"), number("offset").optional(), SCALE],
        Some(rules::compression::sparse_blockwise_shift_scale),
        "`scale` · (`nonzero_data` − `offset`) for the elements that a mask marks: the mask, and the results.",
    )
    .since(Opset::Ios18),
    row(
        Op::ConstexprSparseToDense,
        args![tensor("mask", DTypes::ANY), number("nonzero_data"), SHAPE],
        Some(rules::compression::sparse_to_dense),
        "`nonzero_data` where a mask is set, 0 elsewhere: with `shape` (ios16), the mask packed in bytes.",
    )
    .since(Opset::Ios16),
];
