//! A program as people give it: a text file, a compiled model's folder or a package.

use std::path::Path;

use anyhow::{Result, bail};
use engrad_mil::text::Reading;
use engrad_mil::{Program, read};
use engrad_package::{Model, program_text};

/// A program's text with everything wrong in its grammar, whatever file it came from.
pub(super) struct Source {
    /// Name of the text in messages.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) reading: Reading,
}

impl Source {
    /// Opens a text file, `.mlmodelc` or `.mlpackage`. A package has no text: its program is printed, and places are those
    /// of the print.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (name, text) = match program_text(path)? {
            Some((file, text)) => (file.display().to_string(), text),
            None => (path.display().to_string(), open_model(path)?.program.to_text()),
        };
        let reading = read(&text);
        Ok(Self { name, text, reading })
    }

    /// The program, if its text has no fault; the first fault otherwise.
    pub(super) fn program(self) -> Result<Program> {
        if let Some(fault) = self.reading.errors.first() {
            let (line, column) = engrad_mil::line_and_column(&self.text, fault.span.map_or(0, |s| s.start));
            bail!("{}:{line}:{column}: {} (see `engrad mil check`)", self.name, fault.message);
        }
        Ok(self.reading.program)
    }
}

/// Opens a model with its weights.
pub(super) fn open_model(path: &Path) -> Result<Model> {
    Ok(Model::open(path)?)
}
