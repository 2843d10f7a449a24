use gemm::Parallelism;

/// A read-only matrix over borrowed elements: element (r, c) is `data[r * row_stride + c * column_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// If the elements do not lie within `data`.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check(data.len(), rows, columns, row_stride);
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// Rows and columns exchanged; moves nothing.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A writable row-major matrix; rows do not overlap.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// A row-major matrix whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// If the elements do not lie within `data`, or rows overlap.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check(data.len(), rows, columns, row_stride);
        assert!(row_stride >= columns, "rows overlap");
        Self { data, rows, columns, row_stride }
    }
}

fn check(length: usize, rows: usize, columns: usize, row_stride: usize) {
    assert!(rows > 0 && columns > 0, "empty matrix");
    let last = (rows - 1).checked_mul(row_stride).and_then(|start| start.checked_add(columns));
    assert!(
        last.is_some_and(|last| last <= length),
        "{rows} × {columns} matrix exceeds its {length} elements"
    );
}

/// How a product uses the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread only.
    One,
    /// The rayon pool the call is made in.
    Pool,
}

/// `c = alpha · a · b + beta · c`; with `beta` 0, `c` is not read.
///
/// The order of summation over the inner dimension does not depend on the number of threads.
///
/// # Panics
/// If shapes do not fit.
pub fn matmul(c: MatrixMut<'_>, beta: f32, alpha: f32, a: Matrix<'_>, b: Matrix<'_>, threads: Threads) {
    assert_eq!((c.rows, c.columns), (a.rows, b.columns), "result shape");
    assert_eq!(a.columns, b.rows, "inner extents");
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::Pool => Parallelism::Rayon(0),
    };
    // SAFETY: the constructors checked that every element (r, c) of the three matrices lies within its slice and
    // that rows of `c` do not overlap; `c` is borrowed exclusively, so it aliases neither operand.
    unsafe {
        gemm::gemm(
            c.rows,
            c.columns,
            a.columns,
            c.data.as_mut_ptr(),
            1,
            c.row_stride as isize,
            beta != 0.0,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            beta,
            alpha,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn products_of_odd_sizes_and_strides_agree_with_the_definition(
            (m, n, k) in (1usize..20, 1usize..20, 1usize..20),
            pads in [0usize..3, 0usize..3, 0usize..3],
            (ta, tb, beta) in (any::<bool>(), any::<bool>(), prop_oneof![Just(0f32), Just(1f32)]),
        ) {
            let value = |seed: usize, i: usize| (((i * 7 + seed) % 13) as f32 - 6.0) / 4.0;
            let make = |seed: usize, len: usize| (0..len).map(|i| value(seed, i)).collect::<Vec<_>>();
            let (ra, ca) = if ta { (k, m) } else { (m, k) };
            let (rb, cb) = if tb { (n, k) } else { (k, n) };
            let (sa, sb, sc) = (ca + pads[0], cb + pads[1], n + pads[2]);
            let (a, b, c0) = (make(1, ra * sa), make(2, rb * sb), make(3, m * sc));
            let mut c = c0.clone();
            let view = |d, r, c, s, t| { let v = Matrix::new(d, r, c, s); if t { v.transposed() } else { v } };
            matmul(MatrixMut::new(&mut c, m, n, sc), beta, 0.5, view(&a, ra, ca, sa, ta), view(&b, rb, cb, sb, tb), Threads::One);
            for i in 0..m { for j in 0..n {
                let at = |p: usize| if ta { a[p * sa + i] } else { a[i * sa + p] };
                let bt = |p: usize| if tb { b[j * sb + p] } else { b[p * sb + j] };
                let expect: f32 = (0..k).map(|p| at(p) * bt(p)).sum::<f32>() * 0.5 + beta * c0[i * sc + j];
                prop_assert!((c[i * sc + j] - expect).abs() < 1e-4);
            } }
        }
    }
}
