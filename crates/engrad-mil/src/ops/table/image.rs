//! Cutting, resizing and resampling of images, and selection of boxes.

use crate::ops::row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Opset, arg, args, row, tensor};
use crate::ops::{Op, rules};

const X: ArgumentSpec = tensor("x", DTypes::FLOAT);
const SAMPLING: ArgumentSpec = arg("sampling_mode", ArgumentKind::String).or(Default::Text("DEFAULT"));
const NO: Default = Default::Bool(false);

const fn int(name: &'static str) -> ArgumentSpec {
    arg(name, ArgumentKind::Int)
}

const fn text(name: &'static str) -> ArgumentSpec {
    arg(name, ArgumentKind::String)
}

/// An integer or a fraction.
const fn factor(name: &'static str) -> ArgumentSpec {
    arg(name, ArgumentKind::Constant).of(DTypes::NUMBER).or(Default::Float(1.0))
}

pub(super) const ROWS: &[OpInfo] = &[
    row(
        Op::Affine,
        args![
            arg("align_corners", ArgumentKind::Bool),
            text("coordinates_mode"),
            int("output_height"),
            int("output_width"),
            text("padding_mode"),
            arg("padding_value", ArgumentKind::Float),
            text("sampling_mode"),
            tensor("transform_matrix", DTypes::FLOAT),
            X,
        ],
        Some(rules::image::affine),
        "Each image seen through an affine map of its coordinates, with bilinear interpolation.",
    ),
    row(
        Op::Crop,
        args![arg("crop_height", ArgumentKind::Ints), arg("crop_width", ArgumentKind::Ints), X],
        Some(rules::image::crop),
        "Cuts so many elements off both ends of the last two dimensions.",
    ),
    row(
        Op::CropResize,
        args![
            text("box_coordinate_mode").or(Default::Text("CORNERS_HEIGHT_FIRST")),
            tensor("box_indices", DTypes::NUMBER).optional().since(Opset::Ios17),
            tensor("boxes", DTypes::NUMBER).optional().since(Opset::Ios17),
            arg("normalized_coordinates", ArgumentKind::Bool).or(NO),
            arg("pad_value", ArgumentKind::Float).or(Default::Float(0.0)).since(Opset::Ios16),
            tensor("roi", DTypes::FLOAT).optional(),
            SAMPLING,
            arg("spatial_scale", ArgumentKind::Float).or(Default::Float(1.0)),
            int("target_height").or(Default::Int(1)),
            int("target_width").or(Default::Int(1)),
            X,
        ],
        Some(rules::image::crop_resize),
        "Boxes cut out of images and resized with bilinear interpolation: `roi` until ios16, `boxes` from ios17.",
    ),
    row(
        Op::Resample,
        args![
            arg("align_corners", ArgumentKind::Bool),
            tensor("coordinates", DTypes::NUMBER),
            text("coordinates_mode"),
            text("padding_mode"),
            arg("padding_value", ArgumentKind::Float),
            text("sampling_mode"),
            X,
        ],
        Some(rules::image::resample),
        "Each image at the given points (width first), interpolated.",
    ),
    row(
        Op::Resize,
        args![
            text("interpolation_mode").or(Default::Text("LINEAR")),
            int("resized_dims"),
            SAMPLING,
            tensor("shape", DTypes::INTEGER),
            tensor("x", DTypes::NUMBER),
        ],
        Some(rules::image::resize),
        "The last `resized_dims` dimensions at the last extents of `shape`, interpolated; an extent of 0 keeps that of x.",
    )
    .since(Opset::Ios17),
    row(
        Op::ResizeBilinear,
        args![
            SAMPLING,
            int("target_size_height").or(Default::Int(1)),
            int("target_size_width").or(Default::Int(1)),
            X,
        ],
        Some(rules::image::resize_bilinear),
        "The last two dimensions at other extents, with bilinear interpolation.",
    ),
    row(
        Op::ResizeNearestNeighbor,
        args![int("target_size_height"), int("target_size_width"), X],
        Some(rules::image::resize_to_target),
        "The last two dimensions at other extents, each element the nearest one of x.",
    ),
    row(
        Op::UpsampleBilinear,
        args![
            arg("align_corners", ArgumentKind::Bool).or(Default::Bool(true)),
            arg("half_pixel_centers", ArgumentKind::Bool).optional().since(Opset::Ios16),
            factor("scale_factor_height"),
            factor("scale_factor_width"),
            X,
        ],
        Some(rules::image::upsample_bilinear),
        "The last two dimensions scaled, with bilinear interpolation; centres of pixels are halves unless corners are aligned.",
    ),
    row(
        Op::UpsampleNearestNeighbor,
        args![factor("scale_factor_height"), factor("scale_factor_width"), X],
        Some(rules::image::upsample),
        "The last two dimensions scaled, each element the nearest one of x.",
    ),
    row(
        Op::NonMaximumSuppression,
        args![
            tensor("boxes", DTypes::FLOAT),
            arg("iou_threshold", ArgumentKind::Float),
            int("max_boxes"),
            arg("per_class_suppression", ArgumentKind::Bool).or(NO),
            arg("score_threshold", ArgumentKind::Float).optional(),
            tensor("scores", DTypes::FLOAT),
        ],
        Some(rules::image::non_maximum_suppression),
        "The best boxes that do not overlap a better one: their coordinates, scores and positions, and until ios16, with `score_threshold`, their number.",
    ),
];
