use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use engrad_mil::{Program, blob, text};
use serde_json::Value;

use crate::weights::{MODEL_PATH, read_file, read_weights, relative};
use crate::write::{self, Folder};
use crate::{Metadata, PackageError, manifest, package, proto, schema};

/// Largest `model.mlmodel` that is read, in bytes; weights are in files of their own.
const MAX_PACKAGE: u64 = 1 << 28;
/// Largest description in JSON that is read, in bytes.
const MAX_JSON: u64 = 1 << 24;

/// A form of models on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A text file, weight files beside it.
    Text,
    /// A compiled folder, `.mlmodelc`.
    Compiled,
    /// A package folder, `.mlpackage`.
    Package,
}

impl Format {
    /// Every form, with the ending of its name.
    const ENDINGS: [(Self, &'static str); 3] =
        [(Self::Text, "mil"), (Self::Compiled, "mlmodelc"), (Self::Package, "mlpackage")];

    /// Usual ending of a name, without the dot.
    pub fn ending(self) -> &'static str {
        Self::ENDINGS[self as usize].1
    }

    /// The form of that ending.
    pub fn from_ending(ending: &str) -> Option<Self> {
        Self::ENDINGS.iter().find(|(_, e)| ending.eq_ignore_ascii_case(e)).map(|(format, _)| *format)
    }

    /// The form that a path's ending says.
    pub fn of(path: &Path) -> Option<Self> {
        Self::from_ending(path.extension()?.to_str()?)
    }
}

/// A program with what belongs to it: weight files, metadata.
///
/// Weight files are not read until something asks for their content; saving copies them as files.
#[derive(Debug, Clone)]
pub struct Model {
    /// The program; constants refer to weight files.
    pub program: Program,
    /// Author, license and the like.
    pub metadata: Metadata,
    format: Format,
    /// What was opened; empty for a model made in memory.
    path: PathBuf,
    /// The folder that `@model_path` stands for.
    folder: PathBuf,
    /// Weight files in memory, by their path in the program.
    weights: BTreeMap<String, Vec<u8>>,
    /// The description of a package.
    description: Option<proto::ModelDescription>,
    /// `metadata.json` of a compiled model.
    json: Option<Value>,
}

impl Model {
    /// A model in memory, with the content of its weight files by their path in the program.
    pub fn new(program: Program, weights: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            program,
            metadata: Metadata::default(),
            format: Format::Text,
            path: PathBuf::new(),
            folder: PathBuf::new(),
            weights,
            description: None,
            json: None,
        }
    }

    /// Opens a model: a folder of either kind, a `model.mlmodel`, or else a text file.
    ///
    /// # Errors
    /// [`PackageError`] if nothing of the kind is there, or it is damaged. The program is not [verified](engrad_mil::verify()).
    pub fn open(path: &Path) -> Result<Self, PackageError> {
        let about = std::fs::metadata(path).map_err(PackageError::io(path))?;
        if !about.is_dir() {
            if path.extension().is_some_and(|ending| ending == "mlmodel") {
                return Self::open_spec(path, path);
            }
            return Self::open_text(path, path, Format::Text);
        }
        let manifest = path.join("Manifest.json");
        if manifest.is_file() {
            let root = manifest::root_model(&read_file(&manifest, MAX_JSON)?, &manifest)?;
            return Self::open_spec(path, &path.join(manifest::DATA).join(root));
        }
        let text = path.join("model.mil");
        if text.is_file() {
            let mut model = Self::open_text(path, &text, Format::Compiled)?;
            let json = path.join("metadata.json");
            if json.is_file() {
                let value: Value = serde_json::from_slice(&read_file(&json, MAX_JSON)?)
                    .map_err(|error| PackageError::Json { path: json, reason: error.to_string() })?;
                model.metadata = schema::metadata(&value);
                model.json = Some(value);
            }
            return Ok(model);
        }
        let reason = "neither `Manifest.json` nor `model.mil` is in it; an ML program is read from an .mlpackage, an \
                      .mlmodelc or a text file";
        Err(PackageError::Unknown { path: path.to_owned(), reason: reason.to_owned() })
    }

    fn open_text(path: &Path, file: &Path, format: Format) -> Result<Self, PackageError> {
        let program = engrad_mil::parse(&read_text(file)?).map_err(PackageError::mil(file))?;
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { format, path: path.to_owned(), folder, ..Self::new(program, BTreeMap::new()) })
    }

    fn open_spec(path: &Path, file: &Path) -> Result<Self, PackageError> {
        let spec = package::read(&read_file(file, MAX_PACKAGE)?)?;
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self {
            format: Format::Package,
            path: path.to_owned(),
            folder,
            metadata: spec.metadata,
            description: Some(spec.description),
            ..Self::new(spec.program, BTreeMap::new())
        })
    }

    /// The form it was opened from; [`Format::Text`] for a model made in memory.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What was opened; empty for a model made in memory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the weight file of a path of the program is on disk; `None` if it is in memory.
    ///
    /// # Errors
    /// [`PackageError::WeightPath`] if the path leaves the model.
    pub fn weight_file(&self, path: &str) -> Result<Option<PathBuf>, PackageError> {
        if self.weights.contains_key(path) {
            return Ok(None);
        }
        relative(path).map(|place| Some(self.folder.join(place)))
    }

    /// The program with the elements of every weight file in it.
    ///
    /// # Errors
    /// [`PackageError`] if a file is missing, damaged or outside the model; memory is bounded by the files' sizes (see
    /// [`blob::inline`]).
    pub fn resolved(&self) -> Result<Program, PackageError> {
        // Nothing is read before every path is known to be inside the model.
        let paths = blob::paths(&self.program).into_iter();
        let places = paths
            .map(|path| Ok((path, self.weight_file(path)?)))
            .collect::<Result<Vec<_>, PackageError>>()?;
        let mut files: HashMap<&str, Vec<u8>> = HashMap::new();
        for (path, file) in places {
            if let Some(file) = file {
                files.insert(path, read_weights(&file)?);
            }
        }
        let content = |path: &str| files.get(path).or(self.weights.get(path)).map(Vec::as_slice);
        blob::inline(&self.program, content).map_err(PackageError::mil(&self.path))
    }

    /// Moves weights of at least `min_elements` elements from the text to a weight file, `weights/weight.bin` or the first
    /// `weights/weight_2.bin` … that the program does not use.
    ///
    /// # Errors
    /// [`PackageError::Mil`] if a constant's data is not of its type.
    pub fn externalize(&mut self, min_elements: usize) -> Result<(), PackageError> {
        let path = {
            let used = blob::paths(&self.program);
            let names = std::iter::once("@model_path/weights/weight.bin".to_owned())
                .chain((2..).map(|number: u64| format!("@model_path/weights/weight_{number}.bin")));
            names.into_iter().find(|name| !used.contains(name.as_str())).unwrap_or_default()
        };
        let moved = blob::externalize(&self.program, &path, min_elements);
        let (program, content) = moved.map_err(PackageError::mil(&self.path))?;
        if blob::paths(&program).contains(path.as_str()) {
            self.program = program;
            self.weights.insert(path, content);
        }
        Ok(())
    }

    /// Writes the model in any form: beside its place, then renamed. Weight files are copied; in folders they are all below
    /// `weights`, and the program refers to them there.
    ///
    /// # Errors
    /// [`PackageError::Exists`] if something is at `path` and `replace` is not asked for;
    /// [`PackageError::Inexpressible`] with what the form has no way to say.
    pub fn save(&self, path: &Path, format: Format, replace: bool) -> Result<(), PackageError> {
        match format {
            Format::Text => self.save_text(path, replace),
            Format::Compiled => {
                let (program, weights) = self.gathered()?;
                let name =
                    path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                let json = schema::write(&program, &self.metadata, self.json.as_ref(), &name)?;
                let folder = Folder::new(path, replace)?;
                folder.write(Path::new("model.mil"), program.to_text().as_bytes())?;
                folder.write(Path::new("metadata.json"), json.as_bytes())?;
                self.write_weights(&folder, Path::new(""), &weights)?;
                folder.finish()
            }
            Format::Package => {
                let (program, weights) = self.gathered()?;
                let bytes = package::write_with(&program, &self.metadata, self.description.as_ref())?;
                let place = Path::new(manifest::DATA).join(manifest::MODEL);
                let folder = Folder::new(path, replace)?;
                folder.write(&place, &bytes)?;
                let manifest = manifest::write(&bytes, !weights.is_empty());
                folder.write(Path::new("Manifest.json"), manifest.as_bytes())?;
                self.write_weights(&folder, place.parent().unwrap_or(Path::new("")), &weights)?;
                folder.finish()
            }
        }
    }

    fn write_weights(
        &self,
        folder: &Folder<'_>,
        below: &Path,
        weights: &[(String, PathBuf)],
    ) -> Result<(), PackageError> {
        for (path, place) in weights {
            match (self.weight_file(path)?, self.weights.get(path)) {
                (Some(file), _) => folder.copy(&below.join(place), &file)?,
                (None, Some(content)) => folder.write(&below.join(place), content)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// The program with every weight file below `weights`, and where each of them goes.
    fn gathered(&self) -> Result<(Program, Vec<(String, PathBuf)>), PackageError> {
        let mut places: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut taken: BTreeMap<PathBuf, (bool, PathBuf)> = BTreeMap::new();
        let mut weights = Vec::new();
        let paths = blob::paths(&self.program);
        // Files that stay where they are come first, so that no other takes their place.
        let (inside, outside): (Vec<&str>, Vec<&str>) = paths
            .into_iter()
            .partition(|path| relative(path).is_ok_and(|place| place.starts_with("weights")));
        for path in inside.into_iter().chain(outside) {
            let source = relative(path)?;
            // The same file of disk under two spellings is one; a file in memory is its own.
            let identity = (self.weights.contains_key(path), source.clone());
            let mut place = if source.starts_with("weights") {
                source
            } else {
                let names: Vec<_> = source.iter().map(|name| name.to_string_lossy()).collect();
                Path::new("weights").join(names.join("_"))
            };
            let wanted = place.clone();
            let mut suffix = 1;
            while taken.get(&place).is_some_and(|owner| *owner != identity) {
                suffix += 1;
                let stem = wanted.file_stem().unwrap_or_default().to_string_lossy();
                let ending =
                    wanted.extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
                place = wanted.with_file_name(format!("{stem}_{suffix}{ending}"));
            }
            if taken.insert(place.clone(), identity).is_none() {
                weights.push((path.to_owned(), place.clone()));
            }
            places.insert(path.to_owned(), place);
        }
        let mut program = self.program.clone();
        blob::rename(&mut program, |path| {
            let names: Vec<_> = places.get(path)?.iter().map(|name| name.to_string_lossy()).collect();
            Some(format!("{MODEL_PATH}{}", names.join("/")))
        });
        Ok((program, weights))
    }

    fn save_text(&self, path: &Path, replace: bool) -> Result<(), PackageError> {
        write::refuse_existing(path, replace)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let same =
            |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
        let mut files = Vec::new();
        for name in blob::paths(&self.program) {
            let target = folder.join(relative(name)?);
            let source = self.weight_file(name)?;
            if source.as_ref().is_some_and(|source| same(source, &target)) {
                continue;
            }
            write::refuse_existing(&target, replace)?;
            files.push((name, target, source));
        }
        for (name, target, source) in files {
            match (source, self.weights.get(name)) {
                (Some(source), _) => write::copied(&target, &source, replace)?,
                (None, Some(content)) => write::file(&target, content, replace)?,
                (None, None) => {}
            }
        }
        write::file(path, self.program.to_text().as_bytes(), replace)
    }
}

/// The text of a model and the file it is in, for messages with lines and columns; `None` for a package, which has none.
///
/// # Errors
/// [`PackageError`] if the file cannot be read.
pub fn program_text(path: &Path) -> Result<Option<(PathBuf, String)>, PackageError> {
    let file = if path.is_dir() { path.join("model.mil") } else { path.to_owned() };
    let is_package =
        path.join("Manifest.json").is_file() || file.extension().is_some_and(|ending| ending == "mlmodel");
    if is_package {
        return Ok(None);
    }
    let text = read_text(&file)?;
    Ok(Some((file, text)))
}

fn read_text(path: &Path) -> Result<String, PackageError> {
    let bytes = read_file(path, text::MAX_TEXT as u64)?;
    String::from_utf8(bytes).map_err(|error| {
        let reason = format!("byte {} is not UTF-8: no program text", error.utf8_error().valid_up_to());
        PackageError::Unknown { path: path.to_owned(), reason }
    })
}

/// Opens a model and saves it in another form; weights stay in files.
///
/// # Errors
/// As for [`Model::open`] and [`Model::save`].
pub fn convert(from: &Path, to: &Path, format: Format, replace: bool) -> Result<(), PackageError> {
    Model::open(from)?.save(to, format, replace)
}
