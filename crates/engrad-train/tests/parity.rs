//! Logits, loss and gradients of committed checkpoints against PyTorch, in every numeric mode and input layout.

use std::path::{Path, PathBuf};

use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_store::{Model, SafetensorsFile};
use engrad_train::evaluate::Execution;
use engrad_virtual::{Numerics, Options, VirtualEngine};

const CASES: &[&str] = &[
    "llama-mha-untied",
    "llama-mha-tied",
    "llama-gqa-untied",
    "llama-gqa-tied",
    "qwen3-gqa-tied",
    "qwen3-untied",
    "llama-sharded",
    "llama2c-tiny",
    "llama2c-tiny-tied",
];

struct Case {
    model: Model,
    tokens: Vec<u32>,
    folder: PathBuf,
}

impl Case {
    fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
        let bare = folder.join("model.bin");
        let path = if bare.exists() { bare } else { folder.join("model") };
        let bytes = std::fs::read(folder.join("tokens.u16")).unwrap();
        let tokens = bytes.chunks(2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]]))).collect();
        Self { model: engrad_store::load(&path).unwrap(), tokens, folder }
    }

    fn expected(&self) -> SafetensorsFile {
        SafetensorsFile::open(&self.folder.join("expected.safetensors")).unwrap()
    }

    fn expected_loss(&self) -> f64 {
        let text = std::fs::read_to_string(self.folder.join("expected.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["loss"].as_f64().unwrap()
    }
}

fn with_execution(numerics: Numerics, layout: InputLayout, check: impl FnOnce(&Execution<'_>)) {
    let engine = VirtualEngine::new(Options { numerics, threads: Some(2), ..Options::default() }).unwrap();
    let dtype = if numerics == Numerics::F32 { DType::Fp32 } else { DType::Fp16 };
    let pool = engine.pool();
    check(&Execution { engine: &engine, pool, dtype, layout, products: None });
}

fn relative_error(got: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let square = |v: f64| v * v;
    let difference: f64 = got.iter().zip(expected).map(|(a, b)| square(f64::from(a - b))).sum();
    let norm: f64 = expected.iter().map(|b| square(f64::from(*b))).sum();
    (difference / norm.max(1e-30)).sqrt()
}

fn check_case(name: &str, numerics: Numerics, layout: InputLayout, tolerance: f64) {
    let case = Case::open(name);
    let (input, targets) = (&case.tokens[..case.tokens.len() - 1], &case.tokens[1..]);
    with_execution(numerics, layout, |execution| {
        let mut expected = case.expected();
        let logits = execution.logits(&case.model, input).unwrap();
        let error = relative_error(&logits, &expected.read("logits").unwrap());
        assert!(error <= tolerance, "{name}: logits differ by {error:.2e}");
        let (loss, gradients) = execution.gradients(&case.model, input, targets).unwrap();
        assert!((loss - case.expected_loss()).abs() <= tolerance, "{name}: loss {loss}");
        for (parameter, gradient) in case.model.config.parameters().iter().zip(&gradients) {
            let expected = expected.read(&format!("grad.{}", parameter.name)).unwrap();
            let error = relative_error(gradient, &expected);
            assert!(error <= tolerance, "{name}: gradient of {} differs by {error:.2e}", parameter.name);
        }
    });
}

#[test]
fn f32_agrees_with_pytorch() {
    for case in CASES {
        check_case(case, Numerics::F32, InputLayout::Ports, 1e-4);
    }
}

#[test]
fn f32_with_packed_inputs_agrees_with_pytorch() {
    for case in CASES {
        check_case(case, Numerics::F32, InputLayout::Packed, 1e-4);
    }
}

#[test]
fn fast_agrees_with_pytorch_within_fp16() {
    for case in CASES {
        check_case(case, Numerics::Fast, InputLayout::Ports, 2e-2);
    }
}

#[test]
fn bf16_products_agree_with_pytorch_within_bf16() {
    if !engrad_kernels::Precision::Bf16.is_native() {
        eprintln!("skipped: this processor has no bf16 multiply instructions");
        return;
    }
    for case in CASES {
        check_case(case, Numerics::Bf16, InputLayout::Ports, 5e-2);
    }
}

#[test]
fn both_layouts_give_the_same_bits() {
    let case = Case::open("qwen3-gqa-tied");
    let (input, targets) = (&case.tokens[..case.tokens.len() - 1], &case.tokens[1..]);
    let mut results = Vec::new();
    for layout in [InputLayout::Ports, InputLayout::Packed] {
        with_execution(Numerics::Fast, layout, |execution| {
            results.push(execution.gradients(&case.model, input, targets).unwrap());
        });
    }
    assert_eq!(results[0], results[1]);
}
