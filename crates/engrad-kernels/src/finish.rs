//! What a product's tiles go through before they leave the first-level cache.

use crate::Matrix;
use crate::driver::Finish;

/// Defines a function that runs compiled for AVX-512 or AVX2 where the processor has it. What it calls must be inlined into it to
/// profit. Only the width differs: no fused multiply-add is formed, so results are the same.
macro_rules! wide {
    ($(#[$meta:meta])* unsafe fn $name:ident($($arg:ident : $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        unsafe fn $name($($arg: $ty),*) {
            /// # Safety
            /// As the caller's.
            #[inline(always)]
            unsafe fn portable($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                /// # Safety
                /// As the caller's.
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
                unsafe fn wider($($arg: $ty),*) {
                    // SAFETY: passed on.
                    unsafe { portable($($arg),*) }
                }
                /// # Safety
                /// As the caller's.
                #[target_feature(enable = "avx2,f16c")]
                unsafe fn wide($($arg: $ty),*) {
                    // SAFETY: passed on.
                    unsafe { portable($($arg),*) }
                }
                if $crate::micro::has_avx512() {
                    // SAFETY: the features were detected; the rest is passed on.
                    return unsafe { wider($($arg),*) };
                }
                if $crate::micro::has_avx2() {
                    // SAFETY: as above.
                    return unsafe { wide($($arg),*) };
                }
            }
            // SAFETY: passed on.
            unsafe { portable($($arg),*) }
        }
    };
}
pub(crate) use wide;

/// Nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nothing;

impl Finish for Nothing {
    #[inline]
    unsafe fn tile(&self, _: (usize, usize), _: (usize, usize), _: *mut f32, _: usize) {}
}

/// The finishing steps of [`crate::Matmul`], in this order.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Steps<'a> {
    pub(crate) row_scale: Option<&'a [f32]>,
    pub(crate) column_scale: Option<&'a [f32]>,
    pub(crate) row_bias: Option<&'a [f32]>,
    pub(crate) column_bias: Option<&'a [f32]>,
    pub(crate) silu_gate: Option<Matrix<'a>>,
    pub(crate) residual: Option<Matrix<'a>>,
    pub(crate) round: bool,
}

impl Steps<'_> {
    /// Checks extents against a result's.
    ///
    /// # Panics
    /// If one does not fit.
    pub(crate) fn check(&self, rows: usize, columns: usize) {
        for (vector, extent) in [
            (self.row_scale, rows),
            (self.row_bias, rows),
            (self.column_scale, columns),
            (self.column_bias, columns),
        ] {
            assert!(vector.is_none_or(|v| v.len() == extent), "one number for each row or column");
        }
        for matrix in [self.silu_gate, self.residual].into_iter().flatten() {
            assert_eq!((matrix.rows(), matrix.columns()), (rows, columns), "shape of a gate or residual");
        }
    }
}

impl Finish for Steps<'_> {
    unsafe fn tile(&self, at: (usize, usize), size: (usize, usize), c: *mut f32, stride: usize) {
        // SAFETY: passed on.
        unsafe { rows(self, at, size, (c, stride)) };
    }
}

wide! {
    /// # Safety
    /// As [`Finish::tile`].
    unsafe fn rows(steps: &Steps<'_>, at: (usize, usize), size: (usize, usize), c: (*mut f32, usize)) {
        // SAFETY: passed on.
        unsafe { steps.rows(at, size, c) }
    }
}

impl Steps<'_> {
    /// # Safety
    /// As [`Finish::tile`].
    #[inline(always)]
    unsafe fn rows(
        &self,
        (row, column): (usize, usize),
        (rows, columns): (usize, usize),
        (c, stride): (*mut f32, usize),
    ) {
        for i in 0..rows {
            // SAFETY: a row of the tile, which is the caller's.
            let line = unsafe { std::slice::from_raw_parts_mut(c.add(i * stride), columns) };
            match (self.row_scale, self.column_scale) {
                (Some(row_scale), Some(column_scale)) => {
                    let of_row = row_scale[row + i];
                    line.iter_mut().zip(&column_scale[column..]).for_each(|(v, s)| *v = *v * of_row * s);
                }
                (Some(scale), None) => line.iter_mut().for_each(|v| *v *= scale[row + i]),
                (None, Some(scale)) => line.iter_mut().zip(&scale[column..]).for_each(|(v, s)| *v *= s),
                (None, None) => {}
            }
            if let Some(bias) = self.row_bias {
                line.iter_mut().for_each(|v| *v += bias[row + i]);
            }
            if let Some(bias) = self.column_bias {
                line.iter_mut().zip(&bias[column..]).for_each(|(v, b)| *v += b);
            }
            if let Some(gate) = &self.silu_gate {
                with_line(gate, row + i, column, columns, |j, g| line[j] *= g / (1.0 + (-g).exp()));
            }
            if let Some(residual) = &self.residual {
                with_line(residual, row + i, column, columns, |j, r| line[j] += r);
            }
            if self.round {
                crate::half::round(line);
            }
        }
    }
}

fn with_line(matrix: &Matrix<'_>, row: usize, column: usize, columns: usize, mut f: impl FnMut(usize, f32)) {
    for j in 0..columns {
        f(j, matrix.data[row * matrix.row_stride + (column + j) * matrix.column_stride]);
    }
}
