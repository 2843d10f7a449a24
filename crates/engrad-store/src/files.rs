//! Files opened with their length known, files that appear only when complete, and checksums on the way.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::StoreError;

/// Largest description, index or state read as text.
pub(crate) const LARGEST_TEXT: u64 = 64 << 20;

pub(crate) fn io_error(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, action, source }
}

pub(crate) fn syntax(path: &Path, message: impl ToString) -> StoreError {
    StoreError::Syntax { path: path.to_owned(), message: message.to_string() }
}

/// A regular file open for reading, with the length it had when opened.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        // Asked before opening: opening a pipe would wait for its writer.
        let found = fs::metadata(path).map_err(io_error(path, "open"))?;
        if !found.is_file() {
            return Err(io_error(path, "open")(io::Error::other("not a regular file")));
        }
        let file = File::open(path).map_err(io_error(path, "open"))?;
        let len = file.metadata().map_err(io_error(path, "open"))?.len();
        let path = path.to_owned();
        Ok(Self { path, file, len })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(into))
            .map_err(io_error(&self.path, "read"))
    }

    fn checksum(&mut self) -> Result<u32, StoreError> {
        let mut hasher = crc32fast::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finalize()),
                Ok(n) => hasher.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(io_error(&self.path, "read")(e)),
            }
        }
    }
}

/// `count` zeros, after the caller has checked that the file really has that many elements.
pub(crate) fn zeros(count: usize, path: &Path) -> Result<Vec<f32>, StoreError> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(count)
        .map_err(|_| StoreError::OutOfMemory { path: path.to_owned(), bytes: count as u64 * 4 })?;
    values.resize(count, 0.0);
    Ok(values)
}

/// A whole small file; longer than [`LARGEST_TEXT`] is refused.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, StoreError> {
    let source = Source::open(path)?;
    let mut bytes = Vec::new();
    (&source.file).take(LARGEST_TEXT + 1).read_to_end(&mut bytes).map_err(io_error(path, "read"))?;
    if bytes.len() as u64 > LARGEST_TEXT {
        return Err(syntax(path, format!("longer than {LARGEST_TEXT} bytes")));
    }
    Ok(bytes)
}

pub(crate) fn read_text(path: &Path) -> Result<String, StoreError> {
    String::from_utf8(read_small(path)?).map_err(|e| syntax(path, e.utf8_error()))
}

/// Refuses any name that is not a single plain component, such as `../x`, `a/b` or an absolute path.
pub(crate) fn plain_name<'a>(name: &'a str, found_in: &Path) -> Result<&'a str, StoreError> {
    let mut components = Path::new(name).components();
    let plain = matches!(components.next(), Some(Component::Normal(only)) if only == name)
        && components.next().is_none()
        && !name.contains(['/', '\\', ':', '\0']);
    if plain {
        return Ok(name);
    }
    Err(StoreError::UnsafeName { path: found_in.to_owned(), name: name.to_owned() })
}

/// Size and CRC-32 of a file as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileRecord {
    pub(crate) size: u64,
    pub(crate) crc32: u32,
}

impl FileRecord {
    pub(crate) fn check_size(&self, path: &Path) -> Result<(), StoreError> {
        let found = Source::open(path)?.len();
        if found != self.size {
            return Err(StoreError::Length {
                path: path.to_owned(),
                what: "the file as written",
                expected: self.size,
                found,
            });
        }
        Ok(())
    }

    pub(crate) fn check(&self, path: &Path) -> Result<(), StoreError> {
        self.check_size(path)?;
        let found = Source::open(path)?.checksum()?;
        if found != self.crc32 {
            return Err(StoreError::Checksum { path: path.to_owned(), expected: self.crc32, found });
        }
        Ok(())
    }
}

/// A file being written, its checksum kept on the way.
pub(crate) struct Output {
    path: PathBuf,
    file: BufWriter<File>,
    hasher: crc32fast::Hasher,
    size: u64,
}

impl Output {
    pub(crate) fn create(path: &Path) -> Result<Self, StoreError> {
        let file = File::create(path).map_err(io_error(path, "create"))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 16, file),
            hasher: crc32fast::Hasher::new(),
            size: 0,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).map_err(io_error(&self.path, "write"))
    }

    pub(crate) fn write_f32(&mut self, values: &[f32]) -> Result<(), StoreError> {
        self.write(bytemuck::cast_slice(values))
    }

    /// Flushes to the disk itself: a rename must never become durable before what it names.
    pub(crate) fn finish(mut self) -> Result<FileRecord, StoreError> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(io_error(&self.path, "write"))?;
        Ok(FileRecord { size: self.size, crc32: self.hasher.finalize() })
    }
}

pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<FileRecord, StoreError> {
    let mut out = Output::create(path)?;
    out.write(bytes)?;
    out.finish()
}

/// Makes the names in a directory durable. Only Unix can open a directory for that.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        File::open(path).and_then(|d| d.sync_all()).map_err(io_error(path, "flush"))?;
    }
    Ok(())
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(io_error(to, "rename into place"))?;
    sync_directory(parent(to))
}

/// The directory a path lies in; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

/// A hidden name beside `path`, for what is not complete yet.
pub(crate) fn sibling(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp-{}", std::process::id()))
}

/// Writes beside `path` and renames, so that `path` is the old file or the whole new one at every moment.
pub(crate) fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut Output) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let beside = sibling(path);
    let written = Output::create(&beside).and_then(|mut out| {
        write(&mut out)?;
        out.finish()
    });
    written.and_then(|_| rename(&beside, path)).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "C:x", "a/", "./a", "a\0b"] {
            assert!(plain_name(name, Path::new("index")).is_err(), "{name}");
        }
        assert_eq!(
            plain_name("model-00001-of-00002.safetensors", Path::new("i")).unwrap(),
            "model-00001-of-00002.safetensors"
        );
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.bin");
        fs::write(&path, b"old").unwrap();
        let failed = replace_file(&path, |out| {
            out.write(b"half")?;
            Err(syntax(Path::new("x"), "stop"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
