//! The protobuf of a package: the reader takes every file; a program that it gives prints, reads back equal, and goes
//! through a package unchanged.
#![no_main]

use engrad_mil::{parse, verify};
use engrad_package::package;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(spec) = package::read(data) else {
        return;
    };
    let text = spec.program.to_text();
    match parse(&text) {
        Ok(again) => assert_eq!(again, spec.program, "what was printed reads otherwise:\n{text}"),
        Err(error) => panic!("printed text is not read: {error}\n{text}"),
    }
    let _ = verify::check(&spec.program);
    let Ok(bytes) = spec.to_bytes() else {
        return;
    };
    let again = package::read(&bytes).expect("what was written is read");
    assert_eq!(again.program, spec.program, "the program changed on its way through a package:\n{text}");
});
