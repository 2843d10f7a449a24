use super::*;
use crate::{Builder, Constant, ConstantData, Program, TensorType, parse};

/// Two blobs, the first of a length that leaves the second record to be aligned.
fn file() -> Vec<u8> {
    let mut writer = BlobWriter::new();
    assert_eq!(writer.add(DType::Fp16, &[1, 2, 3, 4]), Ok(64));
    assert_eq!(writer.add(DType::Int8, &[5]), Ok(192));
    writer.finish()
}

fn refused(bytes: &[u8], at: u64) {
    match BlobFile::parse(bytes) {
        Err(MilError::Blob { offset, .. }) => assert_eq!(offset, at),
        other => panic!("{other:?}"),
    }
}

fn patched(at: usize, patch: &[u8]) -> Vec<u8> {
    let mut bytes = file();
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

#[test]
fn layout_is_the_published_one_byte_for_byte() {
    let bytes = file();
    assert_eq!(bytes.len(), 257);
    assert_eq!(bytes[..8], [2, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(
        bytes[64..92],
        [0xef, 0xbe, 0xad, 0xde, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(bytes[128..132], [1, 2, 3, 4]);
    assert_eq!(bytes[256], 5);
    let parsed = BlobFile::parse(&bytes).unwrap();
    assert_eq!(parsed.offsets().collect::<Vec<_>>(), [64, 192]);
    assert_eq!(parsed.get(64).unwrap(), (DType::Fp16, &[1, 2, 3, 4][..]));
    assert_eq!(parsed.get(192).unwrap(), (DType::Int8, &[5][..]));
}

#[test]
fn offset_of_the_elements_is_not_an_offset_of_a_blob() {
    let bytes = file();
    let parsed = BlobFile::parse(&bytes).unwrap();
    for offset in [0, 65, 128, 256, u64::MAX] {
        assert!(parsed.get(offset).is_err());
    }
}

#[test]
fn damage_is_found_where_it_is() {
    refused(&[], 0);
    refused(&file()[..63], 0);
    refused(&patched(4, &[1]), 4);
    refused(&patched(0, &[3]), 320);
    refused(&patched(0, &[0xff; 4]), 320);
    refused(&patched(64, &[0]), 64);
    refused(&patched(68, &[0]), 68);
    refused(&patched(68, &[18]), 68);
    refused(&patched(72, &[3]), 72);
    refused(&patched(72, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 72);
    refused(&patched(80, &[64]), 80);
    refused(&patched(80, &[0xff; 8]), 72);
    refused(&file()[..256], 200);
    refused(&file()[..200], 192);
}

#[test]
fn elements_reaching_into_the_next_record_hide_it() {
    // 68 bytes from byte 128: the walk goes on at 256, where the count promises a record that is not there.
    refused(&patched(72, &[68]), 256);
}

#[test]
fn unknown_element_types_are_stepped_over() {
    let bytes = patched(68, &[11]);
    let parsed = BlobFile::parse(&bytes).unwrap();
    assert!(parsed.get(64).is_err());
    assert!(parsed.get(192).is_ok());
}

#[test]
fn writer_refuses_what_cannot_be_read_back() {
    let mut writer = BlobWriter::new();
    assert!(writer.add(DType::String, b"text").is_err());
    assert!(writer.add(DType::Fp32, &[0; 6]).is_err());
    assert!(writer.add(DType::Fp32, &[]).is_err());
    assert!(BlobFile::parse(&writer.finish()).unwrap().is_empty());
}

fn program() -> Program {
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::channels(DType::Fp16, 3, 8));
    let w = b.constant("w", Constant::floats(DType::Fp16, [1, 3, 1, 1], &[1.0, -0.0, f32::NAN]).unwrap());
    let c = b.scalar("c", DType::Fp16, 2.0).unwrap();
    let y = b.mul("y", x, w).unwrap();
    let z = b.mul("z", y, c).unwrap();
    Program::new(b.finish(&[z]).unwrap())
}

const PATH: &str = "@model_path/weights/w.bin";

#[test]
fn externalize_and_inline_are_inverse() {
    let (moved, blob) = externalize(&program(), PATH, 2).unwrap();
    let text = moved.to_text();
    assert!(text.contains(r#"BLOBFILE(path = string("@model_path/weights/w.bin"), offset = uint64(64))"#));
    assert!(text.contains("val = fp16(0x1p+1)"), "small constants stay");
    assert_eq!(parse(&text).as_ref(), Ok(&moved));
    assert_eq!(inline(&moved, |path| (path == PATH).then_some(&blob[..])), Ok(program()));
    assert!(externalize(&moved, PATH, 1).is_err(), "the file would be overwritten");
}

#[test]
fn inline_checks_what_a_reference_promises() {
    let (moved, blob) = externalize(&program(), PATH, 2).unwrap();
    assert!(inline(&moved, |_| None).is_err());
    assert!(inline(&moved, |_| Some(&blob[..100])).is_err());
    for (dtype, bytes) in [(DType::Fp16, 4), (DType::Fp16, 8), (DType::Int8, 6)] {
        let mut other = BlobWriter::new();
        other.add(dtype, &vec![0; bytes]).unwrap();
        let other = other.finish();
        assert!(matches!(inline(&moved, |_| Some(&other[..])), Err(MilError::Blob { offset: 64, .. })));
    }
}

#[test]
fn one_blob_cannot_be_copied_without_limit() {
    let mut b = Builder::new("main");
    for _ in 0..17 {
        let data = ConstantData::Blob { path: PATH.to_owned(), offset: 64 };
        b.constant("w", Constant { ty: TensorType::new(DType::Int8, [4]), data });
    }
    let program = Program::new(b.function().clone());
    let mut blob = BlobWriter::new();
    blob.add(DType::Int8, &[0; 4]).unwrap();
    let blob = blob.finish();
    assert!(inline(&program, |_| Some(&blob[..])).is_err());
}
