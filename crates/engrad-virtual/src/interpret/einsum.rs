//! Sums of products by equation: two operands at a time, each pair as one stack of matrix products.

use engrad_mil::EinsumEquation;

use super::call::Call;
use super::integers::{integers, wrapped};
use super::linear::{Extents, Stack, products};
use super::tensor::{Data, Tensor, elements, strides};
use super::walk::{Rows, permuted, product, sum};

/// An operand whose dimensions have different letters, none of extent one.
struct Operand {
    letters: Vec<char>,
    shape: Vec<usize>,
    data: Vec<f32>,
}

/// Extents of the letters. An operand's extent of one stretches.
fn extents(equation: &EinsumEquation, values: &[&Tensor]) -> Result<Vec<(char, usize)>, String> {
    let mut extents: Vec<(char, usize)> = Vec::new();
    for (letters, value) in equation.operands.iter().zip(values) {
        for (&letter, &extent) in letters.iter().zip(&value.shape) {
            match extents.iter_mut().find(|(known, _)| *known == letter) {
                None => extents.push((letter, extent)),
                Some((_, known)) if *known == 1 => *known = extent,
                Some((_, known)) if *known == extent || extent == 1 => {}
                Some((_, known)) => return Err(format!("`{letter}` is {known} and {extent}")),
            }
        }
    }
    Ok(extents)
}

pub(super) fn einsum(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let values = call.tensors("values")?;
    let ranks: Vec<usize> = values.iter().map(|value| value.rank()).collect();
    let equation = EinsumEquation::parse(call.string("equation")?, &ranks)?;
    let extents = extents(&equation, &values)?;
    let extent = |letter: &char| extents.iter().find(|(known, _)| known == letter).map_or(1, |(_, e)| *e);
    let shape: Vec<usize> = equation.result.iter().map(extent).collect();
    elements(&shape)?;
    let dtype = values.first().ok_or("there is no operand")?.dtype;
    if !values.iter().all(|value| matches!(value.data, Data::Floats(_))) {
        return Ok(vec![wrapped(dtype, shape, of_integers(&equation, &values, &extents)?)?]);
    }
    let operand = |(letters, value): (&Vec<char>, &&Tensor)| Operand::new(letters, value);
    let operands = equation.operands.iter().zip(&values).map(operand).collect::<Result<Vec<_>, _>>()?;
    let mut operands = operands.into_iter();
    let mut total = operands.next().ok_or("there is no operand")?;
    while let Some(next) = operands.next() {
        let later: Vec<char> = operands
            .as_slice()
            .iter()
            .flat_map(|o| o.letters.iter().copied())
            .chain(equation.result.clone())
            .collect();
        total = total.times(next, &later)?;
    }
    let total = total.keeping(&equation.result)?;
    let wanted: Vec<usize> =
        equation.result.iter().filter_map(|letter| total.letters.iter().position(|l| l == letter)).collect();
    let data = permuted(&total.data, &total.shape, &wanted).into_owned();
    if data.len() != product(shape.iter().copied()) {
        return Err(format!("{} elements for a result of {shape:?}", data.len()));
    }
    Ok(vec![Tensor::floats(dtype, shape, data)?])
}

impl Operand {
    /// Dimensions of the same letter become their diagonal.
    fn new(letters: &[char], value: &Tensor) -> Result<Self, String> {
        let own = strides(&value.shape);
        let mut dims: Vec<(char, usize, usize)> = Vec::new();
        for ((&letter, &extent), &stride) in letters.iter().zip(&value.shape).zip(&own) {
            match dims.iter_mut().find(|(known, ..)| *known == letter) {
                _ if extent == 1 => {}
                None => dims.push((letter, extent, stride)),
                Some((_, _, step)) => *step = step.wrapping_add(stride),
            }
        }
        let shape: Vec<usize> = dims.iter().map(|(_, extent, _)| *extent).collect();
        let letters = dims.iter().map(|(letter, ..)| *letter).collect();
        let data = value.as_floats()?;
        let count = elements(&shape)?;
        if count == data.len() {
            return Ok(Self { letters, shape, data: data.to_vec() });
        }
        let pick = |mut position: usize| {
            let mut at = 0;
            for &(_, extent, stride) in dims.iter().rev() {
                at += position % extent * stride;
                position /= extent;
            }
            data[at]
        };
        Ok(Self { letters, data: (0..count).map(pick).collect(), shape })
    }

    /// Summed over every letter that is not among `wanted`.
    fn keeping(self, wanted: &[char]) -> Result<Self, String> {
        let axes: Vec<usize> =
            (0..self.letters.len()).filter(|&i| !wanted.contains(&self.letters[i])).collect();
        if axes.is_empty() {
            return Ok(self);
        }
        let kept = || (0..self.letters.len()).filter(|i| !axes.contains(i));
        let shape: Vec<usize> = kept().map(|i| self.shape[i]).collect();
        elements(&shape)?;
        let data = Rows::new(&self.data, &self.shape, &axes).reduce(|row| sum(row, |v| v) as f32);
        Ok(Self { letters: kept().map(|i| self.letters[i]).collect(), shape, data })
    }

    /// The elements with dimensions in the order of these letters, all of which it has.
    fn ordered(&self, letters: &[&[char]]) -> Vec<f32> {
        let order: Vec<usize> = letters
            .iter()
            .copied()
            .flatten()
            .filter_map(|letter| self.letters.iter().position(|l| l == letter))
            .collect();
        permuted(&self.data, &self.shape, &order).into_owned()
    }

    fn extent(&self, letters: &[char]) -> usize {
        let of = |letter: &char| self.letters.iter().position(|l| l == letter).map_or(1, |i| self.shape[i]);
        product(letters.iter().map(of))
    }

    /// The product, summed over every letter that is not among those needed `later`.
    fn times(self, other: Self, later: &[char]) -> Result<Self, String> {
        let needed = |of: &Self, with: &Self| {
            let kept = of.letters.iter().filter(|l| later.contains(l) || with.letters.contains(l));
            kept.copied().collect::<Vec<char>>()
        };
        let (left, right) = (needed(&self, &other), needed(&other, &self));
        let (x, y) = (self.keeping(&left)?, other.keeping(&right)?);
        let shared = |kept: bool| -> Vec<char> {
            let both = x.letters.iter().filter(|l| y.letters.contains(l));
            both.filter(|l| later.contains(l) == kept).copied().collect()
        };
        let (batch, inner) = (shared(true), shared(false));
        let own = |of: &Self, with: &Self| -> Vec<char> {
            of.letters.iter().filter(|l| !with.letters.contains(l)).copied().collect()
        };
        let (rows, columns) = (own(&x, &y), own(&y, &x));
        let letters: Vec<char> = [&batch[..], &rows, &columns].concat();
        let place = |letter: &char| {
            let find = |of: &Self| of.letters.iter().position(|l| l == letter).map(|i| of.shape[i]);
            find(&x).or_else(|| find(&y)).unwrap_or(1)
        };
        let shape: Vec<usize> = letters.iter().map(place).collect();
        if elements(&shape)? == 0 {
            return Ok(Self { letters, shape, data: Vec::new() });
        }
        let count = x.extent(&batch);
        let extents = Extents { rows: x.extent(&rows), inner: x.extent(&inner), columns: y.extent(&columns) };
        let left = x.ordered(&[&batch, &rows, &inner]);
        let right = y.ordered(&[&batch, &inner, &columns]);
        let starts = |matrix: usize| (0..count).map(|i| i.saturating_mul(matrix)).collect::<Vec<_>>();
        let left = Stack {
            data: &left[..],
            starts: starts(product([extents.rows, extents.inner])),
            transposed: false,
        };
        let right = Stack {
            data: &right[..],
            starts: starts(product([extents.inner, extents.columns])),
            transposed: false,
        };
        let data = products(&left, &right, extents)?;
        Ok(Self { letters, shape, data })
    }
}

/// The sum as the equation says it, element by element, modulo 2^64.
fn of_integers(
    equation: &EinsumEquation,
    values: &[&Tensor],
    extents: &[(char, usize)],
) -> Result<Vec<i64>, String> {
    let summed = extents.iter().filter(|(letter, _)| !equation.result.contains(letter));
    let order: Vec<char> = equation.result.iter().copied().chain(summed.map(|(letter, _)| *letter)).collect();
    let extent = |letter: &char| extents.iter().find(|(known, _)| known == letter).map_or(1, |(_, e)| *e);
    let shape: Vec<usize> = order.iter().map(extent).collect();
    let terms = elements(&shape)?;
    let results = elements(&shape[..equation.result.len()])?;
    let steps = |(letters, value): (&Vec<char>, &&Tensor)| -> Vec<usize> {
        let own = strides(&value.shape);
        let along = |letter: &char| {
            let dims = (0..letters.len()).filter(|&i| letters[i] == *letter && value.shape[i] != 1);
            dims.fold(0usize, |total, i| total.wrapping_add(own[i]))
        };
        order.iter().map(along).collect()
    };
    let steps: Vec<Vec<usize>> = equation.operands.iter().zip(values).map(steps).collect();
    let data = values.iter().map(|value| integers(value)).collect::<Result<Vec<_>, _>>()?;
    let mut totals = vec![0i64; results];
    for term in 0..terms {
        let mut at = vec![0usize; data.len()];
        let mut position = term;
        for (dim, &extent) in shape.iter().enumerate().rev() {
            let index = position % extent;
            position /= extent;
            at.iter_mut().zip(&steps).for_each(|(at, steps)| *at += index * steps[dim]);
        }
        let factor = data.iter().zip(&at).fold(1i64, |total, (data, &at)| total.wrapping_mul(data[at]));
        let total = &mut totals[term / (terms / results)];
        *total = total.wrapping_add(factor);
    }
    Ok(totals)
}
