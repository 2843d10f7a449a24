//! Weight blobs: the reader takes every file; what it accepts is inside the file, and comes back when it is written again.
#![no_main]

use engrad_mil::blob::{BlobFile, BlobWriter, record_at};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for offset in (0..data.len() as u64 + 64).step_by(4).take(1 << 12) {
        if let Ok(blob) = record_at(data, offset) {
            let elements = blob.decode().expect("a blob that was read can be decoded");
            assert_eq!(elements.len(), Some(blob.count));
        }
    }
    let Ok(file) = BlobFile::parse(data) else {
        return;
    };
    let mut writer = BlobWriter::new();
    let mut end = 0;
    for blob in file.blobs() {
        assert!(blob.offset >= end, "blobs overlap");
        end = blob.offset + 64 + blob.bytes.len() as u64;
        assert_eq!(file.get(blob.offset).as_ref(), Ok(&blob));
        assert_eq!(record_at(data, blob.offset).as_ref(), Ok(&blob));
        let offset = writer.add(blob.dtype, blob.count, blob.bytes).expect("what is read can be written");
        assert_eq!(offset, blob.offset);
    }
    let written = writer.finish();
    assert_eq!(data.get(..written.len()), Some(&written[..]), "the same file is written");
});
