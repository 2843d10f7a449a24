//! Writing a shard: beside its final name, synced, then renamed.

use std::fs::{self, File};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Dtype, HEADER_BYTES, Header};
use crate::files::{part_path, rename_durably};
use crate::tokenizer::Digest;
use crate::{Error, Result};

/// Writes one shard. Nothing appears under the final name before [`ShardWriter::finish`]; a writer that is dropped
/// removes what it wrote.
#[derive(Debug)]
pub struct ShardWriter {
    path: PathBuf,
    part: PathBuf,
    /// `None` once finished.
    file: Option<BufWriter<File>>,
    header: Header,
    checksum: crc32fast::Hasher,
}

impl ShardWriter {
    /// Starts a shard at `path` for ids below `vocabulary`, stored in the smallest type that holds them.
    ///
    /// `boundary` is the id that marks each document, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be created.
    pub fn create(
        path: &Path,
        vocabulary: u32,
        boundary: Option<u32>,
        tokenizer: Digest,
    ) -> Result<ShardWriter> {
        let part = part_path(path);
        let file = File::create(&part).map_err(Error::io("create", &part))?;
        let header = Header {
            dtype: Dtype::for_vocabulary(vocabulary),
            vocabulary,
            boundary,
            count: 0,
            documents: 0,
            crc32: 0,
            tokenizer,
        };
        let mut writer = ShardWriter {
            path: path.to_owned(),
            part,
            file: Some(BufWriter::with_capacity(1 << 18, file)),
            header,
            checksum: crc32fast::Hasher::new(),
        };
        writer.write(&[0; HEADER_BYTES])?;
        Ok(writer)
    }

    /// Count of ids so far.
    pub fn len(&self) -> u64 {
        self.header.count
    }

    /// Whether no id has been written yet.
    pub fn is_empty(&self) -> bool {
        self.header.count == 0
    }

    /// Appends one document, marks included.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] for an id outside the vocabulary (nothing is written then), [`Error::Io`].
    pub fn push_document(&mut self, ids: &[u32]) -> Result<()> {
        let vocabulary = self.header.vocabulary;
        if let Some(index) = ids.iter().position(|id| *id >= vocabulary) {
            let position = self.header.count + index as u64;
            return Err(Error::TokenOutOfRange {
                path: self.path.clone(),
                position,
                id: ids[index],
                vocabulary,
            });
        }
        let mut bytes = Vec::with_capacity(ids.len() * self.header.dtype.bytes());
        for id in ids {
            bytes.extend_from_slice(&id.to_le_bytes()[..self.header.dtype.bytes()]);
        }
        self.checksum.update(&bytes);
        self.write(&bytes)?;
        self.header.count += ids.len() as u64;
        self.header.documents += 1;
        Ok(())
    }

    /// Completes the header, makes the file durable and gives it its name.
    ///
    /// # Errors
    /// [`Error::Io`]; the final name then still has what it had before.
    pub fn finish(mut self) -> Result<Header> {
        self.header.crc32 = self.checksum.clone().finalize();
        let header = self.header.to_bytes();
        if let Some(mut file) = self.file.take() {
            let mut complete = || {
                file.seek(SeekFrom::Start(0))?;
                file.write_all(&header)?;
                file.flush()?;
                file.get_ref().sync_all()
            };
            let completed = complete().map_err(Error::io("write", &self.part));
            if completed.is_err() {
                fs::remove_file(&self.part).ok();
            }
            completed?;
        }
        rename_durably(&self.part, &self.path)?;
        Ok(self.header.clone())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(Error::io("write", &self.part)),
            None => Ok(()),
        }
    }
}

impl Drop for ShardWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            fs::remove_file(&self.part).ok();
        }
    }
}
