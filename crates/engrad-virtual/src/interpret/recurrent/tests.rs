use super::super::tensor::Tensor;
use super::super::testing::{run, tensor};

fn close(actual: &Tensor, shape: &[usize], expected: &[f32]) {
    assert_eq!(actual.shape, shape);
    let actual = actual.as_floats().unwrap();
    assert!(actual.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{actual:?} is not {expected:?}");
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// One unit whose gates see nothing but different biases: input, forget, output, cell.
fn one_unit(rest: &str, steps: usize) -> Vec<Tensor> {
    let op =
        format!("lstm(bias = b, initial_c = c, initial_h = h, weight_hh = u, weight_ih = w, x = x{rest})");
    let inputs = [
        ("x", tensor(&[steps, 1, 1], &vec![0.; steps])),
        ("h", tensor(&[1, 1], &[0.])),
        ("c", tensor(&[1, 1], &[2.])),
        ("w", tensor(&[4, 1], &[0.; 4])),
        ("u", tensor(&[4, 1], &[0.; 4])),
        ("b", tensor(&[4], &[0.1, 0.2, 0.3, 0.4])),
    ];
    run(&op, &inputs).unwrap()
}

#[test]
fn lstm_gates_stand_in_the_order_input_forget_output_cell() {
    let y = one_unit("", 1);
    let c = sigmoid(0.2) * 2. + sigmoid(0.1) * 0.4f32.tanh();
    close(&y[2], &[1, 1], &[c]);
    close(&y[1], &[1, 1], &[sigmoid(0.3) * c.tanh()]);
    close(&y[0], &[1, 1, 1], &[sigmoid(0.3) * c.tanh()]);
}

#[test]
fn the_clip_bounds_the_cell_state() {
    let y = one_unit(", clip = fp32(0.5)", 1);
    close(&y[2], &[1, 1], &[0.5]);
    close(&y[1], &[1, 1], &[sigmoid(0.3) * 0.5f32.tanh()]);
}

#[test]
fn peepholes_of_input_and_forget_see_the_old_state_and_that_of_output_the_new() {
    let y = one_unit(", peephole = tensor<fp32, [3]>([0.5, -0.5, 1])", 1);
    let c = sigmoid(0.2 - 1.) * 2. + sigmoid(0.1 + 1.) * 0.4f32.tanh();
    close(&y[2], &[1, 1], &[c]);
    close(&y[1], &[1, 1], &[sigmoid(0.3 + c) * c.tanh()]);
}

#[test]
fn activations_are_those_named() {
    let y = one_unit(
        r#", activation = string("linear"), cell_activation = string("relu"), recurrent_activation = string("hard_sigmoid")"#,
        1,
    );
    let c = 0.54 * 2. + 0.52 * 0.4;
    close(&y[1], &[1, 1], &[0.56 * c]);
}

/// A sum of what came so far: h += x, from 100.
fn summed(direction: &str, sequence: bool) -> Vec<Tensor> {
    let op = format!(
        r#"rnn(activation = string("linear"), direction = string("{direction}"), initial_h = h, output_sequence = bool({sequence}), weight_hh = u, weight_ih = w, x = x)"#
    );
    let one = || tensor(&[1, 1], &[1.]);
    let inputs = [
        ("x", tensor(&[3, 1, 1], &[1., 2., 4.])),
        ("h", tensor(&[1, 1], &[100.])),
        ("w", one()),
        ("u", one()),
    ];
    run(&op, &inputs).unwrap()
}

#[test]
fn a_reversed_layer_gives_its_states_in_the_order_they_come_about() {
    close(&summed("forward", true)[0], &[3, 1, 1], &[101., 103., 107.]);
    close(&summed("reverse", true)[0], &[3, 1, 1], &[104., 106., 107.]);
    close(&summed("reverse", false)[0], &[1, 1, 1], &[107.]);
    close(&summed("reverse", true)[1], &[1, 1], &[107.]);
}

/// An LSTM of both directions whose cell adds up x: gates are open, nothing is squashed.
fn both_ways(sequence: bool) -> Vec<Tensor> {
    let linear = r#"activation = string("linear"), cell_activation = string("linear"), recurrent_activation = string("linear")"#;
    let op = format!(
        r#"lstm({linear}, bias = b, bias_back = b, direction = string("bidirectional"), initial_c = c, initial_h = h, output_sequence = bool({sequence}), weight_hh = u, weight_hh_back = u, weight_ih = w, weight_ih_back = w, x = x)"#
    );
    let inputs = [
        ("x", tensor(&[3, 1, 1], &[1., 2., 4.])),
        ("h", tensor(&[1, 2], &[0.; 2])),
        ("c", tensor(&[1, 2], &[100., 200.])),
        ("w", tensor(&[4, 1], &[0., 0., 0., 1.])),
        ("u", tensor(&[4, 1], &[0.; 4])),
        ("b", tensor(&[4], &[1., 1., 1., 0.])),
    ];
    run(&op, &inputs).unwrap()
}

#[test]
fn both_directions_stand_beside_each_other_at_the_step_they_saw() {
    let y = both_ways(true);
    close(&y[0], &[3, 1, 2], &[101., 207., 103., 206., 107., 204.]);
    close(&y[2], &[1, 2], &[107., 207.]);
    close(&both_ways(false)[0], &[1, 1, 2], &[107., 207.]);
}

/// One GRU unit with the state 2 and the biases 0.1 (reset), 0.2 (output), 0.3 (update); the recursion weights are ones.
fn gru(rest: &str) -> f32 {
    let op = format!("gru(bias = b, initial_h = h, weight_hh = u, weight_ih = w, x = x{rest})");
    let inputs = [
        ("x", tensor(&[1, 1, 1], &[0.])),
        ("h", tensor(&[1, 1], &[2.])),
        ("w", tensor(&[3, 1], &[0.; 3])),
        ("u", tensor(&[3, 1], &[1.; 3])),
        ("b", tensor(&[3], &[0.1, 0.2, 0.3])),
    ];
    run(&op, &inputs).unwrap()[1].as_floats().unwrap()[0]
}

#[test]
fn the_reset_gate_meets_the_state_or_with_reset_after_the_product_with_its_bias() {
    let (r, z) = (sigmoid(2.1), sigmoid(2.3));
    let mixed = |new: f32| (1. - z) * new + z * 2.;
    assert!((gru("") - mixed((2. * r + 0.2).tanh())).abs() < 1e-6);
    assert!((gru(", reset_after = bool(true)") - mixed((r * 2.2).tanh())).abs() < 1e-6);
    let z = sigmoid(3.3);
    let shifted = (1. - z) * (sigmoid(2.1) * 2.2 + 1.).tanh() + z * 2.;
    let op = ", input_bias = tensor<fp32, [3]>([0, 1, 1]), reset_after = bool(true)";
    assert!((gru(op) - shifted).abs() < 1e-6);
}

#[test]
fn many_sequences_and_few_give_the_same() {
    let values = |n: usize| (0..n).map(|i| ((i * 7 % 11) as f32 - 5.) / 10.).collect::<Vec<_>>();
    let layer = |batch: usize| {
        let x: Vec<f32> = (0..3).flat_map(|_| values(2).repeat(batch)).collect();
        let inputs = [
            ("x", tensor(&[3, batch, 2], &x)),
            ("h", tensor(&[batch, 3], &values(3).repeat(batch))),
            ("w", tensor(&[9, 2], &values(18))),
            ("u", tensor(&[9, 3], &values(27))),
        ];
        run("gru(initial_h = h, weight_hh = u, weight_ih = w, x = x)", &inputs).unwrap()[1]
            .as_floats()
            .unwrap()
            .to_vec()
    };
    let (one, six) = (layer(1), layer(6));
    assert!(six.chunks(3).all(|row| row.iter().zip(&one).all(|(a, b)| (a - b).abs() < 1e-6)));
}

#[test]
fn an_empty_batch_is_refused() {
    let op = "rnn(initial_h = h, weight_hh = u, weight_ih = w, x = x)";
    let inputs = [
        ("x", tensor(&[3, 0, 1], &[])),
        ("h", tensor(&[0, 1], &[])),
        ("w", tensor(&[1, 1], &[1.])),
        ("u", tensor(&[1, 1], &[1.])),
    ];
    assert!(run(op, &inputs).unwrap_err().ends_with("the batch is empty"));
}
