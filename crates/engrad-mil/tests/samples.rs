//! Programs and weights written by Core ML's own tools, where a checkout has them beside it.

use std::path::{Path, PathBuf};

use engrad_mil::blob::BlobFile;
use engrad_mil::{DType, MilError, parse, verify};

fn sample(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mil").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn layout_of_the_text_is_that_of_the_compiler() {
    let Some(path) = sample("mul.mlmodelc/model.mil") else {
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let program = parse(&text).unwrap();
    assert_eq!(verify(&program), Ok(()));
    // The name attribute is the one thing that is not kept.
    assert_eq!(program.to_text(), text.replace("op_3_cast_fp16", "var_3"));
}

#[test]
fn operations_outside_the_table_are_named() {
    for (name, op) in [("argmax", "reduce_argmax"), ("mnist-cnn", "conv"), ("silero-vad", "conv")] {
        let Some(path) = sample(&format!("{name}.mlmodelc/model.mil")) else {
            return;
        };
        match parse(&std::fs::read_to_string(path).unwrap()) {
            Err(MilError::Syntax { reason, .. }) => assert_eq!(reason, format!("unknown operation `{op}`")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn weights_of_core_ml_models_are_read() {
    for (name, first) in [("silero-vad", Some((DType::Fp16, 258 * 256 * 2))), ("silero-vad-palette4", None)] {
        let Some(path) = sample(&format!("{name}.mlmodelc/weights/weight.bin")) else {
            return;
        };
        let bytes = std::fs::read(path).unwrap();
        let file = BlobFile::parse(&bytes).unwrap();
        assert!(file.len() > 10);
        if let Some((dtype, size)) = first {
            let blob = file.get(64).unwrap();
            assert_eq!((blob.dtype, blob.bytes.len()), (dtype, size));
        }
    }
}
