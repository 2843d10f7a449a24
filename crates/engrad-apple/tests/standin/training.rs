//! Whole models through the engine: bit for bit what the virtual engine gives.

use std::path::Path;
use std::sync::Arc;

use engrad_engine::Engine;
use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_store::Model;
use engrad_train::evaluate::Execution;
use engrad_virtual::{Numerics, VirtualEngine};

use super::common::{StandIn, engine, options, reference};
use engrad_apple::{EvaluationPath, Options};

fn model(name: &str) -> (Model, Vec<u32>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    let bytes = std::fs::read(folder.join("tokens.u16")).unwrap();
    let tokens = bytes.chunks(2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]]))).collect();
    (engrad_store::load(&folder.join("model")).unwrap(), tokens)
}

fn virtual_engine(numerics: Numerics) -> VirtualEngine {
    VirtualEngine::new(engrad_virtual::Options { numerics, threads: Some(2), ..Default::default() }).unwrap()
}

type Results = (Vec<f32>, f64, Vec<Vec<f32>>);

fn results(engine: &dyn Engine, (dtype, layout): (DType, InputLayout), name: &str) -> Results {
    let (model, tokens) = model(name);
    let pool = virtual_engine(Numerics::Fast).pool();
    let execution = Execution { engine, pool: Arc::clone(&pool), dtype, layout, products: None };
    let (input, targets) = (&tokens[..tokens.len() - 1], &tokens[1..]);
    let logits = execution.logits(&model, input).unwrap();
    let (loss, gradients) = execution.gradients(&model, input, targets).unwrap();
    (logits, loss, gradients)
}

#[test]
fn logits_loss_and_gradients_have_the_bits_of_the_virtual_engine() {
    for name in ["llama-gqa-untied", "qwen3-gqa-tied"] {
        for layout in [InputLayout::Ports, InputLayout::Packed] {
            for (dtype, numerics) in [(DType::Fp16, Numerics::Fast), (DType::Fp32, Numerics::F32)] {
                let standin = StandIn::new();
                let expected = results(&virtual_engine(numerics), (dtype, layout), name);
                let apple = engine(Options { reference: Some(reference()), ..options() });
                let found = results(&apple, (dtype, layout), name);
                assert!(standin.calls("evaluate") > 10);
                assert_eq!(found, expected, "{name}, {layout:?}, {dtype}");
                standin.assert_nothing_left();
            }
        }
    }
}

#[test]
fn the_other_paths_of_evaluation_train_the_same() {
    let expected =
        results(&virtual_engine(Numerics::Fast), (DType::Fp16, InputLayout::Packed), "qwen3-gqa-tied");
    for path in [EvaluationPath::ClientDirect, EvaluationPath::RealTime] {
        let standin = StandIn::new();
        let apple = engine(Options { path, map_surfaces: true, ..options() });
        assert_eq!(results(&apple, (DType::Fp16, InputLayout::Packed), "qwen3-gqa-tied"), expected);
        standin.assert_nothing_left();
    }
}
