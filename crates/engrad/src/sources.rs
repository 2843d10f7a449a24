//! From what a user names (a preset, a path) to a model, tokenizer or dataset.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use engrad_data::{Dataset, DatasetWriter, Stories, Tokenizer};
use engrad_model::{ModelConfig, preset};
use engrad_store::{Checkpoint, Model};
use engrad_train::Vocabulary;
use engrad_train::trainer::USED_IDS_FILE;

use crate::display;

/// Stories generated for a first run, and tokens each has at least, roughly.
const STORIES: u64 = 20_000;
/// Largest vocabulary trained on them; their language has few words.
const STORIES_VOCABULARY: u32 = 4096;

/// Longest description or configuration that is read, in bytes.
const LONGEST_TEXT: u64 = 16 << 20;

/// What a `--model` value names.
#[derive(Debug)]
pub(crate) enum ModelSource {
    /// A description without weights.
    Description(ModelConfig),
    /// A file or folder of weights.
    Weights(PathBuf),
}

/// A preset, a TOML description, a `config.json`, or weights.
pub(crate) fn model_source(name: &str) -> Result<ModelSource> {
    let path = Path::new(name);
    if !path.exists() {
        let looks_like_path =
            name.contains(std::path::MAIN_SEPARATOR) || path.extension().is_some_and(|e| e.len() > 2);
        return match preset(name) {
            Ok(config) => Ok(ModelSource::Description(config)),
            Err(_) if looks_like_path => bail!("no model at {name}: the file or folder does not exist"),
            Err(error) => Err(error.into()),
        };
    }
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let read = || read_text(path);
    Ok(match extension {
        _ if path.is_dir() => ModelSource::Weights(weights_in(path)),
        "toml" => ModelSource::Description(
            ModelConfig::from_toml(&read()?).with_context(|| path.display().to_string())?,
        ),
        "json" => ModelSource::Description(
            ModelConfig::from_hugging_face(&read()?).with_context(|| path.display().to_string())?,
        ),
        _ => ModelSource::Weights(path.to_owned()),
    })
}

/// The folder of a run stands for the checkpoints in it.
fn weights_in(folder: &Path) -> PathBuf {
    let checkpoints = folder.join("checkpoints");
    let is_run = checkpoints.is_dir() && !folder.join("config.json").exists();
    if is_run { checkpoints } else { folder.to_owned() }
}

/// A whole small text file.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    // Asked before opening: opening a pipe would wait for its writer, and a device may never end.
    let found = std::fs::metadata(path).with_context(cannot)?;
    if !found.is_file() {
        bail!("cannot read {}: not a regular file", path.display());
    }
    if found.len() > LONGEST_TEXT {
        bail!("cannot read {}: longer than {LONGEST_TEXT} bytes", path.display());
    }
    std::fs::read_to_string(path).with_context(cannot)
}

/// A model with weights, and the token ids it was trained on.
#[derive(Debug)]
pub(crate) struct Trained {
    pub(crate) model: Model,
    pub(crate) vocabulary: Vocabulary,
}

/// A trained model from any kind of weights. Only checkpoints of runs with a compacted vocabulary know less than
/// every id.
pub(crate) fn trained(name: &str) -> Result<Trained> {
    let checkpoint = match model_source(name)? {
        ModelSource::Weights(path) if path.join("manifest.json").exists() => Some(Checkpoint::open(&path)?),
        ModelSource::Weights(path) if path.is_dir() && !engrad_store::checkpoints(&path)?.is_empty() => {
            engrad_store::latest(&path)?.checkpoint
        }
        _ => None,
    };
    let Some(mut checkpoint) = checkpoint else {
        let model = weights(name)?;
        let vocabulary = Vocabulary::full(model.config.vocab);
        return Ok(Trained { model, vocabulary });
    };
    let model = checkpoint.load_model()?;
    let vocabulary = match checkpoint.extra(USED_IDS_FILE)? {
        Some(bytes) => {
            let ids = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            Vocabulary::compact(model.config.vocab, ids.collect())
                .with_context(|| checkpoint.path().join(USED_IDS_FILE).display().to_string())?
        }
        None => Vocabulary::full(model.config.vocab),
    };
    Ok(Trained { model, vocabulary })
}

/// A model with weights, for commands that cannot do without.
pub(crate) fn weights(name: &str) -> Result<Model> {
    match model_source(name)? {
        ModelSource::Weights(path) => Ok(engrad_store::load(&path)?),
        ModelSource::Description(_) => bail!(
            "`{name}` has no weights; give a Hugging Face folder, a llama2.c .bin file or a checkpoint of `engrad train`"
        ),
    }
}

/// The tokenizer given, or one that lies with the model and has its vocabulary.
pub(crate) fn tokenizer(given: Option<&Path>, model: &str, vocab: usize) -> Result<Tokenizer> {
    if let Some(path) = given {
        let tokenizer = Tokenizer::load(path)?;
        if tokenizer.vocab_size() as usize > vocab {
            bail!(
                "tokenizer {} has {} pieces, the model only {vocab} ids; it belongs to another model",
                path.display(),
                tokenizer.vocab_size()
            );
        }
        return Ok(tokenizer);
    }
    match find_tokenizer(Path::new(model), vocab) {
        Some(tokenizer) => Ok(tokenizer),
        None => bail!("no tokenizer with {vocab} pieces lies with `{model}`; name one with --tokenizer"),
    }
}

/// A tokenizer beside a model file, in a model folder, or above it as in a run's folder.
pub(crate) fn find_tokenizer(model: &Path, vocab: usize) -> Option<Tokenizer> {
    if !model.exists() {
        return None;
    }
    let start = if model.is_dir() { model } else { model.parent()? };
    let above = start.ancestors().take(3);
    for folder in above {
        // The parent of a bare file name is the empty path.
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let Ok(entries) = std::fs::read_dir(listed) else { continue };
        let mut candidates: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .filter(|path| {
                let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
                name == "tokenizer.json"
                    || name.ends_with(".model")
                    || (name.starts_with("tok") && name.ends_with(".bin"))
            })
            .collect();
        candidates.sort();
        let fitting = candidates.iter().filter_map(|path| Some((path, Tokenizer::load(path).ok()?)));
        let fitting: Vec<_> = fitting.filter(|(_, t)| t.vocab_size() as usize <= vocab).collect();
        // A smaller one fits only where it is known to belong: in the model's own folder, or in that of its run.
        let belongs = folder == start || folder.join("checkpoints").is_dir();
        let exact = fitting.iter().position(|(_, t)| t.vocab_size() as usize == vocab);
        let own = || fitting.iter().position(|(path, _)| belongs && path.ends_with("tokenizer.json"));
        if let Some(chosen) = exact.or_else(own) {
            return fitting.into_iter().nth(chosen).map(|(_, tokenizer)| tokenizer);
        }
    }
    None
}

/// A dataset for a model with `vocab` ids.
pub(crate) fn dataset(path: &Path, vocab: usize) -> Result<Arc<Dataset>> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if path.is_file() && ["txt", "md", "text"].contains(&extension) {
        bail!(
            "{} is text; turn it into tokens first: engrad data prepare {} --out DATASET",
            path.display(),
            path.display()
        );
    }
    Ok(Arc::new(Dataset::open(path, u32::try_from(vocab).ok())?))
}

/// The dataset of generated stories under `root`, made on first use.
pub(crate) fn stories(root: &Path, vocab: usize) -> Result<PathBuf> {
    let vocabulary = u32::try_from(vocab).unwrap_or(u32::MAX).min(STORIES_VOCABULARY);
    let path = root.join(format!("stories-{vocabulary}"));
    if path.join("dataset.json").exists() {
        return Ok(path);
    }
    display::print_line(&format!("making {STORIES} stories and their tokens in {} (once)", path.display()));
    write_stories(&path, 1, STORIES, vocabulary)?;
    Ok(path)
}

/// Generates stories and writes them as a dataset with a tokenizer of its own.
pub(crate) fn write_stories(out: &Path, seed: u64, count: u64, vocabulary: u32) -> Result<()> {
    let sample = Stories::new(seed).take(usize::try_from(count.min(4000))?);
    let settings = engrad_data::tokenizer::TrainBpe::new(vocabulary);
    let tokenizer = Tokenizer::train_bpe(sample, &settings)?;
    let mut writer = DatasetWriter::create(out, tokenizer, &engrad_data::prepare::Split::default())?;
    let bar = display::progress_bar(count, "stories");
    for story in Stories::new(seed).take(usize::try_from(count)?) {
        writer.push(story)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    writer.finish()?;
    Ok(())
}
