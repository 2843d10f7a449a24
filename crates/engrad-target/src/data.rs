//! The data files, read once.
//!
//! They are part of the crate: a fault in them is a defect of this crate, found by its tests, so reading them panics
//! instead of burdening every caller with an error that cannot happen.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;
use toml::{Table, Value};

use crate::chip::Chip;
use crate::fact::{Fact, Route, Source};
use crate::support::OpSupport;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactFile {
    pub(crate) source: Vec<Source>,
    pub(crate) route: Vec<Route>,
    pub(crate) fact: Vec<Fact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpFile {
    row: Vec<OpSupport>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChipFile {
    default: Table,
    family: HashMap<String, Table>,
    chip: Vec<Table>,
}

struct Ops {
    rows: Vec<OpSupport>,
    by_name: HashMap<String, usize>,
}

static FACTS: LazyLock<FactFile> = LazyLock::new(|| read("facts.toml", include_str!("../data/facts.toml")));

static OPS: LazyLock<Ops> = LazyLock::new(|| {
    let OpFile { row: rows } = read("ops.toml", include_str!("../data/ops.toml"));
    let names = |(position, row): (usize, &OpSupport)| {
        row.ops.iter().map(|op| (op.clone(), position)).collect::<Vec<_>>()
    };
    let by_name = rows.iter().enumerate().flat_map(names).collect();
    Ops { rows, by_name }
});

static CHIPS: LazyLock<Vec<Chip>> = LazyLock::new(|| {
    let file: ChipFile = read("chips.toml", include_str!("../data/chips.toml"));
    file.chip.iter().map(|chip| resolve(&file, chip)).collect()
});

pub(crate) fn facts() -> &'static FactFile {
    &FACTS
}

pub(crate) fn chips() -> &'static [Chip] {
    &CHIPS
}

pub(crate) fn op_row(name: &str) -> Option<&'static OpSupport> {
    OPS.by_name.get(name).and_then(|&position| OPS.rows.get(position))
}

pub(crate) fn op_table() -> &'static [OpSupport] {
    &OPS.rows
}

fn read<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> T {
    toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A chip's entry laid over its family's table, laid over what all share.
fn resolve(file: &ChipFile, chip: &Table) -> Chip {
    let family = chip.get("family").and_then(Value::as_str).and_then(|name| file.family.get(name));
    let family = family.unwrap_or_else(|| panic!("chips.toml: no family for {chip:?}"));
    let mut table = file.default.clone();
    overlay(&mut table, family);
    overlay(&mut table, chip);
    table.try_into().unwrap_or_else(|error| panic!("chips.toml: {:?}: {error}", chip.get("name")))
}

/// Replaces values of `table` by those of `over`, key by key, to any depth.
fn overlay(table: &mut Table, over: &Table) {
    for (key, value) in over {
        match (table.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => overlay(below, above),
            _ => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}
