//! Kernels of spatial operations on whatever extents and numbers: an error, or a result of the inferred type, and never a
//! panic.

use engrad_mil::DType;
use proptest::prelude::*;

use super::tensor::Tensor;
use super::testing::{run, run_unchecked};

/// Extents that are mostly small, sometimes nothing.
fn extent() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0usize), 9 => 1usize..9]
}

fn shape(rank: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(extent(), rank)
}

/// A parameter: mostly sensible, sometimes hostile.
fn number() -> impl Strategy<Value = i32> {
    prop_oneof![1 => -1..1, 12 => 1..4, 1 => Just(i32::MAX)]
}

fn numbers(most: usize) -> impl Strategy<Value = Vec<i32>> {
    proptest::collection::vec(number(), 0..=most)
}

fn floats(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|i| ((i * 7 + 3) % 11) as f32 - 4.5).collect();
    Tensor::floats(DType::Fp32, shape.to_vec(), values).unwrap()
}

fn integers(dtype: DType, shape: &[usize], below: usize) -> Tensor {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|i| ((i * 5 + 1) % below.max(1)) as i32).collect();
    Tensor::ints(dtype, shape.to_vec(), values).unwrap()
}

fn list(values: &[i32]) -> String {
    format!("tensor<int32, [{}]>({values:?})", values.len())
}

/// With the type rule, which must agree, and without it.
fn both(op: &str, inputs: &[(&str, Tensor)]) {
    let (checked, unchecked) = (run(op, inputs), run_unchecked(op, inputs));
    assert!(checked.is_err() || unchecked.is_ok(), "{op}: {unchecked:?}");
}

const PADS: [&str; 4] = ["valid", "same", "same_lower", "custom"];
const MODES: [&str; 5] =
    ["DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "OFFSET_CORNERS", "UNALIGN_CORNERS"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn convolutions_of_any_extents(
        (x, w) in (2usize..7).prop_flat_map(|rank| (shape(rank), shape(rank))),
        (strides, dilations, groups) in (numbers(3), numbers(3), number()),
        (pads, pad, bias) in (proptest::collection::vec(-1i32..4, 0..7), 0usize..4, extent()),
        fitting in any::<bool>(),
    ) {
        let mut w = w;
        if fitting && x.len() > 2 && groups > 0 {
            w[1] = x[1] / groups as usize;
        }
        let arguments = format!(
            r#"bias = b, dilations = {}, groups = int32({groups}), pad = {}, pad_type = string("{}"), strides = {}, weight = w, x = x"#,
            list(&dilations), list(&pads), PADS[pad], list(&strides)
        );
        let inputs = [("x", floats(&x)), ("w", floats(&w)), ("b", floats(&[bias]))];
        both(&format!("conv({arguments})"), &inputs);
        both(&format!("conv_transpose({arguments})"), &inputs);
        let plain = format!(r#"groups = int32({groups}), pad_type = string("{}"), weight = w, x = x"#, PADS[pad]);
        both(&format!("conv({plain})"), &inputs);
        both(&format!("conv_transpose({plain})"), &inputs);
    }

    #[test]
    fn pools_of_any_extents(
        x in shape(2..6),
        (kernel, strides) in (numbers(3), numbers(3)),
        (pads, pad) in (proptest::collection::vec(-1i32..4, 0..7), 0usize..4),
        (ceil, op) in (any::<bool>(), 0usize..3),
    ) {
        let op = ["avg_pool", "max_pool", "l2_pool"][op];
        let inputs = [("x", floats(&x))];
        let kernels = vec![kernel.first().copied().unwrap_or(2); x.len().saturating_sub(2)];
        for (kernel, strides) in [(&kernel, &strides), (&kernels, &kernels)] {
            both(&format!(
                r#"{op}(ceil_mode = bool({ceil}), kernel_sizes = {}, pad = {}, pad_type = string("{}"), strides = {}, x = x)"#,
                list(kernel), list(&pads), PADS[pad], list(strides)
            ), &inputs);
        }
    }

    #[test]
    fn images_of_any_extents(
        x in shape(1..6),
        points in shape(4),
        (height, width, mode) in (-1i32..9, -1i32..9, 0usize..5),
        (factor, crop, most) in (prop_oneof![Just(-1.0f32), Just(0.3), Just(2.5), Just(f32::MAX)], numbers(3), number()),
        aligned in any::<bool>(),
    ) {
        let mode = MODES[mode];
        let mut points = points;
        points[3] = 2;
        let image = [("x", floats(&x)), ("c", floats(&points)), ("b", floats(&[points[0], 4]))];
        let target = format!("target_size_height = int32({height}), target_size_width = int32({width})");
        both(&format!(r#"resize_bilinear(sampling_mode = string("{mode}"), {target}, x = x)"#), &image);
        both(&format!("resize_nearest_neighbor({target}, x = x)"), &image);
        for interpolation in ["LINEAR", "NEAREST_NEIGHBOR"] {
            both(&format!(
                r#"resize(interpolation_mode = string("{interpolation}"), resized_dims = uint32(2), sampling_mode = string("{mode}"), shape = {}, x = x)"#,
                list(&[height, width])
            ), &image);
        }
        let factors = format!("scale_factor_height = fp32({factor:e}), scale_factor_width = fp32(0.5)");
        both(&format!("upsample_bilinear(align_corners = bool({aligned}), {factors}, x = x)"), &image);
        both(&format!("upsample_nearest_neighbor({factors}, x = x)"), &image);
        both(&format!("crop(crop_height = {}, crop_width = {}, x = x)", list(&crop), list(&[1, 1])), &image);
        for padding in ["constant", "border", "reflection", "symmetric"] {
            for sampling in ["bilinear", "nearest"] {
                both(&format!(
                    r#"resample(align_corners = bool({aligned}), coordinates = c, coordinates_mode = string("normalized_zero_to_one"), padding_mode = string("{padding}"), padding_value = fp32(0), sampling_mode = string("{sampling}"), x = x)"#
                ), &image);
            }
        }
        both(&format!(
            r#"crop_resize(box_indices = {}, boxes = b, sampling_mode = string("{mode}"), target_height = int32({height}), target_width = int32({width}), x = x)"#,
            list(&vec![0; points[0]])
        ), &image);
        let most = most.min(9);
        let boxes = [("b", floats(&[points[0], points[1], 4])), ("s", floats(&points[..3]))];
        both(&format!("non_maximum_suppression(boxes = b, iou_threshold = fp32(0.5), max_boxes = int32({most}), score_threshold = fp32(0), scores = s)"), &boxes);
    }

    #[test]
    fn recurrent_layers_of_any_extents(
        x in shape(3),
        (state, rows, features) in (extent(), extent(), extent()),
        (fitting, sequence, direction) in (any::<bool>(), any::<bool>(), 0usize..3),
    ) {
        let direction = ["forward", "reverse", "bidirectional"][direction];
        for (op, gates) in [("lstm", 4), ("gru", 3), ("rnn", 1)] {
            let width = if op == "lstm" && direction == "bidirectional" { 2 * state } else { state };
            let (rows, features) = if fitting { (gates * state, x[2]) } else { (rows, features) };
            let inputs = [
                ("x", floats(&x)),
                ("h", floats(&[x[1], width])),
                ("w", floats(&[rows, features])),
                ("u", floats(&[rows, state])),
            ];
            let extra = if op == "lstm" { "initial_c = h, weight_hh_back = u, weight_ih_back = w, " } else { "" };
            both(&format!(
                r#"{op}(direction = string("{direction}"), {extra}initial_h = h, output_sequence = bool({sequence}), weight_hh = u, weight_ih = w, x = x)"#
            ), &inputs);
        }
    }

    #[test]
    fn compressed_weights_of_any_extents(
        (data, blocks) in (0usize..4).prop_flat_map(|rank| (shape(rank), shape(rank))),
        (axis, vector, entries, bytes) in (-3i32..3, extent(), prop_oneof![Just(4usize), Just(3), Just(0)], extent()),
    ) {
        let mut lut = blocks.clone();
        lut.extend([entries, vector]);
        let count: usize = data.iter().product();
        let inputs = [
            ("q", integers(DType::Int8, &data, 100)),
            ("i", integers(DType::UInt2, &data, 4)),
            ("m", integers(DType::UInt1, &data, 1)),
            ("n", integers(DType::UInt2, &[count], 4)),
            ("l", floats(&lut)),
            ("t", floats(&[entries])),
            ("s", floats(&blocks)),
            ("p", integers(DType::UInt8, &[bytes], 256)),
            ("v", floats(&[bytes])),
        ];
        let extents: Vec<i32> = data.iter().map(|&d| d as i32).collect();
        for op in [
            format!("constexpr_affine_dequantize(axis = int32({axis}), quantized_data = q, scale = v, zero_point = v)"),
            "constexpr_blockwise_shift_scale(data = q, offset = s, scale = s)".to_owned(),
            format!("constexpr_lut_to_dense(indices = p, lut = t, shape = {})", list(&extents)),
            format!("constexpr_lut_to_dense(indices = i, lut = l, vector_axis = int32({axis}))"),
            "constexpr_lut_to_dense(indices = i, lut = l)".to_owned(),
            format!("constexpr_lut_to_sparse(indices_mask = m, indices_nonzero_data = n, lut = l, vector_axis = int32({axis}))"),
            "constexpr_sparse_blockwise_shift_scale(data_mask = m, nonzero_data = n, scale = s)".to_owned(),
            format!("constexpr_sparse_to_dense(mask = p, nonzero_data = v, shape = {})", list(&extents)),
            "constexpr_sparse_to_dense(mask = m, nonzero_data = n)".to_owned(),
        ] {
            both(&op, &inputs);
        }
    }
}
