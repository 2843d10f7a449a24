//! Tensors made from extents and single values, and the outputs of classifiers.

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Opset, arg, args, row, tensor};
use crate::ops::{Op, rules};

const VALUE: ArgumentSpec = arg("value", ArgumentKind::Constant).or(Default::Float(0.0));
const fn constant(name: &'static str, default: i32) -> ArgumentSpec {
    arg(name, ArgumentKind::Constant).or(Default::Int(default))
}

pub(super) const ROWS: &[OpInfo] = &[
    row(Op::Shape, args![tensor("x", DTypes::ANY)], Some(rules::construction::shape), "The extents of x."),
    row(
        Op::Fill,
        args![tensor("shape", DTypes::INTEGER), VALUE],
        Some(rules::construction::fill),
        "A tensor of that shape with one value everywhere.",
    ),
    row(
        Op::FillLike,
        args![tensor("ref_tensor", DTypes::ANY), VALUE],
        Some(rules::construction::fill_like),
        "A tensor of the reference's shape with one value everywhere.",
    )
    .since(Opset::Ios16),
    row(
        Op::OneHot,
        args![
            arg("axis", ArgumentKind::Int).or(Default::Int(-1)),
            tensor("indices", DTypes::INTEGER),
            constant("off_value", 0),
            constant("on_value", 1),
            tensor("one_hot_vector_size", DTypes::INTEGER),
        ],
        Some(rules::construction::one_hot),
        "For each index a vector along a new axis, `on_value` at the index and `off_value` elsewhere.",
    ),
    row(
        Op::Range1d,
        args![tensor("end", DTypes::NUMBER), tensor("start", DTypes::NUMBER), tensor("step", DTypes::NUMBER)],
        Some(rules::construction::range_1d),
        "start, start + step … up to before end.",
    ),
    row(
        Op::Classify,
        args![arg("classes", ArgumentKind::Any), tensor("probabilities", DTypes::FLOAT)],
        Some(rules::construction::classify),
        "The most likely class, and the probability of each class by its name.",
    ),
];
