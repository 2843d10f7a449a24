//! Pooling.

use super::convolution::{Windows, images, positive};
use super::{Types, one};
use crate::Dim;
use crate::ops::Operands;

pub(crate) fn pool(operands: &Operands<'_>) -> Types {
    let x = images(operands)?;
    let spatial = x.rank() - 2;
    let kernel = positive(operands, "kernel_sizes", spatial)?;
    let windows = Windows::of(operands, spatial, false)?;
    let ceil = operands.bool("ceil_mode")?;
    if ceil && windows.is_same() {
        return Err("ceil_mode needs pad_type valid or custom".to_owned());
    }
    if ceil && !windows.is_symmetric() {
        return Err("ceil_mode needs as much padding behind as in front".to_owned());
    }
    let kernel: Vec<Dim> = kernel.into_iter().map(Dim::Fixed).collect();
    let mut dims = x.dims[..2].to_vec();
    dims.extend(windows.results(&x.dims[2..], &kernel, ceil)?);
    one(x.with(dims))
}
