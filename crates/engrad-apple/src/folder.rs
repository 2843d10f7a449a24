//! The folder in which the framework's daemon reads a program's files.
//!
//! Its name is the model's identifier, so that two models of the same text and weights share it, in one process or in
//! several. Every user holds a shared lock on the folder itself, which the system gives up even if the process is
//! killed; the one who can get it alone removes the folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::AppleError;

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    lock: Option<File>,
}

fn fault(path: &Path, error: &io::Error) -> AppleError {
    AppleError::Files { path: path.display().to_string(), reason: error.to_string() }
}

/// How often a folder that others remove at the same time is made again.
const ATTEMPTS: usize = 100;

impl Folder {
    /// Makes the folder `identifier` below `parent`, or joins those who use it.
    pub(crate) fn make(parent: &Path, identifier: &str) -> Result<Self, AppleError> {
        let sound = !identifier.is_empty()
            && identifier.len() <= 255
            && identifier.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !sound {
            let reason = "the model's identifier is no file name".to_owned();
            return Err(AppleError::Files { path: identifier.escape_debug().to_string(), reason });
        }
        let path = parent.join(identifier);
        for _ in 0..ATTEMPTS {
            if let Err(error) = fs::create_dir(&path)
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(fault(&path, &error));
            }
            let lock = match File::open(&path) {
                Ok(folder) => folder,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(fault(&path, &error)),
            };
            // Someone who removes the folder does so under the lock, so that after it the folder is there or is not.
            lock.lock_shared().map_err(|e| fault(&path, &e))?;
            if same(&lock, &path) {
                return Ok(Self { path, lock: Some(lock) });
            }
        }
        Err(AppleError::Files {
            path: path.display().to_string(),
            reason: "other processes keep removing the folder".to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file below the folder, whole or not at all. A file of the same content stays as it is.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), AppleError> {
        let plain = Path::new(name).components().all(|c| matches!(c, Component::Normal(_)));
        let path = self.path.join(name);
        if !plain || name.is_empty() {
            let reason = "not below the program's folder".to_owned();
            return Err(AppleError::Files { path: path.display().to_string(), reason });
        }
        if fs::metadata(&path).is_ok_and(|m| m.len() == content.len() as u64)
            && fs::read(&path).is_ok_and(|present| present == content)
        {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| fault(parent, &e))?;
        }
        let mut beside = path.clone().into_os_string();
        beside.push(format!(".{}", std::process::id()));
        fs::write(&beside, content).map_err(|e| fault(&path, &e))?;
        fs::rename(&beside, &path).map_err(|e| fault(&path, &e))
    }
}

/// Whether an open folder is the one at a path now.
fn same(open: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        match (open.metadata(), fs::metadata(path)) {
            (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = open;
        path.is_dir()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        match lock.try_lock() {
            // Nothing depends on the removal, and nobody could act on its failure.
            Ok(()) => drop(fs::remove_dir_all(&self.path)),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("engrad-folder-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn the_last_user_removes_the_folder() {
        let parent = parent("last");
        let first = Folder::make(&parent, "AB_12").unwrap();
        first.write("weights/w.bin", b"1").unwrap();
        let second = Folder::make(&parent, "AB_12").unwrap();
        second.write("weights/w.bin", b"1").unwrap();
        drop(first);
        assert_eq!(fs::read(parent.join("AB_12/weights/w.bin")).unwrap(), b"1");
        drop(second);
        assert!(!parent.join("AB_12").exists());
        fs::remove_dir(&parent).unwrap();
    }

    #[test]
    fn nothing_is_written_outside() {
        let parent = parent("outside");
        for name in ["..", "a/b", "", "/etc"] {
            assert!(Folder::make(&parent, name).is_err(), "{name}");
        }
        let folder = Folder::make(&parent, "A").unwrap();
        for name in ["../x", "/x", "", "weights/../../x"] {
            assert!(folder.write(name, b"").is_err(), "{name}");
        }
        drop(folder);
        fs::remove_dir(&parent).unwrap();
    }
}
