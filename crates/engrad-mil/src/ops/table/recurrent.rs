//! Recurrent layers.

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Opset, arg, args, row, tensor};
use crate::ops::{Op, rules};

const fn float(name: &'static str) -> ArgumentSpec {
    tensor(name, DTypes::FLOAT)
}

const fn activation(name: &'static str, default: &'static str) -> ArgumentSpec {
    arg(name, ArgumentKind::String).or(Default::Text(default))
}

const DIRECTION: ArgumentSpec = activation("direction", "forward");
const SEQUENCE: ArgumentSpec = arg("output_sequence", ArgumentKind::Bool).or(Default::Bool(false));

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::Gru,
        args![
            activation("activation", "tanh"),
            float("bias").optional(),
            DIRECTION,
            float("initial_h"),
            float("input_bias").optional().since(Opset::Ios18),
            SEQUENCE,
            activation("recurrent_activation", "sigmoid"),
            arg("reset_after", ArgumentKind::Bool).or(Default::Bool(false)).since(Opset::Ios18),
            float("weight_hh"),
            float("weight_ih"),
            float("x"),
        ],
        Some(rules::recurrent::gru),
        "Gated recurrent unit over `[S, B, I]`: states of all steps or the last, and the last state. Gates stand in the order reset, output, update.",
    ),
    row(
        Op::Lstm,
        args![
            activation("activation", "tanh"),
            float("bias").optional(),
            float("bias_back").optional(),
            activation("cell_activation", "tanh"),
            arg("clip", ArgumentKind::Float).optional(),
            DIRECTION,
            float("initial_c"),
            float("initial_h"),
            SEQUENCE,
            float("peephole").optional(),
            float("peephole_back").optional(),
            activation("recurrent_activation", "sigmoid"),
            float("weight_hh"),
            float("weight_hh_back").optional(),
            float("weight_ih"),
            float("weight_ih_back").optional(),
            float("x"),
        ],
        Some(rules::recurrent::lstm),
        "Long short-term memory over `[S, B, I]`: hidden states of all steps or the last, the last hidden state and the last cell state. Gates stand in the order input, forget, output, cell.",
    ),
    row(
        Op::Rnn,
        args![
            activation("activation", "tanh"),
            float("bias").optional(),
            DIRECTION,
            float("initial_h"),
            SEQUENCE,
            float("weight_hh"),
            float("weight_ih"),
            float("x"),
        ],
        Some(rules::recurrent::rnn),
        "Plain recurrent layer over `[S, B, I]`: states of all steps or the last, and the last state.",
    ),
];
