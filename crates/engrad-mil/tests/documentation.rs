//! `docs/ops.md` is the op table. `ENGRAD_BLESS=1` rewrites it.

use std::fs;
use std::path::Path;

use engrad_mil::{Op, documentation};

#[test]
fn page_of_operations_is_in_step_with_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ops.md");
    let page = documentation();
    if std::env::var_os("ENGRAD_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).position(|(a, b)| a != b);
    assert!(
        written == page,
        "docs/ops.md differs from the op table at line {differs:?}: run with ENGRAD_BLESS=1"
    );
}

#[test]
fn every_operation_has_a_section() {
    let page = documentation();
    for op in Op::all() {
        assert_eq!(page.matches(&format!("\n### {}\n", op.name())).count(), 1, "{}", op.name());
    }
}
