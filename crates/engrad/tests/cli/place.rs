//! A folder to work in, the program run there, and what came of it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Two layers, grouped heads, 300 ids: a step takes about a millisecond.
pub(crate) const MODEL: &str = "dim = 32\nhidden = 48\nlayers = 2\nheads = 4\nkv_heads = 2\nhead_dim = 8\nvocab = 300\n\
                                sequence = 32\n";

/// A run on the stories of [`Place::with_stories`] without interruptions but those asked for.
pub(crate) const TRAIN: &str =
    "train --model model.toml --data stories --threads 2 --validation-every 0 --sample-every 0";

/// A temporary folder with `model.toml` in it; gone when dropped.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.write("model.toml", MODEL);
        place
    }

    /// With a dataset of generated stories in `stories/`, for a vocabulary of 300.
    pub(crate) fn with_stories() -> Self {
        let place = Self::new();
        place.run("data synth --stories 200 --vocab 300 --out stories").ok();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Copies a committed case to a folder of its name.
    pub(crate) fn add_fixture(&self, name: &str) {
        copy(&fixtures().join(name), &self.path(name));
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        copy(&self.path(from), &self.path(to));
    }

    /// The program, its words separated by spaces, to be run in this folder.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engrad"));
        command.args(words.split_whitespace()).current_dir(self.folder.path());
        command.stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
        command
    }

    pub(crate) fn run(&self, words: &str) -> Outcome {
        self.run_with(words, &[] as &[&str])
    }

    /// As [`Place::run`], with more arguments that may hold spaces.
    pub(crate) fn run_with(&self, words: &str, more: &[impl AsRef<OsStr>]) -> Outcome {
        let output = self.command(words).args(more).output().unwrap();
        Outcome {
            command: words.to_owned(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Weights, moments and state in the checkpoint of a run's step.
    pub(crate) fn saved(&self, run: &str, step: u64) -> [Vec<u8>; 3] {
        ["weights.safetensors", "optimizer.safetensors", "state.json"]
            .map(|file| self.read(&format!("{run}/checkpoints/step-{step:08}/{file}")))
    }

    /// Fails unless two runs saved the same bytes.
    #[track_caller]
    pub(crate) fn assert_same_bits(&self, first: &str, second: &str, step: u64) {
        let (first_saved, second_saved) = (self.saved(first, step), self.saved(second, step));
        for (file, (a, b)) in
            ["weights", "moments", "state"].iter().zip(first_saved.iter().zip(&second_saved))
        {
            assert!(a == b, "{file} of {first} and {second} differ");
        }
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) command: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Fails unless the command succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "engrad {}: {}", self.command, self.stderr);
        self
    }

    /// The error's line. Fails unless the command refused as promised: code 2, one line, no panic.
    #[track_caller]
    pub(crate) fn refused(&self) -> &str {
        self.no_panic();
        assert_eq!(self.code, Some(2), "engrad {}: {}", self.command, self.stderr);
        let line = self.stderr.strip_suffix('\n').unwrap_or_default();
        assert!(
            line.starts_with("error: ") && !line.contains('\n'),
            "engrad {}: not one line: {}",
            self.command,
            self.stderr
        );
        line
    }

    /// Fails if the command ended in another way than success or a refusal.
    #[track_caller]
    pub(crate) fn no_panic(&self) {
        let fine = matches!(self.code, Some(0 | 2)) && !self.stderr.contains("panicked");
        assert!(fine, "engrad {}: {:?} {}", self.command, self.code, self.stderr);
    }
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// Third-party data that lies beside a checkout, where there is any.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: there is no {}", path.display());
    None
}

/// Copies a file, or a folder with what is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, fs::read(from).unwrap()).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
