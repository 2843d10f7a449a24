//! File tests: every `filetests/<command>/*.mil` is MIL text followed by what the command must say about it, in lines
//! that begin with `//~ `. `ENGRAD_BLESS=1` rewrites those lines; look at the difference before keeping it.

use std::fs;
use std::path::Path;

use engrad_mil::{parse, verify};

const MARK: &str = "//~ ";

/// Runs `command` on the text of every file of a folder and compares.
fn check(folder: &str, command: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests").join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut different = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "mil")) {
        let file = fs::read_to_string(path).unwrap();
        let source_end = file.find(MARK).unwrap_or(file.len());
        let (source, expected) = file.split_at(source_end);
        let found: String = command(source).lines().map(|line| format!("{MARK}{line}\n")).collect();
        if found == expected {
            continue;
        }
        if std::env::var_os("ENGRAD_BLESS").is_some() {
            fs::write(path, format!("{source}{found}")).unwrap();
        } else {
            different.push(format!("{}\nexpected:\n{expected}found:\n{found}", path.display()));
        }
    }
    assert!(!files.is_empty(), "{} has no tests", folder.display());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Canonical text, which must be a fixed point.
#[test]
fn print() {
    check("print", |source| {
        let program = match parse(source) {
            Ok(program) => program,
            Err(error) => return format!("error: {error}"),
        };
        let text = program.to_text();
        assert_eq!(parse(&text), Ok(program), "{text}");
        text
    });
}

#[test]
fn parse_error() {
    check("parse_error", |source| match parse(source) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    });
}

#[test]
fn verify_reports() {
    check("verify", |source| match parse(source).map(|program| verify(&program)) {
        Ok(Ok(())) => "valid".to_owned(),
        Ok(Err(violations)) => violations.0.iter().map(|v| format!("{v}\n")).collect(),
        Err(error) => format!("error: {error}"),
    });
}
