use std::fmt::Write as _;

use engrad_target::Fact;

use crate::table::PROBES;
use crate::verdict::Outcome;

/// The page of documentation, made from the table.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Probes\n\n<!-- Generated from the table in crates/engrad-probe/src/table.rs; `ENGRAD_BLESS=1 cargo test -p \
         engrad-probe` rewrites it. -->\n\nSmall questions to an engine, each answered by running something: `engrad engine \
         probe NAME`, `--all`, `--list`; `--engine virtual|apple`; `--json` gives one object for each.\n\nThe good answer is \
         yes. *pass*: yes; *fail*: no; *unsupported*: the engine has no such thing or refuses the program; \
         *inconclusive*: it ran, and the answer cannot be told. Results are compared with plain loops in f64. Probes marked \
         ¹ ask Apple's private classes and are unsupported on other engines; ² uses up the process's compiles and runs \
         last.\n",
    );
    for probe in PROBES {
        let mark = match (probe.private, probe.exhausting) {
            (true, _) => " ¹",
            (_, true) => " ²",
            _ => "",
        };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(page, "\n## {}{mark}\n\n{}\n\n{}\n", probe.name, probe.question, probe.method);
        for (id, when) in probe.facts {
            let statement = Fact::with_id(id).map_or("", |fact| fact.statement.as_str());
            let settles = match (statement.starts_with("Open:"), when) {
                (true, Outcome::Pass) => "; a pass answers yes".to_owned(),
                (true, Outcome::Fail) => "; a pass answers no".to_owned(),
                (true, _) => "; the measurements answer it".to_owned(),
                (false, when) => format!("; holds after *{}*", when.name()),
            };
            let _ = writeln!(page, "* {id}: {}{settles}", statement.trim_end_matches('.'));
        }
    }
    page
}
