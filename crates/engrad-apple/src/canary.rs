//! One evaluation on a random input, compared with a reference engine.
//!
//! The device is known to give zeros without an error and to bind ports in another order than asked (ane-facts 2.7,
//! 4.5). Either shows at once in numbers; rounding does not.

use std::sync::Arc;

use engrad_engine::{Engine, Kernel, Port, Request, Surface};
use engrad_mil::{DType, Program};
use half::f16;

use crate::AppleError;

/// Largest magnitude of inputs: small enough that sums of thousands of products stay far from the device's limits.
const AMPLITUDE: f32 = 0.25;

/// Compares; an error names the first output that is wrong, and how.
pub(crate) fn check(
    kernel: &Arc<dyn Kernel>,
    reference: &dyn Engine,
    program: &Program,
    tolerance: f64,
) -> Result<(), AppleError> {
    let refuse = |e: engrad_engine::EngineError| AppleError::Canary {
        port: "(all)".to_owned(),
        reason: format!("could not be compared: {e}"),
    };
    let expected_by = reference.compile(program).map_err(refuse)?;
    let (request, expected) = (bind(kernel).map_err(refuse)?, bind(&expected_by).map_err(refuse)?);
    request.evaluate().map_err(refuse)?;
    expected.evaluate().map_err(refuse)?;
    let values = |request: &Request| -> Vec<Vec<f64>> {
        let ports = request.kernel().outputs();
        ports.iter().zip(request.outputs()).map(|(port, surface)| read(port, surface)).collect()
    };
    let (found, expected) = (values(&request), values(&expected));
    for (position, port) in kernel.outputs().iter().enumerate() {
        let error = difference(&found[position], &expected[position]);
        if error <= tolerance {
            continue;
        }
        let other = expected
            .iter()
            .enumerate()
            .find(|(other, values)| *other != position && difference(&found[position], values) <= tolerance);
        let reason = match other {
            _ if found[position].iter().all(|&v| v == 0.0) => "is zero throughout".to_owned(),
            Some((other, _)) => format!("has the values of `{}`", kernel.outputs()[other].name),
            None => format!("differs from the reference by {error:.2} of its size"),
        };
        return Err(AppleError::Canary { port: port.name.clone(), reason });
    }
    Ok(())
}

fn bind(kernel: &Arc<dyn Kernel>) -> Result<Request, engrad_engine::EngineError> {
    let surfaces = |ports: &[Port]| ports.iter().map(|p| kernel.surface(p)).collect::<Result<Vec<_>, _>>();
    let (inputs, outputs) = (surfaces(kernel.inputs())?, surfaces(kernel.outputs())?);
    for (position, (port, surface)) in kernel.inputs().iter().zip(&inputs).enumerate() {
        fill(port, surface, position as u64 + 1);
    }
    kernel.bind(inputs, outputs)
}

/// Elements of a port with their places in its surface.
fn places(port: &Port) -> impl Iterator<Item = usize> + '_ {
    let (width, stride) = (port.width(), port.stride_elements());
    (0..port.rows()).flat_map(move |row| row * stride..row * stride + width)
}

/// The same numbers for the same seed, whatever the stride; exact in fp16.
fn fill(port: &Port, surface: &Surface, seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        // xorshift64*: quality enough to tell tensors apart.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let bits = (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32;
        f16::from_f32((bits / 8_388_608.0 - 1.0) * AMPLITUDE)
    };
    let mut guard = surface.write();
    match port.ty.dtype {
        DType::Fp16 => places(port).for_each(|at| guard.fp16_mut()[at] = next()),
        DType::Fp32 => places(port).for_each(|at| guard.fp32_mut()[at] = next().to_f32()),
        // Other inputs stay zero: every value is legal for some of them only.
        _ => {}
    }
}

fn read(port: &Port, surface: &Surface) -> Vec<f64> {
    let guard = surface.read();
    match port.ty.dtype {
        DType::Fp16 => places(port).map(|at| guard.fp16()[at].to_f64()).collect(),
        DType::Fp32 => places(port).map(|at| f64::from(guard.fp32()[at])).collect(),
        _ => places(port).map(|at| f64::from(guard.bytes()[at])).collect(),
    }
}

/// Root mean square of the difference as a share of the expected values' own; infinite where only one is finite.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let (mut error, mut size) = (0.0, 0.0);
    for (f, e) in found.iter().zip(expected) {
        match (f.is_finite(), e.is_finite()) {
            (true, true) => {
                error += (f - e) * (f - e);
                size += e * e;
            }
            (false, false) => {}
            _ => return f64::INFINITY,
        }
    }
    if error == 0.0 { 0.0 } else { (error / size.max(f64::MIN_POSITIVE)).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn zeros_and_infinities_are_no_rounding() {
        assert_eq!(difference(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert_eq!(difference(&[0.0, 0.0], &[1.0, 2.0]), 1.0);
        assert!(difference(&[1.001, 2.0], &[1.0, 2.0]) < 1e-2);
        assert_eq!(difference(&[f64::INFINITY, 2.0], &[1.0, 2.0]), f64::INFINITY);
        assert!(difference(&[1e-3], &[0.0]) > 1.0);
    }
}
