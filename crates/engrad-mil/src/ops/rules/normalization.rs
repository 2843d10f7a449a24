//! Normalisations: the type of x, with parameters that fit it.

use super::activation::channels;
use super::{Types, list, one, unify};
use crate::Dim;
use crate::ops::Operands;

pub(crate) fn batch_norm(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    channels(operands, &x, &["mean", "variance", "gamma", "beta"], false)?;
    one(x)
}

pub(crate) fn instance_norm(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    if x.rank() < 3 {
        return Err(format!("x needs dimensions behind its channels, not {x}"));
    }
    channels(operands, &x, &["gamma", "beta"], false)?;
    one(x)
}

pub(crate) fn l2_norm(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    if x.rank() < 3 { Err(format!("x needs at least 3 dimensions, not {x}")) } else { one(x) }
}

pub(crate) fn layer_norm(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    let axes = operands.axes("axes", x.rank())?;
    let normalised: Vec<Dim> = axes.iter().map(|&axis| x.dims[axis].clone()).collect();
    for name in ["gamma", "beta"].into_iter().filter(|name| operands.has(name)) {
        let dims = operands.shaped(name)?.dims;
        let fits = dims.len() == normalised.len()
            && dims.iter().zip(&normalised).all(|(a, b)| unify(a, b).is_some());
        if !fits {
            return Err(format!("{name} must be {}, not {}", list(&normalised), list(&dims)));
        }
    }
    one(x)
}

pub(crate) fn local_response_norm(operands: &Operands<'_>) -> Types {
    let x = operands.shaped("x")?;
    if x.rank() < 3 {
        return Err(format!("x needs dimensions behind its channels, not {x}"));
    }
    match operands.int("size")? {
        size @ ..1 => Err(format!("size must be positive, not {size}")),
        _ => one(x),
    }
}
