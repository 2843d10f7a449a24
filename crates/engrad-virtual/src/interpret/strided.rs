//! Copies between strided views of dense tensors: what every operation that moves elements comes down to.

use super::tensor::{Data, Tensor, elements, map_data, strides};

/// Where the elements of a block lie in a dense tensor; a distance may be zero or negative.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) offset: i64,
    pub(super) strides: Vec<i64>,
}

impl View {
    /// The view that a dense tensor of that shape is.
    pub(super) fn dense(shape: &[usize]) -> Self {
        Self { offset: 0, strides: strides(shape).into_iter().map(|s| s as i64).collect() }
    }

    /// Whether every element of a block of `shape` lies inside `length` elements.
    fn fits(&self, shape: &[usize], length: usize) -> bool {
        let reach = |pick: fn(i64, i64) -> i64| {
            self.strides.iter().zip(shape).try_fold(self.offset, |position, (&stride, &extent)| {
                position.checked_add(pick(0, stride.checked_mul(extent as i64 - 1)?))
            })
        };
        let (lowest, highest) = (reach(i64::min), reach(i64::max));
        self.strides.len() == shape.len()
            && lowest.is_some_and(|lowest| lowest >= 0)
            && highest.is_some_and(|highest| highest < length as i64)
    }
}

/// One dimension of a copy: extent and both distances.
type Loop = (usize, i64, i64);

/// The dimensions of a copy, without those of one element and with neighbours joined where both sides allow it.
fn loops(shape: &[usize], to: &View, from: &View) -> Vec<Loop> {
    let mut loops: Vec<Loop> = Vec::with_capacity(shape.len());
    for (i, &extent) in shape.iter().enumerate() {
        let (t, f, n) = (to.strides[i], from.strides[i], extent as i64);
        match loops.last_mut() {
            _ if extent == 1 => {}
            Some(last) if last.1 == t * n && last.2 == f * n => *last = (last.0 * extent, t, f),
            _ => loops.push((extent, t, f)),
        }
    }
    loops
}

fn copy_elements<T: Clone>(shape: &[usize], to: &mut [T], to_view: &View, from: &[T], from_view: &View) {
    let mut outer = loops(shape, to_view, from_view);
    let (extent, to_stride, from_stride) = outer.pop().unwrap_or((1, 1, 1));
    let mut index = vec![0; outer.len()];
    let (mut t, mut f) = (to_view.offset, from_view.offset);
    loop {
        match (to_stride, from_stride) {
            (1, 1) => {
                to[t as usize..][..extent].clone_from_slice(&from[f as usize..][..extent]);
            }
            (1, 0) => to[t as usize..][..extent].fill(from[f as usize].clone()),
            _ => {
                for i in 0..extent as i64 {
                    to[(t + i * to_stride) as usize] = from[(f + i * from_stride) as usize].clone();
                }
            }
        }
        // The next row: the innermost of the outer dimensions that has one.
        let Some(next) = (0..outer.len()).rev().find(|&d| index[d] + 1 < outer[d].0) else {
            return;
        };
        for (d, &(_, to_stride, from_stride)) in outer.iter().enumerate().skip(next) {
            let steps = if d == next { 1 } else { -(index[d] as i64) };
            index[d] = if d == next { index[d] + 1 } else { 0 };
            t += steps * to_stride;
            f += steps * from_stride;
        }
    }
}

/// Copies a block of `shape` from one view to another.
///
/// # Errors
/// If a view does not lie inside its tensor, or the tensors hold different kinds of elements.
pub(super) fn copy(
    shape: &[usize],
    to: &mut Tensor,
    to_view: &View,
    from: &Tensor,
    from_view: &View,
) -> Result<(), String> {
    if shape.contains(&0) {
        return Ok(());
    }
    if !to_view.fits(shape, to.len()) || !from_view.fits(shape, from.len()) {
        return Err(format!("a block of {shape:?} is not inside {:?} and {:?}", to.shape, from.shape));
    }
    match (&mut to.data, &from.data) {
        (Data::Floats(to), Data::Floats(from)) => copy_elements(shape, to, to_view, from, from_view),
        (Data::Ints(to), Data::Ints(from)) => copy_elements(shape, to, to_view, from, from_view),
        (Data::Bytes(to), Data::Bytes(from)) => copy_elements(shape, to, to_view, from, from_view),
        (Data::Texts(to), Data::Texts(from)) => copy_elements(shape, to, to_view, from, from_view),
        _ => return Err(format!("elements of {} cannot become {}", from.dtype, to.dtype)),
    }
    Ok(())
}

/// The elements of a view as a dense tensor.
///
/// # Errors
/// If it does not lie inside the tensor, or has too many elements.
pub(super) fn read(from: &Tensor, shape: Vec<usize>, view: &View) -> Result<Tensor, String> {
    let mut to = blank(from, shape)?;
    let (shape, dense) = (to.shape.clone(), View::dense(&to.shape));
    copy(&shape, &mut to, &dense, from, view)?;
    Ok(to)
}

/// A tensor of zeros (or empty texts) with the element type of another one.
///
/// # Errors
/// If it has too many elements.
pub(super) fn blank(like: &Tensor, shape: Vec<usize>) -> Result<Tensor, String> {
    let count = elements(&shape)?;
    let data = match &like.data {
        Data::Floats(_) => Data::Floats(vec![0.0; count]),
        Data::Ints(_) => Data::Ints(vec![0; count]),
        Data::Bytes(_) => Data::Bytes(vec![0; count]),
        Data::Texts(_) => Data::Texts(vec![String::new(); count]),
    };
    Tensor::of(like.dtype, shape, data)
}

/// Blocks of `length` neighbouring elements that begin at `starts`, one after the other.
///
/// # Errors
/// If one is outside the tensor, or they do not make up the shape.
pub(super) fn blocks(
    from: &Tensor,
    shape: Vec<usize>,
    length: usize,
    starts: &[usize],
) -> Result<Tensor, String> {
    if elements(&shape)? != starts.len().saturating_mul(length) {
        return Err(format!("{} blocks of {length} elements for shape {shape:?}", starts.len()));
    }
    if starts.iter().any(|start| start.checked_add(length).is_none_or(|end| end > from.len())) {
        return Err("a position is outside the tensor".to_owned());
    }
    if length == 1 {
        return from.pick(shape, starts);
    }
    let data = map_data!(&from.data, v => {
        let mut joined = Vec::with_capacity(starts.len() * length);
        starts.iter().for_each(|&start| joined.extend_from_slice(&v[start..start + length]));
        joined
    });
    Tensor::of(from.dtype, shape, data)
}

/// The slices of a tensor along an axis at these positions, in order.
///
/// # Errors
/// If one is outside the extent.
pub(super) fn select(from: &Tensor, axis: usize, positions: &[usize]) -> Result<Tensor, String> {
    let mut shape = from.shape.clone();
    let extent = *shape.get(axis).ok_or_else(|| format!("there is no axis {axis}"))?;
    if let Some(position) = positions.iter().find(|&&position| position >= extent) {
        return Err(format!("position {position} is outside {extent}"));
    }
    shape[axis] = positions.len();
    elements(&shape)?;
    let (outer, inner) = (elements(&shape[..axis])?, elements(&shape[axis + 1..])?);
    let starts: Vec<usize> =
        (0..outer).flat_map(|o| positions.iter().map(move |p| (o * extent + p) * inner)).collect();
    blocks(from, shape, inner, &starts)
}

#[cfg(test)]
mod tests {
    use engrad_mil::DType;

    use super::*;

    fn counting(shape: &[usize]) -> Tensor {
        let count: usize = shape.iter().product();
        Tensor::ints(DType::Int32, shape.to_vec(), (0..count as i32).collect()).unwrap()
    }

    #[test]
    fn negative_and_zero_strides_read_in_order() {
        let x = counting(&[2, 3]);
        let backwards = read(&x, vec![2, 3], &View { offset: 5, strides: vec![-3, -1] }).unwrap();
        assert_eq!(backwards.data, Data::Ints(vec![5, 4, 3, 2, 1, 0]));
        let repeated = read(&x, vec![2, 2, 3], &View { offset: 0, strides: vec![3, 0, 1] }).unwrap();
        assert_eq!(repeated.data, Data::Ints(vec![0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]));
    }

    #[test]
    fn views_outside_the_tensor_are_refused() {
        let x = counting(&[2, 3]);
        for (offset, strides) in
            [(0, vec![3, 2]), (1, vec![3, 1]), (1, vec![-3, 1]), (0, vec![i64::MAX, 1]), (0, vec![1])]
        {
            assert!(read(&x, vec![2, 3], &View { offset, strides: strides.clone() }).is_err(), "{strides:?}");
        }
        assert!(read(&x, vec![0, 3], &View { offset: 9, strides: vec![3, 1] }).is_ok());
        assert!(select(&x, 1, &[0, 3]).is_err());
        assert!(blocks(&x, vec![4], 2, &[0, 5]).is_err());
    }
}
