//! Convolutions.

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::FLOAT);
const BIAS: ArgumentSpec = tensor("bias", DTypes::FLOAT).optional();
const DILATIONS: ArgumentSpec = arg("dilations", ArgumentKind::Ints).or(Default::Spatial(1));
const GROUPS: ArgumentSpec = arg("groups", ArgumentKind::Int).or(Default::Int(1));
const PAD: ArgumentSpec = arg("pad", ArgumentKind::Ints).or(Default::SpatialPairs(0));
const PAD_TYPE: ArgumentSpec = arg("pad_type", ArgumentKind::String).or(Default::Text("valid"));
const STRIDES: ArgumentSpec = arg("strides", ArgumentKind::Ints).or(Default::Spatial(1));

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::Conv,
        args![BIAS, DILATIONS, GROUPS, PAD, PAD_TYPE, STRIDES, tensor("weight", DTypes::FLOAT), X],
        Some(rules::convolution::conv),
        "Convolution over one to three spatial dimensions, the weight `[C_out, C_in/groups, *K]`; `pad` counts for pad_type `custom` only.",
    ),
    row(
        Op::ConvQuantized,
        args![
            tensor("bias", DTypes::NUMBER).optional(),
            DILATIONS,
            GROUPS,
            arg("nbits", ArgumentKind::Int).or(Default::Int(8)),
            PAD,
            PAD_TYPE,
            tensor("quant_bias", DTypes::FLOAT),
            tensor("quant_scale", DTypes::FLOAT),
            arg("quantization_type", ArgumentKind::String),
            STRIDES,
            tensor("weight", DTypes::NUMBER),
            X,
        ],
        Some(rules::convolution::conv),
        "Convolution whose weight is `quant_scale` · weight + `quant_bias`.",
    ),
    row(
        Op::ConvTranspose,
        args![
            BIAS,
            DILATIONS,
            GROUPS,
            arg("output_shape", ArgumentKind::Ints).optional(),
            PAD,
            PAD_TYPE,
            STRIDES,
            tensor("weight", DTypes::FLOAT),
            X,
        ],
        Some(rules::convolution::conv_transpose),
        "The transpose of a convolution: every element of x adds a scaled copy of the weight `[C_in, C_out/groups, *K]` to the result.",
    ),
];
