use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use engrad_store::{DEFAULT_SHARD_BYTES, export_hugging_face, export_llama2c};

use crate::display::print_line;
use crate::sources;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A folder with config.json and safetensors
    HuggingFace,
    /// One file for llama2.c
    Llama2c,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Hugging Face folder, llama2.c .bin file or checkpoint
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// Format to write
    #[arg(long, value_enum)]
    to: Format,
    /// Folder (hugging-face) or file (llama2c) to write
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let model = sources::weights(&arguments.model)?;
    match arguments.to {
        Format::HuggingFace => export_hugging_face(&model.view(), &arguments.out, DEFAULT_SHARD_BYTES)?,
        Format::Llama2c => export_llama2c(&model.view(), &arguments.out)?,
    }
    print_line(&format!("wrote {}", arguments.out.display()));
    Ok(())
}
