use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use engrad_store::{Model, NamedTensor, write_safetensors};
use engrad_train::stages::MAX_SEQUENCE;
use serde_json::json;

use crate::display::print_line;
use crate::environment::{Environment, ExecutionFlags};
use crate::host_products::HostProductsChoice;
use crate::sources;

/// Longest token file: the longest input and one target more.
const MAX_TOKENS: usize = MAX_SEQUENCE + 1;

#[derive(Debug, Args)]
pub(crate) struct LogitsArguments {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct GradsArguments {
    /// Who forms weight gradients [default: auto]
    #[arg(long, value_enum)]
    host_products: Option<HostProductsChoice>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Hugging Face folder, llama2.c .bin file or checkpoint
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// N+1 little-endian token ids, .u16 or .u32: the first N are the input, the last N the targets
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
    /// Safetensors file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    execution: ExecutionFlags,
}

impl Common {
    fn open(&self) -> Result<(Model, Vec<u32>, Environment)> {
        let model = sources::weights(&self.model)?;
        let tokens = read_tokens(&self.tokens, model.config.vocab)?;
        Ok((model, tokens, Environment::new(&self.execution)?))
    }
}

/// Writes `logits`, `[N, vocab]` f32.
pub(crate) fn logits(arguments: &LogitsArguments) -> Result<()> {
    let common = &arguments.common;
    let (model, tokens, environment) = common.open()?;
    let input = &tokens[..tokens.len() - 1];
    let logits = environment.execution().logits(&model, input)?;
    let shape = vec![input.len(), model.config.vocab];
    let tensor = NamedTensor { name: "logits".into(), shape: shape.into(), data: &logits };
    Ok(write_safetensors(&common.out, &[tensor])?)
}

/// Writes the gradient of the mean cross-entropy under every parameter's Hugging Face name, and prints the loss.
pub(crate) fn grads(arguments: &GradsArguments) -> Result<()> {
    let common = &arguments.common;
    let (model, tokens, environment) = common.open()?;
    let environment = environment.with_host_products(arguments.host_products)?;
    let (input, targets) = (&tokens[..tokens.len() - 1], &tokens[1..]);
    let (loss, gradients) = environment.execution().gradients(&model, input, targets)?;
    let parameters = model.config.parameters();
    let tensors: Vec<NamedTensor<'_>> = parameters
        .iter()
        .zip(&gradients)
        .map(|(p, data)| NamedTensor { name: p.name.as_str().into(), shape: p.shape.as_slice().into(), data })
        .collect();
    write_safetensors(&common.out, &tensors)?;
    print_line(&json!({"loss": loss}).to_string());
    Ok(())
}

fn read_tokens(path: &Path, vocab: usize) -> Result<Vec<u32>> {
    let tokens = engrad_data::read_ids(path, u32::try_from(vocab).ok(), MAX_TOKENS)?;
    if tokens.len() < 2 {
        bail!("{}: {} tokens; at least 2 are needed, an input and its target", path.display(), tokens.len());
    }
    Ok(tokens)
}
