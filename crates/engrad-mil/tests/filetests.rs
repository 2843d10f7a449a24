//! File tests of the language: see [`engrad_filetest`].

use std::path::Path;

use engrad_filetest::{canonical, check, diagnostics};

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests").join(name)
}

#[test]
fn canonical_text_is_a_fixed_point() {
    check(&folder("print"), canonical);
}

#[test]
fn every_syntax_error_is_drawn_in_full() {
    check(&folder("parse_error"), diagnostics);
}

#[test]
fn every_violation_is_drawn_in_full() {
    check(&folder("verify"), diagnostics);
}
