//! Models compiled by Core ML's own tools, on inputs whose results are known: where a checkout has them beside it.

use std::path::PathBuf;

use engrad_mil::{Constant, ConstantData, DType, blob, parse};
use engrad_virtual::{Interpreter, Options, VirtualEngine};

/// A model of the folder of samples, loaded.
fn model(name: &str) -> Option<Interpreter> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mil").join(name);
    let Ok(text) = std::fs::read_to_string(folder.join("model.mil")) else {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    };
    let weights = std::fs::read(folder.join("weights/weight.bin")).unwrap_or_default();
    let program = blob::inline(&parse(&text).unwrap(), |_| Some(&weights)).unwrap();
    let engine = VirtualEngine::new(Options::default()).unwrap();
    Some(engine.interpreter(&program, None).unwrap())
}

fn floats(shape: &[usize], values: &[f32]) -> Constant {
    Constant::floats(DType::Fp32, shape, values).unwrap()
}

fn values(constant: &Constant) -> Vec<f32> {
    match &constant.data {
        ConstantData::Fp32(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

/// Noise that grows loud and quiet again.
fn audio(samples: usize) -> Vec<f32> {
    let mut state = 12_345u32;
    let sample = |i: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let loudness = if (i / 1000).is_multiple_of(3) { 0.01 } else { 0.25 };
        ((state >> 8) as f32 / 16_777_216.0 - 0.5) * loudness
    };
    (0..samples).map(sample).collect()
}

/// Probability of a voice in each of six pieces, and the hidden state behind the last.
fn voice(name: &str) -> Option<(Vec<f32>, Vec<f32>)> {
    let mut model = model(name)?;
    let samples = audio(576 + 512 * 6);
    let (mut hidden, mut cell) = (floats(&[1, 128], &[0.0; 128]), floats(&[1, 128], &[0.0; 128]));
    let mut probabilities = Vec::new();
    for piece in 0..6 {
        let input = floats(&[1, 576], &samples[512 * piece..][..576]);
        let inputs = [("audio_input", input), ("hidden_state", hidden), ("cell_state", cell)];
        let outputs = model.run(&inputs.map(|(name, value)| (name.to_owned(), value))).unwrap();
        let [probability, new_hidden, new_cell] =
            <[_; 3]>::try_from(outputs).unwrap().map(|(_, value)| value);
        probabilities.extend(values(&probability));
        (hidden, cell) = (new_hidden, new_cell);
    }
    Some((probabilities, values(&hidden)))
}

/// Expected numbers are PyTorch's, operation by operation with the same roundings to fp16.
#[test]
fn a_voice_detector_and_its_palettised_twin_follow_pytorch() {
    let expected = [
        ("silero-vad.mlmodelc", [0.000_629, 0.000_047, 0.000_72, 0.007_431, 0.001_733, 0.001_327], 0.313_08),
        (
            "silero-vad-palette4.mlmodelc",
            [0.001_887, 0.000_865, 0.000_549, 0.002_308, 0.001_416, 0.000_065],
            0.290_86,
        ),
    ];
    for (name, probabilities, mean) in expected {
        let Some((found, hidden)) = voice(name) else {
            return;
        };
        for (a, b) in found.iter().zip(probabilities) {
            assert!((a - b).abs() < 5e-4 + 0.05 * b, "{name}: {found:?}");
        }
        let found = hidden.iter().map(|h| h.abs()).sum::<f32>() / 128.0;
        assert!((found - mean).abs() < 5e-3, "{name}: {found}");
    }
}

/// Strokes two pixels wide between points of a 28 × 28 image.
fn drawn(strokes: &[[f32; 4]]) -> Vec<f32> {
    let mut image = vec![0.0; 28 * 28];
    for &[x0, y0, x1, y1] in strokes {
        for step in 0..=100 {
            let at = |a: f32, b: f32| (a + (b - a) * step as f32 / 100.0) as usize;
            let (x, y) = (at(x0, x1), at(y0, y1));
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                image[(y + dy) * 28 + x + dx] = 255.0;
            }
        }
    }
    image
}

#[test]
fn drawn_digits_are_recognised() {
    let digits: [(usize, &[[f32; 4]]); 4] = [
        (1, &[[14., 4., 14., 23.]]),
        (7, &[[7., 5., 20., 5.], [20., 5., 12., 23.]]),
        (
            0,
            &[
                [10., 5., 17., 5.],
                [17., 5., 20., 12.],
                [20., 12., 17., 22.],
                [17., 22., 10., 22.],
                [10., 22., 7., 14.],
                [7., 14., 10., 5.],
            ],
        ),
        (4, &[[9., 4., 7., 14.], [7., 14., 20., 14.], [17., 4., 17., 23.]]),
    ];
    let Some(mut model) = model("mnist-cnn.mlmodelc") else {
        return;
    };
    for (digit, strokes) in digits {
        let input = ("Input3".to_owned(), floats(&[1, 1, 28, 28], &drawn(strokes)));
        let scores = values(&model.run(&[input]).unwrap()[0].1);
        let best = (0..10).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
        assert_eq!(best, digit, "{scores:?}");
    }
}
