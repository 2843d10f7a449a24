//! Gradients of whole models with Accelerate in the place of our own kernels.

use std::path::Path;
use std::sync::Arc;

use engrad_kernels::ProductLibrary;
use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_train::evaluate::Execution;
use engrad_virtual::{Numerics, Options, VirtualEngine};

use super::common::StandIn;

fn gradients(
    (dtype, layout): (DType, InputLayout),
    products: Option<Arc<dyn ProductLibrary>>,
) -> (f64, Vec<Vec<f32>>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/llama-gqa-untied");
    let bytes = std::fs::read(folder.join("tokens.u16")).unwrap();
    let tokens: Vec<u32> = bytes.chunks(2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]]))).collect();
    let model = engrad_store::load(&folder.join("model")).unwrap();
    let numerics = if dtype == DType::Fp32 { Numerics::F32 } else { Numerics::Fast };
    let options = Options { numerics, threads: Some(2), ..Options::default() };
    let engine = VirtualEngine::new(options).unwrap();
    let execution = Execution { engine: &engine, pool: engine.pool(), dtype, layout, products };
    execution.gradients(&model, &tokens[..tokens.len() - 1], &tokens[1..]).unwrap()
}

#[test]
fn gradients_are_those_of_our_own_kernels_but_for_rounding_and_the_same_each_time() {
    for layout in [InputLayout::Ports, InputLayout::Packed] {
        for dtype in [DType::Fp16, DType::Fp32] {
            let standin = StandIn::new();
            let (loss, own) = gradients((dtype, layout), None);
            assert_eq!(standin.calls(), 0);
            let library = || Some(Arc::new(standin.accelerate()) as Arc<dyn ProductLibrary>);
            let found = gradients((dtype, layout), library());
            assert!(standin.calls() >= 10, "{} products", standin.calls());
            assert_eq!(found, gradients((dtype, layout), library()), "{layout:?}, {dtype}");
            standin.assert_no_violation();

            assert_eq!(found.0, loss);
            for (found, own) in found.1.iter().zip(&own) {
                let largest = own.iter().fold(0f32, |most, v| most.max(v.abs()));
                let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * largest;
                assert!(found.iter().zip(own).all(close), "{layout:?}, {dtype}");
            }
            assert_ne!(found.1, own, "the stand-in sums in another order");
        }
    }
}
