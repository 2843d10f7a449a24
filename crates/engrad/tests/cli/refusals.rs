//! What cannot be done is refused with exit code 2 and one line, never a panic.

use serde_json::{Value, json};

use crate::place::{Place, TRAIN};

#[test]
fn usage_errors_end_with_code_2() {
    let place = Place::new();
    for words in [
        "",
        "tarin",
        "train --no-such-flag",
        "train --lr -1",
        "train --steps x",
        "train --threads 0",
        "train --threads 100000",
        "train --loss-scale large",
        "train --numerics f64",
        "train --layout none",
        "eval",
        "generate",
        "generate --model m --temperature -1",
        "generate --model m --steps 0",
        "generate --model m --context 0",
        "generate --model m --steps 18446744073709551615",
        "logits --model m",
        "program",
        "program --stage nose",
        "export --model m --out o",
        "export --model m --out o --to gguf",
        "bench",
        "bench train --runs 0",
        "bench train --recompute all",
        "bench gemm --shape 1,2",
        "bench gemm --shape 0,1,1",
        "bench gemm --shape 1048576,1048576,1",
        "bench gemm --precision f64",
        "train --recompute all",
        "train --affinity x",
        "train --affinity 1-0",
        "train --affinity 99999999999999999999",
        "data",
        "data synth",
        "data prepare --out x",
        "data fetch wikipedia",
    ] {
        let outcome = place.run(words);
        outcome.no_panic();
        assert_eq!(outcome.code, Some(2), "engrad {words}");
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let place = Place::with_stories();
    for flags in [
        "--steps 0",
        "--sequence 0",
        "--batch 0",
        "--batch 100000",
        "--batch 18446744073709551615",
        "--sequence 100000",
        "--sequence 18446744073709551615",
        "--lr nan",
        "--lr=-1",
        "--lr 0",
        "--lr inf",
        "--weight-decay nan",
        "--weight-decay 1",
        "--clip-norm 0",
        "--clip-norm nan",
        "--accumulation 0",
        "--accumulation 18446744073709551615",
        "--loss-scale nan",
        "--loss-scale 0",
        "--loss-scale inf",
        "--validation-windows 0",
        "--keep-last 0",
        "--model nowhere",
        "--model nowhere.toml",
        "--model stories",
        "--data nowhere",
        "--data model.toml",
        "--tokenizer nowhere",
        "--tokenizer model.toml",
        "--out model.toml",
        "--out model.toml/run",
        "--config nowhere.toml",
        "--config stories",
        "--resume",
    ] {
        let base = TRAIN.replace("--model model.toml --data stories", "");
        let mut words = base;
        for (flag, value) in [("--model", "model.toml"), ("--data", "stories"), ("--out", "run")] {
            if !flags.contains(flag) {
                words += &format!(" {flag} {value}");
            }
        }
        let outcome = place.run(&format!("{words} {flags}"));
        outcome.refused();
        assert!(!place.path("run").exists(), "{flags}: a refused command left a folder");
    }
}

#[test]
fn numbers_at_the_edge_of_their_types_do_not_overflow() {
    let place = Place::with_stories();
    let most = u64::MAX;
    for (run, flags) in [
        ("a", format!("--steps {most} --stop-at 2")),
        ("b", format!("--steps 2 --warmup-steps {most}")),
        ("c", format!("--steps 2 --decay-steps {most} --seed {most}")),
        ("d", format!("--steps 2 --validation-every {most} --checkpoint-every {most} --sample-every {most}")),
        ("e", format!("--steps 2 --decay-steps 0 --warmup-steps 0 --stop-at {most}")),
        ("f", "--steps 2 --stop-at 0".to_owned()),
        ("g", "--steps 3 --lr 1e300 --loss-scale 1e30".to_owned()),
    ] {
        let train = "train --model model.toml --data stories --threads 2";
        place.run(&format!("{train} --out {run} {flags}")).ok();
    }
    place.run(&format!("generate --model a --steps 1 --context 65536 --top-k {most}")).ok();
    place.run("generate --model a --steps 9 --context 1 --temperature 1e-45 --top-p 1e-45").ok();
}

#[test]
fn other_commands_refuse_what_they_cannot_do() {
    let place = Place::with_stories();
    place.add_fixture("qwen3-untied");
    place.run(&format!("{TRAIN} --steps 2 --out run")).ok();
    place.write("text.txt", "A story.\n");
    place.write("empty.txt", "");
    place.write("latin.txt", b"caf\xe9");
    for words in [
        "eval --model model.toml --data stories",
        "eval --model run --data nowhere",
        "eval --model run --data text.txt",
        "eval --model run --data stories --sequence 0",
        "eval --model run --data stories --sequence 18446744073709551615",
        "eval --model run --data stories --windows 0",
        "eval --model qwen3-untied/model --data stories",
        "generate --model tiny",
        "generate --model run --temperature nan",
        "generate --model run --temperature=-1",
        "generate --model run --top-p 0",
        "generate --model run --top-p nan",
        "generate --model run --top-p 1.5",
        "generate --model run --tokenizer nowhere",
        "generate --model run --tokenizer text.txt",
        "generate --model qwen3-untied/model",
        "program --stage attention --model nowhere",
        "program --stage attention --model model.toml --sequence 0",
        "program --stage attention --model model.toml --sequence 70000",
        "program --stage attention --model model.toml --out text.txt",
        "export --model tiny --to llama2c --out x.bin",
        "export --model run --to llama2c --out stories",
        "export --model run --to llama2c --out text.txt/x",
        "export --model run --to hugging-face --out stories",
        "export --model run --to hugging-face --out text.txt",
        "export --model qwen3-untied/model --to llama2c --out x.bin",
        "bench train --model run",
        "bench train --model model.toml --sequence 0",
        "bench train --model model.toml --batch 0",
        "bench train --model model.toml --batch 100000",
        "bench train --model model.toml --accumulation 0",
        "bench train --model model.toml --trace stories",
        "bench train --model model.toml --threads 2 --affinity 0",
        "bench attention --model model.toml --sequence 0",
        "bench attention --model model.toml --sequence 9223372036854775807 --batch 3",
        "bench decode --model model.toml --prompt 0",
        "bench decode --model model.toml --tokens 100000",
        "bench dispatch --model model.toml --sequence 0",
        "bench dispatch --model run",
        "bench train --model model.toml --sequence 100000000000000",
        "data synth --out stories",
        "data synth --out none --stories 0",
        "data synth --out small --vocab 0",
        "data synth --out large --stories 10 --vocab 4294967295",
        "data synth --out text.txt/x",
        "data synth --out text.txt/x.txt",
        "data prepare nowhere --out x",
        "data prepare empty.txt --out x",
        "data prepare latin.txt --out x",
        "data prepare stories --out x",
        "data prepare text.txt --out stories",
        "data prepare text.txt --out x",
        "data prepare text.txt --out y --tokenizer stories/train-00000.tok",
        "data prepare text.txt --out y --validation-fraction nan",
        "data prepare text.txt --out y --validation-fraction 1",
        "data inspect nowhere",
        "data inspect text.txt",
        "data inspect run",
        #[cfg(unix)]
        "data prepare /dev/zero --out x",
        #[cfg(unix)]
        "train --config /dev/zero",
    ] {
        place.run(words).refused();
    }
}

#[test]
fn token_files_with_faults_name_the_position() {
    let place = Place::new();
    place.add_fixture("llama2c-tiny");
    for (name, bytes, expect) in [
        ("empty.u16", vec![], "0 tokens"),
        ("one.u16", vec![1, 0], "1 tokens"),
        ("odd.u16", vec![1, 0, 2], "multiple of 2"),
        ("odd.u32", vec![1, 0, 0, 0, 2, 0], "multiple of 4"),
        ("range.u16", vec![1, 0, 2, 0, 61, 0], "token 2 is 61"),
        ("range.u32", vec![255; 8], "token 0 is 4294967295"),
        ("long.u16", vec![0; 40_000], "20000"),
        ("ids.txt", vec![1, 0, 2, 0], "ids.txt"),
    ] {
        place.write(name, bytes);
        for command in ["logits", "grads"] {
            let words = format!("{command} --model llama2c-tiny/model.bin --tokens {name} --out out");
            let outcome = place.run(&words);
            assert!(outcome.refused().contains(expect), "{}", outcome.stderr);
        }
    }
    let tokens = "--tokens llama2c-tiny/tokens.u16";
    for rest in [
        "--tokens nowhere.u16 --out out".to_owned(),
        "--tokens llama2c-tiny --out out".to_owned(),
        format!("{tokens} --out llama2c-tiny"),
        format!("{tokens} --out empty.u16/out"),
        format!("{tokens} --out nowhere/out"),
        format!("{tokens} --out .."),
    ] {
        place.run(&format!("logits --model llama2c-tiny/model.bin {rest}")).refused();
    }
    assert!(!place.path("out").exists());
}

/// A safetensors file with that header and as many bytes of data.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn weight_files_with_faults_are_refused() {
    let place = Place::new();
    place.add_fixture("llama-mha-untied");
    let original = place.read("llama-mha-untied/model/model.safetensors");
    let header_length = u64::from_le_bytes(original[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(original[8..8 + header_length].to_vec()).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(header.contains(from), "{from} is not in the header");
        let header = header.replacen(from, to, 1);
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &original[8 + header_length..]].concat()
    };
    let with_length = |length: u64| [&length.to_le_bytes(), &original[8..]].concat();
    let faults = [
        vec![],
        original[..7].to_vec(),
        original[..100].to_vec(),
        original[..original.len() - 1].to_vec(),
        [&original[..], &[0]].concat(),
        with_length(u64::MAX),
        with_length(1 << 40),
        with_length(0),
        with_length(header_length as u64 - 1),
        safetensors("", 0),
        safetensors("[]", 0),
        safetensors("{}", 0),
        safetensors("{\"a\":{}}", 4),
        safetensors(&"[".repeat(100_000), 0),
        safetensors(
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[18446744073709551615,4],\"data_offsets\":[0,4]}}",
            4,
        ),
        safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4),
        safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,18446744073709551615]}}", 4),
        changed("\"F32\"", "\"I32\""),
        changed("\"F32\"", "\"F99\""),
        changed("\"shape\":[", "\"shape\":[-"),
        changed("\"data_offsets\":[0,", "\"data_offsets\":[4,"),
        changed("model.norm.weight", "model.norm.wrong!"),
        changed("model.layers.1.", "model.layers.0."),
        changed("[61,32]", "[32,61]"),
    ];
    for (index, bytes) in faults.iter().enumerate() {
        place.write("llama-mha-untied/model/model.safetensors", bytes);
        for words in [
            "logits --model llama-mha-untied/model --tokens llama-mha-untied/tokens.u16 --out out",
            "export --model llama-mha-untied/model --to llama2c --out out",
        ] {
            let outcome = place.run(words);
            assert!(!outcome.refused().is_empty(), "fault {index}");
        }
    }
    assert!(!place.path("out").exists());
}

#[test]
fn shard_indices_with_faults_are_refused() {
    let place = Place::new();
    place.add_fixture("llama-sharded");
    let index = "llama-sharded/model/model.safetensors.index.json";
    let original = place.text(index);
    for text in [
        original.replace("model-00002-of-00003", "../model-00002-of-00003"),
        original.replace("model-00002-of-00003.safetensors", "/etc/passwd"),
        original.replace("model-00002-of-00003", "model-00009-of-00003"),
        original.replace("\"model.norm.weight\"", "\"model.norm.wrong\""),
        original.replace("weight_map", "weight_mop"),
        "{}".to_owned(),
        "[1]".to_owned(),
        "{\"weight_map\": {\"a\": 1}}".to_owned(),
        String::new(),
    ] {
        place.write(index, &text);
        let words = "logits --model llama-sharded/model --tokens llama-sharded/tokens.u16 --out out";
        place.run(words).refused();
    }
}

#[test]
fn descriptions_with_absurd_values_are_refused() {
    let place = Place::with_stories();
    place.add_fixture("llama-gqa-tied");
    let original: Value = serde_json::from_slice(&place.read("llama-gqa-tied/model/config.json")).unwrap();
    let mut texts = Vec::new();
    for key in [
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "vocab_size",
        "max_position_embeddings",
    ] {
        for value in [json!(0), json!(-4), json!(1e300), json!(u64::MAX), json!("8"), json!([8]), json!(2.5)]
        {
            // Any long context is cut to the one trained on.
            if key == "max_position_embeddings" && value == json!(u64::MAX) {
                continue;
            }
            let mut changed = original.clone();
            changed[key] = value;
            texts.push(changed.to_string());
        }
    }
    for (key, value) in [
        ("rms_norm_eps", json!(-1)),
        ("rms_norm_eps", json!("small")),
        ("tie_word_embeddings", json!(3)),
        ("model_type", json!("gpt2")),
        ("model_type", json!(null)),
        ("hidden_act", json!("gelu")),
        ("attention_bias", json!(true)),
        ("rope_parameters", json!({"rope_type": "yarn"})),
        ("rope_parameters", json!({"rope_type": "llama3"})),
        ("rope_parameters", json!({"rope_type": "linear", "factor": 0})),
        ("rope_parameters", json!({"rope_type": "default", "rope_theta": -1})),
        ("quantization_config", json!({"bits": 4})),
    ] {
        let mut changed = original.clone();
        changed[key] = value;
        texts.push(changed.to_string());
    }
    let raw = original.to_string();
    texts.extend(["", "[]", "nul", "{}", "{\"model_type\": NaN}"].map(str::to_owned));
    texts.push(raw[..raw.len() / 2].to_owned());
    texts.push("[".repeat(100_000));
    for text in texts {
        place.write("llama-gqa-tied/model/config.json", &text);
        let model = "--model llama-gqa-tied/model";
        let outcome =
            place.run(&format!("logits {model} --tokens llama-gqa-tied/tokens.u16 --out out --threads 1"));
        assert!(!outcome.refused().is_empty(), "{text}");
        place
            .run(&format!("{TRAIN} {model}/config.json --steps 1").replace("--model model.toml ", ""))
            .no_panic();
    }
    place.write("llama-gqa-tied/model/config.json", b"\xff\xfe");
    place.run("program --stage attention --model llama-gqa-tied/model/config.json").refused();
}

#[test]
fn toml_descriptions_with_absurd_values_are_refused() {
    let place = Place::with_stories();
    let model = place.text("model.toml");
    for (from, to) in [
        ("dim = 32", "dim = 0"),
        ("dim = 32", "dim = -32"),
        ("dim = 32", "dim = 9223372036854775807"),
        ("dim = 32", "dim = \"32\""),
        ("dim = 32", "dim = nan"),
        ("dim = 32", "dmi = 32"),
        ("heads = 4", "heads = 3"),
        ("head_dim = 8", "head_dim = 7"),
        ("layers = 2", "layers = 1000000"),
        ("vocab = 300", "vocab = 299"),
        ("vocab = 300", "vocab = 300\nnorm_eps = nan"),
        ("vocab = 300", "vocab = 300\nrope_base = inf"),
        ("sequence = 32", "sequence = 1000000"),
        ("sequence = 32", "sequence = 20000"),
        ("sequence = 32", ""),
    ] {
        let text = model.replacen(from, to, 1);
        place.write("bad.toml", &text);
        let words = TRAIN.replace("model.toml", "bad.toml");
        let outcome = place.run(&format!("{words} --steps 1 --out run"));
        assert!(!outcome.refused().is_empty(), "{text}");
    }
}

#[test]
fn llama2c_files_with_faults_are_refused() {
    let place = Place::new();
    place.add_fixture("llama2c-tiny");
    let original = place.read("llama2c-tiny/model.bin");
    let with_field = |field: usize, value: i32| {
        let mut bytes = original.clone();
        bytes[field * 4..field * 4 + 4].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    let mut faults = vec![
        vec![],
        vec![0; 28],
        vec![255; 28],
        vec![0x7f; 4096],
        original[..27].to_vec(),
        original[..28].to_vec(),
        original[..original.len() - 4].to_vec(),
        b"24ka\x01\0\0\0".to_vec(),
        b"24ka\x07\0\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec(),
        b"{\"model_type\": \"llama\"}".to_vec(),
    ];
    for field in 0..7 {
        for value in [0, -1, 3, i32::MAX, i32::MIN] {
            let bytes = with_field(field, value);
            // A vocabulary's sign says whether the head is tied, and the longest context has no weights.
            if field != 6 || value <= 0 {
                faults.push(bytes);
            }
        }
    }
    for bytes in faults {
        place.write("bad.bin", &bytes);
        let outcome = place.run("logits --model bad.bin --tokens llama2c-tiny/tokens.u16 --out out");
        assert!(!outcome.refused().is_empty());
    }
}

#[test]
fn checkpoints_with_faults_are_refused() {
    let place = Place::with_stories();
    place.run(&format!("{TRAIN} --steps 2 --out good")).ok();
    let step = "checkpoints/step-00000002";
    for file in [
        "manifest.json",
        "weights.safetensors",
        "optimizer.safetensors",
        "state.json",
        "model.toml",
        "config.toml",
    ] {
        let bytes = place.read(&format!("good/{step}/{file}"));
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 0x10;
        let faults = [Some(vec![]), Some(bytes[..bytes.len() - 1].to_vec()), Some(flipped), None];
        for fault in faults {
            let run = tempfile::tempdir_in(place.path(".")).unwrap();
            let run = run.path().file_name().unwrap().to_str().unwrap().to_owned();
            place.copy("good", &run);
            match fault {
                Some(fault) => place.write(&format!("{run}/{step}/{file}"), fault),
                None => std::fs::remove_file(place.path(&format!("{run}/{step}/{file}"))).unwrap(),
            }
            let outcome = place.run(&format!("train --resume --out {run} --steps 3"));
            assert!(!outcome.refused().is_empty(), "{file}");
            place.run(&format!("eval --model {run} --data stories --windows 1")).refused();
            std::fs::remove_dir_all(place.path(&run)).unwrap();
        }
    }
}

#[test]
fn datasets_with_faults_are_refused() {
    let place = Place::with_stories();
    let manifest = place.text("stories/dataset.json");
    let shard = place.read("stories/train-00000.tok");
    let mut flipped = shard.clone();
    flipped[shard.len() - 9] ^= 1;
    let mut huge = shard.clone();
    huge[8..24].fill(0xff);
    let text = |text: &str| text.as_bytes().to_vec();
    for (file, bytes) in [
        ("dataset.json", vec![]),
        ("dataset.json", text("{}")),
        ("dataset.json", text(&manifest[..manifest.len() / 2])),
        ("dataset.json", text(&manifest.replace("train-00000.tok", "../train-00000.tok"))),
        ("dataset.json", text(&manifest.replace("train-00000.tok", "train-00007.tok"))),
        ("dataset.json", text(&manifest.replace("\"vocabulary\": 3", "\"vocabulary\": 99999"))),
        ("dataset.json", text(&manifest.replace("\"format\": 1", "\"format\": 2"))),
        ("train-00000.tok", vec![]),
        ("train-00000.tok", shard[..shard.len() - 2].to_vec()),
        ("train-00000.tok", shard[..20].to_vec()),
        ("train-00000.tok", flipped),
        ("train-00000.tok", huge),
        ("train-00000.tok", vec![0; 4096]),
        ("tokenizer.json", vec![]),
        ("tokenizer.json", text("{}")),
        ("tokenizer.json", text("[1, 2")),
        ("tokenizer.json", text("{\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}")),
    ] {
        let good = place.read(&format!("stories/{file}"));
        place.write(&format!("stories/{file}"), &bytes);
        let outcome = place.run(&format!("{TRAIN} --steps 1 --out run"));
        assert!(!outcome.refused().is_empty(), "{file} {}", String::from_utf8_lossy(&bytes));
        place.run("data inspect stories").no_panic();
        place.write(&format!("stories/{file}"), good);
    }
    let another = "data synth --stories 200 --seed 2 --vocab 280 --out other";
    place.run(another).ok();
    let outcome = place.run(&format!("{TRAIN} --steps 1 --tokenizer other/tokenizer.json --out run"));
    assert!(outcome.refused().contains("was made with tokenizer"));
}
