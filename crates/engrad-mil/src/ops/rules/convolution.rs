//! Convolutions and their transposes.

use super::{Types, list, one, unify};
use crate::ops::Operands;
use crate::window::{Padding, Window};
use crate::{Dim, ShapedType};

/// Strides, dilations and padding of the spatial dimensions of x.
pub(super) struct Windows {
    strides: Vec<usize>,
    dilations: Vec<usize>,
    padding: Padding,
    pads: Vec<[usize; 2]>,
}

/// A list of positive numbers, one for each spatial dimension.
pub(super) fn positive(operands: &Operands<'_>, name: &str, spatial: usize) -> Result<Vec<usize>, String> {
    let given = operands.ints(name)?;
    if given.len() != spatial {
        return Err(format!("{name} needs {spatial} numbers, not {}", given.len()));
    }
    let number = |&v: &i32| usize::try_from(v).ok().filter(|&v| v > 0);
    given
        .iter()
        .map(number)
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{name} {given:?} must be positive"))
}

/// x, which has one to three dimensions behind batch and channels.
pub(super) fn images(operands: &Operands<'_>) -> Result<ShapedType, String> {
    let x = operands.shaped("x")?;
    if !(3..=5).contains(&x.rank()) {
        return Err(format!("x must be [batch, channels, one to three spatial dimensions], not {x}"));
    }
    Ok(x)
}

impl Windows {
    pub(super) fn of(operands: &Operands<'_>, spatial: usize, dilated: bool) -> Result<Self, String> {
        let padding = Padding::from_name(operands.string("pad_type")?)?;
        let pads = if padding == Padding::Custom {
            let given = operands.ints("pad")?;
            if given.len() != 2 * spatial {
                return Err(format!("pad needs {} numbers, not {}", 2 * spatial, given.len()));
            }
            let pad =
                |&v: &i32| usize::try_from(v).map_err(|_| format!("pad {given:?} must not be negative"));
            let flat = given.iter().map(pad).collect::<Result<Vec<_>, _>>()?;
            flat.as_chunks::<2>().0.to_vec()
        } else {
            vec![[0, 0]; spatial]
        };
        let dilations = if dilated { positive(operands, "dilations", spatial)? } else { vec![1; spatial] };
        Ok(Self { strides: positive(operands, "strides", spatial)?, dilations, padding, pads })
    }

    fn window(&self, i: usize, kernel: usize) -> Window {
        Window { kernel, stride: self.strides[i], dilation: self.dilations[i] }
    }

    /// Extents of the result of windows over `input`.
    pub(super) fn results(&self, input: &[Dim], kernel: &[Dim], ceil: bool) -> Result<Vec<Dim>, String> {
        let result = |(i, (input, kernel)): (usize, (&Dim, &Dim))| {
            if kernel == &Dim::Fixed(0) {
                return Err(format!("the kernel of spatial dimension {i} is empty"));
            }
            let same = matches!(self.padding, Padding::Same | Padding::SameLower);
            if same && self.strides[i] == 1 && input != &Dim::Fixed(0) {
                return Ok(input.clone());
            }
            let (Some(input), Some(kernel)) = (input.fixed(), kernel.fixed()) else {
                return Ok(Dim::Any);
            };
            let window = self.window(i, kernel);
            let pad = self.padding.amounts(window, input, self.pads[i]);
            window.count(input, pad, ceil).map(Dim::Fixed).ok_or_else(|| {
                let padded = input.saturating_add(pad[0]).saturating_add(pad[1]);
                format!(
                    "spatial dimension {i}: a window of {} does not fit {padded} elements",
                    window.extent()
                )
            })
        };
        input.iter().zip(kernel).enumerate().map(result).collect()
    }

    /// Whether padding in front and behind is equal everywhere.
    pub(super) fn is_symmetric(&self) -> bool {
        self.pads.iter().all(|pad| pad[0] == pad[1])
    }

    pub(super) fn is_same(&self) -> bool {
        matches!(self.padding, Padding::Same | Padding::SameLower)
    }
}

/// Groups, and the weight, which has the rank of x.
fn weight_of(operands: &Operands<'_>, x: &ShapedType) -> Result<(usize, ShapedType), String> {
    let weight = operands.shaped("weight")?;
    if weight.rank() != x.rank() {
        return Err(format!("x {} and weight {} differ in rank", list(&x.dims), list(&weight.dims)));
    }
    let groups = operands.int("groups")?;
    match usize::try_from(groups) {
        Ok(groups) if groups > 0 => Ok((groups, weight)),
        _ => Err(format!("groups must be positive, not {groups}")),
    }
}

fn divisible(what: &str, dim: &Dim, groups: usize) -> Result<(), String> {
    match dim.fixed() {
        Some(channels) if channels % groups != 0 => {
            Err(format!("{channels} {what} channels are not divisible by {groups} groups"))
        }
        _ => Ok(()),
    }
}

fn times(dim: &Dim, factor: usize) -> Dim {
    if factor == 1 {
        return dim.clone();
    }
    dim.fixed().map_or(Dim::Any, |extent| Dim::Fixed(extent.saturating_mul(factor)))
}

/// A bias is a vector of one number for each output channel.
fn check_bias(operands: &Operands<'_>, channels: &Dim) -> Result<(), String> {
    if !operands.has("bias") {
        return Ok(());
    }
    let bias = operands.shaped("bias")?;
    match &bias.dims[..] {
        [length] if length.may_equal(channels) => Ok(()),
        _ => Err(format!("bias is {}, but there are {channels} output channels", list(&bias.dims))),
    }
}

pub(crate) fn conv(operands: &Operands<'_>) -> Types {
    let x = images(operands)?;
    let (groups, weight) = weight_of(operands, &x)?;
    let (input, output) = (&x.dims[1], &weight.dims[0]);
    divisible("input", input, groups)?;
    divisible("output", output, groups)?;
    if unify(input, &times(&weight.dims[1], groups)).is_none() {
        return Err(format!(
            "x has {input} channels, but weight {} takes {} in each of {groups} groups",
            list(&weight.dims),
            weight.dims[1]
        ));
    }
    check_bias(operands, output)?;
    let windows = Windows::of(operands, x.rank() - 2, true)?;
    let mut dims = vec![x.dims[0].clone(), output.clone()];
    dims.extend(windows.results(&x.dims[2..], &weight.dims[2..], false)?);
    one(x.with(dims))
}

pub(crate) fn conv_transpose(operands: &Operands<'_>) -> Types {
    let x = images(operands)?;
    let spatial = x.rank() - 2;
    let (groups, weight) = weight_of(operands, &x)?;
    if unify(&x.dims[1], &weight.dims[0]).is_none() {
        return Err(format!(
            "x has {} channels, but weight {} takes {}",
            x.dims[1],
            list(&weight.dims),
            weight.dims[0]
        ));
    }
    divisible("input", &x.dims[1], groups)?;
    let channels = times(&weight.dims[1], groups);
    check_bias(operands, &channels)?;
    let windows = Windows::of(operands, spatial, true)?;
    let mut dims = vec![x.dims[0].clone(), channels];
    if operands.has("output_shape") {
        let given = positive_shape(operands, spatial)?;
        let (front, back) = given.split_at(given.len() - spatial);
        for (dim, &extent) in dims.iter_mut().zip(front) {
            *dim = unify(dim, &Dim::Fixed(extent))
                .ok_or_else(|| format!("output_shape {given:?} does not begin with {dim}"))?;
        }
        dims.extend(back.iter().map(|&extent| Dim::Fixed(extent)));
        return one(x.with(dims));
    }
    for (i, (input, kernel)) in x.dims[2..].iter().zip(&weight.dims[2..]).enumerate() {
        dims.push(match (input.fixed(), kernel.fixed()) {
            (Some(input), _) if windows.is_same() => Dim::Fixed(input.saturating_mul(windows.strides[i])),
            (Some(input), Some(kernel)) => {
                let pad = windows.pads[i];
                let full = windows.window(i, kernel).spread(input);
                let rest = full.checked_sub(pad[0].saturating_add(pad[1])).filter(|&rest| rest > 0);
                Dim::Fixed(rest.ok_or_else(|| {
                    format!("spatial dimension {i}: padding {pad:?} leaves nothing of {full}")
                })?)
            }
            _ => Dim::Any,
        });
    }
    one(x.with(dims))
}

/// `output_shape`: all extents, or those of the spatial dimensions.
fn positive_shape(operands: &Operands<'_>, spatial: usize) -> Result<Vec<usize>, String> {
    let length = operands.ints("output_shape")?.len();
    let all = if length == spatial { spatial } else { spatial + 2 };
    positive(operands, "output_shape", all)
}
