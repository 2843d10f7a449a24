//! Reading small files with a size limit, and replacing files so that a crash leaves the old or the new one whole.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Reads a whole file, refusing one larger than `limit` bytes before reserving memory for it.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let metadata = file.metadata().map_err(Error::io("read", path))?;
    if metadata.is_dir() {
        return Err(Error::malformed(path, 0, "is a directory, not a file"));
    }
    if metadata.len() > limit {
        return Err(Error::malformed(path, limit, format!("larger than the {limit} bytes that are read")));
    }
    let mut bytes = Vec::new();
    // A device or pipe states no length, so the limit is held here too.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::malformed(path, limit, format!("larger than the {limit} bytes that are read")));
    }
    Ok(bytes)
}

/// The name under which `path` is written before it is renamed into place.
pub(crate) fn part_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    path.with_file_name(name)
}

/// Renames a finished, synced `part` to `path` and makes the rename itself durable.
pub(crate) fn rename_durably(part: &Path, path: &Path) -> Result<()> {
    fs::rename(part, path).map_err(Error::io("rename", part))?;
    // Not every system can open a directory; where it cannot, the rename is as durable as it gets.
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if let Ok(directory) = File::open(parent) {
        directory.sync_all().ok();
    }
    Ok(())
}

/// Writes `bytes` to `path` beside it first, then renames.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = part_path(path);
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(Error::io("write", &part))?;
    rename_durably(&part, path)
}
