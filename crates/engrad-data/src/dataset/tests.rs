use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::prepare::{Prepare, Split, TokenizerSource, prepare};
use crate::synth::Stories;

fn prepared(directory: &Path, stories: usize, split: Split) -> Result<(PathBuf, Manifest)> {
    let text: Vec<String> = Stories::new(3).take(stories).collect();
    let input = directory.join("stories.txt");
    fs::write(&input, text.join("\n<|endoftext|>\n")).unwrap();
    let out = directory.join("data");
    let settings = Prepare {
        inputs: vec![input],
        validation_inputs: Vec::new(),
        tokenizer: TokenizerSource::Train { vocabulary: 400 },
        split,
        out: out.clone(),
    };
    let mut calls = 0;
    let manifest = prepare(&settings, &mut |_| calls += 1)?;
    assert!(calls >= 2);
    Ok((out, manifest))
}

fn small_shards() -> Split {
    Split { validation_fraction: 0.1, shard_tokens: 2000 }
}

#[test]
fn prepared_dataset_holds_every_story_once() {
    let directory = TempDir::new().unwrap();
    let (out, manifest) = prepared(directory.path(), 40, small_shards()).unwrap();
    assert_eq!(manifest.documents(), 40);
    assert_eq!(manifest.validation.iter().map(|shard| shard.documents).sum::<u64>(), 4);
    assert!(manifest.train.len() > 2, "shards are not cut");

    let tokenizer = Tokenizer::load(&out).unwrap();
    let dataset = Dataset::open(&out, None).unwrap();
    dataset.check_tokenizer(&tokenizer).unwrap();
    assert_eq!(dataset.vocabulary(), 400);
    let mut stories = Vec::new();
    for source in &dataset.sources {
        let Source::File(shard) = source else { unreachable!() };
        let ids: Vec<u32> = shard.chunks().flatten().collect();
        let documents = ids.split(|id| Some(*id) == tokenizer.bos()).skip(1);
        stories.extend(documents.map(|document| tokenizer.decode(document).unwrap()));
    }
    stories.sort();
    let mut expected: Vec<String> = Stories::new(3).take(40).collect();
    expected.sort();
    assert_eq!(stories, expected);
}

#[test]
fn preparing_twice_gives_the_same_bytes() {
    let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (first, manifest) = prepared(a.path(), 40, small_shards()).unwrap();
    let (second, _) = prepared(b.path(), 40, small_shards()).unwrap();
    let names = manifest.train.iter().chain(&manifest.validation).map(|shard| shard.file.as_str());
    for name in names.chain([MANIFEST, TOKENIZER]) {
        assert_eq!(fs::read(first.join(name)).unwrap(), fs::read(second.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn finished_dataset_is_not_overwritten() {
    let directory = TempDir::new().unwrap();
    prepared(directory.path(), 40, small_shards()).unwrap();
    let error = prepared(directory.path(), 40, small_shards()).unwrap_err().to_string();
    assert!(error.contains("already holds a dataset"), "{error}");
}

#[test]
fn text_too_short_for_a_validation_document_is_an_error() {
    let directory = TempDir::new().unwrap();
    let error = prepared(directory.path(), 5, small_shards()).unwrap_err().to_string();
    assert!(error.contains("5 documents are too few"), "{error}");
}

#[test]
fn dataset_for_a_smaller_model_is_refused() {
    let directory = TempDir::new().unwrap();
    let (out, _) = prepared(directory.path(), 40, small_shards()).unwrap();
    let error = Dataset::open(&out, Some(399)).unwrap_err().to_string();
    assert!(error.contains("vocabulary of 400 is larger than the model's 399"), "{error}");
    Dataset::open(&out, Some(32_000)).unwrap();
}

#[test]
fn swapped_shards_and_tokenizers_are_noticed() {
    let directory = TempDir::new().unwrap();
    let (out, _) = prepared(directory.path(), 40, small_shards()).unwrap();
    let other =
        Tokenizer::train_bpe(["other text"].into_iter(), &crate::tokenizer::TrainBpe::new(260)).unwrap();
    let dataset = Dataset::open(&out, None).unwrap();
    assert!(matches!(dataset.check_tokenizer(&other), Err(Error::TokenizerMismatch { .. })));
    fs::copy(out.join("validation-00000.tok"), out.join("train-00000.tok")).unwrap();
    let error = Dataset::open(&out, None).unwrap_err().to_string();
    assert!(error.contains("train-00000.tok is not the shard"), "{error}");
}

#[test]
fn manifest_that_leaves_its_directory_is_refused() {
    let directory = TempDir::new().unwrap();
    let (out, _) = prepared(directory.path(), 40, small_shards()).unwrap();
    let text = fs::read_to_string(out.join(MANIFEST)).unwrap();
    for name in ["../x.tok", "/x.tok", "a/b.tok", ".."] {
        fs::write(out.join(MANIFEST), text.replace("train-00000.tok", name)).unwrap();
        let error = Dataset::open(&out, None).unwrap_err().to_string();
        assert!(error.contains("not a plain file name"), "{error}");
    }
    fs::write(out.join(MANIFEST), "{").unwrap();
    assert!(Dataset::open(&out, None).is_err());
}

#[test]
fn raw_file_gives_its_end_to_validation() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.u16");
    fs::write(&path, (0..100u16).flat_map(u16::to_le_bytes).collect::<Vec<_>>()).unwrap();
    let dataset = Dataset::open(&path, None).unwrap();
    assert_eq!((dataset.vocabulary(), dataset.train_tokens(), dataset.validation_tokens()), (100, 95, 5));
    assert_eq!(dataset.validation(4, 9).unwrap().next().unwrap().unwrap(), [95, 96, 97, 98, 99]);
    assert!(matches!(Dataset::open(&path, Some(99)), Err(Error::TokenOutOfRange { position: 99, .. })));
    // A directory with only this file is the same data.
    assert_eq!(Dataset::open(directory.path(), None).unwrap().train_tokens(), 95);
}

#[test]
fn raw_directory_holds_out_its_first_file() {
    let directory = TempDir::new().unwrap();
    for (name, ids) in [("data00.bin", 10u16), ("data01.bin", 20), ("data02.bin", 30)] {
        let bytes: Vec<u8> = (0..ids).flat_map(u16::to_le_bytes).collect();
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    let dataset = Dataset::open(directory.path(), Some(32_000)).unwrap();
    assert_eq!((dataset.train_tokens(), dataset.validation_tokens()), (50, 10));
    assert!(Dataset::open(TempDir::new().unwrap().path(), None).is_err());
}

#[test]
fn validation_is_bounded_and_spread() {
    let dataset = Dataset::from_ids(vec![0; 10], (0..101).collect(), 200).unwrap();
    let starts = |limit| -> Vec<u32> {
        dataset.validation(10, limit).unwrap().map(|window| window.unwrap()[0]).collect()
    };
    assert_eq!(starts(100), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
    assert_eq!(starts(4), [0, 20, 50, 70]);
    assert!(matches!(dataset.validation(101, 1), Err(Error::TooShort { .. })));
    assert!(dataset.validation(0, 1).is_err());
}

#[test]
fn used_ids_are_sorted_and_distinct() {
    let dataset = Dataset::from_ids(vec![5, 1, 5, 1 << 25, 64], vec![63, 7], u32::MAX).unwrap();
    assert_eq!(dataset.used_ids(), [1, 5, 7, 63, 64, 1 << 25]);
}
