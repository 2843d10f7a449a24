//! The TinyStories text from the Hugging Face hub.
//!
//! Files land in the hub's own cache directory (`HF_HOME`, by default in the home directory), shared with other
//! programs. A download that was cut off goes on where it stopped at the next call; a file already there is not
//! fetched again. What arrives is checked against the SHA-256 that the hub publishes for large files, and against
//! the caller's where given.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use sha2::{Digest as _, Sha256};

use crate::tokenizer::Digest;
use crate::{Error, Result};

/// The dataset repository.
pub const REPOSITORY: &str = "roneneldan/TinyStories";

/// The training text, about 2.2 GB.
pub const TRAIN_FILE: &str = "TinyStoriesV2-GPT4-train.txt";

/// The validation text, about 22 MB.
pub const VALIDATION_FILE: &str = "TinyStoriesV2-GPT4-valid.txt";

/// Times a broken transfer is taken up again within one call.
const RETRIES: usize = 3;

/// Settings of [`tinystories`].
#[derive(Clone, Debug, Default)]
pub struct Fetch {
    /// Address of the hub; `HF_ENDPOINT` or the public hub when none.
    pub endpoint: Option<String>,
    /// Cache directory; `HF_HOME` or the hub's default when none.
    pub cache: Option<PathBuf>,
    /// Expected SHA-256 of the training text.
    pub train_sha256: Option<Digest>,
    /// Expected SHA-256 of the validation text.
    pub validation_sha256: Option<Digest>,
}

/// How far a download has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file.
    pub file: String,
    /// Its size in bytes.
    pub total: u64,
    /// Bytes here so far, an earlier partial download included.
    pub bytes: u64,
}

/// Where the two texts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The training text.
    pub train: PathBuf,
    /// The validation text.
    pub validation: PathBuf,
}

/// Fetches the training and validation texts of TinyStories (second version). `progress` is called as bytes arrive.
///
/// # Errors
/// [`Error::Fetch`] when the hub cannot be reached or a file is not the published one (it is removed then, so that
/// the next call fetches it anew).
pub fn tinystories(settings: &Fetch, progress: &mut dyn FnMut(&Progress)) -> Result<Fetched> {
    // The smaller file first, so that a wrong setting shows early.
    let validation = fetch(settings, VALIDATION_FILE, settings.validation_sha256, progress)?;
    let train = fetch(settings, TRAIN_FILE, settings.train_sha256, progress)?;
    Ok(Fetched { train, validation })
}

fn fetch(
    settings: &Fetch,
    file: &str,
    expected: Option<Digest>,
    progress: &mut dyn FnMut(&Progress),
) -> Result<PathBuf> {
    let cache = match &settings.cache {
        Some(directory) => Cache::new(directory.clone()),
        None if std::env::var_os("HF_HOME").is_some() || std::env::home_dir().is_some() => Cache::from_env(),
        None => {
            return Err(failure("no home directory for the download cache: set HF_HOME".into()));
        }
    };
    let repository = Repo::new(REPOSITORY.into(), RepoType::Dataset);
    let (path, arrived) = match cache.repo(repository.clone()).get(file) {
        Some(path) => (path, false),
        None => (download(settings, cache, repository, file, progress)?, true),
    };
    // Large files are stored under their SHA-256, and the name in the cache is a link to that.
    let stored = fs::canonicalize(&path).map_err(Error::io("read", &path))?;
    let published = stored.file_name().and_then(|name| Digest::from_hex(name.to_str()?));
    let wanted = [published.filter(|_| arrived), expected];
    if wanted.iter().any(Option::is_some) {
        let found = sha256(&stored)?;
        if let Some(wanted) = wanted.into_iter().flatten().find(|wanted| *wanted != found) {
            fs::remove_file(&path).ok();
            fs::remove_file(&stored).ok();
            return Err(failure(format!(
                "{file} has SHA-256 {found}, not {wanted}: it was removed, fetch it again"
            )));
        }
    }
    Ok(path)
}

fn download(
    settings: &Fetch,
    cache: Cache,
    repository: Repo,
    file: &str,
    progress: &mut dyn FnMut(&Progress),
) -> Result<PathBuf> {
    let mut builder = ApiBuilder::from_cache(cache).with_progress(false).with_retries(RETRIES);
    let endpoint = settings.endpoint.clone().or_else(|| std::env::var("HF_ENDPOINT").ok());
    let mut address = "the Hugging Face hub".to_owned();
    if let Some(endpoint) = endpoint {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let scheme = endpoint.starts_with("http://") || endpoint.starts_with("https://");
        if !scheme || endpoint.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(failure(format!("the hub's address {endpoint:?} is not an http or https address")));
        }
        address.clone_from(&endpoint);
        builder = builder.with_endpoint(endpoint);
    }
    let explain = |error: ApiError| {
        let reason = error.to_string().replace('\n', " ");
        failure(format!(
            "could not reach {address} for {file} ({reason}); prepare your own text with `engrad data prepare`"
        ))
    };
    let api = builder.build().map_err(explain)?;
    let state = Progress { file: file.to_owned(), total: 0, bytes: 0 };
    let report = Report { state, progress };
    api.repo(repository).download_with_progress(file, report).map_err(explain)
}

fn failure(problem: String) -> Error {
    Error::Fetch { problem }
}

fn sha256(path: &Path) -> Result<Digest> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).map_err(Error::io("read", path))? {
            0 => return Ok(Digest(hash.finalize().into())),
            read => hash.update(&block[..read]),
        }
    }
}

/// Hands the hub client's progress to the caller's callback.
struct Report<'p> {
    state: Progress,
    progress: &'p mut dyn FnMut(&Progress),
}

impl hf_hub::api::Progress for Report<'_> {
    /// Called again when a transfer is taken up anew; the bytes already here follow as one update.
    fn init(&mut self, size: usize, _file: &str) {
        self.state.total = size as u64;
        self.state.bytes = 0;
    }

    fn update(&mut self, size: usize) {
        self.state.bytes += size as u64;
        (self.progress)(&self.state);
    }

    fn finish(&mut self) {}
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn unreachable_hub_is_one_line_that_says_what_to_do() {
        // A port that was free a moment ago and has no listener now.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cache = tempfile::TempDir::new().unwrap();
        let settings = Fetch {
            endpoint: Some(format!("http://127.0.0.1:{port}/")),
            cache: Some(cache.path().to_owned()),
            ..Fetch::default()
        };
        let error = tinystories(&settings, &mut |_| ()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("could not reach http://127.0.0.1:{port} for TinyStories")),
            "{error}"
        );
        assert!(error.ends_with("prepare your own text with `engrad data prepare`"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn address_that_is_none_is_refused_before_it_is_used() {
        let cache = tempfile::TempDir::new().unwrap();
        let settings = Fetch {
            endpoint: Some("not an address".into()),
            cache: Some(cache.path().to_owned()),
            ..Fetch::default()
        };
        assert!(matches!(tinystories(&settings, &mut |_| ()), Err(Error::Fetch { .. })));
    }
}
