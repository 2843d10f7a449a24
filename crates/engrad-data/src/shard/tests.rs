use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::tokenizer::Digest;

fn shard_of(directory: &TempDir, vocabulary: u32, ids: &[u32]) -> PathBuf {
    let path = directory.path().join("a.tok");
    let mut writer = ShardWriter::create(&path, vocabulary, Some(1), Digest([7; 32])).unwrap();
    writer.push_document(ids).unwrap();
    writer.finish().unwrap();
    path
}

fn file_of(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn message(path: &Path, vocabulary: Option<u32>) -> String {
    let error = Shard::open(path).and_then(|shard| shard.verify(vocabulary)).unwrap_err().to_string();
    assert!(error.starts_with(path.to_str().unwrap()), "no file named: {error}");
    error.replace(path.to_str().unwrap(), "F")
}

#[test]
fn shard_round_trips_in_both_widths() {
    let directory = TempDir::new().unwrap();
    for (vocabulary, dtype, ids) in
        [(1 << 16, Dtype::U16, vec![1, 0, 65_535, 3]), ((1 << 16) + 1, Dtype::U32, vec![1, 65_536])]
    {
        let shard = Shard::open(&shard_of(&directory, vocabulary, &ids)).unwrap();
        shard.verify(None).unwrap();
        assert_eq!(shard.dtype(), dtype);
        assert_eq!(shard.chunks().flatten().collect::<Vec<_>>(), ids);
        let header = shard.header().unwrap();
        assert_eq!((header.boundary, header.documents, header.tokenizer), (Some(1), 1, Digest([7; 32])));
    }
}

#[test]
fn unfinished_shard_leaves_no_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.tok");
    let mut writer = ShardWriter::create(&path, 10, None, Digest::NONE).unwrap();
    writer.push_document(&[1, 2]).unwrap();
    drop(writer);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn writer_refuses_an_id_outside_the_vocabulary() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.tok");
    let mut writer = ShardWriter::create(&path, 10, None, Digest::NONE).unwrap();
    writer.push_document(&[1, 2]).unwrap();
    let error = writer.push_document(&[3, 10]).unwrap_err();
    assert!(matches!(error, Error::TokenOutOfRange { position: 3, id: 10, vocabulary: 10, .. }));
}

#[test]
fn flipped_payload_byte_is_a_checksum_error() {
    let directory = TempDir::new().unwrap();
    let path = shard_of(&directory, 100, &[1, 2, 3]);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(message(&path, None).starts_with("F: checksum of the tokens is "));
}

#[test]
fn truncated_shard_names_the_end() {
    let directory = TempDir::new().unwrap();
    let path = shard_of(&directory, 100, &[1, 2, 3]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(
        message(&path, None),
        "F: the header promises 3 ids of 2 bytes, the file has 5 bytes of them (byte 101)"
    );
    fs::write(&path, &bytes[..40]).unwrap();
    assert_eq!(message(&path, None), "F: cut short within its header of 96 bytes (byte 40)");
}

#[test]
fn unknown_width_in_the_header_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = shard_of(&directory, 100, &[1, 2, 3]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[12] = 8;
    let crc32 = crc32fast::hash(&bytes[..92]).to_le_bytes();
    bytes[92..96].copy_from_slice(&crc32);
    fs::write(&path, bytes).unwrap();
    assert_eq!(message(&path, None), "F: 8 bytes per id are not read, only 2 or 4 (byte 12)");
}

#[test]
fn shard_for_a_larger_vocabulary_names_the_first_bad_token() {
    let directory = TempDir::new().unwrap();
    let path = shard_of(&directory, 100, &[1, 2, 50, 60]);
    assert_eq!(message(&path, Some(50)), "F: token 2 is 50, outside the vocabulary of 50");
    let shard = Shard::open(&path).unwrap();
    let mut window = [0; 2];
    shard.read(0, &mut window, Some(50)).unwrap();
    assert!(shard.read(1, &mut window, Some(50)).is_err());
    assert!(shard.read(u64::MAX, &mut window, None).is_err());
}

#[test]
fn raw_file_takes_its_width_from_its_name() {
    let directory = TempDir::new().unwrap();
    let bytes = [1, 0, 2, 1, 3, 0, 4, 2];
    let ids = |name| read_ids(&file_of(&directory, name, &bytes), None, 100).unwrap();
    assert_eq!(ids("a.bin"), [1, 258, 3, 516]);
    assert_eq!(ids("a.u16"), [1, 258, 3, 516]);
    assert_eq!(ids("a.u32"), [0x0102_0001, 0x0204_0003]);
    assert_eq!(ids("a.u16").len(), 4);
}

#[test]
fn raw_file_that_ends_within_an_id_names_the_byte() {
    let directory = TempDir::new().unwrap();
    let path = file_of(&directory, "a.u32", &[0; 10]);
    assert_eq!(message(&path, None), "F: ends within an id: 10 bytes are not a multiple of 4 (byte 8)");
}

#[test]
fn four_byte_ids_named_as_two_byte_ones_are_noticed() {
    let directory = TempDir::new().unwrap();
    let bytes: Vec<u8> = [1u32, 2, 3, 4].iter().flat_map(|id| id.to_le_bytes()).collect();
    assert!(message(&file_of(&directory, "a.u16", &bytes), None).contains("four-byte ids"));
}

#[test]
fn file_that_is_no_token_file_is_refused() {
    let directory = TempDir::new().unwrap();
    assert!(message(&file_of(&directory, "story.txt", b"Once"), None).contains("not a token shard"));
    assert!(message(directory.path(), None).contains("not a regular file"));
    assert!(read_ids(&file_of(&directory, "a.u16", &[0; 200]), None, 99).is_err());
    assert!(read_ids(&file_of(&directory, "empty.u16", &[]), None, 99).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes after the magic give an error or a shard, never a panic.
    #[test]
    fn hostile_header_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 88..120), fix in any::<bool>()) {
        let directory = TempDir::new().unwrap();
        let mut file = b"ENGRADTK".to_vec();
        file.append(&mut bytes);
        if fix {
            file[8..12].copy_from_slice(&1u32.to_le_bytes());
            file[12..16].copy_from_slice(&2u32.to_le_bytes());
            let crc32 = crc32fast::hash(&file[..92]).to_le_bytes();
            file[92..96].copy_from_slice(&crc32);
        }
        if let Ok(shard) = Shard::open(&file_of(&directory, "x.tok", &file)) {
            shard.verify(Some(5)).ok();
        }
    }
}
