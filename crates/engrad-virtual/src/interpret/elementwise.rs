//! Operations on single elements. NaN goes through all of them but comparisons; integers wrap.

use engrad_mil::{DType, Op};
use half::bf16;

use super::call::{Call, Kernel};
use super::integers::{integers, to_floats, wrapped};
use super::tensor::{Data, Tensor};
use super::walk::{map, zip, zip3};
use crate::kernels::math::{self, larger, smaller};

#[cfg(test)]
mod tests;

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Add
        | Op::Sub
        | Op::Mul
        | Op::RealDiv
        | Op::FloorDiv
        | Op::Mod
        | Op::Pow
        | Op::Maximum
        | Op::Minimum => binary,
        Op::Equal | Op::NotEqual | Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => comparison,
        Op::LogicalAnd | Op::LogicalOr | Op::LogicalXor => logical,
        Op::LogicalNot => logical_not,
        Op::Select => select,
        Op::Abs | Op::Sign | Op::Square | Op::Exp2 => unary_number,
        Op::Acos
        | Op::Asin
        | Op::Atan
        | Op::Atanh
        | Op::Ceil
        | Op::Cos
        | Op::Cosh
        | Op::Erf
        | Op::Exp
        | Op::Floor
        | Op::Round
        | Op::Sin
        | Op::Sinh
        | Op::Sqrt
        | Op::Tan
        | Op::Tanh => unary,
        Op::Log | Op::Rsqrt | Op::Inverse => with_epsilon,
        Op::Clip => clip,
        Op::Threshold => threshold,
        Op::Identity => identity,
        Op::Cast => cast,
        _ => return None,
    })
}

fn binary(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, y) = (call.tensor("x")?, call.tensor("y")?);
    if let (Data::Floats(a), Data::Floats(b)) = (&x.data, &y.data) {
        let (a, b) = ((&a[..], &x.shape[..]), (&b[..], &y.shape[..]));
        let (shape, values) = match call.op {
            Op::Add => zip(a, b, |x, y| x + y),
            Op::Sub => zip(a, b, |x, y| x - y),
            Op::Mul => zip(a, b, |x, y| x * y),
            Op::RealDiv => zip(a, b, |x, y| x / y),
            Op::FloorDiv => zip(a, b, floor_div),
            Op::Mod => zip(a, b, modulo),
            // The commonest power, as exact as `powf`.
            Op::Pow if b.0 == [2.0] => zip(a, b, |x, _| x * x),
            Op::Pow => zip(a, b, f32::powf),
            Op::Maximum => zip(a, b, larger),
            Op::Minimum => zip(a, b, smaller),
            other => return Err(format!("{} is not of two operands", other.name())),
        }?;
        return Ok(vec![Tensor::floats(x.dtype, shape, values)?]);
    }
    let (a, b) = (integers(x)?, integers(y)?);
    let (a, b) = ((&a[..], &x.shape[..]), (&b[..], &y.shape[..]));
    let (shape, values) = match call.op {
        Op::Add => zip(a, b, i64::wrapping_add),
        Op::Sub => zip(a, b, i64::wrapping_sub),
        Op::Mul => zip(a, b, i64::wrapping_mul),
        Op::RealDiv => zip(a, b, |x, y| truncate(x as f64 / y as f64)),
        Op::FloorDiv => {
            zip(
                a,
                b,
                |x, y| if y == 0 { 0 } else { x.div_euclid(y) - i64::from(y < 0 && x.rem_euclid(y) != 0) },
            )
        }
        Op::Mod => zip(a, b, |x, y| match y {
            0 => 0,
            _ => {
                let rest = x.rem_euclid(y);
                if y < 0 && rest != 0 { rest + y } else { rest }
            }
        }),
        Op::Pow => zip(a, b, integer_power),
        Op::Maximum => zip(a, b, i64::max),
        Op::Minimum => zip(a, b, i64::min),
        other => return Err(format!("{} is not of two operands", other.name())),
    }?;
    Ok(vec![wrapped(x.dtype, shape, values)?])
}

/// x/y rounded toward −∞, with x = floor_div·y + modulo as exact as rounding allows.
fn floor_div(x: f32, y: f32) -> f32 {
    if y == 0.0 {
        return x / y;
    }
    let rest = x % y;
    let mut quotient = (x - rest) / y;
    if rest != 0.0 && (y < 0.0) != (rest < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0.0f32.copysign(x / y);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}

/// What floor_div leaves; it has the sign of y.
fn modulo(x: f32, y: f32) -> f32 {
    let rest = x % y;
    match rest == 0.0 {
        true => 0.0f32.copysign(y),
        false if (y < 0.0) != (rest < 0.0) => rest + y,
        false => rest,
    }
}

/// The number without its fraction; the least integer for what no 32 bits hold, as processors convert.
fn truncate(v: f64) -> i64 {
    let v = v.trunc();
    if (-2_147_483_648.0..2_147_483_648.0).contains(&v) { v as i64 } else { i64::from(i32::MIN) }
}

/// x to the power n, modulo 2^64; a negative power is truncated, and 0 where it is not finite.
fn integer_power(x: i64, n: i64) -> i64 {
    match (x, n) {
        (1, _) => 1,
        (-1, _) => {
            if n % 2 == 0 {
                1
            } else {
                -1
            }
        }
        (_, ..0) => 0,
        _ => {
            let (mut base, mut rest, mut power) = (x, n, 1i64);
            while rest > 0 {
                if rest & 1 == 1 {
                    power = power.wrapping_mul(base);
                }
                base = base.wrapping_mul(base);
                rest >>= 1;
            }
            power
        }
    }
}

fn comparison(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    fn compare<T: PartialOrd + Copy + Sync>(
        op: Op,
        a: (&[T], &[usize]),
        b: (&[T], &[usize]),
    ) -> Result<(Vec<usize>, Vec<bool>), String> {
        match op {
            Op::Equal => zip(a, b, |x, y| x == y),
            Op::NotEqual => zip(a, b, |x, y| x != y),
            Op::Less => zip(a, b, |x, y| x < y),
            Op::LessEqual => zip(a, b, |x, y| x <= y),
            Op::Greater => zip(a, b, |x, y| x > y),
            Op::GreaterEqual => zip(a, b, |x, y| x >= y),
            other => Err(format!("{} is no comparison", other.name())),
        }
    }
    let (x, y) = (call.tensor("x")?, call.tensor("y")?);
    let (shape, values) = match (&x.data, &y.data) {
        (Data::Floats(a), Data::Floats(b)) => compare(call.op, (a, &x.shape), (b, &y.shape)),
        _ => compare(call.op, (&integers(x)?, &x.shape), (&integers(y)?, &y.shape)),
    }?;
    Ok(vec![Tensor::bools(shape, values)?])
}

fn logical(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, y) = (call.tensor("x")?, call.tensor("y")?);
    let (a, b) = (x.as_bools()?, y.as_bools()?);
    let (shape, values) = zip((&a[..], &x.shape), (&b[..], &y.shape), |x, y| match call.op {
        Op::LogicalAnd => x && y,
        Op::LogicalOr => x || y,
        _ => x != y,
    })?;
    Ok(vec![Tensor::bools(shape, values)?])
}

fn logical_not(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor("x")?;
    Ok(vec![Tensor::bools(x.shape.clone(), x.as_bools()?.into_iter().map(|v| !v).collect())?])
}

fn select(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    fn pick<T: Copy + Default + Send + Sync>(
        cond: (&[bool], &[usize]),
        a: (&[T], &[usize]),
        b: (&[T], &[usize]),
    ) -> Result<(Vec<usize>, Vec<T>), String> {
        zip3(cond, a, b, |cond, a, b| if cond { a } else { b })
    }
    let (cond, a, b) = (call.tensor("cond")?, call.tensor("a")?, call.tensor("b")?);
    if a.dtype != b.dtype {
        return Err(format!("a is {}, b is {}", a.dtype, b.dtype));
    }
    let truths = cond.as_bools()?;
    let truths = (&truths[..], &cond.shape[..]);
    let (shape, data) = match (&a.data, &b.data) {
        (Data::Floats(v), Data::Floats(w)) => {
            pick(truths, (v, &a.shape), (w, &b.shape)).map(|(shape, values)| (shape, Data::Floats(values)))
        }
        (Data::Ints(v), Data::Ints(w)) => {
            pick(truths, (v, &a.shape), (w, &b.shape)).map(|(shape, values)| (shape, Data::Ints(values)))
        }
        (Data::Bytes(v), Data::Bytes(w)) => {
            pick(truths, (v, &a.shape), (w, &b.shape)).map(|(shape, values)| (shape, Data::Bytes(values)))
        }
        _ => Err("needs numbers or truth values".to_owned()),
    }?;
    Ok(vec![Tensor { dtype: a.dtype, shape, data }])
}

/// The result of a function of each number of x.
pub(crate) fn mapped(call: &Call<'_>, f: impl Fn(f32) -> f32 + Sync) -> Result<Vec<Tensor>, String> {
    let x = call.tensor("x")?;
    Ok(vec![Tensor::floats(x.dtype, x.shape.clone(), map(x.as_floats()?, f))?])
}

fn unary(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    match call.op {
        Op::Acos => mapped(call, f32::acos),
        Op::Asin => mapped(call, f32::asin),
        Op::Atan => mapped(call, f32::atan),
        Op::Atanh => mapped(call, f32::atanh),
        Op::Ceil => mapped(call, f32::ceil),
        Op::Cos => mapped(call, f32::cos),
        Op::Cosh => mapped(call, f32::cosh),
        Op::Erf => mapped(call, libm::erff),
        Op::Exp => mapped(call, math::exp),
        Op::Floor => mapped(call, f32::floor),
        Op::Round => mapped(call, f32::round_ties_even),
        Op::Sin => mapped(call, f32::sin),
        Op::Sinh => mapped(call, f32::sinh),
        Op::Sqrt => mapped(call, f32::sqrt),
        Op::Tan => mapped(call, f32::tan),
        Op::Tanh => mapped(call, math::tanh),
        other => Err(format!("{} is not of one operand", other.name())),
    }
}

/// Operations that integers have too.
fn unary_number(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor("x")?;
    if let Data::Floats(_) = &x.data {
        return match call.op {
            Op::Abs => mapped(call, f32::abs),
            Op::Sign => mapped(call, |v| if v == 0.0 || v.is_nan() { v } else { v.signum() }),
            Op::Square => mapped(call, |v| v * v),
            _ => mapped(call, f32::exp2),
        };
    }
    let values = integers(x)?;
    let values = match call.op {
        Op::Abs => map(&values, i64::wrapping_abs),
        Op::Sign => map(&values, i64::signum),
        Op::Square => map(&values, |v| v.wrapping_mul(v)),
        _ => map(&values, |v| truncate((v as f64).exp2())),
    };
    Ok(vec![wrapped(x.dtype, x.shape.clone(), values)?])
}

fn with_epsilon(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let epsilon = call.float("epsilon")?;
    match call.op {
        Op::Log => mapped(call, |v| (v + epsilon).ln()),
        Op::Rsqrt => mapped(call, |v| 1.0 / (v + epsilon).sqrt()),
        _ => mapped(call, |v| 1.0 / (v + epsilon)),
    }
}

fn clip(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (alpha, beta) = (call.float("alpha")?, call.float("beta")?);
    mapped(call, |v| smaller(larger(v, alpha), beta))
}

fn threshold(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, alpha) = (call.tensor("x")?, call.tensor("alpha")?);
    if let Data::Floats(_) = &x.data {
        let alpha = call.float("alpha")?;
        return mapped(call, |v| larger(v, alpha));
    }
    match integers(alpha)?[..] {
        [alpha] => {
            let values = map(&integers(x)?, |v| v.max(alpha));
            Ok(vec![wrapped(x.dtype, x.shape.clone(), values)?])
        }
        _ => Err("alpha must be one integer".to_owned()),
    }
}

fn identity(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    Ok(vec![call.tensor("x")?.clone()])
}

fn cast(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, dtype) = (call.tensor("x")?, call.dtype("dtype")?);
    if matches!(dtype, DType::String | DType::Fp8E4M3 | DType::Fp8E5M2) {
        return Err(format!("casts to {dtype} are not run"));
    }
    let shape = x.shape.clone();
    let result = match &x.data {
        _ if dtype == DType::Bf16 => {
            let rounded = to_floats(x)?.iter().map(|&v| bf16::from_f32(v).to_f32()).collect();
            Tensor::floats(dtype, shape, rounded)
        }
        _ if dtype.is_float() => Tensor::floats(dtype, shape, to_floats(x)?),
        Data::Floats(values) if dtype == DType::Bool => {
            Tensor::bools(shape, values.iter().map(|&v| v != 0.0).collect())
        }
        // Wider types have their own conversion, so that what 32 signed bits do not hold is kept.
        Data::Floats(values) if dtype.bits() > 32 || dtype == DType::UInt32 => {
            wrapped(dtype, shape, map(values, |v| v as i64))
        }
        Data::Floats(values) => wrapped(dtype, shape, map(values, |v| truncate(f64::from(v)))),
        _ => wrapped(dtype, shape, integers(x)?),
    };
    Ok(vec![result?])
}
