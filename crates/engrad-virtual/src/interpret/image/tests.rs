use super::super::tensor::Tensor;
use super::super::testing::{run, tensor};

fn values(op: &str, inputs: &[(&str, Tensor)]) -> Vec<f32> {
    run(op, inputs).unwrap()[0].as_floats().unwrap().to_vec()
}

fn close(actual: &[f32], expected: &[f32]) {
    let fits =
        actual.len() == expected.len() && actual.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4);
    assert!(fits, "{actual:?} is not {expected:?}");
}

fn four_by_four() -> Tensor {
    tensor(&[1, 1, 4, 4], &(1..=16).map(|v| v as f32).collect::<Vec<_>>())
}

#[test]
fn sampling_modes_place_the_grid_as_documented() {
    let row = |width: usize, mode: &str| {
        let op = format!(
            r#"resize_bilinear(sampling_mode = string("{mode}"), target_size_width = int32({width}), x = x)"#
        );
        values(&op, &[("x", tensor(&[1, 1, 2], &[0., 1.]))])
    };
    close(&row(5, "UNALIGN_CORNERS"), &[0., 0.1, 0.5, 0.9, 1.]);
    close(&row(5, "STRICT_ALIGN_CORNERS"), &[0., 0.25, 0.5, 0.75, 1.]);
    close(&row(5, "DEFAULT"), &[0., 0.4, 0.8, 1., 1.]);
    close(&row(5, "OFFSET_CORNERS"), &[0.1, 0.3, 0.5, 0.7, 0.9]);
    close(&row(6, "DEFAULT"), &[0., 1. / 3., 2. / 3., 1., 1., 1.]);
    close(&row(1, "ALIGN_CORNERS"), &[0.5]);
    close(&row(1, "STRICT_ALIGN_CORNERS"), &[0.]);
}

#[test]
fn upsampling_aligns_corners_unless_told_otherwise() {
    let x = [("x", tensor(&[1, 1, 2], &[0., 1.]))];
    close(
        &values("upsample_bilinear(scale_factor_width = int32(3), x = x)", &x),
        &[0., 0.2, 0.4, 0.6, 0.8, 1.],
    );
    let fraction =
        "upsample_bilinear(align_corners = bool(false), scale_factor_width = fp32(0x1.4cccccp+1), x = x)";
    close(&values(fraction, &x), &[0., 0.1, 0.5, 0.9, 1.]);
    let corner = "upsample_bilinear(align_corners = bool(false), half_pixel_centers = bool(false), scale_factor_width = int32(3), x = x)";
    close(&values(corner, &x), &[0., 1. / 3., 2. / 3., 1., 1., 1.]);
}

#[test]
fn nearest_neighbours_are_those_of_the_ratio_of_extents() {
    let x = [("x", tensor(&[1, 1, 3], &[1., 2., 3.]))];
    let up =
        |scale: &str| values(&format!("upsample_nearest_neighbor(scale_factor_width = {scale}, x = x)"), &x);
    assert_eq!(up("int32(2)"), [1., 1., 2., 2., 3., 3.]);
    assert_eq!(up("fp32(0.67)"), [1., 2.]);
    assert_eq!(up("fp32(1.12)"), [1., 2., 3.]);
    let sized = "resize_nearest_neighbor(target_size_height = int32(2), target_size_width = int32(2), x = x)";
    assert_eq!(values(sized, &x), [1., 2., 1., 2.]);
}

#[test]
fn resize_takes_the_last_extents_and_keeps_those_of_zero() {
    let x = [
        ("x", tensor(&[1, 1, 2, 1], &[-6., 9.])),
        ("s", Tensor::ints(engrad_mil::DType::Int32, vec![3], vec![1, 3, 2]).unwrap()),
    ];
    let nearest = r#"resize(interpolation_mode = string("NEAREST_NEIGHBOR"), resized_dims = uint32(2), shape = s, x = x)"#;
    assert_eq!(values(nearest, &x), [-6., -6., 9., 9., 9., 9.]);
    let kept = "resize(resized_dims = uint32(2), shape = tensor<int32, [2]>([0, 2]), x = x)";
    assert_eq!(values(kept, &x), [-6., -6., 9., 9.]);
    let doubled = r#"resize(interpolation_mode = string("NEAREST_NEIGHBOR"), resized_dims = uint32(2), shape = tensor<int32, [2]>([4, 1]), x = x)"#;
    assert_eq!(values(doubled, &x), [-6., -6., 9., 9.]);
}

#[test]
fn crop_cuts_both_ends() {
    let op = "crop(crop_height = tensor<int32, [2]>([0, 1]), crop_width = tensor<int32, [2]>([1, 2]), x = x)";
    assert_eq!(values(op, &[("x", four_by_four())]), [2., 6., 10.]);
}

#[test]
fn boxes_may_run_backwards_and_leave_the_image() {
    let boxes = tensor(&[3, 4], &[0.1, 0.3, 1.3, 1.0, 0.5, 1.8, 1.0, 0.3, 0.0, 0.4, 0.6, 0.7]);
    let op = r#"crop_resize(box_indices = tensor<int32, [3]>([0, 0, 0]), boxes = b, normalized_coordinates = bool(true), pad_value = fp32(10), sampling_mode = string("ALIGN_CORNERS"), target_height = int32(2), target_width = int32(2), x = x)"#;
    let expected = [3.1, 5.2, 10., 10., 10., 7.9, 10., 13.9, 2.2, 3.1, 9.4, 10.3];
    close(&values(op, &[("x", four_by_four()), ("b", boxes)]), &expected);
}

#[test]
fn a_region_without_an_image_is_cut_out_of_all() {
    let x: Vec<f32> = (1..=32).map(|v| v as f32).collect();
    let roi = tensor(&[1, 1, 4, 1, 1], &[1., 1., 2., 2.]);
    let op = r#"crop_resize(roi = r, sampling_mode = string("ALIGN_CORNERS"), target_height = int32(2), target_width = int32(2), x = x)"#;
    let inputs = [("x", tensor(&[2, 1, 4, 4], &x)), ("r", roi)];
    assert_eq!(values(op, &inputs), [6., 7., 10., 11., 22., 23., 26., 27.]);
    let single = tensor(&[1, 1, 5, 1, 1], &[1., 1., 1., 2., 2.]);
    assert_eq!(values(op, &[inputs[0].clone(), ("r", single)]), [22., 23., 26., 27.]);
}

#[test]
fn an_image_that_a_box_names_must_exist() {
    let op = "crop_resize(box_indices = i, boxes = b, x = x)";
    let index = Tensor::ints(engrad_mil::DType::Int32, vec![1], vec![7]).unwrap();
    let inputs = [("x", four_by_four()), ("b", tensor(&[1, 4], &[0.; 4])), ("i", index)];
    assert!(run(op, &inputs).unwrap_err().ends_with("box 0 is cut out of image 7 of 1"));
}

fn resampled(coordinates: &str, padding: &str, mode: &str, aligned: bool) -> Vec<f32> {
    let op = format!(
        r#"resample(align_corners = bool({aligned}), coordinates = c, coordinates_mode = string("{coordinates}"), padding_mode = string("{padding}"), padding_value = fp32(6.17), sampling_mode = string("{mode}"), x = x)"#
    );
    let points = tensor(&[1, 2, 2, 2], &[-1., -2., -3.7, -1., 0., 0., 3.5, 1.2]);
    values(&op, &[("x", tensor(&[1, 1, 2, 2], &[11., 22., 33., 44.])), ("c", points)])
}

#[test]
fn what_lies_outside_an_image_is_as_the_padding_mode_says() {
    close(
        &resampled("normalized_minus_one_to_one", "constant", "bilinear", true),
        &[8.585, 6.17, 27.5, 6.17],
    );
    close(&resampled("unnormalized", "border", "nearest", false), &[11., 11., 11., 44.]);
    close(&resampled("normalized_zero_to_one", "reflection", "bilinear", true), &[22., 36.3, 11., 34.1]);
    close(&resampled("normalized_zero_to_one", "symmetric", "nearest", false), &[22., 33., 11., 33.]);
}

#[test]
fn an_affine_map_is_written_in_normalized_coordinates() {
    let op = |h: usize, w: usize| {
        format!(
            r#"affine(align_corners = bool(true), coordinates_mode = string("normalized_minus_one_to_one"), output_height = int32({h}), output_width = int32({w}), padding_mode = string("constant"), padding_value = fp32(0), sampling_mode = string("bilinear"), transform_matrix = m, x = x)"#
        )
    };
    let inputs = [
        ("x", tensor(&[1, 1, 2, 2], &[11., 22., 33., 44.])),
        ("m", tensor(&[1, 6], &[-1., -2., -3.7, -1., 3.5, 1.2])),
    ];
    close(&values(&op(3, 3), &inputs), &[10.7525, 2.5025, 0., 1.98, 0., 0., 0., 0., 0.]);
    close(&values(&op(2, 5), &inputs), &[10.7525, 5.94, 2.5025, 0.44, 0., 0., 0., 0., 0., 0.]);
}

/// Two boxes that overlap, and one apart.
fn suppressed(op: &str, boxes: &[usize], scores: &[usize]) -> Vec<Tensor> {
    let older = boxes[1] == 3;
    let rows = [[1., 1., 2., 2.], [1.5, 1., 2., 2.], [9., 9., 2., 2.]];
    let flat = |i: usize| if older { rows[i / 4][i % 4] } else { rows[i % 3][i / 3] };
    let b = tensor(boxes, &(0..12).map(flat).collect::<Vec<f32>>());
    run(op, &[("b", b), ("s", tensor(scores, &[0.5, 0.9, 0.7]))]).unwrap()
}

#[test]
fn overlapping_boxes_are_suppressed_and_results_padded() {
    let op = "non_maximum_suppression(boxes = b, iou_threshold = fp32(0.5), max_boxes = int32(4), score_threshold = fp32(0.1), scores = s)";
    let y = suppressed(op, &[1, 3, 4], &[1, 3, 1]);
    assert_eq!(y[0].as_floats().unwrap(), [1.5, 1., 2., 2., 9., 9., 2., 2., 0., 0., 0., 0., 0., 0., 0., 0.]);
    assert_eq!(y[1].as_floats().unwrap(), [0.9, 0.7, 0., 0.]);
    assert_eq!(y[2].as_ints().unwrap()[..], [1, 2, -1, -1]);
    assert_eq!(y[3].as_ints().unwrap()[..], [2]);
}

#[test]
fn from_ios17_boxes_stand_last_and_none_is_rejected_by_its_score() {
    let op =
        "non_maximum_suppression(boxes = b, iou_threshold = fp32(0.9), max_boxes = int32(2), scores = s)";
    let y = suppressed(op, &[1, 4, 3], &[1, 1, 3]);
    assert_eq!(y[0].as_floats().unwrap(), [1.5, 9., 1., 9., 2., 2., 2., 2.]);
    assert_eq!((y.len(), &y[2].as_ints().unwrap()[..]), (3, &[1, 2][..]));
}

#[test]
fn the_best_box_stays_if_no_score_reaches_the_limit() {
    let op = "non_maximum_suppression(boxes = b, iou_threshold = fp32(0.5), max_boxes = int32(2), score_threshold = fp32(2), scores = s)";
    let y = suppressed(op, &[1, 3, 4], &[1, 3, 1]);
    assert_eq!((&y[2].as_ints().unwrap()[..], &y[3].as_ints().unwrap()[..]), (&[1, -1][..], &[1][..]));
}

#[test]
fn no_table_is_made_for_a_dimension_beyond_all_reason() {
    let op = "resize_bilinear(target_size_height = int32(1), target_size_width = int32(2147483647), x = x)";
    let refused = run(op, &[("x", tensor(&[1, 1, 1], &[0.]))]).unwrap_err();
    assert!(refused.ends_with("a dimension of 2147483647 elements is too large"), "{refused}");
}
