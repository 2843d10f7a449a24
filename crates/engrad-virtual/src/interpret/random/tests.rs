use super::*;
use crate::interpret::testing::{assert_close, call_on, floats};

fn drawn(call: &str) -> Vec<f32> {
    let found = call_on(&[("x", floats(&[2, 3], &[0.0, 2.0, 0.0, 1.0, 0.0, 1.0]))], call).unwrap();
    found.as_floats().unwrap().to_vec()
}

const SHAPE: &str = "shape = tensor<int32, [2]>([100, 100])";

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

#[test]
fn a_seed_gives_the_same_numbers_on_every_machine() {
    let uniform = |seed: i32| drawn(&format!("random_uniform(seed = int32({seed}), {SHAPE})"));
    assert_eq!(uniform(7), uniform(7));
    assert_ne!(uniform(7), uniform(8));
    let first = call_on(&[], "random_uniform(seed = int32(7), shape = tensor<int32, [1]>([3]))").unwrap();
    // From an independent ChaCha8.
    assert_close(&first, &[3], &[0.140_003_38, 0.157_796_08, 0.182_055_06]);
    let first = call_on(&[], "random_normal(seed = int32(7), shape = tensor<int32, [1]>([3]))").unwrap();
    assert_close(&first, &[3], &[3.040_118_3, -0.883_065_7, -0.137_363_77]);
}

#[test]
fn uniform_numbers_stay_below_their_upper_end() {
    let values = drawn(&format!("random_uniform(high = fp32(3), low = fp32(-1), {SHAPE})"));
    assert!(values.iter().all(|v| (-1.0..3.0).contains(v)));
    assert!((mean(&values) - 1.0).abs() < 0.05);
    let half = drawn(&format!("random_uniform(high = fp16(1), low = fp16(0), {SHAPE})"));
    assert!(half.iter().all(|&v| half::f16::from_f32(v).to_f32() < 1.0));
}

#[test]
fn normal_numbers_have_their_mean_and_deviation() {
    let values = drawn(&format!("random_normal(mean = fp32(2), stddev = fp32(3), {SHAPE})"));
    let deviations: Vec<f32> = values.iter().map(|v| (v - 2.0) * (v - 2.0)).collect();
    assert!((mean(&values) - 2.0).abs() < 0.1 && (mean(&deviations) - 9.0).abs() < 0.5);
}

#[test]
fn bernoulli_numbers_follow_their_probability() {
    let values = drawn(&format!("random_bernoulli(prob = fp32(0.25), {SHAPE})"));
    assert!(values.iter().all(|&v| v == 0.0 || v == 1.0));
    assert!((mean(&values) - 0.25).abs() < 0.02);
    assert!(drawn(&format!("random_bernoulli(prob = fp32(0), {SHAPE})")).iter().all(|&v| v == 0.0));
    assert!(drawn(&format!("random_bernoulli(prob = fp32(1), {SHAPE})")).iter().all(|&v| v == 1.0));
}

#[test]
fn impossible_categories_are_never_drawn() {
    let values = drawn("random_categorical(mode = string(\"probs\"), size = int32(2000), x = x)");
    let (first, second) = values.split_at(2000);
    assert!(first.iter().all(|&v| v == 1.0));
    assert!(second.iter().all(|&v| v == 0.0 || v == 2.0));
    assert!((mean(second) - 1.0).abs() < 0.1);
    let logits = drawn("random_categorical(size = int32(2000), x = x)");
    let share = logits[..2000].iter().filter(|&&v| v == 1.0).count() as f32 / 2000.0;
    // e²/(e² + 2)
    assert!((share - 0.787).abs() < 0.04);
}

#[test]
fn a_huge_shape_is_refused_before_memory_is_taken() {
    let inputs = [("s", Tensor::ints(DType::Int32, vec![2], vec![i32::MAX, i32::MAX]).unwrap())];
    assert!(call_on(&inputs, "random_uniform(shape = s)").unwrap_err().contains("too large"));
    let inputs = [("s", Tensor::ints(DType::Int32, vec![1], vec![-1]).unwrap())];
    assert!(call_on(&inputs, "random_uniform(shape = s)").is_err());
}
