//! Affine quantisation of values at run time.

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, OpInfo, Opset, arg, args, row, tensor};
use crate::ops::{Op, rules};

/// Only vectors of scales need it.
const AXIS: ArgumentSpec = arg("axis", ArgumentKind::Int).optional();
const SCALE: ArgumentSpec = tensor("scale", DTypes::FLOAT);
const ZERO_POINT: ArgumentSpec = tensor("zero_point", DTypes::INTEGER).optional();

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::Quantize,
        args![
            AXIS,
            tensor("input", DTypes::FLOAT),
            arg("output_dtype", ArgumentKind::String),
            SCALE,
            ZERO_POINT
        ],
        Some(rules::quantization::quantize),
        "round(input/scale) + zero_point, clipped to the range of `output_dtype` (int8 or uint8); scale and zero point \
         are scalars or have one element for each position along the axis.",
    )
    .since(Opset::Ios17),
    row(
        Op::Dequantize,
        args![AXIS, tensor("input", DTypes::INTEGER), SCALE, ZERO_POINT],
        Some(rules::quantization::dequantize),
        "(input − zero_point)·scale, with scale and zero point as in quantize; of the scale's element type.",
    )
    .since(Opset::Ios17),
];
