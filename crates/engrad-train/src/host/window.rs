use engrad_engine::{Port, ReadGuard, Surface};
use engrad_kernels::half::{narrow, widen};
use engrad_kernels::{Matrix, Operand};
use engrad_mil::DType;
use half::f16;
use rayon::prelude::*;

/// Rows below this many elements in all are converted on the calling thread.
const PARALLEL: usize = 1 << 14;

/// Rows of a window where they lie, for products that read their own number format.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// Elements from the first row's first column on.
    Fp16 { data: &'a [f16], columns: usize, stride: usize },
    /// As above.
    Fp32 { data: &'a [f32], columns: usize, stride: usize },
}

impl<'a> Rows<'a> {
    /// `count` rows from `first`, as a factor, or its transpose.
    pub(crate) fn operand(self, first: usize, count: usize, transposed: bool) -> Operand<'a> {
        macro_rules! view {
            ($data:expr, $columns:expr, $stride:expr) => {{
                let matrix = Matrix::new(&$data[first * $stride..], count, $columns, $stride);
                if transposed { matrix.transposed().into() } else { matrix.into() }
            }};
        }
        match self {
            Self::Fp16 { data, columns, stride } => view!(data, columns, stride),
            Self::Fp32 { data, columns, stride } => view!(data, columns, stride),
        }
    }

    /// The rows from `first` on.
    pub(crate) fn from(self, first: usize) -> Self {
        match self {
            Self::Fp16 { data, columns, stride } => {
                Self::Fp16 { data: &data[first * stride..], columns, stride }
            }
            Self::Fp32 { data, columns, stride } => {
                Self::Fp32 { data: &data[first * stride..], columns, stride }
            }
        }
    }

    /// `count` rows from `first` as f32: where they lie if they are, otherwise in `space`.
    pub(crate) fn widened<'s>(self, first: usize, count: usize, space: &'s mut Vec<f32>) -> Matrix<'s>
    where
        'a: 's,
    {
        match self {
            Self::Fp32 { data, columns, stride } => {
                Matrix::new(&data[first * stride..], count, columns, stride)
            }
            Self::Fp16 { data, columns, stride } => {
                space.resize(space.len().max(count * columns), 0.0);
                let rows = space[..count * columns].par_chunks_mut(columns);
                let from = data[first * stride..].par_chunks(stride);
                rows.zip(from).with_min_len(8).for_each(|(to, from)| widen(&from[..columns], to));
                Matrix::new(space, count, columns, columns)
            }
        }
    }

    /// The first `count` rows as f32, which [`Rows::widened`] put in `space` before if they were not.
    pub(crate) fn in_space<'s>(self, count: usize, space: &'s [f32]) -> Matrix<'s>
    where
        'a: 's,
    {
        match self {
            Self::Fp32 { data, columns, stride } => Matrix::new(data, count, columns, stride),
            Self::Fp16 { columns, .. } => Matrix::new(space, count, columns, columns),
        }
    }

    /// Columns of a row.
    pub(crate) fn columns(self) -> usize {
        match self {
            Self::Fp16 { columns, .. } | Self::Fp32 { columns, .. } => columns,
        }
    }
}

/// A rectangle of a surface: some or all columns of its rows, as f32 from outside.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    surface: Surface,
    dtype: DType,
    rows: usize,
    columns: usize,
    /// Elements from one row to the next.
    stride: usize,
    /// First column.
    offset: usize,
}

impl Window {
    /// The whole of a port's surface.
    pub(crate) fn of_port(port: &Port, surface: &Surface) -> Self {
        Self::part(port, surface, 0, port.width())
    }

    /// `columns` columns of a port's surface from `offset`.
    pub(crate) fn part(port: &Port, surface: &Surface, offset: usize, columns: usize) -> Self {
        Self {
            surface: surface.clone(),
            dtype: port.ty.dtype,
            rows: port.rows(),
            columns,
            stride: port.stride_elements(),
            offset,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Whether two windows look at the same memory.
    pub(crate) fn shares_surface(&self, other: &Self) -> bool {
        self.surface.is_same(&other.surface)
    }

    /// Whether two windows are the same elements of the same memory.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let extents = |w: &Self| (w.rows, w.columns, w.stride, w.offset);
        self.shares_surface(other) && extents(self) == extents(other)
    }

    /// Locks the surface for reading.
    pub(crate) fn read(&self) -> ReadGuard<'_> {
        self.surface.read()
    }

    /// The rows, of a surface locked by [`Window::read`] of a window on it.
    pub(crate) fn view<'a>(&self, guard: &'a ReadGuard<'_>) -> Rows<'a> {
        let (columns, stride) = (self.columns, self.stride);
        match self.dtype {
            DType::Fp32 => Rows::Fp32 { data: &guard.fp32()[self.offset..], columns, stride },
            _ => Rows::Fp16 { data: &guard.fp16()[self.offset..], columns, stride },
        }
    }

    /// Writes every row: `fill` gets the row's number and a buffer of its columns.
    pub(crate) fn write_rows(&self, fill: impl Fn(usize, &mut [f32]) + Sync) {
        let (offset, columns) = (self.offset, self.columns);
        let mut guard = self.surface.write();
        match self.dtype {
            DType::Fp32 => self.for_rows(guard.fp32_mut(), |row, line: &mut [f32]| {
                fill(row, &mut line[offset..offset + columns]);
            }),
            _ => self.for_rows_with_buffer(guard.fp16_mut(), |row, line: &mut [f16], buffer| {
                fill(row, buffer);
                narrow(buffer, &mut line[offset..offset + columns]);
            }),
        }
    }

    /// Rewrites every row in place: `change` gets the row's number and its present columns.
    pub(crate) fn update_rows(&self, change: impl Fn(usize, &mut [f32]) + Sync) {
        let (offset, columns) = (self.offset, self.columns);
        let mut guard = self.surface.write();
        match self.dtype {
            DType::Fp32 => self.for_rows(guard.fp32_mut(), |row, line: &mut [f32]| {
                change(row, &mut line[offset..offset + columns]);
            }),
            _ => self.for_rows_with_buffer(guard.fp16_mut(), |row, line: &mut [f16], buffer| {
                let line = &mut line[offset..offset + columns];
                widen(line, buffer);
                change(row, buffer);
                narrow(buffer, line);
            }),
        }
    }

    fn for_rows<T: Send>(&self, elements: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
        let rows = elements.chunks_mut(self.stride).take(self.rows);
        if self.rows * self.columns < PARALLEL {
            rows.enumerate().for_each(|(row, line)| work(row, line));
        } else {
            elements
                .par_chunks_mut(self.stride)
                .take(self.rows)
                .with_min_len(8)
                .enumerate()
                .for_each(|(row, line)| work(row, line));
        }
    }

    fn for_rows_with_buffer<T: Send>(
        &self,
        elements: &mut [T],
        work: impl Fn(usize, &mut [T], &mut [f32]) + Sync,
    ) {
        if self.rows * self.columns < PARALLEL {
            let mut buffer = vec![0.0; self.columns];
            let rows = elements.chunks_mut(self.stride).take(self.rows);
            rows.enumerate().for_each(|(row, line)| work(row, line, &mut buffer));
        } else {
            elements
                .par_chunks_mut(self.stride)
                .take(self.rows)
                .with_min_len(8)
                .enumerate()
                .for_each_init(|| vec![0.0; self.columns], |buffer, (row, line)| work(row, line, buffer));
        }
    }

    /// Writes dense rows.
    pub(crate) fn write(&self, dense: &[f32]) {
        let columns = self.columns;
        self.write_rows(|row, line| line.copy_from_slice(&dense[row * columns..(row + 1) * columns]));
    }

    /// Writes the transpose of dense rows: column c of the window is row c of `dense`.
    pub(crate) fn write_transposed(&self, dense: &[f32]) {
        let rows = self.rows;
        self.write_rows(|row, line| {
            for (column, value) in line.iter_mut().enumerate() {
                *value = dense[column * rows + row];
            }
        });
    }

    /// Writes the first rows, one for each item: `fill` gets the item and a buffer of the row's columns.
    pub(crate) fn write_items<T: Send>(&self, items: Vec<T>, fill: impl Fn(T, &mut [f32]) + Sync) {
        let (offset, columns) = (self.offset, self.columns);
        let mut guard = self.surface.write();
        let count = items.len().min(self.rows);
        match self.dtype {
            DType::Fp32 => {
                let lines = guard.fp32_mut().par_chunks_mut(self.stride).take(count).with_min_len(8);
                lines.zip(items).for_each(|(line, item)| fill(item, &mut line[offset..offset + columns]));
            }
            _ => {
                let lines = guard.fp16_mut().par_chunks_mut(self.stride).take(count).with_min_len(8);
                lines.zip(items).for_each_init(
                    || vec![0.0; columns],
                    |buffer, (line, item)| {
                        fill(item, buffer);
                        narrow(buffer, &mut line[offset..offset + columns]);
                    },
                );
            }
        }
    }

    /// Reads all rows in parallel, in blocks: `take` gets the first row's number and the block's rows, dense. What it
    /// returns comes back in order.
    pub(crate) fn map_blocks<S: Send>(
        &self,
        rows_per_block: usize,
        take: impl Fn(usize, &[f32]) -> S + Sync,
    ) -> Vec<S> {
        let guard = self.surface.read();
        let (fp16, fp32) = match self.dtype {
            DType::Fp32 => (None, Some(guard.fp32())),
            _ => (Some(guard.fp16()), None),
        };
        (0..self.rows.div_ceil(rows_per_block))
            .into_par_iter()
            .map_init(Vec::new, |buffer: &mut Vec<f32>, block| {
                let first = block * rows_per_block;
                let count = rows_per_block.min(self.rows - first);
                buffer.resize(count * self.columns, 0.0);
                for (i, line) in buffer.chunks_mut(self.columns).enumerate() {
                    let place = self.place(first + i);
                    match (fp32, fp16) {
                        (Some(elements), _) => line.copy_from_slice(&elements[place]),
                        (_, Some(elements)) => widen(&elements[place], line),
                        _ => {}
                    }
                }
                take(first, buffer)
            })
            .collect()
    }

    /// Elements of a row's columns.
    fn place(&self, row: usize) -> std::ops::Range<usize> {
        let start = row * self.stride + self.offset;
        start..start + self.columns
    }

    /// Combines all rows with dense ones, which may be longer, in blocks: `combine` gets the state of its block, the
    /// row's number, the dense row and the window's row. The blocks' states come back in order.
    pub(crate) fn zip_blocks<S: Send>(
        &self,
        dense: &mut [f32],
        rows_per_block: usize,
        start: impl Fn() -> S + Sync,
        combine: impl Fn(&mut S, usize, &mut [f32], &[f32]) + Sync,
    ) -> Vec<S> {
        let guard = self.surface.read();
        let length = dense.len() / self.rows;
        let (fp16, fp32) = match self.dtype {
            DType::Fp32 => (None, Some(guard.fp32())),
            _ => (Some(guard.fp16()), None),
        };
        dense
            .par_chunks_mut(rows_per_block * length)
            .enumerate()
            .map_init(
                || vec![0.0; self.columns],
                |buffer, (block, lines)| {
                    let mut state = start();
                    for (i, line) in lines.chunks_mut(length).enumerate() {
                        let row = block * rows_per_block + i;
                        match (fp32, fp16) {
                            (Some(elements), _) => {
                                combine(&mut state, row, line, &elements[self.place(row)]);
                            }
                            (_, Some(elements)) => {
                                widen(&elements[self.place(row)], buffer);
                                combine(&mut state, row, line, buffer);
                            }
                            _ => {}
                        }
                    }
                    state
                },
            )
            .collect()
    }

    /// Reads all rows into dense ones; `into` is resized to fit.
    pub(crate) fn read_into(&self, into: &mut Vec<f32>) {
        into.resize(self.rows * self.columns, 0.0);
        self.zip_blocks(into, 16, || (), |(), _, line, row| line.copy_from_slice(row));
    }

    /// Copies all elements to a window of the same size and type, in another surface.
    pub(crate) fn copy_to(&self, other: &Self) {
        let size = self.dtype.size();
        let from = self.surface.read();
        let mut to = other.surface.write();
        let (from, to) = (from.bytes(), to.bytes_mut());
        for row in 0..self.rows {
            let source = (row * self.stride + self.offset) * size;
            let target = (row * other.stride + other.offset) * size;
            let length = self.columns * size;
            to[target..target + length].copy_from_slice(&from[source..source + length]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_mil::TensorType;

    #[test]
    fn windows_of_one_surface_do_not_touch_each_other() {
        let port = Port::new("x", TensorType::channels(DType::Fp16, 2, 5));
        let surface = Surface::for_port(&port).unwrap();
        let left = Window::part(&port, &surface, 0, 2);
        let right = Window::part(&port, &surface, 2, 3);
        left.write(&[1.0, 2.0, 3.0, 4.0]);
        right.write_transposed(&[5.0, 8.0, 6.0, 9.0, 7.0, 10.0]);
        let mut read = Vec::new();
        Window::of_port(&port, &surface).read_into(&mut read);
        assert_eq!(read, [1.0, 2.0, 5.0, 6.0, 7.0, 3.0, 4.0, 8.0, 9.0, 10.0]);
        left.update_rows(|row, line| line[0] = row as f32);
        right.copy_to(&Window::part(&port, &Surface::for_port(&port).unwrap(), 0, 3));
        left.read_into(&mut read);
        assert_eq!(read, [0.0, 2.0, 1.0, 4.0]);
    }
}
