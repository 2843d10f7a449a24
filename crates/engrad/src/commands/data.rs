use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use engrad_data::prepare::{Progress, Split};
use engrad_data::{Prepare, Stories, TokenizerSource, fetch, prepare};

use crate::display::{print_line, progress_bar};
use crate::sources;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Generate short simple stories: a text file, or a dataset ready to train on.
    Synth(SynthArguments),
    /// Turn text files into a dataset of tokens.
    Prepare(PrepareArguments),
    /// Download a public text and turn it into a dataset.
    Fetch(FetchArguments),
    /// Say what a token file or dataset holds.
    Inspect(InspectArguments),
}

#[derive(Debug, Args)]
struct SynthArguments {
    /// Text file (.txt, stories separated by <|endoftext|>) or dataset folder to write
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Number of stories
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    stories: u64,
    /// Seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Pieces of the tokenizer trained for a dataset
    #[arg(long, value_name = "N", default_value_t = 4096)]
    vocab: u32,
}

#[derive(Debug, Args)]
struct PrepareArguments {
    /// Text files; documents are separated by <|endoftext|> where marked
    #[arg(required = true, value_name = "TEXT")]
    inputs: Vec<PathBuf>,
    /// Dataset folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    tokenizer: TokenizerFlags,
    /// Share of documents for validation [default: 0.05, or 0 with --validation]
    #[arg(long, value_name = "X")]
    validation_fraction: Option<f64>,
    /// Text files for validation only
    #[arg(long, value_name = "TEXT", num_args = 1..)]
    validation: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct TokenizerFlags {
    /// tokenizer.json, SentencePiece .model or llama2.c tokenizer.bin [default: train one on the texts]
    #[arg(long, value_name = "PATH", conflicts_with = "vocab")]
    tokenizer: Option<PathBuf>,
    /// Pieces of the tokenizer that is trained
    #[arg(long, value_name = "N", default_value_t = 4096)]
    vocab: u32,
}

impl TokenizerFlags {
    fn source(&self) -> TokenizerSource {
        match &self.tokenizer {
            Some(path) => TokenizerSource::File(path.clone()),
            None => TokenizerSource::Train { vocabulary: self.vocab },
        }
    }
}

#[derive(Debug, Args)]
struct FetchArguments {
    /// Which text
    #[arg(value_enum)]
    name: FetchName,
    /// Dataset folder to write [default: data/tinystories]
    #[arg(long, value_name = "DIR", default_value = "data/tinystories")]
    out: PathBuf,
    #[command(flatten)]
    tokenizer: TokenizerFlags,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FetchName {
    Tinystories,
}

#[derive(Debug, Args)]
struct InspectArguments {
    /// Dataset folder, shard or raw token file
    path: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Synth(arguments) => synth(&arguments),
        Command::Prepare(arguments) => {
            let default = if arguments.validation.is_empty() { 0.05 } else { 0.0 };
            prepare_texts(&Prepare {
                inputs: arguments.inputs,
                validation_inputs: arguments.validation,
                tokenizer: arguments.tokenizer.source(),
                split: Split {
                    validation_fraction: arguments.validation_fraction.unwrap_or(default),
                    ..Split::default()
                },
                out: arguments.out,
            })
        }
        Command::Fetch(arguments) => fetch_text(&arguments),
        Command::Inspect(arguments) => inspect(&arguments),
    }
}

fn synth(arguments: &SynthArguments) -> Result<()> {
    if arguments.out.extension().is_some_and(|e| e == "txt") {
        let bar = progress_bar(arguments.stories, "stories");
        let file = std::fs::File::create(&arguments.out);
        let file = file.with_context(|| format!("cannot write {}", arguments.out.display()))?;
        let mut file = std::io::BufWriter::new(file);
        for story in Stories::new(arguments.seed).take(usize::try_from(arguments.stories)?) {
            writeln!(file, "{story}\n<|endoftext|>")?;
            bar.inc(1);
        }
        file.flush()?;
        bar.finish_and_clear();
    } else {
        sources::write_stories(&arguments.out, arguments.seed, arguments.stories, arguments.vocab)?;
    }
    print_line(&format!("wrote {} stories to {}", arguments.stories, arguments.out.display()));
    Ok(())
}

fn prepare_texts(settings: &Prepare) -> Result<()> {
    let bar = progress_bar(0, "reading");
    let manifest = prepare(settings, &mut |progress| match progress {
        Progress::TrainingVocabulary { documents } => {
            bar.set_message(format!("training a tokenizer on {documents} documents"));
        }
        Progress::Encoding { bytes_total, bytes, tokens } => {
            bar.set_length(bytes_total);
            bar.set_position(bytes);
            bar.set_message(format!("{tokens} tokens"));
        }
        _ => {}
    })?;
    bar.finish_and_clear();
    print_line(&format!(
        "{}: {} training and {} validation tokens in {} documents, vocabulary {}",
        settings.out.display(),
        manifest.train_tokens(),
        manifest.validation_tokens(),
        manifest.documents(),
        manifest.vocabulary
    ));
    Ok(())
}

fn fetch_text(arguments: &FetchArguments) -> Result<()> {
    let FetchName::Tinystories = arguments.name;
    let bar = progress_bar(0, "connecting");
    let fetched = fetch::tinystories(&fetch::Fetch::default(), &mut |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.bytes);
        bar.set_message(progress.file.clone());
    })?;
    bar.finish_and_clear();
    prepare_texts(&Prepare {
        inputs: vec![fetched.train],
        validation_inputs: vec![fetched.validation],
        tokenizer: arguments.tokenizer.source(),
        split: Split { validation_fraction: 0.0, ..Split::default() },
        out: arguments.out.clone(),
    })
}

fn inspect(arguments: &InspectArguments) -> Result<()> {
    let found = engrad_data::inspect(&arguments.path)?;
    let json = serde_json::to_value(&found)?;
    if arguments.json {
        print_line(&json.to_string());
        return Ok(());
    }
    for (key, value) in json.as_object().into_iter().flatten() {
        if key != "files" {
            print_line(&format!(
                "{:<13} {}",
                key.replace('_', " "),
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            ));
        }
    }
    for file in json["files"].as_array().into_iter().flatten() {
        let (path, tokens, ok) = (&file["path"], &file["tokens"], &file["checksum_ok"]);
        print_line(&format!("file {path}: {tokens} tokens, checksum ok: {ok}"));
    }
    Ok(())
}
