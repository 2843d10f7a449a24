use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use engrad_engine::{Engine, Port};
use engrad_mil::{Builder, DType, Program, TensorType};
use engrad_train::stages::{Stage, StageKind, StageOptions, tile_rows};
use serde_json::json;

use super::machine::Machine;
use super::{Common, description};

/// Evaluations timed together: one alone is shorter than the clock's own cost.
const EVALUATIONS: u32 = 1000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Preset, TOML description or config.json whose programs are compiled
    #[arg(long, value_name = "MODEL", default_value = "stories110m")]
    model: String,
    /// Tokens of a sequence [default: the model's]
    #[arg(long, value_name = "N")]
    sequence: Option<usize>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let config = description(&arguments.model)?;
    let environment = common.environment()?;
    let machine = Machine::measure(environment.pool());
    let execution = environment.execution();
    let options = StageOptions {
        sequence: arguments.sequence.unwrap_or(config.sequence),
        batch: 1,
        dtype: execution.dtype,
        layout: execution.layout,
        tile: tile_rows(config.vocab),
    };

    let building = common.measure(|| {
        StageKind::ALL.iter().try_for_each(|kind| Stage::new(*kind, &config, &options).map(drop))?;
        Ok(())
    })?;
    let stages = StageKind::ALL.iter().map(|kind| Stage::new(*kind, &config, &options));
    let stages = stages.collect::<Result<Vec<_>, _>>()?;
    let compiling = common.measure(|| {
        for stage in &stages {
            for part in [&stage.forward, &stage.backward] {
                drop(execution.engine.compile(&part.program)?);
            }
        }
        Ok(())
    })?;

    let mut evaluating = Vec::new();
    for elements in [1, 256] {
        let request = trivial(execution.engine, execution.dtype, elements)?;
        let spread = common.measure(|| Ok((0..EVALUATIONS).try_for_each(|_| request.evaluate())?))?;
        let microseconds = |milliseconds: f64| milliseconds * 1e3 / f64::from(EVALUATIONS);
        evaluating.push(json!({
            "program": format!("y = x + x, {elements} elements"),
            "microseconds": microseconds(spread.median()),
            "microseconds_best": microseconds(spread.best()),
            "evaluations_per_run": EVALUATIONS,
        }));
    }
    let result = json!({
        "model": arguments.model,
        "programs": 2 * stages.len(),
        "derive_ms": building.to_json(),
        "compile_ms": compiling.to_json(),
        "evaluate": evaluating,
    });
    common.report("dispatch", &environment, &machine, result);
    Ok(())
}

/// The least a program can do.
fn trivial(engine: &dyn Engine, dtype: DType, elements: usize) -> Result<engrad_engine::Request> {
    let mut builder = Builder::new("main");
    let x = builder.input("x", TensorType::channels(dtype, 1, elements));
    let y = builder.add("y", x, x)?;
    let kernel = engine.compile(&Program::new(builder.finish(&[y])?))?;
    let surfaces =
        |ports: &[Port]| ports.iter().map(|port| kernel.surface(port)).collect::<Result<Vec<_>, _>>();
    let (inputs, outputs) = (surfaces(kernel.inputs())?, surfaces(kernel.outputs())?);
    Ok(Arc::clone(&kernel).bind(inputs, outputs)?)
}
