//! Weight blobs: the reader takes every file, and what it accepts is inside the file.
#![no_main]

use engrad_mil::blob::BlobFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = BlobFile::parse(data) else {
        return;
    };
    let offsets: Vec<u64> = file.offsets().collect();
    assert!(offsets.is_sorted());
    for offset in offsets {
        let _ = file.get(offset);
    }
});
