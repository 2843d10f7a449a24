//! Inputs, outputs and their surfaces.

use engrad_engine::{EngineError, Surface};

use crate::numbers::{agreement, sample, wide};
use crate::program::Text;
use crate::subject::{Subject, parse};
use crate::verdict::{Outcome, ProbeError, Verdict};

type Answer = Result<Verdict, ProbeError>;

pub(crate) fn order(subject: &Subject<'_>) -> Answer {
    let shape = [1, 32, 1, 32];
    let text = Text::new().input("c", &shape).input("a", &shape).input("b", &[1, 32, 1, 1]);
    let text =
        text.op(&shape, "z", "sub", "x = c, y = a").op(&shape, "y", "mul", "x = a, y = b").outputs("z, y");
    let (c, a, b) = (sample(1024, 1), sample(1024, 2), sample(32, 3));
    let outputs = subject.run(&text, &[&c, &a, &b])?;
    let (c, a, b) = (wide(&c), wide(&a), wide(&b));
    let z = c.iter().zip(&a).map(|(c, a)| c - a).collect();
    let y = a.iter().enumerate().map(|(at, a)| a * b[at / 32]).collect();
    Ok(agreement(&outputs, &[z, y]))
}

pub(crate) fn sizes(subject: &Subject<'_>) -> Answer {
    let shapes: [&[usize]; 4] = [&[1, 1, 1, 32], &[1, 64, 1, 1], &[1, 1, 1, 1], &[1, 64, 1, 32]];
    let whole = [1, 64, 1, 32];
    let mut outputs = Vec::new();
    let mut wanted = Vec::new();
    for ascending in [true, false] {
        let mut order: Vec<usize> = (0..4).collect();
        order.sort_by_key(|&i| shapes[i].iter().product::<usize>());
        if !ascending {
            order.reverse();
        }
        let mut text = Text::new();
        for &i in &order {
            text = text.input(["p", "q", "r", "s"][i], shapes[i]);
        }
        let text = text
            .op(&whole, "sum1", "add", "x = s, y = p")
            .op(&whole, "sum2", "add", "x = sum1, y = q")
            .op(&whole, "y", "add", "x = sum2, y = r")
            .outputs("y");
        let data: Vec<Vec<f32>> = (0..4).map(|i| sample(shapes[i].iter().product(), i as u64 + 1)).collect();
        let inputs: Vec<&[f32]> = order.iter().map(|&i| data[i].as_slice()).collect();
        outputs.extend(subject.run(&text, &inputs)?);
        let sum = |at: usize| {
            f64::from(data[3][at])
                + f64::from(data[0][at % 32])
                + f64::from(data[1][at / 32])
                + f64::from(data[2][0])
        };
        wanted.push((0..2048).map(sum).collect());
    }
    Ok(agreement(&outputs, &wanted))
}

pub(crate) fn minimum(subject: &Subject<'_>) -> Answer {
    let shape = [1, 64, 1, 32];
    let text = Text::new().input("x", &shape).op(&shape, "y", "add", "x = x, y = x").outputs("y");
    let kernel = subject.compile(&text)?;
    let port = kernel.inputs().first().ok_or_else(|| ProbeError::Unsupported("no input".to_owned()))?;
    let half = port.bytes() / 2;
    let output = kernel.outputs().first().map(|port| kernel.surface(port)).transpose()?;
    let outputs: Vec<Surface> = output.into_iter().collect();
    let bound = kernel.bind(vec![Surface::new(half)?], outputs);
    let refusal = match bound {
        Err(EngineError::Bind { reason, .. }) => reason,
        Err(other) => return Err(other.into()),
        Ok(_) => return Ok(Verdict::new(Outcome::Fail, "a surface of half the size is bound")),
    };
    let verdict = Verdict::new(Outcome::Pass, "a surface of half the size is refused before it is used")
        .number("port_bytes", port.bytes() as f64)
        .text("refusal", refusal);
    let Some(apple) = subject.apple else { return Ok(verdict) };
    // Past the check: what does the framework say?
    let probe = apple.engine.compile_for_probe(&parse(&text)?)?;
    let (full, small) = (probe.surface_of(port.bytes())?, probe.surface_of(half)?);
    Ok(match probe.evaluate_unchecked_sizes(&[small], &[full]) {
        Err(error) => verdict.text("framework", error.to_string()),
        Ok(()) => Verdict::new(Outcome::Fail, "the framework evaluates with a surface of half the size"),
    })
}
