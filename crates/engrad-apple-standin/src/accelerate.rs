//! Of Accelerate the one function that `engrad-accelerate` uses, with the checks of BLAS: what the real one reports on
//! standard error, or does not notice, is a violation here, and then nothing is written.

use std::ffi::c_int;

use crate::control;

const ROW_MAJOR: c_int = 101;
const COLUMN_MAJOR: c_int = 102;
const AS_IT_IS: c_int = 111;
const TRANSPOSED: c_int = 112;
const CONJUGATED: c_int = 113;

/// A matrix as the interface describes it: `lines` of `length` elements, `stride` apart.
#[derive(Clone, Copy)]
struct Lines {
    lines: usize,
    length: usize,
    stride: usize,
    /// Whether the first index counts lines.
    lines_first: bool,
}

impl Lines {
    /// `rows` × `columns` as they are multiplied, with the storage order and transpose they are given in.
    fn new(
        what: &str,
        order: c_int,
        transposed: bool,
        (rows, columns): (usize, usize),
        stride: c_int,
    ) -> Result<Self, String> {
        let lines_first = (order == ROW_MAJOR) != transposed;
        let (lines, length) = if lines_first { (rows, columns) } else { (columns, rows) };
        match usize::try_from(stride) {
            Ok(stride) if stride >= length.max(1) => Ok(Self { lines, length, stride, lines_first }),
            _ => Err(format!("leading dimension {stride} of {what} is below {length}")),
        }
    }

    fn place(&self, row: usize, column: usize) -> usize {
        if self.lines_first { row * self.stride + column } else { column * self.stride + row }
    }

    /// Elements from the first to the last.
    fn span(&self) -> usize {
        if self.lines == 0 || self.length == 0 { 0 } else { (self.lines - 1) * self.stride + self.length }
    }
}

fn extent(what: &str, value: c_int) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("{what} is {value}"))
}

fn transposed(what: &str, value: c_int) -> Result<bool, String> {
    match value {
        AS_IT_IS => Ok(false),
        TRANSPOSED | CONJUGATED => Ok(true),
        _ => Err(format!("the transpose of {what} is {value}")),
    }
}

fn overlap(a: *const f32, a_span: usize, c: *const f32, c_span: usize) -> bool {
    let end = |start: *const f32, span: usize| start.addr() + span * size_of::<f32>();
    a_span > 0 && c_span > 0 && a.addr() < end(c, c_span) && c.addr() < end(a, a_span)
}

/// `c = alpha · a · b + beta · c`.
///
/// # Safety
/// Those of BLAS: addresses have the elements that extents and leading dimensions say.
#[unsafe(no_mangle)]
unsafe extern "C" fn cblas_sgemm(
    order: c_int,
    transpose_a: c_int,
    transpose_b: c_int,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: f32,
    a: *const f32,
    a_stride: c_int,
    b: *const f32,
    b_stride: c_int,
    beta: f32,
    c: *mut f32,
    c_stride: c_int,
) {
    control::count("sgemm");
    let checked = || -> Result<_, String> {
        if order != ROW_MAJOR && order != COLUMN_MAJOR {
            return Err(format!("the order is {order}"));
        }
        let (transpose_a, transpose_b) = (transposed("a", transpose_a)?, transposed("b", transpose_b)?);
        let (m, n, k) = (extent("m", m)?, extent("n", n)?, extent("k", k)?);
        let left = Lines::new("a", order, transpose_a, (m, k), a_stride)?;
        let right = Lines::new("b", order, transpose_b, (k, n), b_stride)?;
        let result = Lines::new("c", order, false, (m, n), c_stride)?;
        if (a.is_null() && left.span() > 0)
            || (b.is_null() && right.span() > 0)
            || (c.is_null() && result.span() > 0)
        {
            return Err("a matrix has no address".to_owned());
        }
        if overlap(a, left.span(), c, result.span()) || overlap(b, right.span(), c, result.span()) {
            return Err("the result overlaps a factor".to_owned());
        }
        Ok(((m, n, k), left, right, result))
    };
    let ((m, n, k), left, right, result) = match checked() {
        Ok(checked) => checked,
        Err(what) => return control::violation(format!("cblas_sgemm: {what}")),
    };
    for row in 0..m {
        for column in 0..n {
            // Summed from the last to the first, so that bits are nobody else's.
            let term = |inner: usize| {
                // SAFETY: within the factors, by the function's contract.
                unsafe { *a.add(left.place(row, inner)) * *b.add(right.place(inner, column)) }
            };
            let sum: f32 = (0..k).rev().map(term).sum();
            // SAFETY: within the result, by the function's contract.
            let place = unsafe { &mut *c.add(result.place(row, column)) };
            // Without a factor for what it holds the result need not hold numbers.
            let before = if beta == 0.0 { 0.0 } else { beta * *place };
            *place = alpha * sum + before;
        }
    }
}
