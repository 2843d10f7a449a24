//! Weights that go out in a format come back as they were.

use crate::place::{Place, TRAIN};

fn logits(place: &Place, model: &str, tokens: &str) -> Vec<u8> {
    place.run(&format!("logits --model {model} --tokens {tokens} --numerics f32 --out logits")).ok();
    place.read("logits")
}

#[test]
fn weights_come_back_from_both_formats_bit_for_bit() {
    let place = Place::new();
    for (case, weights) in [("llama-mha-untied", "model"), ("llama2c-tiny-tied", "model.bin")] {
        place.add_fixture(case);
        let (model, tokens) = (format!("{case}/{weights}"), format!("{case}/tokens.u16"));
        let before = logits(&place, &model, &tokens);
        place.run(&format!("export --model {model} --to hugging-face --out {case}/out")).ok();
        assert_eq!(logits(&place, &format!("{case}/out"), &tokens), before, "{case}");
        place.run(&format!("export --model {case}/out --to llama2c --out {case}/out.bin")).ok();
        assert_eq!(logits(&place, &format!("{case}/out.bin"), &tokens), before, "{case}");
    }
}

#[test]
fn grouped_heads_norms_and_shards_survive_an_export() {
    let place = Place::new();
    for case in ["qwen3-gqa-tied", "llama-sharded", "llama-gqa-tied"] {
        place.add_fixture(case);
        let tokens = format!("{case}/tokens.u16");
        let before = logits(&place, &format!("{case}/model"), &tokens);
        place.run(&format!("export --model {case}/model --to hugging-face --out {case}/out")).ok();
        assert_eq!(logits(&place, &format!("{case}/out"), &tokens), before, "{case}");
    }
}

#[test]
fn a_trained_run_can_be_exported_evaluated_and_asked_for_text() {
    let place = Place::with_stories();
    place.run(&format!("{TRAIN} --steps 4 --out run")).ok();
    place.run("export --model run --to hugging-face --out exported").ok();
    let (run, step) = ("run/checkpoints", "run/checkpoints/step-00000004");
    let tokens = [1u8, 0, 40, 0, 41, 0, 60, 0];
    place.write("ids.u16", tokens);
    let before = logits(&place, "exported", "ids.u16");
    for model in ["run", run, step] {
        assert_eq!(logits(&place, model, "ids.u16"), before, "{model}");
        let outcome = place.run_with(
            &format!("generate --model {model} --steps 12 --temperature 0 --prompt"),
            &["Once upon a time"],
        );
        assert!(outcome.ok().stdout.starts_with("Once upon a time"));
    }
}
