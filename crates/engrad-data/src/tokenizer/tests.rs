use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A file of the published tokenizers, or `None` (with a message) on a machine that does not have them.
fn published(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/llama2c").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not on this machine", path.display());
        return None;
    }
    Some(path)
}

/// A llama2.c file: the marks, the bytes, then `pieces`.
fn llama2c_file(pieces: &[(&str, f32)]) -> Vec<u8> {
    let mut all: Vec<(String, f32)> =
        ["<unk>", "\n<s>\n", "\n</s>\n"].map(|mark| (mark.to_owned(), 0.0)).to_vec();
    all.extend((0..=u8::MAX).map(|byte| (scored::byte_piece(byte), 0.0)));
    all.extend(pieces.iter().map(|(piece, score)| ((*piece).to_owned(), *score)));
    let mut bytes = 10u32.to_le_bytes().to_vec();
    for (piece, score) in all {
        bytes.extend(score.to_le_bytes());
        bytes.extend((piece.len() as i32).to_le_bytes());
        bytes.extend(piece.as_bytes());
    }
    bytes
}

fn write(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn load(bytes: &[u8]) -> Result<Tokenizer> {
    let directory = TempDir::new().unwrap();
    Tokenizer::load(&write(&directory, "tokenizer", bytes))
}

const SMALL: [(&str, f32); 10] = [
    ("ab", -0.0),
    ("abc", -1.0),
    (" a", -2.0),
    ("bc", -3.0),
    (" ", -10.0),
    ("a", -11.0),
    ("b", -12.0),
    ("c", -13.0),
    ("aa", -4.0),
    ("é", -14.0),
];

/// The algorithm of llama2.c, word for word: characters or bytes, then the best-scored neighbours, leftmost first.
fn encode_by_search(pieces: &[(String, f32)], text: &str) -> Vec<u32> {
    let find = |text: &str| pieces.iter().position(|(piece, _)| piece == text);
    let mut ids = Vec::new();
    let text = if text.is_empty() { String::new() } else { format!(" {text}") };
    for character in text.chars().map(String::from) {
        match find(&character) {
            Some(id) => ids.push(id),
            None => ids.extend(character.bytes().map(|byte| usize::from(byte) + 3)),
        }
    }
    loop {
        let mut best: Option<(f32, usize, usize)> = None;
        for at in 0..ids.len().saturating_sub(1) {
            let joined = pieces[ids[at]].0.clone() + &pieces[ids[at + 1]].0;
            if let Some(id) = find(&joined)
                && best.is_none_or(|(score, ..)| pieces[id].1 > score)
            {
                best = Some((pieces[id].1, at, id));
            }
        }
        let Some((_, at, id)) = best else {
            return ids.into_iter().map(|id| id as u32).collect();
        };
        ids[at] = id;
        ids.remove(at + 1);
    }
}

/// The pieces of a llama2.c file, for the search above.
fn pieces_of(file: &[u8]) -> Vec<(String, f32)> {
    let (mut pieces, mut at) = (Vec::new(), 4);
    while at < file.len() {
        let number = |at: usize| -> [u8; 4] { file[at..at + 4].try_into().unwrap() };
        let length = i32::from_le_bytes(number(at + 4)) as usize;
        let text = String::from_utf8(file[at + 8..at + 8 + length].to_vec()).unwrap();
        pieces.push((text, f32::from_le_bytes(number(at))));
        at += 8 + length;
    }
    pieces
}

#[test]
fn llama_vectors_are_reproduced_from_both_formats() {
    let (Some(bin), Some(model), Some(expected)) =
        (published("tokenizer.bin"), published("tokenizer.model"), published("expected.json"))
    else {
        return;
    };
    let json: serde_json::Value = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    let key = json.as_object().unwrap().keys().find(|key| key.contains("encode vectors")).unwrap();
    let vectors: Vec<(String, Vec<u32>)> = serde_json::from_value(json[key].clone()).unwrap();
    assert!(vectors.len() >= 5);
    let directory = TempDir::new().unwrap();
    let saved = directory.path().join("tokenizer.json");
    let bin = Tokenizer::load(&bin).unwrap();
    bin.save(&saved).unwrap();
    for tokenizer in [&bin, &Tokenizer::load(&model).unwrap(), &Tokenizer::load(&saved).unwrap()] {
        assert_eq!((tokenizer.vocab_size(), tokenizer.bos(), tokenizer.eos()), (32_000, Some(1), Some(2)));
        assert_eq!(tokenizer.digest(), bin.digest());
        for (text, ids) in &vectors {
            let mut found = vec![1];
            found.extend(tokenizer.encode(text).unwrap());
            assert_eq!(&found, ids, "{text:?}");
            assert_eq!(&tokenizer.decode(&found).unwrap(), text);
        }
    }
}

#[test]
fn small_published_vocabulary_agrees_with_the_search_and_round_trips() {
    let (Some(path), Some(expected)) = (published("tok512.bin"), published("expected.json")) else {
        return;
    };
    let tokenizer = Tokenizer::load(&path).unwrap();
    assert_eq!(tokenizer.vocab_size(), 512);
    let json: serde_json::Value = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    let story = json.as_object().unwrap().values().find_map(|value| value.as_str()).unwrap().to_owned();
    let pieces = pieces_of(&fs::read(&path).unwrap());
    for text in [&story, "  two  spaces\n\n\ttab — naïve 東京 🙂 ▁", "<s> is text </s>", " leading", ""]
    {
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(ids, encode_by_search(&pieces, text), "{text:?}");
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        let mut stream = tokenizer.stream();
        let mut streamed = String::new();
        for id in [1].into_iter().chain(ids) {
            streamed += &stream.push(id).unwrap();
        }
        assert_eq!(streamed + &stream.finish().unwrap(), text);
    }
}

#[test]
fn marks_in_text_stay_text() {
    let tokenizer = load(&llama2c_file(&SMALL)).unwrap();
    assert!(tokenizer.encode("<s>a</s>").unwrap().iter().all(|id| *id > 2));
    let trained = Tokenizer::train_bpe(["a <s> b"].into_iter(), &TrainBpe::new(300)).unwrap();
    assert!(trained.encode("<s>a</s>").unwrap().iter().all(|id| *id > 2));
}

#[test]
fn stream_holds_back_a_character_until_it_is_whole() {
    let tokenizer = load(&llama2c_file(&SMALL)).unwrap();
    let mut stream = tokenizer.stream();
    let ids = tokenizer.encode("a東b").unwrap();
    let parts: Vec<String> = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
    assert_eq!(parts, ["a", "", "", "東", "b"]);
}

#[test]
fn stream_gives_up_on_bytes_that_are_no_character() {
    let tokenizer = load(&llama2c_file(&SMALL)).unwrap();
    let mut stream = tokenizer.stream();
    let lone = 3 + 0xe6;
    let text: String = [lone; 9].iter().map(|id| stream.push(*id).unwrap()).collect();
    assert!(text.contains('\u{fffd}'));
    let mut cut = tokenizer.stream();
    assert_eq!(cut.push(lone).unwrap(), "");
    assert_eq!(cut.finish().unwrap(), "\u{fffd}");
    assert!(tokenizer.stream().push(100_000).is_err());
}

#[test]
fn id_outside_the_vocabulary_is_named() {
    let tokenizer = load(&llama2c_file(&SMALL)).unwrap();
    let error = tokenizer.decode(&[1, 300]).unwrap_err().to_string();
    assert_eq!(error, "the tokenizer cannot decode: id 300 at position 1 is outside its vocabulary of 269");
}

#[test]
fn trained_vocabulary_is_deterministic_and_spells_everything() {
    let texts = ["the cat sat on the mat. ", "the dog sat on the log — naïve. "].map(|text| text.repeat(20));
    let train = || Tokenizer::train_bpe(texts.iter(), &TrainBpe::new(285)).unwrap();
    let (first, second) = (train(), train());
    assert_eq!(first.digest(), second.digest());
    assert_eq!((first.vocab_size(), first.bos(), first.eos()), (285, Some(1), Some(2)));
    let directory = TempDir::new().unwrap();
    let saved = directory.path().join("tokenizer.json");
    first.save(&saved).unwrap();
    let loaded = Tokenizer::load(directory.path()).unwrap();
    assert_eq!(loaded.digest(), first.digest());
    second.save(&directory.path().join("second")).unwrap();
    assert_eq!(fs::read(&saved).unwrap(), fs::read(directory.path().join("second")).unwrap());
    for text in ["the cat", " 東京\n\t🙂", "x"] {
        assert_eq!(loaded.decode(&loaded.encode(text).unwrap()).unwrap(), text);
    }
    assert!(Tokenizer::train_bpe(texts.iter(), &TrainBpe::new(258)).is_err());
}

#[test]
fn config_beside_names_the_marks() {
    let directory = TempDir::new().unwrap();
    let tokenizer = load(&llama2c_file(&SMALL)).unwrap();
    let path = directory.path().join("tokenizer.json");
    tokenizer.save(&path).unwrap();
    write(&directory, "tokenizer_config.json", br#"{"bos_token": null, "eos_token": {"content": "abc"}}"#);
    let loaded = Tokenizer::load(&path).unwrap();
    assert_eq!((loaded.bos(), loaded.eos()), (Some(1), Some(260)));
}

#[test]
fn unusable_files_are_refused_with_the_reason() {
    let unigram = [0x0a, 0x03, 0x0a, 0x01, b'a', 0x12, 0x02, 0x18, 0x01];
    let mut nan = llama2c_file(&SMALL);
    let score = nan.len() - 2 - 8;
    nan[score..score + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let mut twice = SMALL.to_vec();
    twice.push(("ab", 0.0));
    for (bytes, reason) in [
        (Vec::new(), "is empty"),
        (b"{}".to_vec(), "has no \"model\""),
        (b"{ not json".to_vec(), "not valid JSON"),
        (br#"{"model": {"type": "BPE", "dropout": 0.1}}"#.to_vec(), "random"),
        (br#"{"model": {}, "normalizer": {"type": "Precompiled"}}"#.to_vec(), "character map"),
        (
            br#"{"model": {}, "normalizer": {"normalizers": [{"pattern": {"String": ""}}]}}"#.to_vec(),
            "empty string",
        ),
        (br#"{"model": {}, "decoder": {"type": "Strip", "stop": 1}}"#.to_vec(), "strips from the end"),
        (unigram.to_vec(), "unigram"),
        (llama2c_file(&[])[..200].to_vec(), "cut short in piece"),
        (nan, "piece 268 has the score NaN"),
        (llama2c_file(&twice), "piece 269 repeats piece 259"),
        (b"Once upon a time".to_vec(), "not a tokenizer file"),
        (vec![9, 0, 0, 0], "holds 0 pieces"),
    ] {
        let error = load(&bytes).unwrap_err().to_string();
        assert!(error.contains(reason) && error.lines().count() == 1, "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ranked_merges_agree_with_the_search(text in "[abc é東]{0,24}") {
        let file = llama2c_file(&SMALL);
        let tokenizer = load(&file).unwrap();
        prop_assert_eq!(tokenizer.encode(&text).unwrap(), encode_by_search(&pieces_of(&file), &text));
    }

    /// A damaged file of any kind gives an error or a tokenizer that works, never a panic.
    #[test]
    fn damaged_files_never_panic(kind in 0..2, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = llama2c_file(&SMALL);
        if kind == 1 {
            bytes = load(&bytes).unwrap().backend.to_string(true).unwrap().into_bytes();
        }
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(tokenizer) = load(&bytes)
            && let Ok(ids) = tokenizer.encode("abc aab é東")
        {
            tokenizer.decode(&ids).ok();
        }
    }
}
