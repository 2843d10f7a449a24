//! Every rule has programs that break it and programs that keep it: `filetests/<CODE>/fail*.mil` and `pass*.mil`.
//!
//! The first line names the chips, `// target: h13 h16`. Lines that begin with `//~ ` hold the rule's findings in full;
//! `ENGRAD_BLESS=1` rewrites them. A `fail` program has findings on every chip it names, a `pass` program on none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use engrad_target::{Chip, check_text, rules};

const MARK: &str = "//~ ";

fn sorted_entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

/// The findings of rule `code` on each chip that the first line names.
fn findings(source: &str, code: &str) -> Result<Vec<(String, String)>, String> {
    let targets = source.lines().next().and_then(|line| line.strip_prefix("// target: "));
    let targets = targets.ok_or("the first line names no target")?;
    let reading = engrad_mil::text::read(source);
    if let Some(error) = reading.errors.first() {
        return Err(error.render("program", source));
    }
    let mut found = Vec::new();
    for target in targets.split_whitespace() {
        let chip = Chip::named(target).map_err(|error| error.to_string())?;
        let lines: Vec<String> = check_text(source, &reading, chip)
            .iter()
            .filter(|f| f.code == code)
            .map(|f| f.to_string())
            .collect();
        found.push((target.to_owned(), lines.join("\n")));
    }
    Ok(found)
}

#[test]
fn every_rule_has_a_program_that_breaks_it_and_one_that_keeps_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests");
    let mut wrong = Vec::new();
    let mut missing: BTreeSet<String> = rules()
        .iter()
        .flat_map(|rule| ["fail", "pass"].map(|kind| format!("{}/{kind}", rule.code)))
        .collect();
    for folder in sorted_entries(&root) {
        let code = name(&folder);
        assert!(rules().iter().any(|rule| rule.code == code), "{code} is no rule");
        for path in sorted_entries(&folder).iter().filter(|path| path.extension().is_some_and(|e| e == "mil"))
        {
            let kind = name(path).get(..4).unwrap_or_default();
            missing.remove(&format!("{code}/{kind}"));
            let file = fs::read_to_string(path).unwrap();
            let (source, expected) = file.split_at(file.find(MARK).unwrap_or(file.len()));
            let found = match findings(source, code) {
                Ok(found) => found,
                Err(error) => {
                    wrong.push(format!("{}: {error}", path.display()));
                    continue;
                }
            };
            for (target, text) in &found {
                if text.is_empty() == (kind == "fail") {
                    wrong.push(format!("{} on {target}:\n{text}", path.display()));
                }
            }
            let text = found
                .iter()
                .flat_map(|(_, text)| text.lines())
                .map(|line| format!("{MARK}{line}\n"))
                .collect::<String>();
            if text == expected {
                continue;
            }
            if std::env::var_os("ENGRAD_BLESS").is_some() {
                fs::write(path, format!("{source}{text}")).unwrap();
            } else {
                wrong.push(format!("{}\nexpected:\n{expected}found:\n{text}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(missing.is_empty(), "no example: {missing:?}");
}
