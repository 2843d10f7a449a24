//! Elementwise work: a short program of operations run over blocks that stay in cache, so that a chain of
//! operations reads its operands and writes its results once.

use engrad_mil::Op;

use super::memory::Words;
use super::numbers::Numbers;
use super::{BLOCK, half, math, multiversion, strided};
use crate::layout::Layout;
use crate::plan::View;

/// Arithmetic on one or two blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pointwise {
    Copy,
    Exp,
    Log { epsilon: f32 },
    Sqrt,
    Rsqrt { epsilon: f32 },
    Inverse { epsilon: f32 },
    Square,
    Relu,
    Sigmoid,
    Silu,
    Tanh,
    Add,
    Sub,
    Mul,
    Div,
    Maximum,
    Minimum,
}

impl Pointwise {
    /// The arithmetic of an operation, if it is elementwise; `epsilon` for those that take one.
    pub(crate) fn of(op: Op, epsilon: impl Fn() -> Result<f64, String>) -> Result<Option<Self>, String> {
        let epsilon = || epsilon().map(|e| e as f32);
        Ok(Some(match op {
            Op::Cast => Self::Copy,
            Op::Exp => Self::Exp,
            Op::Log => Self::Log { epsilon: epsilon()? },
            Op::Sqrt => Self::Sqrt,
            Op::Rsqrt => Self::Rsqrt { epsilon: epsilon()? },
            Op::Inverse => Self::Inverse { epsilon: epsilon()? },
            Op::Square => Self::Square,
            Op::Relu => Self::Relu,
            Op::Sigmoid => Self::Sigmoid,
            Op::Silu => Self::Silu,
            Op::Tanh => Self::Tanh,
            Op::Add => Self::Add,
            Op::Sub => Self::Sub,
            Op::Mul => Self::Mul,
            Op::RealDiv => Self::Div,
            Op::Maximum => Self::Maximum,
            Op::Minimum => Self::Minimum,
            _ => return Ok(None),
        }))
    }

    /// Whether a result is one of the operands, and so needs no rounding if they are rounded.
    pub(crate) fn selects(self) -> bool {
        matches!(self, Self::Relu | Self::Maximum | Self::Minimum)
    }
}

/// Where an instruction finds an operand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Source {
    /// A tensor from outside, by position in [`Map::leaves`].
    Leaf(usize),
    /// The result of an earlier instruction.
    Instruction(usize),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Instruction {
    pub(crate) function: Pointwise,
    pub(crate) x: Source,
    /// Ignored by functions of one operand.
    pub(crate) y: Source,
    /// Whether the result is rounded to fp16.
    pub(crate) round: bool,
}

/// Elementwise instructions over one shape.
#[derive(Debug)]
pub(crate) struct Map {
    /// Elements of the shape.
    pub(crate) elements: usize,
    /// Tensors read, stretched to the shape; collapsed.
    pub(crate) leaves: Vec<View>,
    pub(crate) instructions: Vec<Instruction>,
    /// What is kept, and where; collapsed.
    pub(crate) stores: Vec<(Source, View)>,
}

impl Map {
    /// Views read, and views written.
    pub(crate) fn views(&mut self) -> (Vec<&mut View>, Vec<&mut View>) {
        (self.leaves.iter_mut().collect(), self.stores.iter_mut().map(|(_, view)| view).collect())
    }

    /// Numbers moved or computed.
    pub(crate) fn work(&self) -> usize {
        self.elements * (1 + self.instructions.len())
    }

    /// Words of scratch a thread needs.
    pub(crate) fn scratch(&self) -> usize {
        (self.leaves.len() + self.instructions.len()) * BLOCK
    }
}

/// Where the bases of views are.
pub(crate) trait Places<'a>: Sync {
    /// What a leaf reads: working memory, constants or a port.
    fn leaf(&self, view: &View) -> Numbers<'a>;
    /// Working memory.
    fn target(&self, view: &View) -> Words<'a>;
}

/// Computes `len` elements of a map from `start` on; `scratch` is [`Map::scratch`] words.
///
/// # Safety
/// The plan contract holds for these elements in `memory`, and scratch belongs to the thread alone.
pub(crate) unsafe fn range<'a>(
    map: &Map,
    memory: &impl Places<'a>,
    scratch: Words<'a>,
    (start, len): (usize, usize),
) {
    let blocks = Blocks { map, scratch };
    // Scalars fill their block once.
    for (i, view) in map.leaves.iter().enumerate().filter(|(_, view)| view.layout.is_scalar()) {
        // SAFETY: one element inside its base, repeated; the block is this leaf's own.
        unsafe { blocks.leaf(i, BLOCK).fill(memory.leaf(view).at(view.layout.offset)) };
    }
    let end = start + len;
    for start in (start..end).step_by(BLOCK) {
        // SAFETY: by contract.
        unsafe { blocks.run(memory, start, BLOCK.min(end - start)) };
    }
}

struct Blocks<'a, 'm> {
    map: &'m Map,
    scratch: Words<'a>,
}

impl<'a> Blocks<'a, '_> {
    /// # Safety
    /// No other reference to this leaf's block is alive.
    unsafe fn leaf(&self, index: usize, len: usize) -> &'a mut [f32] {
        // SAFETY: scratch has a block for each leaf and each instruction.
        unsafe { self.scratch.write(index * BLOCK, len) }
    }

    /// Where an instruction's results are computed: where they are stored, if that is contiguous, or in a block.
    fn place(&self, index: usize, memory: &impl Places<'a>, start: usize) -> (Words<'a>, usize) {
        let stored = self.map.stores.iter().find(|(source, target)| {
            *source == Source::Instruction(index) && target.layout.is_contiguous() && self.map.elements > 1
        });
        match stored {
            Some((_, target)) => (memory.target(target), target.layout.offset + start),
            // Behind the leaves' blocks.
            None => (self.scratch, (self.map.leaves.len() + index) * BLOCK),
        }
    }

    /// # Safety
    /// As [`range`].
    unsafe fn run(&self, memory: &impl Places<'a>, start: usize, len: usize) {
        let map = self.map;
        // A contiguous leaf in working memory is read where it is.
        let in_place = |leaf: &View| match memory.leaf(leaf) {
            Numbers::Words(words) if leaf.layout.is_contiguous() && map.elements > 1 => Some(words),
            _ => None,
        };
        for (i, leaf) in map.leaves.iter().enumerate() {
            if !leaf.layout.is_scalar() && in_place(leaf).is_none() {
                // SAFETY: the view lies inside its base; the block is this leaf's own.
                unsafe { memory.leaf(leaf).gather(&leaf.layout, start, self.leaf(i, len)) };
            }
        }
        let place = |index: usize| self.place(index, memory, start);
        let find = |source: Source| -> &[f32] {
            let (words, at) = match source {
                Source::Leaf(i) => match in_place(&map.leaves[i]) {
                    Some(words) => (words, map.leaves[i].layout.offset + start),
                    None => (self.scratch, i * BLOCK),
                },
                Source::Instruction(i) => place(i),
            };
            // SAFETY: leaves are inside their base and unwritten meanwhile; blocks and results were filled before and are
            // not written again before the next block.
            unsafe { words.read(at, len) }
        };
        for (i, instruction) in map.instructions.iter().enumerate() {
            let (to, at) = place(i);
            // SAFETY: operands are leaves or earlier instructions, so nothing refers to this place; tasks write disjoint
            // ranges of the targets.
            let out = unsafe { to.write(at, len) };
            apply(instruction.function, find(instruction.x), find(instruction.y), out);
            if instruction.round {
                half::round(out);
            }
        }
        for (source, target) in &map.stores {
            if let Source::Instruction(i) = *source
                && place(i) == (memory.target(target), target.layout.offset + start)
            {
                continue; // computed there
            }
            // SAFETY: the target lies inside its base, is not read in this step, and tasks write disjoint ranges.
            unsafe { store(memory.target(target), &target.layout, start, find(*source)) };
        }
    }
}

/// # Safety
/// As [`strided::scatter`].
unsafe fn store(words: Words<'_>, layout: &Layout, start: usize, from: &[f32]) {
    // SAFETY: by contract.
    unsafe { strided::scatter(words, layout, start, from) };
}

multiversion! {
    /// Applies a function to blocks of equal length; those of one operand ignore `y`.
    fn apply(function: Pointwise, x: &[f32], y: &[f32], out: &mut [f32]) {
        #[inline(always)]
        fn each(x: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
            out.iter_mut().zip(x).for_each(|(o, &x)| *o = f(x));
        }
        #[inline(always)]
        fn pair(x: &[f32], y: &[f32], out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
            out.iter_mut().zip(x).zip(y).for_each(|((o, &x), &y)| *o = f(x, y));
        }
        match function {
            Pointwise::Copy => out.copy_from_slice(x),
            Pointwise::Exp => each(x, out, math::exp),
            Pointwise::Log { epsilon } => each(x, out, |v| (v + epsilon).ln()),
            Pointwise::Sqrt => each(x, out, f32::sqrt),
            Pointwise::Rsqrt { epsilon } => each(x, out, |v| 1.0 / (v + epsilon).sqrt()),
            Pointwise::Inverse { epsilon } => each(x, out, |v| 1.0 / (v + epsilon)),
            Pointwise::Square => each(x, out, |v| v * v),
            Pointwise::Relu => each(x, out, math::relu),
            Pointwise::Sigmoid => each(x, out, math::sigmoid),
            Pointwise::Silu => each(x, out, math::silu),
            Pointwise::Tanh => each(x, out, math::tanh),
            Pointwise::Add => pair(x, y, out, |a, b| a + b),
            Pointwise::Sub => pair(x, y, out, |a, b| a - b),
            Pointwise::Mul => pair(x, y, out, |a, b| a * b),
            Pointwise::Div => pair(x, y, out, |a, b| a / b),
            Pointwise::Maximum => pair(x, y, out, math::larger),
            Pointwise::Minimum => pair(x, y, out, math::smaller),
        }
    }
}
