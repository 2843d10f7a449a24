//! Matrix products, by the blocked driver of `engrad-kernels`.
//!
//! Operands are packed from wherever they stand, an fp16 port included, with any strides: transposes, slices and casts
//! cost nothing of their own, and a weight is read from memory once, at half the width. Results are rounded tile by
//! tile, in the first-level cache.
//!
//! Neither the order of any sum nor a bit of the result depends on the number of threads.

use std::ops::Range;
use std::sync::Arc;

use engrad_kernels::driver::{self, Destination, Finish, Product, Workspace};
use engrad_kernels::{ElementType, Factor, PackedMatrix, Precision, RawMatrix, Source};

use super::memory::Words;
use super::{Team, half};
use crate::plan::{Base, View};

/// `target = x · y` for each index of the batch.
#[derive(Debug)]
pub(crate) struct Matmul {
    /// `[batch, batch, batch, rows, inner]`
    pub(crate) x: View,
    /// `[batch, batch, batch, inner, columns]`
    pub(crate) y: View,
    /// `[batch, batch, batch, rows, columns]`; nowhere if its base is [`Base::Held`].
    pub(crate) target: View,
    /// Whether results are rounded to fp16.
    pub(crate) round: bool,
    /// What multiplicands are rounded to.
    pub(crate) precision: Precision,
}

/// Where the numbers of an operand are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand {
    pub(crate) data: *const u8,
    pub(crate) element: ElementType,
}

// SAFETY: an address; `run` states who may touch what.
unsafe impl Send for Operand {}
// SAFETY: as above.
unsafe impl Sync for Operand {}

impl Operand {
    /// Words of working memory.
    ///
    /// # Safety
    /// There is at least one word.
    pub(crate) unsafe fn words(words: Words<'_>) -> Self {
        // SAFETY: by contract.
        Self { data: unsafe { words.pointer(0) }.cast_const().cast(), element: ElementType::F32 }
    }
}

impl Matmul {
    fn batch(&self) -> usize {
        self.target.layout.shape()[..3].iter().product()
    }

    /// Whether the result has contiguous columns but not rows: its transpose is computed instead.
    fn transposes(&self) -> bool {
        let [.., row, column] = five(self.target.layout.strides());
        column > 1 && row == 1
    }

    /// Whether it is one product whose elements stand in order, so that ranges of them can be gone on with.
    pub(crate) fn has_rows(&self) -> bool {
        self.batch() == 1 && self.target.layout.collapse().is_contiguous() && !self.transposes()
    }

    /// Rows, columns and inner extent as the driver sees them.
    fn size(&self) -> (usize, usize, usize) {
        let [.., m, n] = five(self.target.layout.shape());
        let [.., k] = five(self.x.layout.shape());
        if self.transposes() { (n, m, k) } else { (m, n, k) }
    }

    /// Whether whole products of the batch are tasks, rather than blocks of one product.
    fn splits_batch(&self) -> bool {
        self.batch() >= BATCH_TASKS
    }

    /// Whether the result may be held block by block, for what follows alone.
    pub(crate) fn can_be_held(&self) -> bool {
        self.has_rows() && driver::can_be_held(self.size(), self.precision)
    }

    fn is_held(&self) -> bool {
        self.target.base == Base::Held
    }

    /// Words of scratch each thread needs.
    pub(crate) fn scratch(&self) -> usize {
        let shared = if self.splits_batch() { driver::shared_words(self.size(), self.precision) } else { 0 };
        let held = if self.is_held() { driver::held_words(self.size()) } else { 0 };
        driver::local_words() + shared + held
    }

    /// Words of scratch that all threads share.
    pub(crate) fn shared(&self) -> usize {
        if self.splits_batch() { 0 } else { driver::shared_words(self.size(), self.precision) }
    }

    /// Multiply-adds, roughly what it costs.
    pub(crate) fn work(&self) -> usize {
        let (m, n, k) = self.size();
        self.batch().saturating_mul(m).saturating_mul(n).saturating_mul(k)
    }
}

/// Products in a batch from which on each is one task: enough to keep many cores busy.
const BATCH_TASKS: usize = 8;

/// What follows on elements of a result once they are complete: the index of the first, their count, and where they are.
pub(super) type Follow<'f> = dyn Fn(usize, usize, *mut f32) + Sync + 'f;

/// Rounds tiles to fp16, and goes on with whole rows where they are contiguous.
struct Ending<'f> {
    round: bool,
    /// Elements of a row, and what follows on ranges of elements.
    follow: Option<(usize, &'f Follow<'f>)>,
}

impl Finish for Ending<'_> {
    #[inline]
    unsafe fn tile(&self, _: (usize, usize), (rows, columns): (usize, usize), c: *mut f32, stride: usize) {
        if self.round {
            // SAFETY: rows of a tile that the caller owns.
            unsafe { half::round_rows(c, (rows, columns), stride) };
        }
    }

    unsafe fn block(&self, rows: Range<usize>, columns: Range<usize>, c: *mut f32, stride: usize) {
        let Some((width, follow)) = self.follow else { return };
        if columns.len() == width {
            follow(rows.start * width, rows.len() * width, c);
        } else {
            let first = rows.start;
            rows.for_each(|row| {
                let c = c.wrapping_add((row - first) * stride);
                follow(row * width + columns.start, columns.len(), c);
            });
        }
    }
}

/// Words that the threads share for the panels of a product's right factor, and whose panels they hold.
pub(crate) struct SharedPanels<'s> {
    words: Words<'s>,
    holds: Option<(RawMatrix, Precision)>,
}

impl<'s> SharedPanels<'s> {
    pub(crate) fn new(words: Words<'s>) -> Self {
        Self { words, holds: None }
    }

    /// The words, for a step that is no product and was preceded by [`SharedPanels::forget`].
    pub(super) fn words(&self) -> Words<'s> {
        self.words
    }

    /// What the panels were made of may have changed.
    pub(crate) fn forget(&mut self) {
        self.holds = None;
    }
}

/// How a product is computed.
#[derive(Clone, Copy)]
pub(super) struct How<'f> {
    pub(super) precision: Precision,
    /// Factor of what the result held.
    pub(super) beta: f32,
    /// Whether results are rounded to fp16.
    pub(super) round: bool,
    pub(super) parallel: bool,
    /// Whether the result goes nowhere but to what follows.
    pub(super) held: bool,
    /// Called for ranges of elements of a contiguous result, each once they are complete.
    pub(super) follow: Option<&'f Follow<'f>>,
}

/// Scratch of a product: parts of the arena.
pub(super) struct Scratch<'s, S> {
    pub(super) shared: Words<'s>,
    pub(super) local: S,
}

// SAFETY: `run`'s caller gives words that belong to this product, and the thread, alone; their count is that which
// the driver asked for when the plan was made.
unsafe impl<'s, S: Fn() -> Words<'s> + Sync> Workspace for Scratch<'s, S> {
    fn shared(&self) -> *mut u32 {
        // SAFETY: products have at least one shared word.
        unsafe { self.shared.pointer(0) }.cast()
    }

    fn local(&self, work: impl FnOnce(*mut u32)) {
        // SAFETY: a thread has at least one word.
        work(unsafe { (self.local)().pointer(0) }.cast());
    }
}

/// Runs a product. `shared` has [`Matmul::shared`] words, and may hold the panels of the right factor from the step before;
/// `scratch` gives the calling thread's own
/// [`Matmul::scratch`] words; `follow`, if [`Matmul::has_rows`], is called for ranges of the result; `panels` may give the panels of an operand (0 for x, 1 for y) that were packed before.
///
/// # Safety
/// The plan contract holds for the step, operands are the memory behind its views, and scratch belongs to the step,
/// or to the thread, alone.
pub(crate) unsafe fn run<'a>(
    step: &Matmul,
    (x, y): (Operand, Operand),
    target: Words<'a>,
    shared: &mut SharedPanels<'a>,
    scratch: impl Fn() -> Words<'a> + Sync + Send,
    panels: impl Fn(usize, &RawMatrix, Factor) -> Option<Arc<PackedMatrix>>,
    (team, follow): (Team, Option<&Follow<'_>>),
) {
    let [a, b, c, ..] = five(step.target.layout.shape());
    let at = |batch: usize| [batch / c / b, batch / c % b, batch % c];
    // SAFETY: the view lies inside the words, by contract.
    let result = unsafe { Operand::words(target) };
    let matrices = |batch: usize| {
        let index = at(batch);
        ((matrix(&step.x, x, index), matrix(&step.y, y, index)), matrix(&step.target, result, index))
    };
    let (precision, round) = (step.precision, step.round);
    let how = How { precision, beta: 0.0, round, parallel: false, held: false, follow: None };
    if step.splits_batch() {
        let local = driver::local_words();
        team.each(a * b * c, |batch| {
            let own = scratch();
            let (factors, result) = matrices(batch);
            // SAFETY: a thread's words are enough for both; products of a batch have disjoint results, and the views
            // lie in their memory, by contract.
            unsafe {
                let both = Scratch { shared: own.part(local, step.scratch() - local), local: || own };
                multiply(strided(factors), result, how, false, &both);
            }
        });
        return;
    }
    let how = How { parallel: team.is_parallel(), held: step.is_held(), follow, ..how };
    let workspace = Scratch { shared: shared.words, local: scratch };
    for batch in 0..a * b * c {
        let ((x, y), result) = matrices(batch);
        let transposes = is_transposed(&result);
        // A batch of weights is no weight.
        let find = |operand: usize, matrix: &RawMatrix| match (a * b * c, (operand == 0) != transposes) {
            (1, true) if transposes => panels(operand, &matrix.transposed(), Factor::Left),
            (1, true) => panels(operand, matrix, Factor::Left),
            (1, false) if transposes => panels(operand, &matrix.transposed(), Factor::Right),
            (1, false) => panels(operand, matrix, Factor::Right),
            _ => None,
        };
        let packed = [find(0, &x), find(1, &y)];
        let factors = (source(x, packed[0].as_deref()), source(y, packed[1].as_deref()));
        let right = if transposes { (&x, packed[0].is_some()) } else { (&y, packed[1].is_some()) };
        let right = match right {
            (matrix, false) if transposes => Some((matrix.transposed(), step.precision)),
            (matrix, false) => Some((*matrix, step.precision)),
            // The shared words are left as they are.
            (_, true) => None,
        };
        let ready = right.is_some() && right == shared.holds;
        // SAFETY: by contract; packed factors are those of the operands, and what the shared words hold was packed by
        // the step before, which wrote neither factor of this one.
        unsafe { multiply(factors, result, how, ready, &workspace) };
        if right.is_some() {
            shared.holds = right.filter(|_| driver::right_stays(step.size(), step.precision));
        }
    }
}

fn source(matrix: RawMatrix, packed: Option<&PackedMatrix>) -> Source<'_> {
    packed.map_or(Source::Strided(matrix), Source::Packed)
}

pub(super) fn strided((x, y): (RawMatrix, RawMatrix)) -> (Source<'static>, Source<'static>) {
    (Source::Strided(x), Source::Strided(y))
}

/// Whether a result has contiguous columns but not rows: its transpose is computed instead.
fn is_transposed(result: &RawMatrix) -> bool {
    result.column_stride > 1 && result.row_stride == 1
}

/// `result = x · y + beta · result`, rounded to fp16 if asked. A result with contiguous columns but not rows is computed
/// as its transpose.
///
/// # Safety
/// The matrices are in memory that nothing else writes, the result in memory that nothing else touches; it is of f32,
/// and apart from the factors; packed factors were packed for the side they are on, which is the other one if the result
/// is computed as its transpose; if that is said to be packed, the workspace's shared words hold its panels. The workspace has the words that the driver wants for this size, either way around.
pub(super) unsafe fn multiply(
    (x, y): (Source<'_>, Source<'_>),
    result: RawMatrix,
    how: How<'_>,
    right_is_packed: bool,
    workspace: &impl Workspace,
) {
    let turned = |source| match source {
        Source::Strided(matrix) => Source::Strided(matrix.transposed()),
        packed => packed,
    };
    let (a, b, c) =
        if is_transposed(&result) { (turned(y), turned(x), result.transposed()) } else { (x, y, result) };
    let inner = match a {
        Source::Strided(matrix) => matrix.columns,
        Source::Packed(packed) => packed.shape().1,
    };
    let product = Product {
        size: (c.rows, c.columns, inner),
        precision: how.precision,
        a,
        b,
        c: if how.held { Destination::Held } else { Destination::Memory(c.data.cast_mut().cast()) },
        row_stride: c.row_stride,
        // A single column has no stride of its own.
        column_stride: c.column_stride.max(1),
        alpha: 1.0,
        beta: how.beta,
        finish: &Ending { round: how.round, follow: how.follow.map(|follow| (c.columns, follow)) },
        parallel: how.parallel,
        right_is_packed,
    };
    // SAFETY: passed on.
    unsafe { driver::run(&product, workspace) };
}

/// The matrix at an index of the batch.
pub(super) fn matrix(view: &View, operand: Operand, index: [usize; 3]) -> RawMatrix {
    let [.., rows, columns] = five(view.layout.shape());
    let strides = five(view.layout.strides());
    let start = view.layout.offset + offset(index, strides);
    RawMatrix {
        data: operand.data.wrapping_add(start * operand.element.size()),
        element: operand.element,
        rows,
        columns,
        row_stride: strides[3],
        column_stride: strides[4],
    }
}

fn offset(index: [usize; 3], strides: [usize; 5]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}

/// The five numbers of a rank-5 shape.
fn five(numbers: &[usize]) -> [usize; 5] {
    numbers.try_into().unwrap_or([1; 5])
}
