use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::display::{print_line, progress_bar};
use crate::environment::{Environment, ExecutionFlags};
use crate::sources;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Hugging Face folder, llama2.c .bin file or checkpoint
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// Dataset folder, shard or raw token file; its validation split is used
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Tokens of a sequence [default: the model's, at most what the data allows]
    #[arg(long, value_name = "N")]
    sequence: Option<usize>,
    /// Sequences, spread evenly over the split [default: all]
    #[arg(long, value_name = "N")]
    windows: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    execution: ExecutionFlags,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let sources::Trained { model, vocabulary } = sources::trained(&arguments.model)?;
    let dataset = sources::dataset(&arguments.data, model.config.vocab)?;
    let environment = Environment::new(&arguments.execution)?;
    let sequence = arguments.sequence.unwrap_or(model.config.sequence);
    let windows = dataset.validation(sequence, arguments.windows.unwrap_or(usize::MAX))?;
    let count = windows.len();
    let bar = progress_bar(count as u64, "evaluating");
    let loss = environment.execution().mean_loss(&model, vocabulary, sequence, windows, |done, mean| {
        bar.set_position(done as u64);
        bar.set_message(format!("loss {mean:.4}"));
    })?;
    bar.finish_and_clear();
    let perplexity = loss.exp();
    let tokens = count * sequence;
    if arguments.json {
        print_line(&json!({"loss": loss, "perplexity": perplexity, "tokens": tokens}).to_string());
    } else {
        print_line(&format!("loss {loss:.4}  perplexity {perplexity:.3}  over {tokens} tokens"));
    }
    Ok(())
}
