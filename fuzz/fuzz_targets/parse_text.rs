//! Program text: the parser, printer and verifier take every text, and what is read can be printed and read again.
#![no_main]

use engrad_mil::{Program, parse, read, verify};
use libfuzzer_sys::fuzz_target;

fn round_trip(program: &Program) {
    let text = program.to_text();
    let again = match parse(&text) {
        Ok(again) => again,
        Err(error) => panic!("printed text is not read: {error}\n{text}"),
    };
    assert_eq!(&again, program, "what was printed reads otherwise:\n{text}");
    assert_eq!(again.to_text(), text, "printing is no fixed point");
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let reading = read(text);
    for error in &reading.errors {
        error.render("fuzz.mil", text);
    }
    if reading.errors.is_empty() {
        round_trip(&reading.program);
    }
    for violation in verify::check(&reading.program) {
        violation.diagnostic(Some(&reading.source)).render("fuzz.mil", text);
    }
});
