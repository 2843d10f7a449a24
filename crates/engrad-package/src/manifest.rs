//! `Manifest.json`: which file of an `.mlpackage` is the model.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::PackageError;
use crate::weights::relative;

/// Folder of everything that the manifest names.
pub(crate) const DATA: &str = "Data";
/// Whose items they are; also the folder of the model.
const AUTHOR: &str = "com.apple.CoreML";
/// The model, in [`DATA`].
pub(crate) const MODEL: &str = "com.apple.CoreML/model.mlmodel";
/// Folder of the weights, in [`DATA`].
const WEIGHTS: &str = "com.apple.CoreML/weights";

/// Path of the model in [`DATA`].
pub(crate) fn root_model(text: &[u8], path: &Path) -> Result<PathBuf, PackageError> {
    let fault = |reason: String| PackageError::Json { path: path.to_owned(), reason };
    let manifest: Value = serde_json::from_slice(text).map_err(|error| fault(error.to_string()))?;
    match manifest.get("fileFormatVersion").and_then(Value::as_str) {
        Some(version) if version.split('.').next() == Some("1") => {}
        other => return Err(fault(format!("format version {other:?}; 1.0.0 is read"))),
    }
    let root = manifest.get("rootModelIdentifier").and_then(Value::as_str);
    let root = root.ok_or_else(|| fault("no rootModelIdentifier".to_owned()))?;
    let item = manifest.get("itemInfoEntries").and_then(|items| items.get(root));
    let item = item.and_then(|item| item.get("path")).and_then(Value::as_str);
    let item = item.ok_or_else(|| fault(format!("no path for the model {root}")))?;
    relative(item)
}

/// The manifest of a package with this model; identifiers follow from its bytes.
pub(crate) fn write(model: &[u8], has_weights: bool) -> String {
    let identifier = |path: &str| uuid(&[path.as_bytes(), &[0], model].concat());
    let root = identifier(MODEL);
    let entry = |path: &str, name: &str, description: &str| json!({ "author": AUTHOR, "description": description, "name": name, "path": path });
    let mut entries = serde_json::Map::new();
    entries.insert(root.clone(), entry(MODEL, "model.mlmodel", "CoreML Model Specification"));
    if has_weights {
        entries.insert(identifier(WEIGHTS), entry(WEIGHTS, "weights", "CoreML Model Weights"));
    }
    let manifest =
        json!({ "fileFormatVersion": "1.0.0", "itemInfoEntries": entries, "rootModelIdentifier": root });
    format!("{manifest:#}\n")
}

/// A UUID of version 8 (RFC 9562: bits of the maker's choice) from a digest.
fn uuid(of: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(of).into();
    let mut text = String::with_capacity(36);
    for (position, byte) in digest.iter().take(16).enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let byte = match position {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        text.push_str(&format!("{byte:02X}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_of_a_written_manifest_is_found() {
        let text = write(b"model", true);
        assert_eq!(root_model(text.as_bytes(), Path::new("Manifest.json")).unwrap(), Path::new(MODEL));
        assert_eq!(text, write(b"model", true));
    }

    #[test]
    fn a_manifest_cannot_point_out_of_its_package() {
        let text = write(b"model", false).replace(MODEL, "../../model.mlmodel");
        assert!(matches!(
            root_model(text.as_bytes(), Path::new("Manifest.json")),
            Err(PackageError::WeightPath { .. })
        ));
    }
}
