//! What `program` prints is MIL: it parses, verifies, and prints as it was.

use std::fs;

use engrad_mil::blob::{BlobFile, externalize, inline};
use engrad_mil::{Program, parse, verify};

use crate::place::Place;

const WEIGHTS: &str = "@model_path/weights/weight.bin";

fn read(text: &str) -> Program {
    assert!(text.starts_with("program(1.3)"), "{}", &text[..text.len().min(80)]);
    assert!(text.contains("func main<ios18>"));
    let program = parse(text).unwrap_or_else(|e| panic!("{e}"));
    verify(&program).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(program.to_text(), text, "printing is no fixed point");
    program
}

#[test]
fn every_stage_prints_as_text_that_parses_verifies_and_prints_the_same() {
    let place = Place::new();
    place.add_fixture("qwen3-untied");
    for model in ["model.toml", "qwen3-untied/model/config.json"] {
        for stage in ["attention", "feed-forward", "classifier"] {
            for layout in ["ports", "packed"] {
                let words =
                    format!("program --model {model} --stage {stage} --layout {layout} --sequence 20");
                for numerics in ["fast", "f32"] {
                    let outcome = place.run(&format!("{words} --numerics {numerics}")).ok();
                    let mut passes = Vec::new();
                    for part in outcome.stdout.split("// ").skip(1) {
                        let (title, text) = part.split_once('\n').unwrap();
                        passes.push(title.split_whitespace().nth(1).unwrap().to_owned());
                        read(&format!("{}\n", text.trim_end()));
                    }
                    assert_eq!(passes, ["forward", "backward"]);
                }
                place.run(&format!("{words} --pass inference")).ok();
            }
        }
    }
}

#[test]
fn a_written_program_and_its_weight_file_belong_together() {
    let place = Place::new();
    let mut referring = 0;
    for stage in ["attention", "feed-forward", "classifier"] {
        place.run(&format!("program --model model.toml --stage {stage} --out {stage}")).ok();
        for pass in ["forward", "backward"] {
            let folder = place.path(stage).join(pass);
            let text = fs::read_to_string(folder.join("model.mil")).unwrap();
            let weights = fs::read(folder.join("weights/weight.bin")).unwrap();
            let program = read(&text);
            let whole = inline(&program, |path| (path == WEIGHTS).then_some(weights.as_slice())).unwrap();
            verify(&whole).unwrap();
            let (again, bytes) = externalize(&whole, WEIGHTS, 64).unwrap();
            assert_eq!((again.to_text(), bytes), (text.clone(), weights.clone()), "{stage} {pass}");
            let blobs = BlobFile::parse(&weights).unwrap();
            assert_eq!(text.contains(WEIGHTS), !blobs.is_empty(), "{stage} {pass}");
            referring += usize::from(!blobs.is_empty());
        }
    }
    // The mask and the rotary tables of attention.
    assert!(referring >= 2, "no program refers to its weight file");
}
