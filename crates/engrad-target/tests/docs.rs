//! `docs/targets.md` is made from the data files and the rules; `ENGRAD_BLESS=1` rewrites it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use engrad_target::{
    Chip, Elsewhere, Fact, Family, Support, TypeRule, chips, facts, op_table, routes, rules, sources,
};

#[test]
fn the_page_says_what_the_data_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/targets.md");
    let page = page();
    if std::env::var_os("ENGRAD_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let difference = written.lines().zip(page.lines()).position(|(a, b)| a != b);
    assert!(
        written == page,
        "docs/targets.md differs first at line {difference:?}; ENGRAD_BLESS=1 rewrites it"
    );
}

fn page() -> String {
    let mut out = String::from(
        "# Targets\n\n\
         Made from `crates/engrad-target` by its test `docs`; do not edit. What `engrad mil check --target` says, for which\n\
         chips, and why.\n",
    );
    write_rules(&mut out);
    write_chips(&mut out);
    write_types(&mut out);
    write_ops(&mut out);
    write_facts(&mut out);
    out
}

/// A cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn write_rules(out: &mut String) {
    out.push_str(
        "\n## Rules\n\n\
         A program that breaks a rule is *refused* (it does not compile, load or run), gives *wrong results*, or is *slow*; a\n\
         *note* is worth knowing. On families where nobody observed the fact behind a rule, the rule says the same, a note, or\n\
         nothing.\n\n\
         | Code | What holds | Otherwise | Fact | Elsewhere |\n|---|---|---|---|---|\n",
    );
    for rule in rules() {
        let is_local = Fact::with_id(rule.fact).is_some_and(|fact| !fact.families.is_empty());
        let elsewhere = match rule.elsewhere {
            _ if !is_local => "",
            Elsewhere::Same => "the same",
            Elsewhere::Note => "a note",
            Elsewhere::Silent => "nothing",
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {elsewhere} |",
            rule.code,
            cell(rule.title),
            rule.severity,
            rule.fact
        );
    }
}

fn write_chips(out: &mut String) {
    out.push_str(
        "\n## Chips\n\nCores are the device compiler's count.\n\n\
         | Chip | Products | Cores | Clock, GHz | Peak, TFLOP/s | Ports, GB/s | Weights, GB/s | Floor, µs |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let shown = |number: Option<String>| number.unwrap_or_default();
    for chip in chips() {
        let cost = &chip.cost;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            chip.name,
            chip.marketing.join(", "),
            shown(chip.cores.map(|n| n.to_string())),
            shown(chip.clock_ghz.map(|n| n.to_string())),
            cost.peak_tflops,
            cost.stream_gb_s,
            cost.weight_gb_s,
            cost.floor_us,
        );
    }
    out.push_str("\n### Limits by family\n\n|");
    type Row = (&'static str, fn(&Chip) -> String);
    let rows: &[Row] = &[
        ("Dimensions", |c| c.limits.rank.to_string()),
        ("Dimensions of a matmul operand", |c| c.limits.matmul_rank.to_string()),
        ("Width", |c| c.limits.width.to_string()),
        ("Height", |c| c.limits.height.to_string()),
        ("Channels", |c| c.limits.channels.to_string()),
        ("Batch", |c| c.limits.batch.to_string()),
        ("Contraction of a matrix product", |c| c.limits.contraction.to_string()),
        ("Convolution kernel width, fp16", |c| c.limits.conv_kernel_width.to_string()),
        ("Convolution kernel width, other formats", |c| c.limits.conv_kernel_width_other.to_string()),
        ("Pooling window", |c| c.limits.pool_window.to_string()),
        ("Operations of a program", |c| c.limits.operations.to_string()),
        ("Compiles in a process", |c| c.limits.compiles_per_process.to_string()),
        ("Programs loaded", |c| c.limits.loaded_programs.to_string()),
        ("Row alignment, bytes", |c| c.surface.row_alignment.to_string()),
        ("Smallest surface, bytes", |c| c.surface.minimum_bytes.to_string()),
        ("Resident operand, bytes", |c| c.memory.resident_operand_bytes.to_string()),
        ("Program versions", |c| {
            c.text.versions.iter().map(|(v, s)| format!("{v} {s}")).collect::<Vec<_>>().join(", ")
        }),
        ("Accumulator", |c| format!("{:?}", c.numerics.accumulator)),
        ("Rounding", |c| format!("{:?}", c.numerics.rounding)),
        ("Crop of width slices from", |c| c.numerics.width_crop.map_or("none".to_owned(), |x| x.to_string())),
        ("Quirks", |c| c.quirks().map(|fact| fact.id.as_str()).collect::<Vec<_>>().join(" ")),
    ];
    let families: Vec<&Chip> = Family::ALL.iter().map(|family| Chip::named(family.name()).unwrap()).collect();
    out.push_str(" |");
    for chip in &families {
        let _ = write!(out, " {} |", chip.name);
    }
    out.push_str("\n|---|---|---|---|---|---|---|\n");
    for (name, value) in rows {
        let _ = write!(out, "| {name} |");
        for chip in &families {
            let _ = write!(out, " {} |", value(chip));
        }
        out.push('\n');
    }
}

fn write_types(out: &mut String) {
    out.push_str(
        "\n## Element types\n\nOn h16; where a family differs it is named.\n\n\
         | Type | Constant | Between operations | Input | Output | Fact |\n|---|---|---|---|---|---|\n",
    );
    let chip = Chip::named("h16").unwrap();
    for (name, rule) in &chip.types {
        let _ = write!(out, "| {name} |");
        let roles: [fn(&TypeRule) -> Support; 4] =
            [|r| r.constant, |r| r.intermediate, |r| r.input, |r| r.output];
        for role in roles {
            let here = role(rule);
            let others: Vec<String> = Family::ALL
                .iter()
                .filter_map(|family| {
                    let there = role(Chip::named(family.name()).unwrap().type_rule(name).unwrap());
                    (there != here).then(|| format!("{family}: {there}"))
                })
                .collect();
            let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
            let _ = write!(out, " {here}{others} |");
        }
        let facts = if rule.port_fact() == rule.fact {
            rule.fact.clone()
        } else {
            format!("{}, {}", rule.fact, rule.port_fact())
        };
        let _ = writeln!(out, " {facts} |");
    }
}

fn write_ops(out: &mut String) {
    out.push_str("\n## Operations\n\n| Operations | h13 | h14 | h15 | h16 | h17 | h18 | Must be written out | Fact |\n|---|---|---|---|---|---|---|---|---|\n");
    for row in op_table() {
        let _ = write!(out, "| {} |", row.ops.join(", "));
        for family in Family::ALL {
            let _ = write!(out, " {} |", row.on(family));
        }
        let _ = writeln!(out, " {} | {} |", row.required.join(", "), row.fact);
    }
}

fn write_facts(out: &mut String) {
    out.push_str("\n## Facts\n\nEvidence: measured on hardware, read out of Apple's binaries, claimed without a visible experiment, inferred.\n");
    for fact in facts() {
        let mut scope: Vec<String> = Vec::new();
        if !fact.families.is_empty() {
            scope.push(fact.families.iter().map(|f| f.name()).collect::<Vec<_>>().join(", "));
        }
        scope.extend(fact.os.clone());
        if !fact.routes.is_empty() {
            let letters: Vec<String> = fact.routes.iter().map(char::to_string).collect();
            scope.push(format!("route {}", letters.join(", ")));
        }
        let scope = if scope.is_empty() { "everywhere".to_owned() } else { scope.join("; ") };
        let _ = write!(out, "\n**{}** {} ", fact.id, fact.statement);
        let _ = write!(out, "*{scope}; {}: {}.*", fact.evidence, fact.sources.join(", "));
        if let Some(others) = &fact.contradicted {
            let _ = write!(out, " Contradicted: {others}.");
        }
        if let Some(advice) = &fact.advice {
            let _ = write!(out, " → {advice}");
        }
        out.push('\n');
    }
    out.push_str("\n### Routes\n\n| Letter | Route |\n|---|---|\n");
    for route in routes() {
        let _ = writeln!(out, "| {} | {} |", route.letter, cell(&route.title));
    }
    out.push_str("\n### Sources\n\n| Tag | Source |\n|---|---|\n");
    for source in sources() {
        let _ = writeln!(out, "| {} | {} |", source.tag, cell(&source.title));
    }
}
