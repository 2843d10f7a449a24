//! Every stage's derived programs against finite differences in f64, in both input layouts.

#[path = "../../engrad-virtual/tests/gradients/differences.rs"]
mod differences;

use engrad_mil::pack::InputLayout;
use engrad_mil::{DType, Program};
use engrad_model::{ModelConfig, preset};
use engrad_train::stages::{Stage, StageKind, StageOptions, StageProgram};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use differences::{Domain, Placed, Subject};

/// Small enough that softmax does not saturate and every gradient is felt.
const DOMAIN: Domain = Domain { magnitude: 0.2..0.7, signed: true };
const LAYOUTS: [InputLayout; 2] = [InputLayout::Ports, InputLayout::Packed];

/// Configurations in which no two extents that could be mistaken for each other are equal.
fn configs() -> Vec<(&'static str, ModelConfig)> {
    let mha = ModelConfig {
        dim: 10,
        hidden: 14,
        layers: 1,
        heads: 3,
        kv_heads: 3,
        head_dim: 4,
        vocab: 30,
        sequence: 5,
        ..preset("tiny").unwrap()
    };
    let gqa = ModelConfig { heads: 6, kv_heads: 2, ..mha.clone() };
    let qk_norm =
        ModelConfig { heads: 4, kv_heads: 2, qk_norm: true, rope_base: 1e6, norm_eps: 1e-6, ..mha.clone() };
    // The packed layout keeps weights of `dim` rows as they are and shares the port of the activations.
    let square = ModelConfig { dim: 8, hidden: 8, heads: 2, kv_heads: 2, ..mha.clone() };
    vec![("mha", mha), ("gqa", gqa), ("qk-norm", qk_norm), ("square", square)]
}

fn placed(program: &StageProgram) -> Placed<'_> {
    Placed { function: program.program.main().unwrap(), packing: &program.packing }
}

fn stage(
    kind: StageKind,
    config: &ModelConfig,
    layout: InputLayout,
    (batch, sequence): (usize, usize),
) -> Stage {
    let options = StageOptions { sequence, batch, dtype: DType::Fp32, layout, tile: 7 };
    Stage::new(kind, config, &options).unwrap()
}

/// Calls with the stage's programs as the checks read them.
fn with_subject(stage: &Stage, act: impl FnOnce(&Subject<'_>)) {
    let weights: Vec<&str> = stage.weights.iter().map(|w| w.input.as_str()).collect();
    act(&Subject {
        original: placed(&stage.inference),
        forward: placed(&stage.forward),
        backward: placed(&stage.backward),
        gradients: &stage.gradients,
        activations: &["x"],
        weights: &weights,
    });
}

fn check_stages(kind: StageKind) {
    for (name, config) in configs() {
        for layout in LAYOUTS {
            for (batch, sequence) in [(1, 1), (1, 5), (2, 3)] {
                let name = format!("{} {name} {layout:?}, {batch} × {sequence} positions", kind.name());
                let stage = stage(kind, &config, layout, (batch, sequence));
                for weight in &stage.weights {
                    let formed = stage.gradients.iter().any(|g| g.weight == weight.input);
                    assert!(formed, "{name}: no gradient for `{}`", weight.input);
                }
                with_subject(&stage, |subject| subject.check(&name, &DOMAIN));
            }
        }
    }
}

#[test]
fn attention_follows_differences() {
    check_stages(StageKind::Attention);
}

#[test]
fn the_feed_forward_block_follows_differences() {
    check_stages(StageKind::FeedForward);
}

#[test]
fn the_classifier_follows_differences() {
    check_stages(StageKind::Classifier);
}

#[test]
fn saving_values_does_not_change_the_output() {
    for (name, config) in configs() {
        for kind in StageKind::ALL {
            for layout in LAYOUTS {
                let stage = stage(kind, &config, layout, (1, 5));
                with_subject(&stage, |subject| {
                    let inputs = subject.inputs(&DOMAIN, &mut ChaCha8Rng::seed_from_u64(1));
                    let (plain, saving) =
                        (subject.original.evaluate(&inputs), subject.forward.evaluate(&inputs));
                    assert_eq!(plain["y"], saving["y"], "{} {name} {layout:?}", kind.name());
                });
            }
        }
    }
}

#[test]
fn packed_stages_take_fewer_ports_and_mean_the_same() {
    for (name, config) in configs() {
        for kind in StageKind::ALL {
            let [ports, packed] = LAYOUTS.map(|layout| stage(kind, &config, layout, (1, 5)));
            let count = |stage: &Stage| placed(&stage.forward).function.inputs().len();
            assert!(count(&packed) < count(&ports), "{} {name}", kind.name());
            let mut results = Vec::new();
            for stage in [&ports, &packed] {
                with_subject(stage, |subject| {
                    let mut random = ChaCha8Rng::seed_from_u64(1);
                    let weighting = subject.weighting(&mut random);
                    let mut inputs = subject.inputs(&DOMAIN, &mut random);
                    // The same weights, however they are stored: those of the stage with ports of their own.
                    for weight in stage.weights.iter().filter(|w| w.transposed) {
                        let place = ports.inference.packing.find(&weight.input).unwrap();
                        let columns = place.ty.shape[3];
                        let stored = inputs.get_mut(&weight.input).unwrap();
                        let rows = stored.len() / columns;
                        *stored = (0..stored.len()).map(|i| stored[i % rows * columns + i / rows]).collect();
                    }
                    let cotangent = subject.gradients(&inputs, &weighting)["x"].clone();
                    results.push((subject.original.evaluate(&inputs)["y"].clone(), cotangent));
                });
            }
            let (one, other) = (&results[0], &results[1]);
            let pairs = one.0.iter().zip(&other.0).chain(one.1.iter().zip(&other.1));
            for (a, b) in pairs {
                assert!((a - b).abs() < 1e-12, "{} {name}: {a} and {b}", kind.name());
            }
        }
    }
}

#[test]
fn stage_programs_survive_their_text_form() {
    for (name, config) in configs() {
        for kind in StageKind::ALL {
            for layout in LAYOUTS {
                let stage = stage(kind, &config, layout, (1, 5));
                for part in [&stage.inference, &stage.forward, &stage.backward] {
                    let parsed: Program = engrad_mil::parse(&part.program.to_text()).unwrap();
                    assert_eq!(parsed, part.program, "{} {name} {layout:?}", kind.name());
                }
            }
        }
    }
}
