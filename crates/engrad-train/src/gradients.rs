//! Gradient sums: one matrix for each parameter, added to by weight-gradient tasks, read by the optimiser.
//!
//! Nothing is ever cleared: the first product of an update overwrites its rows. A row that nothing was added to counts
//! as zero without being read. Sums of squares are taken row by row while a row is still in the cache, so that the
//! norm costs no pass over memory.

use engrad_engine::{EngineError, HostMemory};
use engrad_kernels::{MatrixMut, Refusal};

use crate::host::simd::sum_of_squares;
use crate::host::{Buffer, Rows, WithActivation};

/// Whole rows of a gradient, from `first` on.
#[derive(Debug)]
struct Piece {
    first: usize,
    values: Buffer,
}

/// The gradient of one parameter, `[rows, columns]`; a vector is one row.
#[derive(Debug)]
pub struct Gradient {
    /// In order, for all rows: one piece, unless the memory is borrowed. None while the memory is elsewhere.
    pieces: Vec<Piece>,
    columns: usize,
    /// Rows that something was added to.
    written: Vec<bool>,
    /// Sum of squares of each written row.
    squares: Vec<f64>,
}

impl Gradient {
    /// A zero gradient.
    ///
    /// # Errors
    /// [`EngineError::Memory`] if the system has not as much.
    pub(crate) fn new(rows: usize, columns: usize) -> Result<Self, EngineError> {
        let mut gradient =
            Self { pieces: Vec::new(), columns, written: vec![false; rows], squares: vec![0.0; rows] };
        gradient.find_memory(&mut Vec::new())?;
        Ok(gradient)
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.written.len() * self.columns
    }

    /// Elements of a row.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the parameter has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A row; `None` for one that is zero because nothing was added to it.
    pub fn row(&self, row: usize) -> Option<&[f32]> {
        let written = self.written.get(row).copied().unwrap_or(false);
        let piece = &self.pieces[self.piece_of(row).filter(|_| written)?];
        let place = row - piece.first;
        Some(&piece.values[place * self.columns..(place + 1) * self.columns])
    }

    /// The piece that a row is in.
    fn piece_of(&self, row: usize) -> Option<usize> {
        self.pieces.partition_point(|piece| piece.first <= row).checked_sub(1)
    }

    /// All elements.
    pub fn to_vec(&self) -> Vec<f32> {
        let mut all = vec![0.0; self.len()];
        for (row, line) in all.chunks_mut(self.columns.max(1)).enumerate() {
            if let Some(values) = self.row(row) {
                line.copy_from_slice(values);
            }
        }
        all
    }

    /// Makes it zero, without touching its memory.
    fn clear(&mut self) {
        self.written.fill(false);
    }

    /// Lends its memory; for a gradient that is zero.
    pub(crate) fn take_memory(&mut self) -> impl Iterator<Item = HostMemory> + use<'_> {
        debug_assert!(!self.written.contains(&true));
        self.pieces.drain(..).map(|piece| piece.values.into_memory())
    }

    /// Takes memory for all rows if it has none: from `spare`, whatever is in it, and then from the system.
    ///
    /// # Errors
    /// [`EngineError::Memory`] if the system has none.
    pub(crate) fn find_memory(&mut self, spare: &mut Vec<HostMemory>) -> Result<(), EngineError> {
        if !self.pieces.is_empty() || self.is_empty() {
            return Ok(());
        }
        let (rows, mut first) = (self.written.len(), 0);
        while first < rows {
            let values = match spare.pop() {
                Some(memory) => Buffer::from_memory(memory),
                None => Buffer::zeros((rows - first).saturating_mul(self.columns))?,
            };
            let room = values.len() / self.columns.max(1);
            // Memory without room for a row is of no use.
            if room > 0 {
                self.pieces.push(Piece { first, values });
                first += room;
            }
        }
        Ok(())
    }

    fn sum_of_squares(&self) -> f64 {
        self.written.iter().zip(&self.squares).filter(|(written, _)| **written).map(|(_, s)| s).sum()
    }

    /// Adds `cotangent · activationᵀ` to `rows` rows from `start`. The cotangent is `[rows, positions]`, the activation
    /// `[columns, positions]`.
    ///
    /// # Errors
    /// A library's refusal; the sums are then of no use.
    pub(crate) fn add_product(
        &mut self,
        (start, rows): (usize, usize),
        cotangent: Rows<'_>,
        products: &mut WithActivation<'_>,
    ) -> Result<(), Refusal> {
        self.find_memory(&mut Vec::new())?;
        let (columns, end) = (self.columns, start + rows);
        debug_assert_eq!(columns, products.features());
        for i in 0..self.pieces.len() {
            let next = self.pieces.get(i + 1).map_or(self.written.len(), |piece| piece.first);
            let piece = &mut self.pieces[i];
            let range = start.max(piece.first)..end.min(next);
            if range.is_empty() {
                continue;
            }
            let within = range.start - piece.first..range.end - piece.first;
            let target = &mut piece.values[within.start * columns..within.end * columns];
            let written = &mut self.written[range.clone()];
            let overwrite = !written.contains(&true);
            for (line, written) in target.chunks_mut(columns).zip(written) {
                if !overwrite && !*written {
                    line.fill(0.0);
                }
                *written = true;
            }
            let beta = if overwrite { 0.0 } else { 1.0 };
            let result = MatrixMut::new(target, range.len(), columns, columns);
            let cotangent = cotangent.from(range.start - start);
            products.write(cotangent, result, beta, &mut self.squares[range])?;
        }
        Ok(())
    }

    /// Adds values to one row.
    ///
    /// # Errors
    /// [`EngineError::Memory`] if its memory is elsewhere and the system has no other.
    pub(crate) fn add_row(&mut self, row: usize, values: &[f32]) -> Result<(), EngineError> {
        self.find_memory(&mut Vec::new())?;
        let Some(piece) = self.piece_of(row) else { return Ok(()) };
        let Piece { first, values: memory } = &mut self.pieces[piece];
        let line = &mut memory[(row - *first) * self.columns..(row - *first + 1) * self.columns];
        if std::mem::replace(&mut self.written[row], true) {
            line.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        } else {
            line.copy_from_slice(values);
        }
        self.squares[row] = sum_of_squares(line);
        Ok(())
    }
}

/// The gradients of a model's parameters, in canonical order.
#[derive(Debug)]
pub struct Gradients(pub(crate) Vec<Gradient>);

impl Gradients {
    /// One gradient for each parameter.
    pub fn iter(&self) -> impl Iterator<Item = &Gradient> {
        self.0.iter()
    }

    /// Euclidean norm over all elements; not finite if any element is not.
    pub fn norm(&self) -> f64 {
        self.0.iter().map(Gradient::sum_of_squares).sum::<f64>().sqrt()
    }

    /// Makes all zero.
    pub(crate) fn clear(&mut self) {
        self.0.iter_mut().for_each(Gradient::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Products;
    use engrad_kernels::Precision;

    fn own() -> Products {
        Products::new(Precision::F32, None)
    }

    fn rows(data: &[f32], columns: usize) -> Rows<'_> {
        Rows::Fp32 { data, columns, stride: columns }
    }

    #[test]
    fn what_an_earlier_update_left_is_overwritten_and_the_norm_follows() {
        let mut gradients = Gradients(vec![Gradient::new(3, 2).unwrap()]);
        gradients.0[0].add_row(1, &[f32::NAN, 7.0]).unwrap();
        assert!(gradients.norm().is_nan());
        gradients.clear();
        assert_eq!(gradients.norm(), 0.0);
        // Row 1 is written first by a row, then by a product over rows 1 and 2.
        gradients.0[0].add_row(1, &[1.0, 1.0]).unwrap();
        let (cotangent, activation) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0]);
        let (cotangent, activation) = (rows(&cotangent, 2), rows(&activation, 2));
        gradients.0[0].add_product((1, 2), cotangent, &mut own().with(activation, 2)).unwrap();
        assert_eq!(gradients.0[0].to_vec(), [0.0, 0.0, 2.0, 3.0, 3.0, 4.0]);
        assert_eq!(gradients.0[0].row(0), None);
        assert!((gradients.norm() - (4.0f64 + 9.0 + 9.0 + 16.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn rows_in_borrowed_pieces_are_those_of_one_piece() {
        let (count, columns) = (40, 24);
        let cotangent: Vec<f32> = (0..count * 3).map(|i| (i * 7 % 11) as f32).collect();
        let activation: Vec<f32> = (0..columns * 3).map(|i| (i * 5 % 13) as f32).collect();
        let form = |gradient: &mut Gradient| {
            let (cotangent, activation) = (rows(&cotangent, 3), rows(&activation, 3));
            gradient.add_row(17, &[0.5; 24]).unwrap();
            let mut products = own();
            let mut products = products.with(activation, columns);
            gradient.add_product((0, 33), cotangent, &mut products).unwrap();
            gradient.add_product((20, 20), cotangent.from(20), &mut products).unwrap();
            (gradient.to_vec(), gradient.sum_of_squares())
        };
        let whole = form(&mut Gradient::new(count, columns).unwrap());
        let mut gradient = Gradient::new(count, columns).unwrap();
        assert_eq!(gradient.take_memory().count(), 1);
        // Room for 16, 7 and no rows; the others' comes from the system.
        let mut spare: Vec<HostMemory> =
            [50, 7 * 96 + 8, 16 * 96].map(|b| HostMemory::zeroed(b).unwrap()).into();
        spare.iter_mut().for_each(|memory| memory.fill(0xff));
        gradient.find_memory(&mut spare).unwrap();
        assert_eq!(gradient.pieces.iter().map(|p| p.first).collect::<Vec<_>>(), [0, 16, 23]);
        assert_eq!(form(&mut gradient), whole);
    }

    #[test]
    fn squares_are_those_of_sums_of_products_however_rows_are_divided() {
        // Few rows and many columns are computed in parts.
        for (count, columns) in [(2051, 1024), (3, 5000)] {
            let cotangent: Vec<f32> = (0..count).map(|i| i as f32).collect();
            let ones = vec![1.0; columns];
            let mut gradient = Gradient::new(count, columns).unwrap();
            for _ in 0..2 {
                let (cotangent, ones) = (rows(&cotangent, 1), rows(&ones, 1));
                gradient.add_product((0, count), cotangent, &mut own().with(ones, columns)).unwrap();
            }
            let whole = gradient.to_vec();
            let of_row = |(i, row): (usize, &[f32])| row.iter().all(|&v| v == 2.0 * i as f32);
            assert!(whole.chunks(columns).enumerate().all(of_row));
            let expected: f64 = (0..count).map(|i| (2.0 * i as f64).powi(2) * columns as f64).sum();
            assert!((gradient.sum_of_squares() - expected).abs() < 1e-6 * expected);
        }
    }
}
