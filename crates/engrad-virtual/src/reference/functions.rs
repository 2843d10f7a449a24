//! Functions of single numbers.

use engrad_mil::{Op, Operands};

type Function = Box<dyn Fn(f64) -> f64>;

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

/// −1, 0 or 1.
fn sign(v: f64) -> f64 {
    if v == 0.0 { 0.0 } else { v.signum() }
}

/// The function of an operation of one operand and constant parameters; `None` if it is not one.
pub(super) fn unary(op: Op, operands: &Operands<'_>) -> Result<Option<Function>, String> {
    let number = |name: &str| operands.float(name);
    let function: Function = match op {
        Op::Abs => Box::new(f64::abs),
        Op::Acos => Box::new(f64::acos),
        Op::Asin => Box::new(f64::asin),
        Op::Atan => Box::new(f64::atan),
        Op::Atanh => Box::new(f64::atanh),
        Op::Cos => Box::new(f64::cos),
        Op::Cosh => Box::new(f64::cosh),
        Op::Erf => Box::new(libm::erf),
        Op::Exp => Box::new(f64::exp),
        Op::Exp2 => Box::new(f64::exp2),
        Op::Sign => Box::new(sign),
        Op::Sin => Box::new(f64::sin),
        Op::Sinh => Box::new(f64::sinh),
        Op::Sqrt => Box::new(f64::sqrt),
        Op::Square => Box::new(|v| v * v),
        Op::Tan => Box::new(f64::tan),
        Op::Tanh => Box::new(f64::tanh),
        // As written, NaN stays.
        Op::Relu => Box::new(|v| if v < 0.0 { 0.0 } else { v }),
        Op::Relu6 => Box::new(|v| v.clamp(0.0, 6.0)),
        Op::Sigmoid => Box::new(sigmoid),
        Op::Silu => Box::new(|v| v * sigmoid(v)),
        Op::Softplus => Box::new(|v| (-v.abs()).exp().ln_1p() + v.max(0.0)),
        Op::Softsign => Box::new(|v| v / (1.0 + v.abs())),
        Op::Log => number("epsilon").map(|e| Box::new(move |v: f64| (v + e).ln()) as Function)?,
        Op::Rsqrt => number("epsilon").map(|e| Box::new(move |v: f64| 1.0 / (v + e).sqrt()) as Function)?,
        Op::Inverse => number("epsilon").map(|e| Box::new(move |v: f64| 1.0 / (v + e)) as Function)?,
        Op::Gelu => gelu(operands.string("mode")?),
        Op::Threshold => {
            let alpha = number("alpha")?;
            Box::new(move |v| v.max(alpha))
        }
        Op::Elu => {
            let alpha = number("alpha")?;
            Box::new(move |v| if v < 0.0 { alpha * v.exp_m1() } else { v })
        }
        Op::LeakyRelu => {
            let alpha = number("alpha")?;
            Box::new(move |v| if v < 0.0 { alpha * v } else { v })
        }
        Op::Clip | Op::LinearActivation | Op::ScaledTanh | Op::SigmoidHard => {
            let (alpha, beta) = (number("alpha")?, number("beta")?);
            match op {
                Op::Clip => Box::new(move |v| v.max(alpha).min(beta)),
                Op::LinearActivation => Box::new(move |v| alpha * v + beta),
                Op::ScaledTanh => Box::new(move |v| alpha * (beta * v).tanh()),
                _ => Box::new(move |v| (alpha * v + beta).clamp(0.0, 1.0)),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(function))
}

fn gelu(mode: &str) -> Function {
    match mode {
        "TANH_APPROXIMATION" => Box::new(|v| {
            let argument = (2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v * v * v);
            0.5 * v * (1.0 + argument.tanh())
        }),
        "SIGMOID_APPROXIMATION" => Box::new(|v| v * sigmoid(1.702 * v)),
        _ => Box::new(|v| 0.5 * v * libm::erfc(-v * std::f64::consts::FRAC_1_SQRT_2)),
    }
}

/// The function of an operation of two operands; truth values are 0 and 1.
pub(super) fn binary(op: Op) -> Option<fn(f64, f64) -> f64> {
    Some(match op {
        Op::Add => |a, b| a + b,
        Op::Sub => |a, b| a - b,
        Op::Mul => |a, b| a * b,
        Op::RealDiv => |a, b| a / b,
        Op::Pow => f64::powf,
        Op::Maximum => |a, b| if a > b || a.is_nan() { a } else { b },
        Op::Minimum => |a, b| if a < b || a.is_nan() { a } else { b },
        Op::GreaterEqual => |a, b| f64::from(u8::from(a >= b)),
        Op::LessEqual => |a, b| f64::from(u8::from(a <= b)),
        _ => return None,
    })
}
