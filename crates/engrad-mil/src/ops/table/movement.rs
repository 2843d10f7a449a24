//! Shapes, slices and joins.

use crate::differentiate::{movement, rules as vjp};
use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Opset, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::ANY);
const VALUES: ArgumentSpec = arg("values", ArgumentKind::Tensors);
/// Extents and positions may be computed at run time.
const fn list(name: &'static str) -> ArgumentSpec {
    tensor(name, DTypes::INTEGER)
}

const fn int(name: &'static str) -> ArgumentSpec {
    arg(name, ArgumentKind::Int)
}

const fn mask(name: &'static str) -> ArgumentSpec {
    arg(name, ArgumentKind::Bools).or(Default::EachDimFalse)
}

const STRIDE: ArgumentSpec = arg("stride", ArgumentKind::Ints).or(Default::EachDim(1));

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::Reshape,
        args![list("shape"), X],
        Some(rules::movement::reshape),
        "The same elements in another shape; one extent may be −1, for what is left, and 0 stands for the dimension of x at that place from the right.",
    )
    .derivative(vjp::reshape_like),
    row(
        Op::ReshapeLike,
        args![
            arg("begins", ArgumentKind::Tensors),
            arg("end_masks", ArgumentKind::Tensors),
            arg("ends", ArgumentKind::Tensors),
            arg("ref_tensors", ArgumentKind::Tensors),
            X,
        ],
        Some(rules::movement::reshape_like),
        "The same elements in a shape put together from the dimensions `begins[i]` to `ends[i]` of each reference; to its last one where `end_masks[i]`.",
    )
    .since(Opset::Ios16),
    row(
        Op::ExpandDims,
        args![arg("axes", ArgumentKind::Ints), X],
        Some(rules::movement::expand_dims),
        "Inserts dimensions of extent one.",
    )
    .derivative(vjp::reshape_like),
    row(
        Op::Squeeze,
        args![arg("axes", ArgumentKind::Ints).optional(), X],
        Some(rules::movement::squeeze),
        "Removes dimensions of extent one: of those named, or of all.",
    )
    .derivative(vjp::reshape_like),
    row(
        Op::Transpose,
        args![arg("perm", ArgumentKind::Ints), X],
        Some(rules::movement::transpose),
        "Dimensions in another order: result dimension `i` is dimension `perm[i]` of x.",
    )
    .derivative(vjp::transpose),
    row(
        Op::Flatten2d,
        args![int("axis").or(Default::Int(1)), X],
        Some(rules::movement::flatten2d),
        "A matrix: dimensions before the axis become rows, the others columns.",
    )
    .derivative(vjp::reshape_like),
    row(
        Op::Concat,
        args![int("axis"), arg("interleave", ArgumentKind::Bool).or(Default::Bool(false)), VALUES],
        Some(rules::joining::concat),
        "Tensors joined along an axis; interleaved if asked for: one element of each in turn. Scalars join to a vector.",
    )
    .derivative(vjp::concat),
    row(
        Op::Stack,
        args![int("axis"), VALUES],
        Some(rules::joining::stack),
        "Tensors of one shape joined along a new axis.",
    ).derivative(movement::stack),
    row(
        Op::Split,
        args![int("axis"), int("num_splits").optional(), list("split_sizes").optional(), X],
        Some(rules::slicing::split),
        "Parts along an axis, each a result: `num_splits` equal ones, or of `split_sizes`.",
    ),
    row(Op::Tile, args![list("reps"), X], Some(rules::joining::tile), "Each dimension `i` repeated `reps[i]` times."),
    row(
        Op::Pad,
        args![
            arg("constant_val", ArgumentKind::Constant).or(Default::Float(0.0)),
            arg("mode", ArgumentKind::String).or(Default::Text("constant")),
            list("pad"),
            X,
        ],
        Some(rules::joining::pad),
        "Margins around the last dimensions, before and after in turn: of `constant_val`, or by mode `reflect` (mirrored without the edge) or `replicate` (the edge repeated).",
    ).derivative(movement::pad),
    row(
        Op::Reverse,
        args![arg("axes", ArgumentKind::Ints).optional(), X],
        Some(rules::movement::reverse),
        "Reverses the order along axes, or along all.",
    ).derivative(movement::reverse),
    row(
        Op::ReverseSequence,
        args![int("batch_axis").or(Default::Int(0)), list("lengths"), int("seq_axis").or(Default::Int(0)), X],
        Some(rules::movement::reverse_sequence),
        "Reverses the first `lengths[i]` elements along `seq_axis` in slice `i` along `batch_axis`.",
    ),
    row(
        Op::SliceByIndex,
        args![
            list("begin"),
            mask("begin_mask"),
            list("end"),
            mask("end_mask"),
            mask("squeeze_mask"),
            STRIDE,
            X,
        ],
        Some(rules::slicing::slice_by_index),
        "Every `stride`-th element from `begin` to before `end`, negative ones counted from the end; a masked bound is open, a squeezed dimension is only `begin` and goes away.",
    ),
    row(
        Op::SliceBySize,
        args![list("begin"), list("size"), X],
        Some(rules::slicing::slice_by_size),
        "The block of `size` elements from `begin`; size −1 means to the end.",
    )
    .derivative(vjp::slice_by_size),
    row(
        Op::SliceUpdate,
        args![
            list("begin"),
            mask("begin_mask"),
            list("end"),
            mask("end_mask"),
            mask("squeeze_mask"),
            STRIDE,
            tensor("update", DTypes::ANY),
            X,
        ],
        Some(rules::slicing::slice_update),
        "x with the part that `slice_by_index` would take replaced by `update`.",
    )
    .since(Opset::Ios18),
    row(
        Op::SlidingWindows,
        args![int("axis"), int("size"), int("stride").or(Default::Int(1)), X],
        Some(rules::movement::sliding_windows),
        "All windows of `size` elements along an axis, `stride` apart; elements of a window are a new dimension behind the axis.",
    ),
    row(
        Op::DepthToSpace,
        args![int("block_size"), X],
        Some(rules::movement::depth_to_space),
        "Channels become blocks of pixels; channels of one place in the block are neighbours.",
    ),
    row(
        Op::SpaceToDepth,
        args![int("block_size"), X],
        Some(rules::movement::space_to_depth),
        "Blocks of pixels become channels: the inverse of `depth_to_space`.",
    ),
    row(
        Op::BatchToSpace,
        args![arg("block_shape", ArgumentKind::Ints), list("crops"), X],
        Some(rules::movement::batch_to_space),
        "Images of a batch become blocks of pixels, whose margins are then cropped.",
    ),
    row(
        Op::SpaceToBatch,
        args![arg("block_shape", ArgumentKind::Ints), list("paddings"), X],
        Some(rules::movement::space_to_batch),
        "Blocks of pixels, after padding with zeros, become images of a batch: the inverse of `batch_to_space`.",
    ),
    row(
        Op::PixelShuffle,
        args![int("upscale_factor"), X],
        Some(rules::movement::pixel_shuffle),
        "Channels become blocks of pixels; channels of one block are neighbours.",
    ),
    row(
        Op::PixelUnshuffle,
        args![int("downscale_factor"), X],
        Some(rules::movement::pixel_unshuffle),
        "Blocks of pixels become channels: the inverse of `pixel_shuffle`.",
    )
    .since(Opset::Ios16),
    row(
        Op::BandPart,
        args![int("lower").or(Default::Int(-1)), int("upper").or(Default::Int(-1)), X],
        Some(rules::movement::band_part),
        "The last two dimensions with zeros outside a band of `lower` diagonals below the main one and `upper` above; negative means all.",
    ),
];
