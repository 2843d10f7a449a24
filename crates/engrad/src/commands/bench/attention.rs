use anyhow::{Result, bail};
use clap::Args;
use engrad_engine::{Engine, Port, Request};
use engrad_mil::DType;
use engrad_model::ModelConfig;
use engrad_train::stages::{MAX_SEQUENCE, Stage, StageKind, StageOptions, StageProgram};
use serde_json::json;

use super::machine::Machine;
use super::{Common, description};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Preset, TOML description or config.json whose attention is measured
    #[arg(long, value_name = "MODEL", default_value = "stories110m")]
    model: String,
    /// Tokens of a sequence; may be repeated [default: 256, 1024]
    #[arg(long = "sequence", value_name = "N")]
    sequences: Vec<usize>,
    /// Sequences evaluated at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let common = &arguments.common;
    let config = description(&arguments.model)?;
    let environment = common.environment()?;
    let mut machine = Machine::measure(environment.pool());
    let precision = environment.products();
    let sequences = if arguments.sequences.is_empty() { &[256, 1024][..] } else { &arguments.sequences };
    let mut results = Vec::new();
    for &sequence in sequences {
        let positions = sequence.saturating_mul(arguments.batch);
        if positions == 0 || positions > MAX_SEQUENCE {
            bail!("{} sequences of {sequence} are not in 1…{MAX_SEQUENCE} positions", arguments.batch);
        }
        let execution = environment.execution();
        let options = StageOptions {
            sequence,
            batch: arguments.batch,
            dtype: execution.dtype,
            layout: execution.layout,
            tile: 32,
        };
        let stage = Stage::new(StageKind::Attention, &config, &options)?;
        let forward = bind(execution.engine, &stage.forward)?;
        let backward = bind(execution.engine, &stage.backward)?;
        let (forward_flops, backward_flops) = flops(&config, positions, sequence);
        let mut figures = |what: &str, request: &Request, flops: f64| -> Result<serde_json::Value> {
            let spread = common.measure(|| Ok(request.evaluate()?))?;
            machine.share(what, precision, flops, spread.best())?;
            Ok(json!({
                "milliseconds": spread.to_json(),
                "flops": flops,
                "gflops": flops / spread.median() / 1e6,
                "share_of_peak": machine.share(what, precision, flops, spread.median())?,
            }))
        };
        results.push(json!({
            "sequence": sequence,
            "forward": figures("attention forward", &forward, forward_flops)?,
            "backward": figures("attention backward", &backward, backward_flops)?,
            "working_bytes": execution.engine.statistics().working_bytes,
        }));
    }
    let result = json!({"model": arguments.model, "batch": arguments.batch, "sequences": results});
    common.report("attention", &environment, &machine, result);
    Ok(())
}

/// Operations of the stage forward, and backward without weight gradients, which the host forms: projections, and two
/// products for each pair of a position and one not after it, four backward.
fn flops(config: &ModelConfig, positions: usize, sequence: usize) -> (f64, f64) {
    let weights = (config.dim * (2 * config.query_dim() + 2 * config.kv_dim())) as f64;
    let pairs = (sequence + 1) as f64 / 2.0;
    let (projections, product) = (2.0 * weights, 2.0 * config.query_dim() as f64 * pairs);
    let positions = positions as f64;
    (positions * (projections + 2.0 * product), positions * (projections + 4.0 * product))
}

/// Compiles a program and binds it to surfaces with small numbers on them.
fn bind(engine: &dyn Engine, program: &StageProgram) -> Result<Request> {
    let kernel = engine.compile(&program.program)?;
    let surfaces =
        |ports: &[Port]| ports.iter().map(|port| kernel.surface(port)).collect::<Result<Vec<_>, _>>();
    let inputs = surfaces(kernel.inputs())?;
    for (port, surface) in kernel.inputs().iter().zip(&inputs) {
        let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 1000.0;
        let mut guard = surface.write();
        match port.ty.dtype {
            DType::Fp32 => guard.fp32_mut().iter_mut().enumerate().for_each(|(i, v)| *v = value(i)),
            // The numbers 0 to 0.05, as bits.
            _ => guard.bytes_mut().chunks_exact_mut(2).enumerate().for_each(|(i, bytes)| {
                bytes.copy_from_slice(&[(i * 37 % 251) as u8, 0x28 | (i % 2 * 0x80) as u8]);
            }),
        }
    }
    let outputs = surfaces(kernel.outputs())?;
    Ok(kernel.bind(inputs, outputs)?)
}
