//! Which checkpoints a root holds, which is the newest whole one, and which may go.
//!
//! A directory's name says what it is. Changing it is one rename, so a process killed at any moment leaves each
//! directory in exactly one [`Stage`]; only those that nobody may read are ever incomplete.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    Checkpoint, StoreError,
    files::{io_error, rename},
};

/// What a directory in a root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `step-00001234`: a whole checkpoint.
    Whole,
    /// `.step-00001234.replaced`: whole, about to be superseded by another of the same step.
    Replaced,
    /// `.step-00001234.unfinished`: being written.
    Unfinished,
    /// `.step-00001234.deleted`: being deleted.
    Deleted,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Whole, Self::Replaced, Self::Unfinished, Self::Deleted];

    fn name(self, step: u64) -> String {
        match self {
            Self::Whole => format!("step-{step:08}"),
            Self::Replaced => format!(".step-{step:08}.replaced"),
            Self::Unfinished => format!(".step-{step:08}.unfinished"),
            Self::Deleted => format!(".step-{step:08}.deleted"),
        }
    }

    pub(crate) fn path(self, root: &Path, step: u64) -> PathBuf {
        root.join(self.name(step))
    }

    /// Recognises exactly the names that [`Stage::name`] makes.
    fn parse(name: &str) -> Option<(Self, u64)> {
        let digits = name.trim_start_matches('.').strip_prefix("step-")?;
        let digits = digits.split('.').next()?;
        let step = digits.parse().ok()?;
        let stage = Self::ALL.into_iter().find(|stage| stage.name(step) == name)?;
        Some((stage, step))
    }
}

/// Everything of ours in a root; a root that does not exist is empty.
fn entries(root: &Path) -> Result<Vec<(Stage, u64)>, StoreError> {
    let listing = match fs::read_dir(root) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io_error(root, "list"))?,
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.map_err(io_error(root, "list"))?;
        found.extend(entry.file_name().to_str().and_then(Stage::parse));
    }
    Ok(found)
}

/// The checkpoints under `root` by step, oldest first; their contents are not looked at.
///
/// # Errors
/// [`StoreError::Io`]; a root that does not exist is merely empty.
pub fn checkpoints(root: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let found = entries(root)?;
    let mut all: Vec<_> = found
        .iter()
        .filter(|&&(stage, step)| match stage {
            Stage::Whole => true,
            // A process died between the renames of a replacement.
            Stage::Replaced => !found.contains(&(Stage::Whole, step)),
            Stage::Unfinished | Stage::Deleted => false,
        })
        .map(|&(stage, step)| (step, stage.path(root, step)))
        .collect();
    all.sort();
    Ok(all)
}

/// The result of [`latest`].
#[derive(Debug)]
pub struct Latest {
    /// The newest checkpoint whose every file is as written; `None` if there is none. When there are rejected ones
    /// too, a caller should stop rather than start anew.
    pub checkpoint: Option<Checkpoint>,
    /// Newer ones that are damaged, newest first; worth a warning.
    pub rejected: Vec<Rejected>,
}

/// A checkpoint that [`latest`] passed over.
#[derive(Debug)]
pub struct Rejected {
    /// Its directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: StoreError,
}

/// Finds the newest checkpoint under `root` that is whole, verifying checksums. Writes nothing.
///
/// # Errors
/// [`StoreError::Io`] if `root` cannot be listed; one that does not exist holds no checkpoint.
pub fn latest(root: &Path) -> Result<Latest, StoreError> {
    let mut rejected = Vec::new();
    for (_, path) in checkpoints(root)?.into_iter().rev() {
        let opened = Checkpoint::open(&path).and_then(|mut checkpoint| {
            checkpoint.verify()?;
            Ok(checkpoint)
        });
        match opened {
            Ok(checkpoint) => {
                return Ok(Latest { checkpoint: Some(checkpoint), rejected });
            }
            Err(error) => rejected.push(Rejected { path, error }),
        }
    }
    Ok(Latest { checkpoint: None, rejected })
}

/// Deletes all checkpoints under `root` but the newest `keep_last` (at least one) and that of step `best`; returns
/// the steps deleted. Call it after a save. One process at a time may write to a root.
///
/// Which step is best by validation is the caller's knowledge; it belongs in the training state.
///
/// # Errors
/// [`StoreError::Io`].
pub fn retain(root: &Path, keep_last: usize, best: Option<u64>) -> Result<Vec<u64>, StoreError> {
    clean(root)?;
    let all = checkpoints(root)?;
    let old = all.len().saturating_sub(keep_last.max(1));
    let mut deleted = Vec::new();
    for (step, path) in &all[..old] {
        if Some(*step) != best {
            discard(root, *step, path)?;
            deleted.push(*step);
        }
    }
    Ok(deleted)
}

/// Renames first, so that a directory half deleted is never taken for a checkpoint.
pub(crate) fn discard(root: &Path, step: u64, path: &Path) -> Result<(), StoreError> {
    let doomed = Stage::Deleted.path(root, step);
    delete(&doomed)?;
    rename(path, &doomed)?;
    delete(&doomed)
}

/// Deletes a directory, which may be gone already.
fn delete(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(io_error(path, "delete")),
    }
}

/// Completes or undoes what a killed process left.
pub(crate) fn clean(root: &Path) -> Result<(), StoreError> {
    let found = entries(root)?;
    for &(stage, step) in &found {
        let path = stage.path(root, step);
        match stage {
            Stage::Whole => {}
            Stage::Unfinished | Stage::Deleted => delete(&path)?,
            Stage::Replaced if found.contains(&(Stage::Whole, step)) => discard(root, step, &path)?,
            Stage::Replaced => rename(&path, &Stage::Whole.path(root, step))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_made_here_are_taken_for_checkpoints() {
        for stage in Stage::ALL {
            for step in [0, 1234, 123_456_789, u64::MAX] {
                assert_eq!(Stage::parse(&stage.name(step)), Some((stage, step)));
            }
        }
        for name in [
            "step-",
            "step-1",
            "step-+0000001",
            "step-00000001x",
            "step-00000001.bak",
            "..step-00000001",
            "best",
            "step-99999999999999999999999",
        ] {
            assert_eq!(Stage::parse(name), None, "{name}");
        }
    }
}
