use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use engrad_mil::blob::externalize;
use engrad_train::stages::{MAX_SEQUENCE, Stage, StageKind, StageOptions};

use crate::display::print_piece;
use crate::environment::{LayoutChoice, NumericsChoice};
use crate::sources::{ModelSource, model_source};

/// Constants of at least this many elements are kept in the weight file instead of the text.
const LARGE: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StageChoice {
    Attention,
    #[value(alias = "feed_forward", alias = "ffn")]
    FeedForward,
    Classifier,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PassChoice {
    /// Without saved values, as generation runs it
    Inference,
    /// With the values the backward program needs
    Forward,
    /// The derived program
    Backward,
    /// Forward and backward
    Both,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Preset, TOML description, config.json or weights
    #[arg(long, value_name = "MODEL", default_value = "stories110m")]
    model: String,
    /// Which stage
    #[arg(long, value_enum)]
    stage: StageChoice,
    /// Which of its programs
    #[arg(long, value_enum, default_value_t = PassChoice::Both)]
    pass: PassChoice,
    /// Input layout
    #[arg(long, value_enum, default_value_t)]
    layout: LayoutChoice,
    /// fast for fp16 programs, f32 for fp32 ones
    #[arg(long, value_enum, default_value_t)]
    numerics: NumericsChoice,
    /// Positions [default: the model's]
    #[arg(long, value_name = "N")]
    sequence: Option<usize>,
    /// Write each program with its weight file to DIR/PASS/ instead of printing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let config = match model_source(&arguments.model)? {
        ModelSource::Description(config) => config,
        ModelSource::Weights(path) => engrad_store::load(&path)?.config,
    };
    let kind = match arguments.stage {
        StageChoice::Attention => StageKind::Attention,
        StageChoice::FeedForward => StageKind::FeedForward,
        StageChoice::Classifier => StageKind::Classifier,
    };
    let sequence = arguments.sequence.unwrap_or(config.sequence);
    if !(1..=MAX_SEQUENCE).contains(&sequence) {
        bail!("a sequence of {sequence} positions is not in 1…{MAX_SEQUENCE}");
    }
    let options = StageOptions {
        sequence,
        batch: 1,
        dtype: arguments.numerics.dtype(),
        layout: arguments.layout.layout(),
        tile: engrad_train::stages::tile_rows(config.vocab),
    };
    let stage = Stage::new(kind, &config, &options)?;
    let programs = match arguments.pass {
        PassChoice::Inference => vec![("inference", &stage.inference)],
        PassChoice::Forward => vec![("forward", &stage.forward)],
        PassChoice::Backward => vec![("backward", &stage.backward)],
        PassChoice::Both => vec![("forward", &stage.forward), ("backward", &stage.backward)],
    };
    for (pass, program) in programs {
        let (program, weights) = externalize(&program.program, "@model_path/weights/weight.bin", LARGE)?;
        match &arguments.out {
            None => print_piece(&format!(
                "// {} {} of {}\n{}\n",
                kind.name(),
                pass,
                arguments.model,
                program.to_text()
            )),
            Some(out) => {
                let folder = out.join(pass);
                let write = |name: &str, bytes: &[u8]| {
                    let path = folder.join(name);
                    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
                };
                let made = std::fs::create_dir_all(folder.join("weights"));
                made.with_context(|| format!("cannot create {}", folder.display()))?;
                write("model.mil", program.to_text().as_bytes())?;
                write("weights/weight.bin", &weights)?;
            }
        }
    }
    Ok(())
}
