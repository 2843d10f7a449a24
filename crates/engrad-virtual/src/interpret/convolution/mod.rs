//! Convolutions.
//!
//! Fewer than three spatial dimensions are three whose first ones have extent one. A convolution is a matrix product
//! of the weight with windows laid out as columns, block by block, unless every group has one input channel: then it
//! is done row by row. Blocks depend on extents only, so the number of threads changes no bit.

mod columns;
mod depthwise;
mod product;
mod transposed;

use std::borrow::Cow;

use engrad_mil::Op;
use engrad_mil::window::{Padding, Window};

use super::call::{Call, Kernel};
use super::tensor::{Tensor, elements};

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::Conv => conv,
        Op::ConvQuantized => conv_quantized,
        Op::ConvTranspose => conv_transpose,
        _ => return None,
    })
}

/// Windows over three spatial dimensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    /// Extents that windows move over.
    pub(super) input: [usize; 3],
    /// Number of windows along each.
    pub(super) output: [usize; 3],
    pub(super) windows: [Window; 3],
    /// Padding in front of the input.
    pub(super) before: [usize; 3],
}

impl Geometry {
    /// Elements of one channel of the input.
    pub(super) fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    /// Elements of one channel of the result.
    pub(super) fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// Elements of a window.
    pub(super) fn kernel_len(&self) -> usize {
        self.windows.iter().map(|w| w.kernel).product()
    }

    /// Whether windows are single elements that neither skip nor pad.
    fn is_pointwise(&self) -> bool {
        self.kernel_len() == 1 && self.input == self.output && self.before == [0; 3]
    }

    /// Windows along dimension `d` whose element `k` lies in the input, as a range of their positions.
    fn inside(&self, d: usize, k: usize) -> (usize, usize) {
        let Window { stride, dilation, .. } = self.windows[d];
        let offset = k * dilation;
        let first = self.before[d].saturating_sub(offset).div_ceil(stride);
        let last = (self.input[d] + self.before[d]).saturating_sub(offset).div_ceil(stride);
        let last = last.min(self.output[d]);
        (first.min(last), last)
    }

    /// Position in the input of element `k` of window `o`, which must lie inside.
    fn position(&self, d: usize, o: usize, k: usize) -> usize {
        o * self.windows[d].stride + k * self.windows[d].dilation - self.before[d]
    }
}

/// A convolution with its extents checked against each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extents {
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// Channels of x in one group.
    pub(super) inputs: usize,
    /// Channels of the result in one group.
    pub(super) outputs: usize,
    pub(super) geometry: Geometry,
}

/// The last of three numbers, others before them.
pub(super) fn three<T: Copy>(list: &[T], rest: T) -> [T; 3] {
    let mut all = [rest; 3];
    for (slot, value) in all.iter_mut().rev().zip(list.iter().rev()) {
        *slot = *value;
    }
    all
}

/// A list of positive numbers, one for each spatial dimension.
pub(super) fn positive(call: &Call<'_>, name: &str, spatial: usize) -> Result<Vec<usize>, String> {
    let list = call.sizes(name)?;
    if list.len() != spatial || list.contains(&0) {
        return Err(format!("argument `{name}` needs {spatial} positive numbers, not {list:?}"));
    }
    Ok(list)
}

/// Spatial dimensions of x, of which there must be one to three.
pub(super) fn spatial_rank(x: &Tensor) -> Result<usize, String> {
    let spatial = x.rank().saturating_sub(2);
    if (1..=3).contains(&spatial) { Ok(spatial) } else { Err(format!("x has shape {:?}", x.shape)) }
}

/// Windows of these kernel extents, and how their ends are padded.
pub(super) struct Windows {
    pub(super) windows: [Window; 3],
    pub(super) padding: Padding,
    pub(super) pads: [[usize; 2]; 3],
}

pub(super) fn windows(call: &Call<'_>, kernel: &[usize], dilated: bool) -> Result<Windows, String> {
    let spatial = kernel.len();
    if elements(kernel)? == 0 {
        return Err(format!("the kernel {kernel:?} is empty"));
    }
    let strides = positive(call, "strides", spatial)?;
    let dilations = if dilated { positive(call, "dilations", spatial)? } else { vec![1; spatial] };
    let window = |i: usize| Window { kernel: kernel[i], stride: strides[i], dilation: dilations[i] };
    let one = Window { kernel: 1, stride: 1, dilation: 1 };
    let windows = three(&(0..spatial).map(window).collect::<Vec<_>>(), one);
    let padding = Padding::from_name(call.string("pad_type")?)?;
    let pads = match padding {
        Padding::Custom => call.sizes("pad")?,
        _ => vec![0; 2 * spatial],
    };
    if pads.len() != 2 * spatial {
        return Err(format!("argument `pad` needs {} numbers, not {}", 2 * spatial, pads.len()));
    }
    // No position may overflow: kernels add such products without checking.
    let bounded = windows.iter().all(|w| w.extent() < 1 << 40) && pads.iter().all(|&p| p < 1 << 40);
    if !bounded {
        return Err("windows or padding are too large".to_owned());
    }
    Ok(Windows { windows, padding, pads: three(pads.as_chunks::<2>().0, [0, 0]) })
}

/// Numbers of a bias, one for each output channel.
fn bias_of<'a>(bias: Option<&'a Tensor>, channels: usize) -> Result<Option<Cow<'a, [f32]>>, String> {
    let Some(bias) = bias else {
        return Ok(None);
    };
    if bias.len() != channels {
        return Err(format!("bias {:?} does not fit {channels} output channels", bias.shape));
    }
    Ok(Some(bias.to_f32()?))
}

/// Groups of a convolution between so many channels.
fn groups_of(call: &Call<'_>, channels: [usize; 2]) -> Result<usize, String> {
    let groups = usize::try_from(call.int("groups")?).ok().filter(|&groups| groups > 0);
    groups
        .filter(|groups| channels.iter().all(|c| c.is_multiple_of(*groups)))
        .ok_or_else(|| format!("groups do not divide {channels:?} channels"))
}

fn conv(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let weight = call.tensor("weight")?.to_f32().map_err(|e| format!("argument `weight` {e}"))?;
    convolve(call, &weight, bias_of(call.optional("bias")?, output_channels(call)?)?)
}

fn output_channels(call: &Call<'_>) -> Result<usize, String> {
    let weight = call.tensor("weight")?;
    weight.shape.first().copied().ok_or_else(|| "the weight is a scalar".to_owned())
}

/// Weight and bias are `quant_scale` · q + `quant_bias`, with one scale for all or for each output channel.
fn conv_quantized(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let kind = call.string("quantization_type")?;
    if !kind.eq_ignore_ascii_case("linear") {
        return Err(format!("quantization_type `{}` is not run", kind.escape_debug()));
    }
    let channels = output_channels(call)?;
    let weight = call.tensor("weight")?;
    let (scale, shift) = (call.tensor("quant_scale")?.to_f32()?, call.tensor("quant_bias")?.to_f32()?);
    if [&scale, &shift].iter().any(|list| list.len() != 1 && list.len() != channels) {
        return Err(format!("quant_scale and quant_bias do not fit {channels} output channels"));
    }
    let of = |list: &[f32], channel: usize| list[if list.len() == 1 { 0 } else { channel }];
    let mut values = weight.to_f32()?.into_owned();
    let size = values.len().checked_div(channels).unwrap_or(0).max(1);
    for (channel, row) in values.chunks_mut(size).enumerate() {
        let (scale, shift) = (of(&scale, channel), of(&shift, channel));
        row.iter_mut().for_each(|v| *v = *v * scale + shift);
    }
    let bias = match call.optional("bias")? {
        Some(bias) if !bias.dtype.is_float() && bias.len() == channels => {
            let quantized = bias.to_f32()?;
            let real = quantized.iter().enumerate().map(|(c, &q)| q * of(&scale, c) + of(&shift, c));
            Some(Cow::Owned(real.collect()))
        }
        other => bias_of(other, channels)?,
    };
    convolve(call, &values, bias)
}

fn convolve(call: &Call<'_>, weight: &[f32], bias: Option<Cow<'_, [f32]>>) -> Result<Vec<Tensor>, String> {
    let (x, shape) = (call.tensor("x")?, &call.tensor("weight")?.shape);
    let spatial = spatial_rank(x)?;
    if shape.len() != x.rank() {
        return Err(format!("x {:?} and weight {shape:?} differ in rank", x.shape));
    }
    let groups = groups_of(call, [x.shape[1], shape[0]])?;
    if shape[1].checked_mul(groups) != Some(x.shape[1]) {
        return Err(format!("x {:?} and weight {shape:?} do not fit in {groups} groups", x.shape));
    }
    let Windows { windows, padding, pads } = windows(call, &shape[2..], true)?;
    let input = three(&x.shape[2..], 1);
    let (mut output, mut before) = ([1; 3], [0; 3]);
    for d in 0..3 {
        let pad = padding.amounts(windows[d], input[d], pads[d]);
        let count = windows[d].count(input[d], pad, false);
        output[d] = count.ok_or_else(|| format!("a window does not fit x {:?}", x.shape))?;
        before[d] = pad[0];
    }
    let geometry = Geometry { input, output, windows, before };
    let (batch, outputs) = (x.shape[0], shape[0] / groups);
    let extents = Extents { batch, groups, inputs: shape[1], outputs, geometry };
    let mut result = vec![batch, shape[0]];
    result.extend(&output[3 - spatial..]);
    let mut y = filled(elements(&result)?, geometry.output_len(), shape[0], bias.as_deref());
    let x_values = x.as_floats()?;
    if y.is_empty() || x_values.is_empty() || weight.is_empty() {
        // Sums of nothing: the bias alone.
    } else if extents.inputs == 1 && groups > 1 && outputs <= 4 {
        depthwise::convolve(&extents, x_values, weight, &mut y);
    } else {
        product::convolve(&extents, x_values, weight, &mut y);
    }
    Ok(vec![Tensor::floats(x.dtype, result, y)?])
}

/// Results that hold the bias of their channel.
fn filled(len: usize, plane: usize, channels: usize, bias: Option<&[f32]>) -> Vec<f32> {
    let mut y = vec![0.0; len];
    if let Some(bias) = bias {
        for (plane, i) in y.chunks_mut(plane.max(1)).zip((0..channels).cycle()) {
            plane.fill(bias[i]);
        }
    }
    y
}

fn conv_transpose(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, weight) = (call.tensor("x")?, call.tensor("weight")?);
    let (spatial, shape) = (spatial_rank(x)?, &weight.shape);
    if shape.len() != x.rank() || shape[0] != x.shape[1] {
        return Err(format!("x {:?} and weight {shape:?} do not fit", x.shape));
    }
    let groups = groups_of(call, [x.shape[1], 0])?;
    let channels = shape[1].checked_mul(groups).ok_or("there are too many channels")?;
    let Windows { windows, padding, pads } = windows(call, &shape[2..], true)?;
    let input = three(&x.shape[2..], 1);
    let wanted = match call.has("output_shape") {
        true => Some(output_shape(call, spatial, [x.shape[0], channels])?),
        false => None,
    };
    let (mut output, mut before) = ([1; 3], [0; 3]);
    for d in 0..3 {
        let full = windows[d].spread(input[d]);
        let computed = match padding {
            Padding::Same | Padding::SameLower => input[d].checked_mul(windows[d].stride),
            _ => full.checked_sub(pads[d][0] + pads[d][1]),
        };
        let extent = wanted.map(|wanted| wanted[d]).or(computed);
        output[d] = extent.ok_or_else(|| format!("padding {pads:?} leaves nothing"))?;
        before[d] = padding.cut_in_front(windows[d], input[d], output[d], pads[d]);
    }
    let mut result = vec![x.shape[0], channels];
    result.extend(&output[3 - spatial..]);
    let len = elements(&result)?;
    // The transpose of the convolution that takes the result to x.
    let geometry = Geometry { input: output, output: input, windows, before };
    let bias = bias_of(call.optional("bias")?, channels)?;
    let mut y = filled(len, geometry.input_len(), channels, bias.as_deref());
    let extents =
        Extents { batch: x.shape[0], groups, inputs: shape[0] / groups, outputs: shape[1], geometry };
    let (x_values, weight) = (x.as_floats()?, weight.to_f32()?);
    if !(y.is_empty() || x_values.is_empty() || weight.is_empty()) {
        transposed::convolve(&extents, x_values, &weight, &mut y);
    }
    Ok(vec![Tensor::floats(x.dtype, result, y)?])
}

/// Spatial extents that a program asks for, with or without those of batch and channels.
fn output_shape(call: &Call<'_>, spatial: usize, front: [usize; 2]) -> Result<[usize; 3], String> {
    let given = call.sizes("output_shape")?;
    let extents = match given.len() {
        n if n == spatial => &given[..],
        n if n == spatial + 2 && given[..2] == front => &given[2..],
        _ => return Err(format!("output_shape {given:?} does not begin with {front:?}")),
    };
    if extents.iter().any(|&extent| extent == 0 || extent >= 1 << 40) {
        return Err(format!("output_shape {given:?} has an extent out of range"));
    }
    Ok(three(extents, 1))
}

#[cfg(test)]
mod tests;
