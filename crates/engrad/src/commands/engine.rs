use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use engrad_apple::AppleEngine;
use engrad_engine::Engine;
use engrad_probe::{Apple, Outcome, PROBES, Probe, Report, Subject};
use engrad_virtual::{Options, VirtualEngine};
use serde_json::{Value, json};

use crate::display::print_line;
use crate::environment::{EngineChoice, apple_options};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What an engine is: device, framework, symbols, a test program.
    Info(InfoArguments),
    /// Ask small questions of an engine; each answer is pass, fail, unsupported or inconclusive.
    ///
    /// Exit code 1 if an answer is fail. docs/probes.md describes each.
    Probe(ProbeArguments),
}

#[derive(Debug, Args)]
pub(crate) struct InfoArguments {
    /// Which engine
    #[arg(long, value_enum, default_value_t = EngineChoice::Virtual)]
    engine: EngineChoice,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArguments {
    /// Probes to run, by name
    #[arg(value_name = "NAME", required_unless_present_any = ["list", "all"], conflicts_with_all = ["list", "all"])]
    names: Vec<String>,
    /// Run all of them; one that uses up the process's compiles runs last
    #[arg(long, conflicts_with = "list")]
    all: bool,
    /// List the probes and run none
    #[arg(long)]
    list: bool,
    /// Which engine
    #[arg(long, value_enum, default_value_t = EngineChoice::Virtual)]
    engine: EngineChoice,
    /// Print one JSON object a line for each probe
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Info(arguments) => info(&arguments),
        Command::Probe(arguments) => probe(&arguments),
    }
}

/// An engine to be asked.
pub(super) struct Asked {
    engine: Arc<dyn Engine>,
    apple: Option<(Arc<AppleEngine>, engrad_apple::Options)>,
}

impl Asked {
    pub(super) fn new(choice: EngineChoice) -> Result<Self> {
        let cpu: Arc<dyn Engine> = Arc::new(VirtualEngine::new(Options::default())?);
        match choice {
            EngineChoice::Virtual => Ok(Self { engine: cpu, apple: None }),
            EngineChoice::Apple => {
                let options = apple_options(cpu);
                let engine = Arc::new(AppleEngine::new(options.clone())?);
                Ok(Self { engine: Arc::clone(&engine) as _, apple: Some((engine, options)) })
            }
        }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        let apple = self.apple.as_ref().map(|(engine, options)| Apple { engine, options });
        Subject { engine: self.engine.as_ref(), apple }
    }

    /// What is known of the engine, and whether a test program gives what it should.
    pub(super) fn describe(&self) -> Result<(Value, bool)> {
        let mut facts = json!({"name": self.engine.name()});
        if let Some((engine, _)) = &self.apple {
            let device = engine.device()?;
            facts["device"] = json!({
                "has_engine": device.has_engine,
                "engines": device.engines,
                "cores": device.cores,
                "architecture": device.architecture,
                "sub_type": device.sub_type,
                "product": device.product,
                "build": device.build,
                "virtual_machine": device.is_virtual_machine,
            });
            let exploration = find("api-exploration")?.run(&self.subject());
            facts["framework"] = serde_json::to_value(&exploration.verdict)?;
        }
        let test = find("in-memory-basic")?.run(&self.subject());
        let works = test.verdict.outcome == Outcome::Pass;
        facts["test_program"] = serde_json::to_value(&test.verdict)?;
        Ok((facts, works))
    }
}

fn find(name: &str) -> Result<&'static Probe> {
    engrad_probe::find(name).with_context(|| format!("there is no probe `{name}`; --list names them"))
}

/// Lines `key  value` of a JSON object, nested keys indented.
pub(super) fn print_facts(facts: &Value, indent: usize) {
    for (key, value) in facts.as_object().into_iter().flatten() {
        let key = format!("{:indent$}{}", "", key.replace('_', " "));
        match value {
            Value::Null => {}
            Value::Object(inner) if inner.is_empty() => {}
            Value::Object(_) => {
                print_line(&key);
                print_facts(value, indent + 2);
            }
            Value::Array(items) if items.is_empty() => print_line(&format!("{key:<26} none")),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(plain).collect();
                print_line(&format!("{key:<26} {}", items.join(", ")));
            }
            other => print_line(&format!("{key:<26} {}", plain(other))),
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() != 0.0 => format!("{float:.3}"),
            Some(float) if number.is_f64() => format!("{float:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

fn info(arguments: &InfoArguments) -> Result<ExitCode> {
    let (facts, works) = Asked::new(arguments.engine)?.describe()?;
    match arguments.json {
        true => print_line(&facts.to_string()),
        false => print_facts(&facts, 0),
    }
    Ok(ExitCode::from(u8::from(!works)))
}

fn probe(arguments: &ProbeArguments) -> Result<ExitCode> {
    if arguments.list {
        list(arguments.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut probes: Vec<&Probe> = match arguments.all {
        true => PROBES.iter().collect(),
        false => arguments.names.iter().map(|name| find(name)).collect::<Result<_>>()?,
    };
    probes.sort_by_key(|probe| probe.exhausting);
    if probes.is_empty() {
        bail!("name a probe, or give --all or --list");
    }
    let asked = Asked::new(arguments.engine)?;
    let mut failed = false;
    for probe in probes {
        let report = probe.run(&asked.subject());
        failed |= report.verdict.outcome == Outcome::Fail;
        match arguments.json {
            true => print_line(&serde_json::to_string(&report)?),
            false => show(&report),
        }
    }
    Ok(ExitCode::from(u8::from(failed)))
}

fn list(json: bool) -> Result<()> {
    for probe in PROBES {
        let facts: Vec<&str> = probe.facts.iter().map(|(id, _)| *id).collect();
        if json {
            let row = json!({
                "probe": probe.name, "question": probe.question, "method": probe.method, "facts": facts,
                "private": probe.private, "exhausting": probe.exhausting,
            });
            print_line(&row.to_string());
        } else {
            print_line(&format!("{:<24} {}", probe.name, probe.question));
        }
    }
    Ok(())
}

fn show(report: &Report) {
    let verdict = &report.verdict;
    print_line(&format!("{}: {}, {}", report.probe, verdict.outcome.name(), verdict.reason));
    print_line(&format!("    {}", report.question));
    for (name, value) in &verdict.measurements {
        print_line(&format!("    {} = {value}", name.replace('_', " ")));
    }
    for fact in &report.facts {
        let says = match fact.holds {
            Some(true) => "holds here",
            Some(false) => "does not hold here",
            None => continue,
        };
        print_line(&format!("    fact {} {says}", fact.id));
    }
}
