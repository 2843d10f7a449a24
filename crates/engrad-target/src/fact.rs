use std::fmt;

use serde::{Deserialize, Serialize};

use crate::chip::Family;
use crate::data;

/// How a fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Evidence {
    /// Measured on hardware.
    #[serde(rename = "M")]
    Measured,
    /// Read out of Apple's binaries.
    #[serde(rename = "D")]
    Decompiled,
    /// Claimed without a visible experiment.
    #[serde(rename = "C")]
    Claimed,
    /// Inferred from other facts.
    #[serde(rename = "I")]
    Inferred,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Measured => "measured",
            Self::Decompiled => "read out of Apple's binaries",
            Self::Claimed => "claimed",
            Self::Inferred => "inferred",
        })
    }
}

/// One thing known about the engine.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// Stable name, e.g. `C34`.
    pub id: String,
    /// What holds.
    pub statement: String,
    /// Families it was observed on; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<Family>,
    /// System versions it was observed on; `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Letters of the routes it was observed on; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<char>,
    /// How it is known.
    pub evidence: Evidence,
    /// Tags of the sources.
    pub sources: Vec<String>,
    /// What to do instead, or what follows; `None` where the fact only explains others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Who says otherwise; `None` for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contradicted: Option<String>,
}

impl Fact {
    /// The fact of that id.
    pub fn with_id(id: &str) -> Option<&'static Self> {
        facts().iter().find(|fact| fact.id == id)
    }

    /// Whether it was observed on that family.
    pub fn covers(&self, family: Family) -> bool {
        self.families.is_empty() || self.families.contains(&family)
    }
}

/// Where facts come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Short name, used in [`Fact::sources`].
    pub tag: String,
    /// What it is.
    pub title: String,
}

/// A way to reach the engine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// One letter, used in [`Fact::routes`].
    pub letter: char,
    /// What it is.
    pub title: String,
}

/// Every fact, in the order of the data file.
pub fn facts() -> &'static [Fact] {
    &data::facts().fact
}

/// Every source.
pub fn sources() -> &'static [Source] {
    &data::facts().source
}

/// Every route.
pub fn routes() -> &'static [Route] {
    &data::facts().route
}
