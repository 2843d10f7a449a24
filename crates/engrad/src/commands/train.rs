use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use anyhow::{Context, Result, bail};
use clap::Args;
use engrad_model::{ModelConfig, ResidualScale};
use engrad_store::Checkpoint;
use engrad_train::trainer::{LossScaleSetting, RunPlan, SamplePlan, Trainer, run as run_training};
use engrad_train::{Recompute, initialize};

use crate::config::RunConfig;
use crate::display;
use crate::environment::{self, Environment, ExecutionFlags};
use crate::host_products::HostProductsChoice;
use crate::sources::{self, ModelSource};

/// Where default runs and generated data go.
const RUNS: &str = "runs";
const DATA: &str = "data";
/// Default learning rate for given weights: at the rate for random ones, the first steps undo what they know.
const FINE_TUNING_RATE: f64 = 2e-5;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Preset (see `engrad models`), TOML description or config.json to train from scratch; or weights to fine-tune:
    /// a Hugging Face folder, a llama2.c .bin file, a checkpoint [default: stories110m]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Dataset folder, shard or raw token file [default: stories generated on first use, in data/]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Tokenizer for samples of text [default: the dataset's]
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,
    /// Folder of the run: configuration, event log, checkpoints [default: runs/MODEL, numbered if taken]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// TOML file with any of these settings; flags override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Continue the run in --out (or the newest default run of the model) from its newest checkpoint
    #[arg(long)]
    resume: bool,
    /// Updates in all, those before a resumption included [default: 200]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Save and stop once this many steps are done
    #[arg(long, value_name = "N")]
    stop_at: Option<u64>,
    /// Steps of linear warm-up [default: 10]
    #[arg(long, value_name = "N")]
    warmup_steps: Option<u64>,
    /// Step at which the cosine schedule ends [default: the number of steps, at least 2000]
    #[arg(long, value_name = "N")]
    decay_steps: Option<u64>,
    /// Peak learning rate [default: 5e-4 from scratch, 2e-5 from given weights]
    #[arg(long, visible_alias = "lr", value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Weight decay; norms have none [default: 0.1]
    #[arg(long, value_name = "X")]
    weight_decay: Option<f64>,
    /// Largest gradient norm [default: 1.0]
    #[arg(long, value_name = "X")]
    clip_norm: Option<f64>,
    /// Sequences evaluated at once [default: 1]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Batches accumulated for each update [default: 1]
    #[arg(long, value_name = "N")]
    accumulation: Option<usize>,
    /// What the backward pass computes again instead of keeping it in memory: none, attention, layer [default: none]
    #[arg(long, value_name = "POLICY")]
    recompute: Option<Recompute>,
    /// Tokens of a sequence [default: the model's]
    #[arg(long, value_name = "N")]
    sequence: Option<usize>,
    /// Seed of initial weights and data order [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// `dynamic`, or a fixed factor [default: dynamic; none with --numerics f32]
    #[arg(long, value_name = "X")]
    loss_scale: Option<LossScaleSetting>,
    /// Compute logits of every token id, also of those that do not occur in the data
    #[arg(long)]
    full_vocabulary: bool,
    /// Scale block outputs by 1/√(2·layers)
    #[arg(long)]
    deepnet_residual: bool,
    /// Steps between validations, 0 for none; a new best is saved [default: 100]
    #[arg(long, value_name = "N")]
    validation_every: Option<u64>,
    /// Sequences of a validation [default: 8]
    #[arg(long, value_name = "N")]
    validation_windows: Option<usize>,
    /// Steps between checkpoints, 0 for one at the end only [default: 100]
    #[arg(long, value_name = "N")]
    checkpoint_every: Option<u64>,
    /// Checkpoints kept besides the best [default: 2]
    #[arg(long, value_name = "N")]
    keep_last: Option<usize>,
    /// Steps between samples of text, 0 for none [default: 100]
    #[arg(long, value_name = "N")]
    sample_every: Option<u64>,
    /// What samples begin with [default: "Once upon a time"]
    #[arg(long, value_name = "TEXT")]
    sample_prompt: Option<String>,
    /// Who forms weight gradients [default: auto]
    #[arg(long, value_enum)]
    host_products: Option<HostProductsChoice>,
    #[command(flatten)]
    execution: ExecutionFlags,
}

impl Arguments {
    /// Flags over `base`.
    fn apply(&self, mut config: RunConfig) -> RunConfig {
        macro_rules! over {
            ($($flag:expr => $place:expr),* $(,)?) => { $( if let Some(value) = $flag.clone() { $place = value; } )* };
        }
        let train = &mut config.train;
        over! {
            self.model => config.model,
            self.steps => train.steps,
            self.warmup_steps => train.warmup_steps,
            self.learning_rate => train.learning_rate,
            self.weight_decay => train.adamw.weight_decay,
            self.clip_norm => train.clip_norm,
            self.batch => train.batch,
            self.accumulation => train.accumulation,
            self.recompute => train.recompute,
            self.seed => train.seed,
            self.loss_scale => train.loss_scale,
            self.validation_every => train.validation_every,
            self.validation_windows => train.validation_windows,
            self.checkpoint_every => train.checkpoint_every,
            self.keep_last => train.keep_last,
            self.sample_every => train.sample_every,
            self.sample_prompt => train.sample_prompt,
            self.execution.engine => config.engine,
            self.execution.numerics => config.numerics,
            self.execution.layout => config.layout,
        }
        config.host_products = self.host_products.or(config.host_products);
        train.decay_steps = self.decay_steps.or(train.decay_steps);
        train.sequence = self.sequence.or(train.sequence);
        train.compact_vocabulary &= !self.full_vocabulary;
        config.deepnet_residual |= self.deepnet_residual;
        config.data = self.data.clone().or(config.data);
        config.tokenizer = self.tokenizer.clone().or(config.tokenizer);
        config.threads = self.execution.threads.or(config.threads);
        config.affinity = self.execution.affinity.clone().or(config.affinity);
        config.train.gradient_precision = config.numerics.gradient_precision();
        config
    }
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let file = arguments.config.as_deref().map(RunConfig::read).transpose()?;
    let out = run_folder(&arguments, file.as_ref())?;
    let checkpoints = out.join("checkpoints");
    let started = out.join("config.toml");
    // A run killed before its first checkpoint has nothing but its configuration, and begins again.
    let restart =
        arguments.resume && started.is_file() && engrad_store::checkpoints(&checkpoints)?.is_empty();
    let mut checkpoint = if arguments.resume && !restart { Some(newest(&checkpoints)?) } else { None };
    let saved = checkpoint.as_mut().map(saved_config).transpose()?;
    let begun = if restart { Some(RunConfig::read(&started)?) } else { None };
    if restart {
        display::print_line(&format!("{} has no checkpoint yet; starting it again", out.display()));
    }
    let base = file.or_else(|| saved.clone()).or(begun).unwrap_or_default();
    let mut config = arguments.apply(base);
    config.train.validate()?;
    if config.train.steps == 0 {
        bail!("--steps 0 leaves nothing to do; ask for at least 1");
    }
    // A run killed just after its last checkpoint is complete: resuming it is no error.
    if let Some(done) = checkpoint.as_ref().map(Checkpoint::step).filter(|&done| done >= config.train.steps) {
        let steps = config.train.steps;
        display::print_line(&format!(
            "the run already has {done} of {steps} steps; ask for more with --steps"
        ));
        return Ok(());
    }

    let engine = Environment::new(&ExecutionFlags {
        engine: Some(config.engine),
        numerics: Some(config.numerics),
        layout: Some(config.layout),
        threads: config.threads,
        affinity: config.affinity.clone(),
    })?
    .with_host_products(config.host_products)?;
    // What resumes the run must not choose again: another choice would give other bits.
    config.host_products = Some(engine.host_products());
    let (model_config, weights) = match (&mut checkpoint, sources::model_source(&config.model)) {
        (Some(checkpoint), _) => (checkpoint.model_config()?, None),
        (None, Ok(ModelSource::Description(description))) => (description, None),
        (None, Ok(ModelSource::Weights(path))) => {
            let model = engrad_store::load(&path)?;
            (model.config.clone(), Some(model))
        }
        (None, Err(error)) => return Err(error),
    };
    if let Some(saved) = &saved {
        check_resumable(&config, saved, &model_config)?;
    }
    environment::reserve(model_config.parameter_count())?;
    // A configuration file, like a flag, is the user's word on the rate.
    if weights.is_some() && arguments.learning_rate.is_none() && arguments.config.is_none() {
        config.train.learning_rate = FINE_TUNING_RATE;
    }
    let data = match &config.data {
        Some(path) => path.clone(),
        None => sources::stories(Path::new(DATA), model_config.vocab)?,
    };
    config.data = Some(data.clone());
    // The schedule must not change when a later resumption asks for more steps.
    config.train.decay_steps = Some(config.train.decay_end());
    let dataset = sources::dataset(&data, model_config.vocab)?;
    let tokenizer = match (&config.tokenizer, dataset.tokenizer_path()) {
        (Some(path), _) => Some(sources::tokenizer(Some(path), &config.model, model_config.vocab)?),
        (None, Some(path)) => Some(engrad_data::Tokenizer::load(path)?),
        (None, None) => sources::find_tokenizer(Path::new(&config.model), model_config.vocab),
    };
    if let Some(tokenizer) = &tokenizer {
        dataset.check_tokenizer(tokenizer)?;
    }
    let config_toml = config.to_toml()?;

    let execution = engine.execution();
    let mut trainer = match checkpoint {
        Some(mut checkpoint) => {
            Trainer::resume(execution, config.train.clone(), &mut checkpoint, Arc::clone(&dataset))?
        }
        None => {
            let mut model = match weights {
                Some(model) => model,
                None => engine.pool().install(|| initialize(&model_config, config.train.seed)),
            };
            if config.deepnet_residual {
                model.config.residual_scale = ResidualScale::Deepnet;
            }
            Trainer::new(execution, config.train.clone(), model, Arc::clone(&dataset))?
        }
    };

    // Nothing of the run is touched before everything above was found right.
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    write(&out.join("config.toml"), &config_toml)?;
    if let Some(tokenizer) = &tokenizer {
        // Beside the checkpoints, so that `generate` finds it.
        tokenizer.save(&out.join("tokenizer.json"))?;
    }
    display::print_line(&format!("run {}  data {}", out.display(), data.display()));

    let stop = stop_on_interrupt()?;
    let (events, receiver) = channel();
    let listener = display::consume(receiver, &out.join("events.jsonl"))?;
    let name = engine.describe();
    let plan = RunPlan {
        checkpoints: Some(&checkpoints),
        config_toml: &config_toml,
        sample: tokenizer.as_ref().map(|tokenizer| SamplePlan { tokenizer }),
        stop_at: arguments.stop_at,
        engine: &name,
    };
    let result = run_training(&mut trainer, &plan, &events, &stop);
    drop(events);
    let _ = listener.join();
    let summary = result?;
    if summary.stopped {
        display::print_line(&format!("continue with: engrad train --resume --out {}", out.display()));
    }
    Ok(())
}

fn saved_config(checkpoint: &mut Checkpoint) -> Result<RunConfig> {
    let text = checkpoint.config_toml()?;
    let mut config = RunConfig::parse(&text)
        .with_context(|| format!("configuration in {}", checkpoint.path().display()))?;
    // Runs of before there was a choice.
    config.host_products.get_or_insert(HostProductsChoice::Own);
    Ok(config)
}

/// Refuses what a checkpoint has settled already, rather than going on without it.
fn check_resumable(config: &RunConfig, saved: &RunConfig, model: &ModelConfig) -> Result<()> {
    let settled = |what: &str, saved: String, now: String| {
        bail!("cannot resume with another {what}: the run has {saved}, not {now}")
    };
    if config.model != saved.model {
        let same = match sources::model_source(&config.model) {
            Ok(ModelSource::Description(given)) => {
                ModelConfig { residual_scale: model.residual_scale, ..given } == *model
            }
            _ => false,
        };
        if !same {
            return settled("model", format!("`{}`", saved.model), format!("`{}`", config.model));
        }
    }
    if config.train.seed != saved.train.seed {
        return settled("seed", saved.train.seed.to_string(), config.train.seed.to_string());
    }
    if config.deepnet_residual != saved.deepnet_residual {
        let (before, now) = (saved.deepnet_residual, config.deepnet_residual);
        return settled("deepnet_residual", before.to_string(), now.to_string());
    }
    Ok(())
}

/// The folder of the run: as given, or a default one that is new, or with --resume the newest default one.
fn run_folder(arguments: &Arguments, file: Option<&RunConfig>) -> Result<PathBuf> {
    let has_checkpoints =
        |path: &Path| engrad_store::checkpoints(&path.join("checkpoints")).is_ok_and(|c| !c.is_empty());
    if let Some(out) = &arguments.out {
        if !arguments.resume && has_checkpoints(out) {
            bail!("{} already holds a run; continue it with --resume or choose another --out", out.display());
        }
        return Ok(out.clone());
    }
    let default = RunConfig::default();
    let model = arguments.model.as_deref().unwrap_or(&file.unwrap_or(&default).model);
    let stem = Path::new(model).file_stem().and_then(|s| s.to_str()).unwrap_or("run");
    // A dot in a preset's name is not an extension.
    let stem = if Path::new(model).exists() { stem } else { model };
    let numbered =
        |n: u32| Path::new(RUNS).join(if n == 1 { stem.to_owned() } else { format!("{stem}-{n}") });
    let taken = (1..).take_while(|&n| has_checkpoints(&numbered(n))).last();
    match (arguments.resume, taken) {
        (true, Some(n)) => Ok(numbered(n)),
        (true, None) => bail!("nothing to resume: {} holds no checkpoint", numbered(1).display()),
        (false, taken) => Ok(numbered(taken.unwrap_or(0) + 1)),
    }
}

fn newest(checkpoints: &Path) -> Result<Checkpoint> {
    let latest = engrad_store::latest(checkpoints)?;
    let Some(checkpoint) = latest.checkpoint else {
        let what = format!("nothing to resume: {} holds no whole checkpoint", checkpoints.display());
        return match latest.rejected.into_iter().next() {
            Some(rejected) => Err(anyhow::Error::new(rejected.error).context(what)),
            None => bail!(what),
        };
    };
    for rejected in &latest.rejected {
        eprintln!("warning: checkpoint {} is left out: {}", rejected.path.display(), rejected.error);
    }
    Ok(checkpoint)
}

/// The first interrupt asks the loop to save and stop; the second ends the process at once.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("stopping after this step and saving; interrupt again to stop at once");
    })?;
    Ok(stop)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
