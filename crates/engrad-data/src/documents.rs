//! Where one document of a text file ends and the next begins.
//!
//! A file that contains [`MARKER`] is split at each one, wherever it stands in a line. A file without is plain prose:
//! it is cut at the first blank line after [`PROSE_BYTES`] bytes, so that a book gives many documents, long enough
//! to fill windows, and a validation split by document is possible. No document passes [`DOCUMENT_LIMIT`]; longer
//! ones are cut at a line's end (or within a line of that length).
//!
//! Space at the ends of a document is dropped, an empty document is skipped, `\r\n` stays as it is within. The file
//! is read as a stream; memory holds one document.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The text that separates documents, as in the published TinyStories files.
pub const MARKER: &str = "<|endoftext|>";

/// Prose without markers is cut at the first blank line after this many bytes.
pub const PROSE_BYTES: usize = 8 << 10;

/// Longest document in bytes.
pub const DOCUMENT_LIMIT: usize = 1 << 20;

/// The documents of one text file, in order.
#[derive(Debug)]
pub struct Documents {
    path: PathBuf,
    reader: BufReader<File>,
    marked: bool,
    /// Bytes of the file consumed.
    offset: u64,
    /// Text of the document being collected.
    text: String,
    /// What is left of the current line after a marker.
    rest: String,
    ended: bool,
}

impl Documents {
    /// Opens a text file and looks for the first marker in it.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read.
    pub fn open(path: &Path) -> Result<Documents> {
        let marked = contains_marker(path).map_err(Error::io("read", path))?;
        let file = File::open(path).map_err(Error::io("open", path))?;
        Ok(Documents {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 17, file),
            marked,
            offset: 0,
            text: String::new(),
            rest: String::new(),
            ended: false,
        })
    }

    /// Bytes of the file read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn next_document(&mut self) -> Result<Option<String>> {
        while !self.ended {
            let line = match std::mem::take(&mut self.rest) {
                rest if !rest.is_empty() => rest,
                _ => self.next_line()?,
            };
            if line.is_empty() {
                self.ended = true;
            } else if let Some(at) = line.find(MARKER).filter(|_| self.marked) {
                self.text.push_str(&line[..at]);
                line[at + MARKER.len()..].clone_into(&mut self.rest);
            } else {
                let blank = line.trim().is_empty();
                self.text.push_str(&line);
                let full = self.text.len() + LINE_LIMIT > DOCUMENT_LIMIT;
                if !full && (self.marked || !blank || self.text.len() < PROSE_BYTES) {
                    continue;
                }
            }
            let document = self.text.trim();
            if !document.is_empty() {
                let document = document.to_owned();
                self.text.clear();
                return Ok(Some(document));
            }
            self.text.clear();
        }
        Ok(None)
    }

    /// The next line with its end, or a part of a very long one; empty at the end of the file.
    fn next_line(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(LINE_LIMIT as u64 - 3).read_until(b'\n', &mut bytes);
        read.map_err(Error::io("read", &self.path))?;
        // A part of a long line may end within a character, which has at most three more bytes.
        for _ in 0..3 {
            let incomplete = matches!(std::str::from_utf8(&bytes), Err(error) if error.error_len().is_none());
            if !incomplete {
                break;
            }
            (&mut self.reader).take(1).read_to_end(&mut bytes).map_err(Error::io("read", &self.path))?;
        }
        let start = self.offset;
        self.offset += bytes.len() as u64;
        String::from_utf8(bytes).map_err(|error| Error::Utf8 {
            path: self.path.clone(),
            offset: start + error.utf8_error().valid_up_to() as u64,
        })
    }
}

/// Longest part of a line taken at once.
const LINE_LIMIT: usize = 64 << 10;

impl Iterator for Documents {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let document = self.next_document();
        if document.is_err() {
            self.ended = true;
        }
        document.transpose()
    }
}

fn contains_marker(path: &Path) -> std::io::Result<bool> {
    let marker = MARKER.as_bytes();
    let mut file = File::open(path)?;
    // The end of one block is kept before the next, as a marker may lie across.
    let mut block = vec![0; 1 << 17];
    let mut kept = 0;
    loop {
        let read = file.read(&mut block[kept..])?;
        if read == 0 {
            return Ok(false);
        }
        let filled = kept + read;
        if block[..filled].windows(marker.len()).any(|window| window == marker) {
            return Ok(true);
        }
        kept = filled.min(marker.len() - 1);
        block.copy_within(filled - kept..filled, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn documents(text: &[u8]) -> Result<Vec<String>> {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("t.txt");
        fs::write(&path, text).unwrap();
        Documents::open(&path)?.collect()
    }

    #[test]
    fn markers_split_wherever_they_stand() {
        let text =
            b"\nOne.\n\nStill one.\n<|endoftext|>\n  Two.<|endoftext|>Three.<|endoftext|>\n\n<|endoftext|>";
        assert_eq!(documents(text).unwrap(), ["One.\n\nStill one.", "Two.", "Three."]);
    }

    #[test]
    fn last_document_needs_no_marker() {
        assert_eq!(documents(b"One.<|endoftext|>Two.").unwrap(), ["One.", "Two."]);
    }

    #[test]
    fn prose_is_cut_at_blank_lines_and_loses_no_text() {
        let paragraph = "A line of prose that goes on.\n".repeat(100) + "\n";
        let text = paragraph.repeat(20);
        let documents = documents(text.as_bytes()).unwrap();
        assert!(documents.len() > 3);
        assert!(documents[0].len() > PROSE_BYTES - 100 && documents[0].len() < PROSE_BYTES + paragraph.len());
        assert_eq!(documents.join("\n\n"), text.trim());
    }

    #[test]
    fn one_endless_line_is_cut_between_characters() {
        let text = "é".repeat(DOCUMENT_LIMIT);
        let documents = documents(text.as_bytes()).unwrap();
        assert!(documents.len() >= 2 && documents.iter().all(|document| document.len() <= DOCUMENT_LIMIT));
        assert_eq!(documents.concat(), text);
    }

    #[test]
    fn marker_across_two_blocks_is_found() {
        let text = "x".repeat((1 << 17) - 5) + MARKER + "end";
        assert_eq!(documents(text.as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named() {
        let error = documents(b"fine\nba\xffd").unwrap_err().to_string();
        assert!(error.ends_with("not UTF-8 text at byte 7"), "{error}");
        assert!(documents(b"cut \xc3").unwrap_err().to_string().ends_with("at byte 4"));
    }
}
