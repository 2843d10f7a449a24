//! Hugging Face folders and llama2.c files: read, written, and refused.

mod common;

use std::{fs, path::Path};

use common::{assert_same_bits, fixture, one_line, shared, small};
use engrad_model::{ResidualScale, RotaryScaling};
use engrad_store::{
    DEFAULT_SHARD_BYTES, Model, NamedTensor, SafetensorsFile, export_hugging_face, export_llama2c, load,
    write_safetensors,
};

fn exported(model: &Model, shard_bytes: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    export_hugging_face(&model.view(), &dir.path().join("m"), shard_bytes).unwrap();
    dir
}

/// Rewrites the only weight file of a folder after a change to its list of tensors.
fn rewrite(dir: &Path, change: impl FnOnce(&mut Vec<(String, Vec<usize>, Vec<f32>)>)) {
    let path = dir.join("model.safetensors");
    let mut file = SafetensorsFile::open(&path).unwrap();
    let infos = file.tensors().to_vec();
    let mut tensors: Vec<_> = infos
        .into_iter()
        .map(|t| {
            let data = file.read(&t.name).unwrap();
            (t.name, t.shape, data)
        })
        .collect();
    change(&mut tensors);
    let views: Vec<_> = tensors
        .iter()
        .map(|(name, shape, data)| NamedTensor { name: name.into(), shape: shape.into(), data })
        .collect();
    write_safetensors(&path, &views).unwrap();
}

#[test]
fn hugging_face_round_trips_bit_for_bit() {
    let models = [
        small(|_| {}),
        small(|c| c.tied = false),
        small(|c| {
            c.qk_norm = true;
            c.head_dim = 6;
            c.rope_base = 1e6;
        }),
        small(|c| c.rope_scaling = RotaryScaling::Linear { factor: 2.0 }),
    ];
    for model in models {
        for shard_bytes in [DEFAULT_SHARD_BYTES, 500, 0] {
            let dir = exported(&model, shard_bytes);
            let sharded = dir.path().join("m/model.safetensors.index.json").exists();
            assert_eq!(sharded, shard_bytes != DEFAULT_SHARD_BYTES);
            assert_same_bits(&load(&dir.path().join("m")).unwrap(), &model);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "litter");
        }
    }
}

#[test]
fn llama2c_round_trips_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.bin");
    for model in [small(|_| {}), small(|c| c.tied = false), small(|c| c.kv_heads = 2)] {
        export_llama2c(&model.view(), &path).unwrap();
        assert_same_bits(&load(&path).unwrap(), &model);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "litter");
    }
}

#[test]
fn version_1_of_llama2c_holds_the_same_model() {
    let dir = tempfile::tempdir().unwrap();
    let (legacy, path) = (dir.path().join("0.bin"), dir.path().join("1.bin"));
    let model = small(|c| c.tied = false);
    export_llama2c(&model.view(), &legacy).unwrap();
    let legacy = fs::read(&legacy).unwrap();
    // Bytes of each group in the legacy order: embedding, attention norms, q, k, v, o, ffn norms, w1, w2, w3,
    // final norm, rotary tables, head.
    let floats = [40, 16, 128, 64, 64, 128, 16, 96, 96, 96, 8, 12, 40];
    let mut groups = Vec::new();
    let mut at = 28;
    for n in floats {
        groups.push(&legacy[at..at + 4 * n]);
        at += 4 * n;
    }
    assert_eq!(at, legacy.len());
    let mut bytes = b"24ka\x01\0\0\0".to_vec();
    bytes.extend(&legacy[..20]);
    bytes.extend(5i32.to_le_bytes());
    bytes.extend(&legacy[24..28]);
    bytes.push(0);
    bytes.resize(256, 0);
    for group in [1, 6, 10, 0, 2, 3, 4, 5, 7, 8, 9, 12] {
        bytes.extend(groups[group]);
    }
    fs::write(&path, &bytes).unwrap();
    assert_same_bits(&load(&path).unwrap(), &model);

    bytes[4] = 2;
    fs::write(&path, &bytes).unwrap();
    assert!(one_line(load(&path), "1.bin").contains("format version 2"));
}

#[test]
fn llama2c_refuses_what_it_cannot_say() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.bin");
    for (model, reason) in [
        (small(|c| c.qk_norm = true), "qk_norm"),
        (small(|c| c.rope_base = 5e5), "rotary base is 500000"),
        (small(|c| c.rope_scaling = RotaryScaling::Linear { factor: 2.0 }), "scales rotary"),
        (small(|c| c.norm_eps = 1e-6), "norm_eps is 0.000001"),
        (small(|c| c.head_dim = 6), "heads × head_dim is 12, not dim = 8"),
        (small(|c| c.residual_scale = ResidualScale::Deepnet), "residual"),
    ] {
        let text = one_line(export_llama2c(&model.view(), &path), "llama2.c");
        assert!(text.contains(reason), "{text}");
        assert!(!path.exists());
    }
}

#[test]
fn hugging_face_refuses_residual_scaling_and_full_folders() {
    let dir = tempfile::tempdir().unwrap();
    let scaled = small(|c| c.residual_scale = ResidualScale::Deepnet);
    let to = dir.path().join("m");
    let text = one_line(export_hugging_face(&scaled.view(), &to, 0), "Hugging Face");
    assert!(text.contains("residual scaling"), "{text}");
    assert!(!to.exists());

    fs::create_dir(&to).unwrap();
    export_hugging_face(&small(|_| {}).view(), &to, u64::MAX).unwrap();
    let text = one_line(export_hugging_face(&small(|_| {}).view(), &to, u64::MAX), "m");
    assert!(text.contains("already exists"), "{text}");
}

#[test]
fn names_without_the_model_prefix_and_rotary_buffers_are_accepted() {
    let model = small(|_| {});
    let dir = exported(&model, u64::MAX);
    let folder = dir.path().join("m");
    rewrite(&folder, |tensors| {
        for (name, ..) in tensors.iter_mut() {
            *name = name.trim_start_matches("model.").to_owned();
        }
        tensors.push(("layers.0.self_attn.rotary_emb.inv_freq".into(), vec![2], vec![0.0; 2]));
    });
    assert_same_bits(&load(&folder).unwrap(), &model);
}

#[test]
fn a_head_stored_beside_tied_weights_must_be_the_embedding() {
    let model = small(|_| {});
    let dir = exported(&model, u64::MAX);
    let folder = dir.path().join("m");
    rewrite(&folder, |tensors| {
        let (_, shape, data) = tensors[0].clone();
        tensors.push(("lm_head.weight".into(), shape, data));
    });
    assert_same_bits(&load(&folder).unwrap(), &model);
    rewrite(&folder, |tensors| tensors.last_mut().unwrap().2[0] = 1.0);
    let text = one_line(load(&folder), "model.safetensors");
    assert!(text.contains("lm_head.weight differs"), "{text}");
}

type Change = fn(&mut Vec<(String, Vec<usize>, Vec<f32>)>);

#[test]
fn tensors_missing_unknown_doubled_or_misshapen_are_named() {
    let cases: [(Change, &str); 4] = [
        (
            |t| {
                t.pop();
            },
            "tensor `model.norm.weight` is missing (1 missing in all)",
        ),
        (
            |t| t.push(("model.layers.2.mlp.up_proj.weight".into(), vec![1], vec![0.0])),
            "tensor `model.layers.2.mlp.up_proj.weight` is not part of the model",
        ),
        (|t| t.push(("norm.weight".into(), vec![8], vec![0.0; 8])), "tensor `norm.weight` appears twice"),
        (
            |t| t[0].1 = vec![8, 5],
            "tensor `model.embed_tokens.weight` has shape [8, 5], the model needs [5, 8]",
        ),
    ];
    for (change, expect) in cases {
        let dir = exported(&small(|_| {}), u64::MAX);
        let folder = dir.path().join("m");
        rewrite(&folder, change);
        // Which of the two bears the doubled name depends on nothing but the order of bytes.
        let text = one_line(load(&folder), "model.safetensors");
        assert!(text.contains(expect), "{text}");
    }
}

#[test]
fn an_index_cannot_reach_outside_its_folder_nor_lie_about_its_shards() {
    let dir = exported(&small(|_| {}), 500);
    let folder = dir.path().join("m");
    let path = folder.join("model.safetensors.index.json");
    let index = fs::read_to_string(&path).unwrap();
    let first = "model-00001-of-";
    for (from, to, expect) in [
        (first, "../m/model-00001-of-", "is not a plain file name"),
        (first, "/model-00001-of-", "is not a plain file name"),
        ("model.norm.weight", "model.form.weight", "does not place it in this file"),
        (
            "\"model.norm.weight\"",
            "\"model.extra\": \"model-00001-of-00004.safetensors\", \"model.norm.weight\"",
            "tensor `model.extra` is missing",
        ),
        ("\"weight_map\"", "\"weights\"", "weight_map"),
    ] {
        let shards = fs::read_dir(&folder).unwrap().count() - 2;
        let to = to.replace("00004", &format!("{shards:05}"));
        let changed = index.replace(from, &to);
        assert_ne!(changed, index, "{from}");
        fs::write(&path, changed).unwrap();
        let text = one_line(load(&folder), "model");
        assert!(text.contains(expect), "{text}");
    }
}

#[test]
fn what_is_no_model_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    assert!(one_line(load(&absent), "absent").contains("no such file or folder"));
    let text = one_line(load(dir.path()), dir.path().to_str().unwrap());
    assert!(text.contains("a folder without config.json"), "{text}");
    fs::write(dir.path().join("x.bin"), [0; 28]).unwrap();
    let text = one_line(load(&dir.path().join("x.bin")), "x.bin");
    assert!(text.contains("0 heads"), "{text}");
    fs::write(dir.path().join("x.safetensors"), [0; 28]).unwrap();
    let text = one_line(load(&dir.path().join("x.safetensors")), "x.safetensors");
    assert!(text.contains("give the folder"), "{text}");
}

#[test]
fn a_header_asking_for_200_gigabytes_is_refused_by_the_files_length() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.bin");
    let numbers: [i32; 7] = [1 << 13, 1 << 14, 80, 64, 64, 1 << 17, 1 << 20];
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    fs::write(&path, bytes).unwrap();
    let text = one_line(load(&path), "x.bin");
    assert!(text.contains("the file has 28"), "{text}");
}

#[test]
fn committed_checkpoints_load_and_round_trip() {
    let mut seen = 0;
    for entry in fs::read_dir(fixture("")).unwrap() {
        let case = entry.unwrap().path();
        for path in [case.join("model"), case.join("model.bin")] {
            if path.exists() {
                let model = load(&path).unwrap();
                let dir = exported(&model, 20_000);
                assert_same_bits(&load(&dir.path().join("m")).unwrap(), &model);
                seen += 1;
            }
        }
    }
    assert!(seen > 0, "no fixtures");
}

#[test]
fn published_models_load() {
    if let Some(path) = shared("llama2c/stories260K.bin") {
        let model = load(&path).unwrap();
        let preset = engrad_model::preset("stories260k").unwrap();
        assert_eq!(model.config, preset);
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy.bin");
        export_llama2c(&model.view(), &copy).unwrap();
        let (ours, theirs) = (fs::read(&copy).unwrap(), fs::read(&path).unwrap());
        // The rotary tables at the end were computed in lower precision there and are not read by anyone here.
        let weights = 28 + 4 * preset.parameter_count();
        assert!(ours[..weights] == theirs[..weights]);
        assert_eq!(ours.len(), theirs.len());
        let floats = |bytes: &[u8]| -> Vec<f32> {
            bytes[weights..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        for (a, b) in floats(&ours).iter().zip(floats(&theirs)) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
    for name in ["hf/tiny-llama", "hf/tiny-qwen3"] {
        if let Some(path) = shared(name) {
            let model = load(&path).unwrap();
            let dir = exported(&model, u64::MAX);
            assert_same_bits(&load(&dir.path().join("m")).unwrap(), &model);
        }
    }
}
