//! What is a choice of memory or speed must not be one of results: recomputation, batches, head blocks, threads.

use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_model::{ModelConfig, preset};
use engrad_store::Model;
use engrad_train::{Gradient, GradientPrecision, Network, NetworkOptions, Recompute, Vocabulary, initialize};
use engrad_virtual::{Numerics, Options, VirtualEngine};

/// Three layers, so that a set of surfaces is used again.
fn model(config: ModelConfig) -> Model {
    let config = ModelConfig {
        dim: 32,
        hidden: 48,
        layers: 3,
        heads: 4,
        kv_heads: 2,
        head_dim: 8,
        vocab: 300,
        sequence: 32,
        ..config
    };
    initialize(&config, 7)
}

fn models() -> [Model; 2] {
    let tiny = preset("tiny").unwrap();
    [
        model(ModelConfig { tied: true, qk_norm: true, ..tiny.clone() }),
        model(ModelConfig { tied: false, qk_norm: false, ..tiny }),
    ]
}

#[derive(Clone, Copy)]
struct Choice {
    numerics: Numerics,
    layout: InputLayout,
    batch: usize,
    sequence: usize,
    recompute: Recompute,
    gradient_precision: GradientPrecision,
    threads: usize,
}

const PLAIN: Choice = Choice {
    numerics: Numerics::Fast,
    layout: InputLayout::Ports,
    batch: 1,
    sequence: 20,
    recompute: Recompute::None,
    gradient_precision: GradientPrecision::F32,
    threads: 2,
};

fn windows(count: usize, sequence: usize) -> Vec<Vec<u32>> {
    let token = |i: usize| (i * i * 31 + i * 7) as u32 % 300;
    (0..count).map(|w| (0..=sequence).map(|i| token(i + 100 * w)).collect()).collect()
}

/// Losses and gradients of windows, taken `batch` at a time; twice, so that surfaces are written over what the first
/// pass left.
fn gradients(model: &Model, windows: &[Vec<u32>], choice: Choice) -> (Vec<f64>, Vec<Vec<f32>>) {
    let Choice { numerics, layout, batch, sequence, recompute, gradient_precision, threads } = choice;
    let options = Options { numerics, threads: Some(threads), ..Options::default() };
    let engine = VirtualEngine::new(options).unwrap();
    let options = NetworkOptions {
        sequence,
        batch,
        dtype: if numerics == Numerics::F32 { DType::Fp32 } else { DType::Fp16 },
        layout,
        training: true,
        recompute,
        gradient_precision,
        products: None,
        vocabulary: Vocabulary::full(model.config.vocab),
    };
    let mut network = Network::new(&engine, engine.pool(), &model.config, options).unwrap();
    network.load(model).unwrap();
    let mut losses = Vec::new();
    for pass in 0..2 {
        network.clear_gradients().unwrap();
        losses.clear();
        for group in windows.chunks(batch) {
            let tokens: Vec<&[u32]> = group.iter().map(|w| &w[..w.len() - 1]).collect();
            let targets: Vec<&[u32]> = group.iter().map(|w| &w[1..]).collect();
            network.forward(model, &tokens).unwrap();
            if pass == 1 {
                let alone = network.loss(model, &targets).unwrap();
                losses.push(network.backward(model, &targets, 64.0).unwrap());
                assert_eq!(losses.last(), Some(&alone), "the loss alone differs");
            } else {
                network.backward(model, &targets, 64.0).unwrap();
            }
        }
    }
    let sums = network.gradients().unwrap();
    let all = sums.iter().map(Gradient::to_vec).collect();
    (losses, all)
}

fn relative_error(got: &[Vec<f32>], expected: &[Vec<f32>], factor: f32) -> f64 {
    let square = |v: f32| f64::from(v) * f64::from(v);
    let worst = got.iter().zip(expected).map(|(got, expected)| {
        let difference: f64 = got.iter().zip(expected).map(|(a, b)| square(a * factor - b)).sum();
        (difference / expected.iter().map(|b| square(*b)).sum::<f64>().max(1e-30)).sqrt()
    });
    worst.fold(0.0, f64::max)
}

#[test]
fn recomputed_gradients_are_the_kept_ones_bit_for_bit() {
    for model in &models() {
        for layout in [InputLayout::Ports, InputLayout::Packed] {
            let windows = windows(2, 20);
            let choice = Choice { layout, ..PLAIN };
            let kept = gradients(model, &windows, choice);
            assert!(kept.1.iter().flatten().any(|&g| g != 0.0));
            for recompute in [Recompute::Attention, Recompute::Layer] {
                let again = gradients(model, &windows, Choice { recompute, ..choice });
                assert!(kept == again, "{recompute:?}, {layout:?}: other bits");
            }
        }
    }
}

#[test]
fn a_batch_is_its_sequences_one_after_the_other() {
    for model in &models() {
        let windows = windows(3, 20);
        for (numerics, tolerance) in [(Numerics::F32, 1e-5), (Numerics::Fast, 2e-2)] {
            let choice = Choice { numerics, ..PLAIN };
            let (one_losses, one) = gradients(model, &windows, choice);
            let recompute = Recompute::Layer;
            let (losses, batched) = gradients(model, &windows, Choice { batch: 3, recompute, ..choice });
            let mean = one_losses.iter().sum::<f64>() / 3.0;
            assert!((losses[0] - mean).abs() < tolerance, "{} and {mean}", losses[0]);
            let error = relative_error(&batched, &one, 3.0);
            assert!(error < tolerance, "{numerics:?}: gradients differ by {error:.2e}");
        }
    }
}

#[test]
fn sequences_that_do_not_fill_the_programs_count_alone() {
    let model = &models()[0];
    let windows = windows(1, 13);
    let choice = Choice { numerics: Numerics::F32, ..PLAIN };
    let (loss, exact) = gradients(model, &windows, Choice { sequence: 13, ..choice });
    // One sequence of 13 in programs for two of 20.
    let (padded_loss, padded) = gradients(model, &windows, Choice { batch: 2, ..choice });
    assert!((loss[0] - padded_loss[0]).abs() < 1e-6);
    let error = relative_error(&padded, &exact, 1.0);
    assert!(error < 1e-5, "gradients differ by {error:.2e}");
}

#[test]
fn a_head_in_blocks_gives_the_gradients_of_the_whole() {
    let model = &models()[1];
    // 2 × 130 positions are two blocks of the head, 130 one.
    let windows = windows(2, 130);
    let choice = Choice { numerics: Numerics::F32, sequence: 130, ..PLAIN };
    let (one_losses, one) = gradients(model, &windows, choice);
    let (losses, batched) = gradients(model, &windows, Choice { batch: 2, ..choice });
    assert!((losses[0] - (one_losses[0] + one_losses[1]) / 2.0).abs() < 1e-6);
    let error = relative_error(&batched, &one, 2.0);
    assert!(error < 1e-5, "gradients differ by {error:.2e}");
}

#[test]
fn the_number_of_threads_does_not_show() {
    let model = &models()[0];
    let windows = windows(2, 20);
    let one = gradients(model, &windows, Choice { threads: 1, ..PLAIN });
    for threads in [2, 3] {
        assert!(one == gradients(model, &windows, Choice { threads, ..PLAIN }), "{threads} threads");
    }
}

#[test]
fn weight_gradients_of_bf16_factors_are_near() {
    let model = &models()[0];
    let windows = windows(1, 20);
    let (_, exact) = gradients(model, &windows, PLAIN);
    let gradient_precision = GradientPrecision::Bf16;
    let (_, rounded) = gradients(model, &windows, Choice { gradient_precision, ..PLAIN });
    let error = relative_error(&rounded, &exact, 1.0);
    assert!(error > 0.0 && error < 1e-2, "gradients differ by {error:.2e}");
}
