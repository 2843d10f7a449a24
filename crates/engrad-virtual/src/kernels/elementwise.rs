//! Elementwise work: a short program of operations run over blocks that stay in cache, so that a chain of
//! operations reads its operands and writes its results once.

use engrad_mil::Op;

use super::memory::Words;
use super::{BLOCK, TASK, Team, half, math, multiversion, strided};
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
    /// Words of scratch a thread needs.
    pub(crate) fn scratch(&self) -> usize {
        (self.leaves.len() + self.instructions.len()) * BLOCK
    }
}

/// Runs a map. `words` gives the memory behind a view's base; `scratch` gives the calling thread's own
/// [`Map::scratch`] words.
///
/// # Safety
/// The plan contract holds for the map under `words`, and scratch belongs to the thread alone.
pub(crate) unsafe fn run<'a>(
    map: &Map,
    words: impl Fn(&View) -> Words<'a> + Sync + Send,
    scratch: impl Fn() -> Words<'a> + Sync + Send,
    team: Team,
) {
    team.ranges(map.elements, TASK, |start, len| {
        let blocks = Blocks { map, scratch: scratch() };
        // Scalars fill their block once per task.
        for (i, leaf) in map.leaves.iter().enumerate().filter(|(_, leaf)| leaf.layout.is_scalar()) {
            // SAFETY: one element inside its base; the block is this leaf's own.
            unsafe { blocks.leaf(i, BLOCK).fill(words(leaf).read(leaf.layout.offset, 1)[0]) };
        }
        for start in (start..start + len).step_by(BLOCK) {
            let len = BLOCK.min(map.elements - start).min(BLOCK);
            // SAFETY: by contract; tasks cover disjoint ranges.
            unsafe { blocks.run(&words, start, len) };
        }
    });
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

    /// # Safety
    /// No other reference to this instruction's block is alive.
    unsafe fn result(&self, index: usize, len: usize) -> &'a mut [f32] {
        // SAFETY: as for leaves, whose blocks come first.
        unsafe { self.scratch.write((self.map.leaves.len() + index) * BLOCK, len) }
    }

    /// # Safety
    /// As [`run`].
    unsafe fn run(&self, words: &impl Fn(&View) -> Words<'a>, start: usize, len: usize) {
        let map = self.map;
        for (i, leaf) in map.leaves.iter().enumerate() {
            if !leaf.layout.is_contiguous() && !leaf.layout.is_scalar() {
                // SAFETY: the view lies inside its base; the block is this leaf's own.
                unsafe { strided::gather(words(leaf), &leaf.layout, start, self.leaf(i, len)) };
            }
        }
        let find = |source: Source| -> &[f32] {
            // SAFETY: a contiguous leaf is read where it is, inside its base and unwritten during the step; other
            // blocks were filled before, and are not written again before the next block.
            unsafe {
                match source {
                    Source::Leaf(i) if map.leaves[i].layout.is_contiguous() && map.elements > 1 => {
                        words(&map.leaves[i]).read(map.leaves[i].layout.offset + start, len)
                    }
                    Source::Leaf(i) => self.scratch.read(i * BLOCK, len),
                    Source::Instruction(i) => self.scratch.read((map.leaves.len() + i) * BLOCK, len),
                }
            }
        };
        for (i, instruction) in map.instructions.iter().enumerate() {
            // SAFETY: operands are leaves or earlier instructions, so nothing refers to this block.
            let out = unsafe { self.result(i, len) };
            apply(instruction.function, find(instruction.x), find(instruction.y), out);
            if instruction.round {
                half::round(out);
            }
        }
        for (source, target) in &map.stores {
            // SAFETY: the target lies inside its base, is not read in this step, and tasks write disjoint ranges.
            unsafe { store(words(target), &target.layout, start, find(*source)) };
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
