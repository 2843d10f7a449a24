use anyhow::{Result, bail};
use clap::Args;
use engrad_train::generate::{GenerateOptions, Generator, Sampling, TokenSampler};
use engrad_train::{Vocabulary, initialize};
use serde_json::json;

use super::machine::Machine;
use super::{Common, description};
use crate::environment::reserve;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Preset, TOML description or config.json
    #[arg(long, value_name = "MODEL", default_value = "stories15m")]
    model: String,
    /// Tokens before the first generated one
    #[arg(long, value_name = "N", default_value_t = 16)]
    prompt: usize,
    /// Tokens generated in each run
    #[arg(long, value_name = "N", default_value_t = 16)]
    tokens: usize,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let config = description(&arguments.model)?;
    let context = config.sequence;
    let (prompt, count) = (arguments.prompt, arguments.tokens);
    if prompt == 0 || count == 0 || prompt.saturating_add(count) > context {
        bail!("--prompt and --tokens are 1 or more, together no more than the model's {context} positions");
    }
    let environment = common.environment()?;
    reserve(config.parameter_count())?;
    let machine = Machine::measure(environment.pool());
    let model = environment.pool().install(|| initialize(&config, 1));
    let execution = environment.execution();
    let options = GenerateOptions { dtype: execution.dtype, layout: execution.layout, context };
    let vocabulary = Vocabulary::full(config.vocab);
    let mut generator = Generator::new(execution.engine, execution.pool, &model, vocabulary, options);
    let tokens: Vec<u32> = (0..prompt).map(|i| (i * 37 % config.vocab) as u32).collect();
    let spread = common.measure(|| {
        let mut sampler = TokenSampler::new(Sampling::GREEDY)?;
        Ok(generator.generate(&tokens, count, &mut sampler, |_| true)?)
    })?;
    let per_second = |milliseconds: f64| count as f64 / milliseconds * 1e3;
    let result = json!({
        "model": arguments.model,
        "prompt": prompt,
        "tokens": count,
        "milliseconds": spread.to_json(),
        "tokens_per_second": per_second(spread.median()),
        "tokens_per_second_best": per_second(spread.best()),
    });
    common.report("decode", &environment, &machine, result);
    Ok(())
}
