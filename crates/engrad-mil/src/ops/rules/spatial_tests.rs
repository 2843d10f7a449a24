//! Result types and refusals of convolutions, pools, images, recurrent layers and compressed weights.

use super::arithmetic_tests::{assert_refused, assert_types};

const IMAGE: &str = "tensor<fp16, [2, 4, 9, 12]> x";

/// An image of flexible width with a weight.
const OPEN: &str = "tensor<fp16, [1, 4, 9, n]> x, tensor<fp32, [6, 4, 3, 3]> w";

#[test]
fn convolutions_count_their_windows() {
    let both = "tensor<fp16, [2, 4, 9, 12]> x, tensor<fp16, [6, 2, 3, 2]> w, tensor<fp16, [6]> b";
    assert_types(&[
        (both, "conv(groups = int32(2), weight = w, x = x)", "tensor<fp16, [2, 6, 7, 11]>"),
        (
            both,
            "conv(bias = b, dilations = tensor<int32, [2]>([2, 3]), groups = int32(2), strides = tensor<int32, [2]>([1, 2]), weight = w, x = x)",
            "tensor<fp16, [2, 6, 5, 5]>",
        ),
        (
            both,
            "conv(groups = int32(2), pad_type = string(\"same_lower\"), strides = tensor<int32, [2]>([2, 5]), weight = w, x = x)",
            "tensor<fp16, [2, 6, 5, 3]>",
        ),
        (
            both,
            "conv(groups = int32(2), pad = tensor<int32, [4]>([0, 1, 2, 0]), pad_type = string(\"custom\"), weight = w, x = x)",
            "tensor<fp16, [2, 6, 8, 13]>",
        ),
        // What is not known stays open; padding that keeps the extent keeps its name.
        (OPEN, "conv(weight = w, x = x)", "tensor<fp16, [1, 6, 7, ?]>"),
        (OPEN, "conv(pad_type = string(\"same\"), weight = w, x = x)", "tensor<fp16, [1, 6, 9, n]>"),
        (
            "tensor<fp32, [1, 4, 8]> x, tensor<fp32, [?, ?, ?]> w",
            "conv(weight = w, x = x)",
            "tensor<fp32, [1, ?, ?]>",
        ),
        (
            "tensor<fp32, [1, 1, 4, 5, 6]> x, tensor<fp32, [3, 1, 2, 2, 2]> w",
            "conv(weight = w, x = x)",
            "tensor<fp32, [1, 3, 3, 4, 5]>",
        ),
    ]);
    assert_refused(&[
        (both, "conv(weight = w, x = x)", "weight [6, 2, 3, 2] takes 2 in each of 1 groups"),
        (both, "conv(groups = int32(3), weight = w, x = x)", "not divisible by 3 groups"),
        (both, "conv(groups = int32(0), weight = w, x = x)", "groups must be positive"),
        (
            both,
            "conv(groups = int32(2), strides = tensor<int32, [1]>([2]), weight = w, x = x)",
            "strides needs 2 numbers",
        ),
        (
            both,
            "conv(groups = int32(2), strides = tensor<int32, [2]>([0, 1]), weight = w, x = x)",
            "must be positive",
        ),
        (
            both,
            "conv(groups = int32(2), dilations = tensor<int32, [2]>([5, 1]), weight = w, x = x)",
            "a window of 11 does not fit 9",
        ),
        (both, "conv(groups = int32(2), pad_type = string(\"full\"), weight = w, x = x)", "pad_type `full`"),
        (
            "tensor<fp16, [2, 4, 9]> x, tensor<fp16, [6, 4, 3]> w, tensor<fp16, [4]> b",
            "conv(bias = b, weight = w, x = x)",
            "bias is [4], but there are 6 output channels",
        ),
    ]);
}

#[test]
fn transposed_convolutions_undo_the_count() {
    let both = "tensor<fp16, [2, 4, 5, 6]> x, tensor<fp32, [4, 3, 3, 3]> w";
    let strided =
        |rest: &str| format!("conv_transpose({rest}strides = tensor<int32, [2]>([2, 3]), weight = w, x = x)");
    assert_types(&[
        (both, &strided(""), "tensor<fp16, [2, 3, 11, 18]>"),
        (both, &strided("pad_type = string(\"same\"), "), "tensor<fp16, [2, 3, 10, 18]>"),
        (
            both,
            &strided("pad = tensor<int32, [4]>([1, 1, 0, 2]), pad_type = string(\"custom\"), "),
            "tensor<fp16, [2, 3, 9, 16]>",
        ),
        (
            both,
            &strided("groups = int32(2), output_shape = tensor<int32, [4]>([2, 6, 12, 18]), "),
            "tensor<fp16, [2, 6, 12, 18]>",
        ),
        (
            "tensor<fp16, [1, 4, n]> x, tensor<fp16, [4, 3, 3]> w",
            "conv_transpose(weight = w, x = x)",
            "tensor<fp16, [1, 3, ?]>",
        ),
    ]);
    assert_refused(&[
        (both, &strided("output_shape = tensor<int32, [4]>([2, 4, 12, 18]), "), "does not begin with 3"),
        (both, "conv_transpose(weight = x, x = x)", "weight [2, 4, 5, 6] takes 2"),
    ]);
}

#[test]
fn pools_count_their_windows_also_in_ceil_mode() {
    let pool = |rest: &str| format!("max_pool(kernel_sizes = tensor<int32, [2]>([3, 3]), {rest}, x = x)");
    let strides = "strides = tensor<int32, [2]>([2, 2])";
    assert_types(&[
        (IMAGE, &pool("pad_type = string(\"valid\")"), "tensor<fp16, [2, 4, 7, 10]>"),
        (IMAGE, &pool(&format!("pad_type = string(\"SAME\"), {strides}")), "tensor<fp16, [2, 4, 5, 6]>"),
        (
            IMAGE,
            &pool(&format!("ceil_mode = bool(true), pad_type = string(\"valid\"), {strides}")),
            "tensor<fp16, [2, 4, 4, 6]>",
        ),
        (OPEN, &pool(&format!("pad_type = string(\"valid\"), {strides}")), "tensor<fp16, [1, 4, 4, ?]>"),
    ]);
    assert_refused(&[
        (
            IMAGE,
            &pool("ceil_mode = bool(true), pad_type = string(\"same\")"),
            "needs pad_type valid or custom",
        ),
        (
            IMAGE,
            &pool(
                "ceil_mode = bool(true), pad = tensor<int32, [4]>([0, 1, 0, 0]), pad_type = string(\"custom\")",
            ),
            "as much padding behind as in front",
        ),
        ("tensor<fp16, [2, 9]> x", &pool("pad_type = string(\"valid\")"), "one to three spatial dimensions"),
    ]);
}

#[test]
fn images_have_the_extents_asked_for() {
    let points = "tensor<fp16, [2, 4, 9, 12]> x, tensor<fp32, [2, 5, ?, 2]> c";
    let resample = "resample(align_corners = bool(true), coordinates = c, coordinates_mode = string(\"unnormalized\"), padding_mode = string(\"border\"), padding_value = fp16(0), sampling_mode = string(\"bilinear\"), x = x)";
    let sized = "tensor<fp16, [2, 4, 9, n]> x, tensor<int32, [3]> s";
    let crop =
        "crop(crop_height = tensor<int32, [2]>([1, 2]), crop_width = tensor<int32, [2]>([0, 3]), x = x)";
    assert_types(&[
        (IMAGE, crop, "tensor<fp16, [2, 4, 6, 9]>"),
        (points, resample, "tensor<fp16, [2, 4, 5, ?]>"),
        (sized, "resize(resized_dims = uint32(2), shape = s, x = x)", "tensor<fp16, [2, 4, ?, ?]>"),
        (
            sized,
            "resize(resized_dims = uint32(2), shape = tensor<int32, [3]>([7, 18, 0]), x = x)",
            "tensor<fp16, [2, 4, 18, n]>",
        ),
        (
            IMAGE,
            "resize_bilinear(target_size_height = int32(3), target_size_width = int32(5), x = x)",
            "tensor<fp16, [2, 4, 3, 5]>",
        ),
        (
            IMAGE,
            "upsample_bilinear(scale_factor_height = int32(2), scale_factor_width = fp32(0.5), x = x)",
            "tensor<fp16, [2, 4, 18, 6]>",
        ),
        // Single and double precision disagree about 0.7 · 10.
        (
            "tensor<fp32, [1, 10, 10]> x",
            "upsample_nearest_neighbor(scale_factor_width = fp32(0.7), x = x)",
            "tensor<fp32, [1, 10, ?]>",
        ),
    ]);
    assert_refused(&[
        (IMAGE, &crop.replace("[0, 3]", "[9, 3]"), "leaves nothing of 12"),
        (IMAGE, &crop.replace("[0, 3]", "[-1, 3]"), "must not be negative"),
        (points, &resample.replace("border", "wrap"), "padding_mode `wrap`"),
        (sized, "resize(resized_dims = uint32(4), shape = s, x = x)", "at most 3"),
        (IMAGE, "resize_bilinear(sampling_mode = string(\"NEAREST\"), x = x)", "sampling_mode `NEAREST`"),
        (
            IMAGE,
            "upsample_bilinear(half_pixel_centers = bool(true), x = x)",
            "align_corners and half_pixel_centers",
        ),
    ]);
}

#[test]
fn boxes_are_cut_in_the_older_form_and_the_newer() {
    let older =
        "tensor<fp16, [2, 4, 9, 12]> x, tensor<fp16, [7, 1, 4, 1, 1]> r, tensor<fp16, [7, 1, 5, 1, 1]> q";
    let newer = "tensor<fp16, [2, 4, 9, 12]> x, tensor<fp32, [7, 4]> b, tensor<int32, [7]> i";
    let target = "target_height = int32(3), target_width = int32(5)";
    let given = |what: &str| format!("crop_resize({what}, {target}, x = x)");
    assert_types(&[
        (older, &given("roi = r"), "tensor<fp16, [7, 2, 4, 3, 5]>"),
        (older, &given("roi = q"), "tensor<fp16, [7, ?, 4, 3, 5]>"),
        (newer, &given("box_indices = i, boxes = b"), "tensor<fp16, [7, 4, 3, 5]>"),
    ]);
    assert_refused(&[
        (newer, &given("boxes = b"), "7 boxes for 2 images need box_indices"),
        (
            newer,
            &given("box_indices = tensor<int32, [7]>([0, 0, 0, 0, 0, 0, 9]), boxes = b"),
            "names image 9 of 2",
        ),
        (older, "crop_resize(x = x)", "either roi or boxes"),
    ]);
}

#[test]
fn suppression_gives_four_results_with_a_score_threshold_and_three_without() {
    let rest = "boxes = b, iou_threshold = fp16(0.5), max_boxes = int32(5)";
    let older = "tensor<fp16, [2, 9, 4]> b, tensor<fp32, [2, 9, 3]> s";
    let newer = "tensor<fp16, [2, 4, 9]> b, tensor<fp32, [2, 3, 9]> s";
    let without = format!("non_maximum_suppression({rest}, scores = s)");
    let with = format!("non_maximum_suppression({rest}, score_threshold = fp16(0.1), scores = s)");
    assert_types(&[
        (
            older,
            &with,
            "tensor<fp16, [2, 5, 4]>, tensor<fp32, [2, 5, 3]>, tensor<int32, [2, 5]>, tensor<int32, [2]>",
        ),
        (newer, &without, "tensor<fp16, [2, 4, 5]>, tensor<fp32, [2, 3, 5]>, tensor<int32, [2, 5]>"),
    ]);
    assert_refused(&[(older, &without, "must be [n, 4, B] and [n, K, B]")]);
}

#[test]
fn recurrent_layers_show_all_steps_or_the_last() {
    let parts = |directions: usize| {
        format!(
            "tensor<fp32, [s, 2, 3]> x, tensor<fp32, [2, {0}]> h, tensor<fp32, [2, {0}]> c, tensor<fp32, [20, 3]> w, \
             tensor<fp32, [20, 5]> u, tensor<fp32, [20]> b, tensor<fp32, [15, 3]> gw, tensor<fp32, [15, 5]> gu",
            5 * directions
        )
    };
    let (single, double) = (&parts(1)[..], &parts(2)[..]);
    let lstm = |rest: &str| {
        format!("lstm(bias = b, {rest}initial_c = c, initial_h = h, weight_hh = u, weight_ih = w, x = x)")
    };
    let both = "direction = string(\"bidirectional\"), output_sequence = bool(true), weight_hh_back = u, weight_ih_back = w, ";
    assert_types(&[
        (single, &lstm(""), "tensor<fp32, [1, 2, 5]>, tensor<fp32, [2, 5]>, tensor<fp32, [2, 5]>"),
        (double, &lstm(both), "tensor<fp32, [s, 2, 10]>, tensor<fp32, [2, 10]>, tensor<fp32, [2, 10]>"),
        (
            single,
            "gru(initial_h = h, output_sequence = bool(true), weight_hh = gu, weight_ih = gw, x = x)",
            "tensor<fp32, [s, 2, 5]>, tensor<fp32, [2, 5]>",
        ),
        (
            "tensor<fp16, [4, 2, 3]> x, tensor<fp16, [2, 5]> h, tensor<fp16, [5, 3]> w, tensor<fp16, [5, 5]> u",
            "rnn(initial_h = h, weight_hh = u, weight_ih = w, x = x)",
            "tensor<fp16, [1, 2, 5]>, tensor<fp16, [2, 5]>",
        ),
    ]);
    assert_refused(&[
        (single, &lstm(both), "initial_h must be [2, 10], not [2, 5]"),
        (double, &lstm("direction = string(\"bidirectional\"), "), "needs weight_ih_back"),
        (single, &lstm("activation = string(\"swish\"), "), "activation `swish`"),
        (single, &lstm("direction = string(\"sideways\"), "), "direction `sideways`"),
        (
            single,
            "gru(initial_h = h, weight_hh = u, weight_ih = w, x = x)",
            "weight_hh must be [3·H, H], not [20, 5]",
        ),
    ]);
}

#[test]
fn compressed_weights_have_the_type_of_what_they_stand_for() {
    let affine =
        "constexpr_affine_dequantize(axis = int32(0), quantized_data = q, scale = s, zero_point = uint8(3))";
    let quantized = "tensor<uint8, [4, 6]> q, tensor<fp16, [4]> s, tensor<fp16, [6]> t";
    let packed = |bytes: usize, entries: usize| {
        (
            format!("tensor<uint8, [{bytes}]> i, tensor<fp16, [{entries}]> l"),
            "constexpr_lut_to_dense(indices = i, lut = l, shape = tensor<uint32, [2]>([3, 7]))",
        )
    };
    let ((fits, op), (short, _)) = (packed(16, 64), packed(15, 64));
    let table = "tensor<uint2, [6, 2]> i, tensor<int8, [2, 1, 4, 1]> l, tensor<fp16, [1, 1, 4, 3]> v";
    let vectors = "constexpr_lut_to_dense(indices = i, lut = v, vector_axis = int32(-1))";
    let blocks = "tensor<int4, [4, 6]> d, tensor<fp16, [2, 3]> s, tensor<int4, [2, 3]> o";
    let sparse =
        "tensor<uint1, [4, 6]> m, tensor<uint2, [9]> d, tensor<fp16, [2, 3]> s, tensor<fp32, [1, 1, 4, 2]> l";
    assert_types(&[
        (quantized, affine, "tensor<fp16, [4, 6]>"),
        (&fits, op, "tensor<fp16, [3, 7]>"),
        (table, "constexpr_lut_to_dense(indices = i, lut = l)", "tensor<int8, [6, 2]>"),
        (table, vectors, "tensor<fp16, [6, 6]>"),
        (blocks, "constexpr_blockwise_shift_scale(data = d, offset = o, scale = s)", "tensor<fp16, [4, 6]>"),
        (
            "tensor<fp16, [3]> x",
            "constexpr_cast(output_dtype = string(\"fp32\"), source_val = x)",
            "tensor<fp32, [3]>",
        ),
        (sparse, "constexpr_sparse_to_dense(mask = m, nonzero_data = d)", "tensor<uint2, [4, 6]>"),
        (
            sparse,
            "constexpr_lut_to_sparse(indices_mask = m, indices_nonzero_data = d, lut = l, vector_axis = int32(0))",
            "tensor<uint1, [8, 6]>, tensor<fp32, [18]>",
        ),
        (
            sparse,
            "constexpr_sparse_blockwise_shift_scale(data_mask = m, nonzero_data = d, scale = s)",
            "tensor<uint1, [4, 6]>, tensor<fp16, [9]>",
        ),
    ]);
    assert_refused(&[
        (quantized, &affine.replace("scale = s", "scale = t"), "scale [6] does not fit axis 0 of [4, 6]"),
        (&short, op, "indices has 15 bytes, 21 elements of 6 bits need 16"),
        (table, "constexpr_lut_to_dense(indices = i, lut = v)", "needs vector_axis"),
        (
            "tensor<uint4, [6]> i, tensor<fp16, [1, 4, 1]> l",
            "constexpr_lut_to_dense(indices = i, lut = l)",
            "type uint4",
        ),
        (
            "tensor<int4, [4, 5]> d, tensor<fp16, [2, 3]> s",
            "constexpr_blockwise_shift_scale(data = d, scale = s)",
            "does not divide [4, 5] into blocks",
        ),
        (
            "tensor<fp16, [2]> d",
            "constexpr_sparse_to_dense(mask = tensor<uint8, [1]>([7]), nonzero_data = d, shape = tensor<uint32, [1]>([5]))",
            "the mask marks 3 elements, nonzero_data has 2",
        ),
    ]);
}
