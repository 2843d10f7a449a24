use std::collections::BTreeMap;

use crate::proto;

/// What a model says of itself beyond its program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What it is for.
    pub description: String,
    /// Its version.
    pub version: String,
    /// Who made it.
    pub author: String,
    /// Under which terms.
    pub license: String,
    /// Anything else, by key.
    pub user_defined: BTreeMap<String, String>,
}

impl Metadata {
    pub(crate) fn from_proto(metadata: &proto::Metadata) -> Self {
        Self {
            description: metadata.short_description.clone(),
            version: metadata.version_string.clone(),
            author: metadata.author.clone(),
            license: metadata.license.clone(),
            user_defined: metadata.user_defined.clone(),
        }
    }

    pub(crate) fn to_proto(&self) -> proto::Metadata {
        proto::Metadata {
            short_description: self.description.clone(),
            version_string: self.version.clone(),
            author: self.author.clone(),
            license: self.license.clone(),
            user_defined: self.user_defined.clone(),
        }
    }
}
