//! Files and folders that appear whole or not at all: written beside their place and renamed.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::PackageError;

/// A folder in the making.
pub(crate) struct Folder<'a> {
    target: &'a Path,
    making: TempDir,
}

impl<'a> Folder<'a> {
    /// Begins a folder that will be at `target`.
    pub(crate) fn new(target: &'a Path, replace: bool) -> Result<Self, PackageError> {
        refuse_existing(target, replace)?;
        let parent = parent(target);
        fs::create_dir_all(parent).map_err(PackageError::io(parent))?;
        let making = tempfile::Builder::new().prefix(".engrad-").suffix(".tmp").tempdir_in(parent);
        let making = making.map_err(PackageError::io(parent))?;
        fs::create_dir(making.path().join("new")).map_err(PackageError::io(making.path()))?;
        Ok(Self { target, making })
    }

    /// Writes a file of the folder.
    pub(crate) fn write(&self, place: &Path, bytes: &[u8]) -> Result<(), PackageError> {
        let path = self.file(place)?;
        fs::write(&path, bytes).map_err(PackageError::io(&path))
    }

    /// Copies a file into the folder.
    pub(crate) fn copy(&self, place: &Path, from: &Path) -> Result<(), PackageError> {
        let path = self.file(place)?;
        copy(from, &path)
    }

    fn file(&self, place: &Path) -> Result<std::path::PathBuf, PackageError> {
        let path = self.making.path().join("new").join(place);
        let folder = parent(&path);
        fs::create_dir_all(folder).map_err(PackageError::io(folder))?;
        Ok(path)
    }

    /// Puts the folder in its place; what was there goes only when all is written.
    pub(crate) fn finish(self) -> Result<(), PackageError> {
        let (new, old) = (self.making.path().join("new"), self.making.path().join("old"));
        let replaced = self.target.symlink_metadata().is_ok();
        if replaced {
            fs::rename(self.target, &old).map_err(PackageError::io(self.target))?;
        }
        if let Err(error) = fs::rename(&new, self.target) {
            if replaced {
                // The error that matters is the first; what was there is kept in the other folder if even this fails.
                if fs::rename(&old, self.target).is_err() {
                    let _ = self.making.keep();
                }
            }
            return Err(PackageError::io(self.target)(error));
        }
        Ok(())
    }
}

/// Writes one file whole.
pub(crate) fn file(target: &Path, bytes: &[u8], replace: bool) -> Result<(), PackageError> {
    placed(target, replace, |path| fs::write(path, bytes).map_err(PackageError::io(path)))
}

/// Copies one file whole.
pub(crate) fn copied(target: &Path, from: &Path, replace: bool) -> Result<(), PackageError> {
    placed(target, replace, |path| copy(from, path))
}

fn placed(
    target: &Path,
    replace: bool,
    write: impl FnOnce(&Path) -> Result<(), PackageError>,
) -> Result<(), PackageError> {
    refuse_existing(target, replace)?;
    let folder = parent(target);
    fs::create_dir_all(folder).map_err(PackageError::io(folder))?;
    let making = tempfile::Builder::new().prefix(".engrad-").suffix(".tmp").tempdir_in(folder);
    let making = making.map_err(PackageError::io(folder))?;
    let new = making.path().join("new");
    write(&new)?;
    fs::rename(&new, target).map_err(PackageError::io(target))
}

/// An error if something is at `target` that must stay.
pub(crate) fn refuse_existing(target: &Path, replace: bool) -> Result<(), PackageError> {
    if !replace && target.symlink_metadata().is_ok() {
        return Err(PackageError::Exists(target.to_owned()));
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), PackageError> {
    if !from.is_file() {
        return Err(PackageError::Unknown { path: from.to_owned(), reason: "not a plain file".to_owned() });
    }
    fs::copy(from, to).map(|_| ()).map_err(PackageError::io(from))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
