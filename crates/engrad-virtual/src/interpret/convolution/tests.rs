use super::super::tensor::Tensor;
use super::super::testing::{run, tensor};

fn values(op: &str, inputs: &[(&str, Tensor)]) -> (Vec<usize>, Vec<f32>) {
    let y = run(op, inputs).unwrap();
    (y[0].shape.clone(), y[0].as_floats().unwrap().to_vec())
}

fn counting(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    tensor(shape, &(1..=count).map(|v| v as f32).collect::<Vec<_>>())
}

#[test]
fn a_kernel_is_not_flipped_and_padding_is_zero() {
    let inputs = [("x", counting(&[1, 1, 4])), ("w", tensor(&[1, 1, 2], &[10., 1.]))];
    let custom = r#"conv(pad = tensor<int32, [2]>([1, 0]), pad_type = string("custom"), weight = w, x = x)"#;
    assert_eq!(values(custom, &inputs), (vec![1, 1, 4], vec![1., 12., 23., 34.]));
    let same = r#"conv(pad_type = string("same"), weight = w, x = x)"#;
    assert_eq!(values(same, &inputs).1, [12., 23., 34., 40.]);
    let lower = r#"conv(pad_type = string("same_lower"), weight = w, x = x)"#;
    assert_eq!(values(lower, &inputs).1, [1., 12., 23., 34.]);
}

#[test]
fn strides_and_dilations_place_windows() {
    let inputs = [("x", counting(&[1, 1, 6])), ("w", tensor(&[1, 1, 2], &[10., 1.]))];
    let op =
        r#"conv(dilations = tensor<int32, [1]>([2]), strides = tensor<int32, [1]>([3]), weight = w, x = x)"#;
    assert_eq!(values(op, &inputs).1, [13., 46.]);
}

#[test]
fn groups_see_their_own_channels_only() {
    let x = counting(&[1, 4, 1, 1]);
    let w = tensor(&[2, 2, 1, 1], &[1., 10., 1., 10.]);
    let op = "conv(bias = b, groups = int32(2), weight = w, x = x)";
    let inputs = [("x", x), ("w", w), ("b", tensor(&[2], &[0.5, -0.5]))];
    assert_eq!(values(op, &inputs), (vec![1, 2, 1, 1], vec![21.5, 42.5]));
}

#[test]
fn depthwise_and_product_give_the_same() {
    let x = counting(&[2, 3, 5, 4]);
    let w = counting(&[3, 1, 3, 2]);
    let rest = r#"dilations = tensor<int32, [2]>([1, 2]), pad_type = string("same"), strides = tensor<int32, [2]>([2, 1])"#;
    let grouped = values(
        &format!("conv(groups = int32(3), {rest}, weight = w, x = x)"),
        &[("x", x.clone()), ("w", w.clone())],
    );
    // The same as a dense convolution whose weight is zero elsewhere.
    let mut dense = vec![0.0; 3 * 3 * 6];
    for c in 0..3 {
        dense[(c * 3 + c) * 6..][..6].copy_from_slice(&w.as_floats().unwrap()[c * 6..][..6]);
    }
    let dense = tensor(&[3, 3, 3, 2], &dense);
    assert_eq!(grouped, values(&format!("conv({rest}, weight = w, x = x)"), &[("x", x), ("w", dense)]));
}

#[test]
fn three_dimensions_are_all_convolved() {
    let inputs = [("x", counting(&[1, 1, 2, 2, 2])), ("w", tensor(&[1, 1, 2, 2, 2], &[1.; 8]))];
    assert_eq!(values("conv(weight = w, x = x)", &inputs), (vec![1, 1, 1, 1, 1], vec![36.]));
}

#[test]
fn blocks_of_columns_meet_without_a_seam() {
    // Long enough for several blocks; every result is the sum of three neighbours.
    let n = 600_000;
    let x = tensor(&[1, 1, n], &(0..n).map(|i| (i % 7) as f32).collect::<Vec<_>>());
    let (_, y) = values("conv(weight = w, x = x)", &[("x", x), ("w", tensor(&[1, 1, 3], &[1.; 3]))]);
    let expected = |i: usize| (i..i + 3).map(|j| (j % 7) as f32).sum::<f32>();
    assert!(y.iter().enumerate().all(|(i, &v)| v == expected(i)));
}

#[test]
fn a_transpose_spreads_every_element_over_a_window() {
    let inputs = [("x", counting(&[1, 1, 3])), ("w", tensor(&[1, 1, 3], &[1., 10., 100.]))];
    let op =
        |rest: &str| format!("conv_transpose({rest}, strides = tensor<int32, [1]>([2]), weight = w, x = x)");
    let valid = values(&op(r#"pad_type = string("valid")"#), &inputs);
    assert_eq!(valid, (vec![1, 1, 7], vec![1., 10., 102., 20., 203., 30., 300.]));
    let custom = r#"pad = tensor<int32, [2]>([1, 2]), pad_type = string("custom")"#;
    assert_eq!(values(&op(custom), &inputs).1, [10., 102., 20., 203.]);
    // One element more than fits: cut behind, the smaller half in front.
    assert_eq!(values(&op(r#"pad_type = string("same")"#), &inputs).1, [1., 10., 102., 20., 203., 30.]);
    let longer = r#"output_shape = tensor<int32, [3]>([1, 1, 8]), pad_type = string("valid")"#;
    assert_eq!(values(&op(longer), &inputs).1, [1., 10., 102., 20., 203., 30., 300., 0.]);
}

#[test]
fn a_transpose_takes_weights_by_input_channel() {
    let inputs = [
        ("x", tensor(&[1, 2, 1, 1], &[1., 10.])),
        ("w", tensor(&[2, 3, 1, 1], &[1., 2., 3., 4., 5., 6.])),
        ("b", tensor(&[3], &[0.5, 0., 0.])),
    ];
    let op = "conv_transpose(bias = b, weight = w, x = x)";
    assert_eq!(values(op, &inputs), (vec![1, 3, 1, 1], vec![41.5, 52., 63.]));
}

#[test]
fn a_quantized_weight_is_scaled_and_shifted_per_channel() {
    let weight = Tensor::ints(engrad_mil::DType::UInt8, vec![2, 1, 1, 1], vec![200, 3]).unwrap();
    let inputs = [
        ("x", tensor(&[1, 1, 1, 1], &[2.])),
        ("w", weight),
        ("s", tensor(&[2], &[0.5, 2.])),
        ("o", tensor(&[2], &[-1., 1.])),
    ];
    let op = r#"conv_quantized(quant_bias = o, quant_scale = s, quantization_type = string("linear"), weight = w, x = x)"#;
    assert_eq!(values(op, &inputs).1, [198., 14.]);
}

#[test]
fn an_empty_batch_and_no_channels_are_no_panic() {
    let none =
        values("conv(weight = w, x = x)", &[("x", tensor(&[0, 1, 3], &[])), ("w", counting(&[1, 1, 2]))]);
    assert_eq!(none, (vec![0, 1, 2], vec![]));
    let bias = [("x", tensor(&[1, 0, 3], &[])), ("w", tensor(&[1, 0, 2], &[])), ("b", counting(&[1]))];
    assert_eq!(values("conv(bias = b, weight = w, x = x)", &bias).1, [1., 1.]);
}
