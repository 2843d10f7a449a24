use crate::interpret::testing::{assert_close, call_on, floats};

#[test]
fn batch_statistics_are_those_of_the_channel() {
    let inputs = [
        ("x", floats(&[1, 2, 2], &[1.0, 3.0, 10.0, 20.0])),
        ("m", floats(&[2], &[1.0, 10.0])),
        ("v", floats(&[2], &[4.0, 25.0])),
        ("g", floats(&[2], &[1.0, 2.0])),
        ("b", floats(&[2], &[0.5, 0.0])),
    ];
    let found =
        call_on(&inputs, "batch_norm(beta = b, epsilon = fp32(0), gamma = g, mean = m, variance = v, x = x)")
            .unwrap();
    assert_close(&found, &[1, 2, 2], &[0.5, 1.5, 0.0, 4.0]);
    let found = call_on(&inputs, "batch_norm(epsilon = fp32(12), mean = m, variance = v, x = x)").unwrap();
    assert_close(&found, &[1, 2, 2], &[0.0, 0.5, 0.0, 1.643_989_9]);
}

#[test]
fn instances_are_normalised_channel_by_channel() {
    let inputs = [
        ("x", floats(&[2, 1, 2], &[1.0, 3.0, 10.0, 30.0])),
        ("g", floats(&[1], &[2.0])),
        ("b", floats(&[1], &[1.0])),
    ];
    let found = call_on(&inputs, "instance_norm(beta = b, epsilon = fp32(0), gamma = g, x = x)").unwrap();
    assert_close(&found, &[2, 1, 2], &[-1.0, 3.0, -1.0, 3.0]);
}

#[test]
fn layers_are_normalised_over_axes_that_are_not_last() {
    let inputs = [
        ("x", floats(&[2, 2], &[1.0, 10.0, 3.0, 30.0])),
        ("g", floats(&[2], &[1.0, 2.0])),
        ("b", floats(&[2], &[0.0, 5.0])),
    ];
    let found = call_on(
        &inputs,
        "layer_norm(axes = tensor<int32, [1]>([0]), beta = b, epsilon = fp32(0), gamma = g, x = x)",
    );
    assert_close(&found.unwrap(), &[2, 2], &[-1.0, -1.0, 7.0, 7.0]);
    let constant = [("x", floats(&[2, 2], &[4.0; 4]))];
    assert_close(&call_on(&constant, "layer_norm(x = x)").unwrap(), &[2, 2], &[0.0; 4]);
}

#[test]
fn large_offsets_do_not_swallow_the_variance() {
    let inputs = [("x", floats(&[4], &[10_000.0, 10_001.0, 10_002.0, 10_003.0]))];
    let found = call_on(&inputs, "layer_norm(epsilon = fp32(0), x = x)").unwrap();
    assert_close(&found, &[4], &[-1.341_640_8, -0.447_213_6, 0.447_213_6, 1.341_640_8]);
}

#[test]
fn euclidean_norms_are_over_three_dimensions() {
    let inputs = [("x", floats(&[2, 1, 1, 2], &[3.0, 4.0, 0.0, 1.0]))];
    let found = call_on(&inputs, "l2_norm(epsilon = fp32(0), x = x)").unwrap();
    assert_close(&found, &[2, 1, 1, 2], &[0.6, 0.8, 0.0, 1.0]);
}

#[test]
fn windows_of_neighbouring_channels_end_at_the_borders() {
    let inputs = [("x", floats(&[1, 3, 1], &[1.0, 2.0, 3.0]))];
    let call = |size: i32| {
        format!(
            "local_response_norm(alpha = fp32(1), beta = fp32(1), k = fp32(1), size = int32({size}), x = x)"
        )
    };
    let three = call_on(&inputs, &call(3)).unwrap();
    assert_close(
        &three,
        &[1, 3, 1],
        &[1.0 / (1.0 + 5.0 / 3.0), 2.0 / (1.0 + 14.0 / 3.0), 3.0 / (1.0 + 13.0 / 3.0)],
    );
    let even = call_on(&inputs, &call(2)).unwrap();
    assert_close(&even, &[1, 3, 1], &[1.0 / 1.5, 2.0 / 3.5, 3.0 / 7.5]);
    let huge = call_on(&inputs, &call(i32::MAX)).unwrap();
    assert_close(&huge, &[1, 3, 1], &[1.0, 2.0, 3.0]);
}
