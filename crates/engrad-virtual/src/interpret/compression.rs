//! Compressed weights.

use engrad_mil::{DType, Op};
use half::f16;
use rayon::prelude::*;

use super::call::{Call, Kernel};
use super::tensor::{Data, Tensor, elements, strides};

pub(crate) fn kernel(op: Op) -> Option<Kernel> {
    Some(match op {
        Op::ConstexprAffineDequantize => affine_dequantize,
        Op::ConstexprBlockwiseShiftScale => blockwise_shift_scale,
        Op::ConstexprCast => cast,
        Op::ConstexprLutToDense => lut_to_dense,
        Op::ConstexprLutToSparse => lut_to_sparse,
        Op::ConstexprSparseBlockwiseShiftScale => sparse_blockwise_shift_scale,
        Op::ConstexprSparseToDense => sparse_to_dense,
        _ => return None,
    })
}

/// `scale` · (`data` − `shift`), where `at` gives for each element the position in scale and shift. The difference is a
/// number of the type of the scale, as it is where fp16 is computed with.
fn shift_scale<A: Fn(usize) -> usize + Sync>(
    data: &[f32],
    (scale, scale_at): (&[f32], A),
    shift: Option<(&[f32], A)>,
    dtype: DType,
) -> Vec<f32> {
    let round = |v: f32| if dtype == DType::Fp16 { f16::from_f32(v).to_f32() } else { v };
    let value = |(i, &v): (usize, &f32)| {
        let shifted = shift.as_ref().map_or(v, |(shift, at)| round(v - shift[at(i)]));
        shifted * scale[scale_at(i)]
    };
    data.par_iter().enumerate().map(value).collect()
}

fn affine_dequantize(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (data, scale, zero) =
        (call.tensor("quantized_data")?, call.tensor("scale")?, call.tensor("zero_point")?);
    let axis = call.axis("axis", data.rank())?;
    let (extent, inner) = (data.shape[axis].max(1), strides(&data.shape)[axis].max(1));
    for (name, tensor) in [("scale", scale), ("zero_point", zero)] {
        if !(tensor.rank() == 0 || tensor.shape == [data.shape[axis]]) {
            return Err(format!("{name} {:?} does not fit axis {axis} of {:?}", tensor.shape, data.shape));
        }
    }
    let at = |tensor: &Tensor| {
        let step = usize::from(tensor.rank() == 1);
        move |i: usize| i / inner % extent * step
    };
    let (scales, zeros) = (scale.to_f32()?, zero.to_f32()?);
    let values = shift_scale(&data.to_f32()?, (&scales, at(scale)), Some((&zeros, at(zero))), DType::Fp32);
    Ok(vec![Tensor::floats(scale.dtype, data.shape.clone(), values)?])
}

/// Blocks that a tensor is divided into, in row-major order.
struct Blocks {
    /// The first block of each row: of all dimensions but the last.
    rows: Vec<usize>,
    /// Elements of a row, and of a block along it.
    extent: usize,
    size: usize,
}

impl Blocks {
    /// So many blocks along each dimension of `shape`.
    fn new(shape: &[usize], blocks: &[usize], name: &str) -> Result<Self, String> {
        let fits = blocks.len() == shape.len()
            && shape.iter().zip(blocks).all(|(&extent, &count)| count > 0 && extent.is_multiple_of(count));
        let (Some((&extent, outer)), true) = (shape.split_last(), fits) else {
            return Err(format!("{name} {blocks:?} does not divide {shape:?} into blocks"));
        };
        elements(shape)?;
        let mut rows = vec![0usize];
        for (&extent, &count) in outer.iter().zip(blocks) {
            let size = (extent / count).max(1);
            rows = rows.iter().flat_map(|&row| (0..extent).map(move |i| row * count + i / size)).collect();
        }
        let count = blocks[blocks.len() - 1];
        rows.iter_mut().for_each(|row| *row *= count);
        Ok(Self { rows, extent: extent.max(1), size: (extent / count).max(1) })
    }

    /// The block of the element at a position.
    fn of(&self, position: usize) -> usize {
        self.rows[position / self.extent] + position % self.extent / self.size
    }
}

/// The blocks of `scale` that the elements of `shape` lie in; `offset` has the same.
fn scale_blocks(call: &Call<'_>, shape: &[usize]) -> Result<Blocks, String> {
    let scale = call.tensor("scale")?;
    if let Some(offset) = call.optional("offset")?.filter(|offset| offset.shape != scale.shape) {
        return Err(format!("offset {:?} and scale {:?} differ", offset.shape, scale.shape));
    }
    Blocks::new(shape, &scale.shape, "scale")
}

/// Numbers scaled and shifted, each as its block says.
fn scaled(call: &Call<'_>, data: &[f32], block: impl Fn(usize) -> usize + Sync) -> Result<Vec<f32>, String> {
    let scale = call.tensor("scale")?;
    let offset = call.optional("offset")?.map(Tensor::to_f32).transpose()?;
    let shift = offset.as_deref().map(|offset| (offset, &block));
    Ok(shift_scale(data, (&scale.to_f32()?, &block), shift, scale.dtype))
}

fn blockwise_shift_scale(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (data, scale) = (call.tensor("data")?, call.tensor("scale")?);
    let blocks = scale_blocks(call, &data.shape)?;
    let values = scaled(call, &data.to_f32()?, |i| blocks.of(i))?;
    Ok(vec![Tensor::floats(scale.dtype, data.shape.clone(), values)?])
}

fn cast(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (source, dtype) = (call.tensor("source_val")?, call.dtype("output_dtype")?);
    if !dtype.is_float() {
        return Err(format!("output_dtype must be a floating-point type, not {dtype}"));
    }
    Ok(vec![Tensor::floats(dtype, source.shape.clone(), source.to_f32()?.into_owned())?])
}

/// Elements of so many bits, the lowest bits of a byte first.
struct Packed<'a> {
    bytes: &'a [u8],
    bits: usize,
}

impl<'a> Packed<'a> {
    /// Those of an argument, which must be `count`.
    fn of(call: &Call<'a>, name: &str, bits: usize, count: usize) -> Result<Self, String> {
        let Data::Bytes(bytes) = &call.tensor(name)?.data else {
            return Err(format!("argument `{name}` must hold bytes"));
        };
        if count.checked_mul(bits).is_none_or(|total| total.div_ceil(8) != bytes.len()) {
            return Err(format!("{} bytes do not hold {count} elements of {bits} bits", bytes.len()));
        }
        Ok(Self { bytes, bits })
    }

    /// An element below the count.
    fn get(&self, i: usize) -> usize {
        let (byte, shift) = (i * self.bits / 8, i * self.bits % 8);
        let next = self.bytes.get(byte + 1).copied().unwrap_or(0);
        let pair = usize::from(self.bytes[byte]) | (usize::from(next) << 8);
        (pair >> shift) & ((1 << self.bits) - 1)
    }
}

/// The elements of `source` at computed positions; `None` is a position outside.
fn look_up(
    source: &Tensor,
    shape: Vec<usize>,
    at: impl Fn(usize) -> Option<usize> + Sync,
) -> Result<Tensor, String> {
    fn each<T: Copy + Send + Sync>(
        values: &[T],
        count: usize,
        at: impl Fn(usize) -> Option<usize> + Sync,
    ) -> Result<Vec<T>, String> {
        let value = |i: usize| values.get(at(i)?).copied();
        let found = (0..count).into_par_iter().map(value).collect::<Option<_>>();
        found.ok_or_else(|| "an index is outside its table".to_owned())
    }
    let count = elements(&shape)?;
    let data = match &source.data {
        Data::Floats(v) => Data::Floats(each(v, count, at)?),
        Data::Ints(v) => Data::Ints(each(v, count, at)?),
        Data::Bytes(v) => Data::Bytes(each(v, count, at)?),
        Data::Texts(_) => return Err("a table needs numbers, not texts".to_owned()),
    };
    Ok(Tensor { dtype: source.dtype, shape, data })
}

fn lut_to_dense(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let lut = call.tensor("lut")?;
    if !call.has("shape") {
        let indices = call.tensor("indices")?;
        let (values, tables) = (indices.as_ints()?, Tables::of(call, &indices.shape)?);
        return Ok(vec![look_up(lut, tables.shape.clone(), |i| tables.entry(&values, i))?]);
    }
    let entries = lut.len();
    if !(entries.is_power_of_two() && (2..=256).contains(&entries)) {
        return Err(format!("a table cannot have {entries} entries"));
    }
    let shape = call.sizes("shape")?;
    let indices = Packed::of(call, "indices", entries.ilog2() as usize, elements(&shape)?)?;
    Ok(vec![look_up(lut, shape, |i| Some(indices.get(i)))?])
}

/// Look-up tables for the blocks of a tensor of indices.
struct Tables {
    blocks: Blocks,
    /// Entries of a table, and elements of an entry.
    entries: usize,
    length: usize,
    /// Elements of the indices behind the axis that vectors lie along.
    inner: usize,
    /// Shape of what they make of the indices.
    shape: Vec<usize>,
}

impl Tables {
    fn of(call: &Call<'_>, indices: &[usize]) -> Result<Self, String> {
        let lut = call.tensor("lut")?;
        let rank = indices.len();
        if rank == 0 || lut.rank() != rank + 2 {
            return Err(format!("lut {:?} does not fit indices {indices:?}", lut.shape));
        }
        let (entries, length) = (lut.shape[rank], lut.shape[rank + 1]);
        let axis = match (call.has("vector_axis"), length) {
            (true, _) => call.axis("vector_axis", rank)?,
            (false, 1) => rank - 1,
            (false, _) => return Err("argument `vector_axis` is missing".to_owned()),
        };
        let blocks = Blocks::new(indices, &lut.shape[..rank], "lut")?;
        let mut shape = indices.to_vec();
        shape[axis] = shape[axis].checked_mul(length).ok_or("vectors are too long")?;
        let inner = elements(&indices[axis + 1..])?;
        Ok(Self { blocks, entries, length, inner, shape })
    }

    /// The index that an element of the result comes from, and the place in its vector.
    fn source(&self, i: usize) -> (usize, usize) {
        let (line, rest) = (i / (self.inner * self.length), i % (self.inner * self.length));
        (line * self.inner + rest % self.inner, rest / self.inner)
    }

    /// Position in the tables of an element of the result.
    fn entry(&self, indices: &[i32], i: usize) -> Option<usize> {
        let (source, place) = self.source(i);
        let index = usize::try_from(*indices.get(source)?).ok().filter(|&index| index < self.entries)?;
        Some((self.blocks.of(source) * self.entries + index) * self.length + place)
    }
}

/// Values at the elements that are marked, zeros elsewhere.
fn spread(data: &Tensor, shape: Vec<usize>, marked: impl Fn(usize) -> bool) -> Result<Tensor, String> {
    fn each<T: Copy + Default>(
        values: &[T],
        count: usize,
        marked: impl Fn(usize) -> bool,
    ) -> Result<Vec<T>, String> {
        let mut rest = values.iter().copied();
        let value = |i: usize| if marked(i) { rest.next() } else { Some(T::default()) };
        let all = (0..count).map(value).collect::<Option<_>>();
        match (all, rest.len()) {
            (Some(all), 0) => Ok(all),
            _ => Err(format!("the mask does not mark {} elements", values.len())),
        }
    }
    let count = elements(&shape)?;
    let data_of = match &data.data {
        Data::Floats(v) => Data::Floats(each(v, count, marked)?),
        Data::Ints(v) => Data::Ints(each(v, count, marked)?),
        Data::Bytes(v) => Data::Bytes(each(v, count, marked)?),
        Data::Texts(_) => return Err("needs numbers, not texts".to_owned()),
    };
    Ok(Tensor { dtype: data.dtype, shape, data: data_of })
}

fn sparse_to_dense(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (data, mask) = (call.tensor("nonzero_data")?, call.tensor("mask")?);
    if call.has("shape") {
        let shape = call.sizes("shape")?;
        let bits = Packed::of(call, "mask", 1, elements(&shape)?)?;
        return Ok(vec![spread(data, shape, |i| bits.get(i) != 0)?]);
    }
    let bits = mask.as_ints()?;
    Ok(vec![spread(data, mask.shape.clone(), |i| bits[i] != 0)?])
}

/// Positions of the elements that a mask marks, of which there must be so many.
fn marked(mask: &[i32], count: usize) -> Result<Vec<usize>, String> {
    let positions: Vec<usize> = (0..mask.len()).filter(|&i| mask[i] != 0).collect();
    if positions.len() != count {
        return Err(format!("the mask does not mark {count} elements"));
    }
    Ok(positions)
}

fn sparse_blockwise_shift_scale(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (mask, data, scale) =
        (call.tensor("data_mask")?, call.tensor("nonzero_data")?, call.tensor("scale")?);
    let positions = marked(&mask.as_ints()?, data.len())?;
    let blocks = scale_blocks(call, &mask.shape)?;
    let values = scaled(call, &data.to_f32()?, |i| blocks.of(positions[i]))?;
    Ok(vec![mask.clone(), Tensor::floats(scale.dtype, vec![data.len()], values)?])
}

fn lut_to_sparse(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (mask, data, lut) =
        (call.tensor("indices_mask")?, call.tensor("indices_nonzero_data")?, call.tensor("lut")?);
    let (bits, tables) = (mask.as_ints()?, Tables::of(call, &mask.shape)?);
    let mut indices = vec![0; bits.len()];
    for (p, &index) in marked(&bits, data.len())?.into_iter().zip(data.as_ints()?.iter()) {
        indices[p] = index;
    }
    // The mask stretches as the values do.
    let stretched = look_up(mask, tables.shape.clone(), |i| Some(tables.source(i).0))?;
    let kept: Vec<usize> = (0..stretched.len()).filter(|&i| bits[tables.source(i).0] != 0).collect();
    let values = look_up(lut, vec![kept.len()], |i| tables.entry(&indices, kept[i]))?;
    Ok(vec![stretched, values])
}

#[cfg(test)]
mod tests;
