//! Weight files: where they are, and whether they are inside the model.

use std::path::{Path, PathBuf};

use crate::PackageError;

/// Largest weight file that is read into memory, in bytes.
const MAX_WEIGHTS: u64 = 1 << 36;
/// Stands for the folder of the model.
pub(crate) const MODEL_PATH: &str = "@model_path/";

/// The place of a path that a program gives, in the folder of its model.
///
/// # Errors
/// [`PackageError::WeightPath`] if it is absolute, leaves the folder, or is no plain list of names.
pub(crate) fn relative(path: &str) -> Result<PathBuf, PackageError> {
    let fault = |reason| PackageError::WeightPath { path: path.to_owned(), reason };
    let inside = path.strip_prefix(MODEL_PATH).unwrap_or(path);
    if inside.is_empty() {
        return Err(fault("no file is named"));
    }
    let mut place = PathBuf::new();
    for name in inside.split('/') {
        match name {
            "" => return Err(fault("it is absolute or has an empty name")),
            "." | ".." => return Err(fault("it leaves the model; name a file inside it")),
            // Separators and drive letters of other systems.
            name if name.contains(['\\', ':', '\0']) => {
                return Err(fault("a name has `\\`, `:` or a zero byte"));
            }
            name => place.push(name),
        }
    }
    Ok(place)
}

/// The content of a file, if it is a plain file of at most `limit` bytes.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, PackageError> {
    let about = std::fs::metadata(path).map_err(PackageError::io(path))?;
    if !about.is_file() {
        return Err(PackageError::Unknown { path: path.to_owned(), reason: "not a plain file".to_owned() });
    }
    if about.len() > limit {
        return Err(PackageError::TooLarge { path: path.to_owned(), size: about.len(), limit });
    }
    std::fs::read(path).map_err(PackageError::io(path))
}

/// The content of a weight file.
pub(crate) fn read_weights(path: &Path) -> Result<Vec<u8>, PackageError> {
    read_file(path, MAX_WEIGHTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_leave_the_model() {
        for path in [
            "@model_path/../w.bin",
            "@model_path/weights/../../w.bin",
            "@model_path/",
            "@model_path",
            "/etc/passwd",
            "@model_path//etc/passwd",
            "",
            "..",
            "weights\\..\\..\\w.bin",
            "C:/w.bin",
            "@model_path/./w.bin",
            "w\0.bin",
        ] {
            let refused = relative(path);
            assert!(refused.is_err() || path == "@model_path", "{path}");
        }
        assert_eq!(relative("@model_path/weights/w.bin").unwrap(), Path::new("weights/w.bin"));
        assert_eq!(relative("w.bin").unwrap(), Path::new("w.bin"));
    }
}
