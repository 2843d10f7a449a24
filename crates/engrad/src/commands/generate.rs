use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use engrad_train::generate::{GenerateOptions, Generator, Sampling, TokenSampler};

use crate::display::print_piece;
use crate::environment::{Environment, ExecutionFlags};
use crate::sources;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Hugging Face folder, llama2.c .bin file or checkpoint
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// Text to continue
    #[arg(long, value_name = "TEXT", default_value = "")]
    prompt: String,
    /// Tokenizer file [default: one that lies with the model]
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,
    /// Most tokens of text, prompt included
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    steps: u32,
    /// Divides the logits; 0 always takes the most likely token
    #[arg(long, value_name = "X", default_value_t = 0.8)]
    temperature: f32,
    /// Only the N most likely tokens; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    top_k: usize,
    /// Only the most likely tokens that together reach this probability
    #[arg(long, value_name = "P", default_value_t = 0.9)]
    top_p: f32,
    /// Seed of the choices
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Longest context; older tokens are forgotten [default: the model's sequence length]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 16))]
    context: Option<u32>,
    #[command(flatten)]
    execution: ExecutionFlags,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { temperature, top_k, top_p, seed, .. } = *arguments;
    let mut sampler = TokenSampler::new(Sampling { temperature, top_k, top_p, seed })?;
    let sources::Trained { model, vocabulary } = sources::trained(&arguments.model)?;
    let tokenizer = sources::tokenizer(arguments.tokenizer.as_deref(), &arguments.model, model.config.vocab)?;
    let mut tokens: Vec<u32> = tokenizer.bos().into_iter().collect();
    tokens.extend(tokenizer.encode(&arguments.prompt)?);
    if tokens.is_empty() {
        bail!("this tokenizer has no beginning-of-text token, so --prompt must not be empty");
    }
    let environment = Environment::new(&arguments.execution)?;
    let execution = environment.execution();
    let options = GenerateOptions {
        dtype: execution.dtype,
        layout: execution.layout,
        context: arguments.context.map_or(model.config.sequence, |n| n as usize),
    };
    let mut generator = Generator::new(execution.engine, execution.pool, &model, vocabulary, options);
    let mut text = tokenizer.stream();
    for &token in &tokens {
        print_piece(&text.push(token)?);
    }
    let ends = [tokenizer.bos(), tokenizer.eos()];
    // The first token is the mark of the beginning, not text.
    let count = (arguments.steps as usize + 1).saturating_sub(tokens.len());
    let mut failure = None;
    generator.generate(&tokens, count, &mut sampler, |token| {
        if ends.contains(&Some(token)) || token >= tokenizer.vocab_size() {
            return false;
        }
        match text.push(token) {
            Ok(piece) => print_piece(&piece),
            Err(error) => failure = Some(error),
        }
        failure.is_none()
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    print_piece(&text.finish()?);
    print_piece("\n");
    Ok(())
}
