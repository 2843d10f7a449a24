//! File tests: MIL text in, text out.
//!
//! A test is a `.mil` file: a program, then what a command must say about it, in lines that begin with `//~ `. Lines in
//! front of the program that begin with `//: ` are options of the command (`//: target h16`). With the environment
//! variable `ENGRAD_BLESS` set, expectations are rewritten instead of compared; look at the difference before keeping it.
//!
//! Any crate can test its own command this way: [`check`] takes a folder and a function from text to text.
//! [`diagnostics`] and [`canonical`] are the commands that several crates share.
#![forbid(unsafe_code)]

use std::path::Path;
use std::{env, fs};

use engrad_mil::verify::check as violations;
use engrad_mil::{Diagnostic, read};

/// Begins a line of expectation.
const MARK: &str = "//~ ";
/// Begins a line of options.
const OPTION: &str = "//: ";

/// One test.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The file's name.
    pub name: &'a str,
    /// The program text, options included.
    pub text: &'a str,
}

impl<'a> Case<'a> {
    /// The value of an option: what stands behind its name.
    pub fn option(&self, name: &str) -> Option<&'a str> {
        let lines = self.text.lines().map_while(|line| line.strip_prefix(OPTION));
        lines
            .filter_map(|line| line.split_once(' '))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim())
    }
}

/// Runs `command` on every `.mil` file of a folder and compares what it says.
///
/// # Panics
/// If something differs, with both texts; if the folder cannot be read or holds no test.
pub fn check(folder: &Path, command: impl Fn(Case<'_>) -> String) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "mil"));
    files.sort();
    assert!(!files.is_empty(), "{} has no tests", folder.display());
    let bless = env::var_os("ENGRAD_BLESS").is_some();
    let mut different = Vec::new();
    for path in &files {
        let file = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (text, expected) = file.split_at(file.find(MARK).unwrap_or(file.len()));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let said = command(Case { name: &name, text });
        let found: String =
            said.lines().map(|line| format!("{}\n", format!("{MARK}{line}").trim_end())).collect();
        if trimmed(expected) == found {
            continue;
        }
        if bless {
            fs::write(path, format!("{text}{found}")).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        } else {
            different.push(format!("{}\nexpected:\n{expected}found:\n{found}", path.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Editors drop spaces at line ends; expectations do not depend on them.
fn trimmed(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Every syntax error, or else every violation of the language rules, drawn over the text; `valid` if there is none.
pub fn diagnostics(case: Case<'_>) -> String {
    let reading = read(case.text);
    let found: Vec<Diagnostic> = if reading.errors.is_empty() {
        violations(&reading.program).iter().map(|v| v.diagnostic(Some(&reading.source))).collect()
    } else {
        reading.errors
    };
    rendered(case, &found)
}

/// Findings drawn over the text; `valid` if there is none.
pub fn rendered(case: Case<'_>, found: &[Diagnostic]) -> String {
    if found.is_empty() {
        return "valid".to_owned();
    }
    found.iter().map(|finding| finding.render(case.name, case.text)).collect()
}

/// The canonical text, or the errors.
///
/// # Panics
/// If the canonical text is read as another program or printed as another text.
pub fn canonical(case: Case<'_>) -> String {
    let reading = read(case.text);
    if !reading.errors.is_empty() {
        return rendered(case, &reading.errors);
    }
    let text = reading.program.to_text();
    let again = read(&text);
    assert_eq!(again.errors, [], "{text}");
    assert_eq!(again.program, reading.program, "{text}");
    assert_eq!(again.program.to_text(), text);
    text
}
