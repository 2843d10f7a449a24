//! The arithmetic: what each step of a plan does to memory. All `unsafe` of this crate is below this module.
//!
//! Working memory is one flat run of f32 words ([`memory::Words`]) that the threads of an evaluation share. The
//! argument for every access is the same and is called the *plan contract* below. A plan, checked once when it was
//! made (`plan::check`), promises for each of its steps that
//!
//! 1. every view lies inside its base;
//! 2. a buffer written by a step is read by no operand of that step;
//! 3. distinct elements of a destination view are distinct words;
//! 4. an output port is read only by steps behind the one that filled it;
//!
//! and each kernel divides its destination into tasks that write disjoint elements. Steps run one after the other,
//! so no word is ever written while something else touches it. What follows a step (`plan::follow`) runs on a range of
//! elements by the thread that completed it, and reads of what the step and earlier followers write that range alone.

pub(crate) mod attention;
pub(crate) mod elementwise;
pub(crate) mod execute;
mod follow;
pub(crate) mod math;
pub(crate) mod matmul;
pub(crate) mod memory;
mod numbers;
pub(crate) mod panels;
pub(crate) mod ports;
pub(crate) mod reduce;
pub(crate) mod softmax;
mod strided;

pub(crate) use engrad_kernels::half;
use rayon::prelude::*;

/// Elements handled at once by elementwise work: a few such blocks fit the first-level cache.
pub(crate) const BLOCK: usize = 512;
/// Elements per parallel task of elementwise work.
const TASK: usize = 32 * BLOCK;

/// Who works on the steps of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Team {
    /// The calling thread: the program is too small to be worth waking others.
    Caller,
    /// The current thread pool.
    Pool,
}

impl Team {
    fn is_parallel(self) -> bool {
        self == Self::Pool
    }

    /// Calls `task` for each number below `count`, in any order. Allocates nothing.
    fn each(self, count: usize, task: impl Fn(usize) + Sync + Send) {
        match (count, self) {
            (0, _) => {}
            (1, _) => task(0),
            (_, Self::Caller) => (0..count).for_each(task),
            (_, Self::Pool) => (0..count).into_par_iter().with_max_len(1).for_each(task),
        }
    }

    /// Splits `elements` into tasks of at most `size` and calls `task(start, len)` for each.
    fn ranges(self, elements: usize, size: usize, task: impl Fn(usize, usize) + Sync + Send) {
        self.each(elements.div_ceil(size), |i| task(i * size, size.min(elements - i * size)));
    }
}

/// Defines functions whose bodies are compiled for the baseline of the target, and on x86-64 for AVX2 and AVX-512, chosen
/// at run time. All do the same operations in the same order (no fused multiply-add), so results agree bit for bit.
macro_rules! multiversion {
    ($( $(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block )*) => { $(
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn portable($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,f16c")]
                fn wide($($arg: $ty),*) $(-> $ret)? { portable($($arg),*) }
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,f16c")]
                fn wider($($arg: $ty),*) $(-> $ret)? { portable($($arg),*) }
                if engrad_kernels::has_avx512() {
                    // SAFETY: the features were detected.
                    return unsafe { wider($($arg),*) };
                }
                if engrad_kernels::has_avx2() {
                    // SAFETY: the features were detected.
                    return unsafe { wide($($arg),*) };
                }
            }
            portable($($arg),*)
        }
    )* };
}
pub(crate) use multiversion;
