use std::fmt::Write as _;

use super::{OpInfo, Opset, groups};

const INTRODUCTION: &str = "\
# Operations

Made from the op table of `crates/engrad-mil` by its test `documentation`; do not edit. What `engrad mil check` accepts.

Arguments are given by name. One with a default may be left out, an optional one has none; element types are those of
tensors. Lists of integers may be of any width, and a scalar stands for a list of one. An operation or argument marked
with an operation set came with it; programs of a newer set may use those of every older one. Whether a chip runs an
operation is another matter: see [targets.md](targets.md).
";

/// The op table as a Markdown page: each operation with its group, operation set, arguments and documentation, and whether
/// it can be differentiated.
pub fn documentation() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push('\n');
    for (heading, rows) in groups() {
        let names: Vec<String> = rows.iter().map(|row| format!("[{0}](#{0})", row.op.name())).collect();
        let _ = writeln!(page, "* {heading}: {}", names.join(", "));
    }
    for (heading, rows) in groups() {
        let _ = writeln!(page, "\n## {heading}");
        rows.iter().for_each(|row| operation(&mut page, row));
    }
    page
}

fn operation(page: &mut String, row: &OpInfo) {
    // Writing to a text cannot fail.
    let _ = writeln!(page, "\n### {}\n\n{}", row.op.name(), row.doc);
    let mut notes = Vec::new();
    if row.since > Opset::Ios15 {
        notes.push(format!("Since {}.", row.since.name()));
    }
    if row.is_differentiable() {
        notes.push("Has a derivative rule.".to_owned());
    }
    if !notes.is_empty() {
        let _ = writeln!(page, "\n{}", notes.join(" "));
    }
    if row.arguments.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n| Argument | Kind | Default | Since |\n|---|---|---|---|");
    for argument in row.arguments {
        let mut kind = argument.kind.words().to_owned();
        if argument.kind.has_dtypes() {
            let _ = write!(kind, ", {}", argument.dtypes.words);
        }
        // Those that came with the operation need no mark.
        let since = if argument.since > row.since { argument.since.name() } else { "" };
        let _ = writeln!(page, "| `{}` | {kind} | {} | {since} |", argument.name, argument.default);
    }
}
