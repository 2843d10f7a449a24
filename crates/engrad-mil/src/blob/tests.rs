use super::*;
use crate::{Builder, Constant, ConstantData, Program, TensorType, parse};

/// Two blobs, the first of a length that leaves the second record to be aligned.
fn file() -> Vec<u8> {
    let mut writer = BlobWriter::new();
    assert_eq!(writer.add(DType::Fp16, 2, &[1, 2, 3, 4]), Ok(64));
    assert_eq!(writer.add(DType::Int8, 1, &[5]), Ok(192));
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
    let blobs: Vec<_> = parsed.blobs().map(|blob| (blob.dtype, blob.count, blob.bytes)).collect();
    assert_eq!(blobs, [(DType::Fp16, 2, &[1, 2, 3, 4][..]), (DType::Int8, 1, &[5][..])]);
    for blob in parsed.blobs() {
        assert_eq!(parsed.get(blob.offset), Ok(blob));
        assert_eq!(record_at(&bytes, blob.offset), Ok(blob));
    }
}

#[test]
fn offset_of_the_elements_is_not_an_offset_of_a_blob() {
    let bytes = file();
    let parsed = BlobFile::parse(&bytes).unwrap();
    for offset in [0, 65, 128, 256, u64::MAX] {
        assert!(parsed.get(offset).is_err());
        assert!(record_at(&bytes, offset).is_err());
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
    refused(&patched(80, &[0xff; 8]), 80);
    refused(&patched(80, &[192]), 80);
    refused(&patched(88, &[1]), 88);
    refused(&patched(88, &[16]), 88);
    refused(&patched(100, &[1]), 100);
    refused(&patched(8, &[1]), 8);
    refused(&patched(63, &[1]), 63);
    refused(&patched(140, &[1]), 140);
    refused(&patched(0, &[1]), 192);
    refused(&[file(), vec![0; 64]].concat(), 320);
    refused(&file()[..256], 200);
    refused(&file()[..200], 192);
}

#[test]
fn elements_reaching_into_the_next_record_hide_it() {
    // 68 bytes from byte 128: they end inside the next record's metadata, where padding should be.
    refused(&patched(72, &[68]), 196);
}

#[test]
fn bits_that_are_no_whole_number_of_elements_are_refused() {
    let mut writer = BlobWriter::new();
    writer.add(DType::UInt3, 5, &[0xd1, 0x58]).unwrap();
    let bytes = writer.finish();
    assert_eq!(bytes[88..96], [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(record_at(&bytes, 64).unwrap().decode(), Ok(ConstantData::UInt8(vec![1, 2, 3, 4, 5])));
    for (unused, at) in [(0, 72), (2, 72), (4, 0), (7, 0), (8, 88), (255, 88)] {
        let mut bytes = bytes.clone();
        bytes[88] = unused;
        match BlobFile::parse(&bytes) {
            Ok(_) => assert_eq!(at, 0, "{unused}"),
            Err(MilError::Blob { offset, .. }) => assert_eq!(offset, at, "{unused}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn records_are_found_by_offset_whatever_the_count_and_alignment() {
    // A count of 1, and the second record directly behind the first: what several tools write (ane-facts 3.2).
    let mut bytes = file();
    bytes[0] = 1;
    bytes.drain(132..192);
    bytes[148..150].copy_from_slice(&[132 + 64, 0]);
    assert!(BlobFile::parse(&bytes).is_err());
    assert_eq!(record_at(&bytes, 64).unwrap().bytes, [1, 2, 3, 4]);
    assert_eq!(record_at(&bytes, 132).unwrap().bytes, [5]);
}

#[test]
fn writer_refuses_what_cannot_be_read_back() {
    let mut writer = BlobWriter::new();
    assert!(writer.add(DType::String, 1, b"text").is_err());
    assert!(writer.add(DType::Bool, 1, &[1]).is_err());
    assert!(writer.add(DType::Fp32, 1, &[0; 6]).is_err());
    assert!(writer.add(DType::Fp32, usize::MAX, &[]).is_err());
    assert!(writer.add_data(DType::Fp32, &ConstantData::Int8(vec![1])).is_err());
    assert!(writer.is_empty());
    assert_eq!(writer.add(DType::Fp32, 0, &[]), Ok(64));
    assert_eq!(BlobFile::parse(&writer.finish()).unwrap().get(64).unwrap().count, 0);
}

#[test]
fn every_type_that_blobs_store_comes_back() {
    let bytes: Vec<u8> = (7..7 + 36).collect();
    for dtype in DType::all().filter(|&d| stores(d)) {
        let data = decode(dtype, 9, &bytes[..(9 * dtype.bits()).div_ceil(8)]).unwrap();
        let mut writer = BlobWriter::new();
        let offset = writer.add_data(dtype, &data).unwrap();
        let file = writer.finish();
        let blob = record_at(&file, offset).unwrap();
        assert_eq!((blob.dtype, blob.count, blob.decode()), (dtype, 9, Ok(data)));
    }
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
    for (dtype, count, bytes) in
        [(DType::Fp16, 2, 4), (DType::Fp16, 4, 8), (DType::Int8, 6, 6), (DType::Bf16, 3, 6)]
    {
        let mut other = BlobWriter::new();
        other.add(dtype, count, &vec![0; bytes]).unwrap();
        let other = other.finish();
        assert!(matches!(inline(&moved, |_| Some(&other[..])), Err(MilError::Blob { offset: 64, .. })));
    }
}

/// A program of int8 constants of four elements at these offsets of these files.
fn referring(references: &[(&str, u64)]) -> Program {
    let mut b = Builder::new("main");
    for &(path, offset) in references {
        let data = ConstantData::Blob { path: path.to_owned(), offset };
        b.constant("w", Constant { ty: TensorType::new(DType::Int8, [4]), data });
    }
    Program::new(b.function().clone())
}

#[test]
fn one_blob_cannot_be_copied_without_limit() {
    let mut blob = BlobWriter::new();
    blob.add(DType::Int8, 4, &[0; 4]).unwrap();
    let blob = blob.finish();
    // 132 bytes, sixteen times.
    let allowed = 132 * 16 / 4;
    let file = |_: &str| Some(&blob[..]);
    assert!(inline(&referring(&vec![(PATH, 64); allowed]), file).is_ok());
    assert!(inline(&referring(&vec![(PATH, 64); allowed + 1]), file).is_err());
}

#[test]
fn a_record_inside_the_elements_of_another_is_refused() {
    let mut inner = BlobWriter::new();
    inner.add(DType::Int8, 4, &[1; 4]).unwrap();
    let mut inner = inner.finish();
    inner[64 + 16] = 192;
    let mut outer = BlobWriter::new();
    outer.add(DType::Int8, 4, &[0; 4]).unwrap();
    outer.add(DType::Int8, 4, &[0; 4]).unwrap();
    let mut bytes = outer.finish();
    // The first blob's elements now hold a record at byte 128, and reach to byte 196.
    bytes[72] = 68;
    bytes[128..196].copy_from_slice(&inner[64..]);
    let program = referring(&[(PATH, 128)]);
    assert!(inline(&program, |_| Some(&bytes[..])).is_ok());
    let mut b = Builder::new("main");
    for (offset, count) in [(64, 68), (128, 4)] {
        let data = ConstantData::Blob { path: PATH.to_owned(), offset };
        b.constant("w", Constant { ty: TensorType::new(DType::Int8, [count]), data });
    }
    for ops in [[0, 1], [1, 0]] {
        let mut function = b.function().clone();
        function.ops = ops.iter().map(|&i| b.function().ops[i].clone()).collect();
        match inline(&Program::new(function), |_| Some(&bytes[..])) {
            Err(MilError::Blob { reason, .. }) => assert!(reason.contains("overlaps"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn constants_come_from_several_files() {
    let mut files = Vec::new();
    for value in [1, 2] {
        let mut blob = BlobWriter::new();
        blob.add(DType::Int8, 4, &[value; 4]).unwrap();
        files.push(blob.finish());
    }
    let program = referring(&[("a.bin", 64), ("b.bin", 64), ("a.bin", 64)]);
    assert_eq!(paths(&program).into_iter().collect::<Vec<_>>(), ["a.bin", "b.bin"]);
    let file = |path: &str| Some(&files[usize::from(path == "b.bin")][..]);
    let inlined = inline(&program, file).unwrap();
    let function = inlined.main().unwrap();
    let values = |op: usize| function.ops()[op].constant().unwrap().to_i64().unwrap()[0];
    assert_eq!([values(0), values(1), values(2)], [1, 2, 1]);
    let mut renamed = program;
    rename(&mut renamed, |path| (path == "b.bin").then(|| "c.bin".to_owned()));
    assert_eq!(paths(&renamed).into_iter().collect::<Vec<_>>(), ["a.bin", "c.bin"]);
}

#[test]
fn weights_move_wherever_they_stand() {
    let text = r#"program(1.3)
{
    func main<ios16>(tensor<fp16, [2, 3]> x) {
            tensor<fp16, [2, 3]> w = constexpr_affine_dequantize()[axis = int32(0), quantized_data = tensor<int8, [2, 3]>([[1, 2, 3], [4, 5, 6]]), scale = fp16(0x1p+0), zero_point = int8(0)];
            tensor<fp16, [2, 3]> y = add(x = w, y = tensor<fp16, [2, 3]>([[1, 2, 3], [4, 5, 6]]));
            tensor<fp16, [3, 2]> z = reshape(shape = tensor<int32, [2]>([3, 2]), x = y);
        } -> (z);
}
"#;
    let program = parse(text).unwrap();
    let (moved, blob) = externalize(&program, PATH, 1).unwrap();
    let text = moved.to_text();
    assert!(text.contains("quantized_data = tensor<int8, [2, 3]>(BLOBFILE("), "{text}");
    assert!(text.contains("y = tensor<fp16, [2, 3]>(BLOBFILE("), "{text}");
    assert!(text.contains("shape = tensor<int32, [2]>([3, 2])"), "types are inferred from it: {text}");
    assert_eq!(BlobFile::parse(&blob).unwrap().len(), 2);
    assert_eq!(inline(&moved, |_| Some(&blob[..])), Ok(program));
}
