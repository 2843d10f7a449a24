//! Elementwise work: a short program of operations run over blocks that stay in cache, so that a chain of
//! operations reads its operands and writes its results once.

use engrad_mil::Op;

use super::memory::Words;
use super::numbers::Numbers;
use super::ports::Output;
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

/// Most leaves and instructions of a map; more would not stay in the first-level cache.
pub(crate) const MOST_SOURCES: usize = 24;

/// Elementwise instructions over one shape, [`MOST_SOURCES`] at most with their leaves.
#[derive(Debug)]
pub(crate) struct Map {
    /// Elements of the shape.
    pub(crate) elements: usize,
    /// Tensors read, stretched to the shape; collapsed.
    pub(crate) leaves: Vec<View>,
    pub(crate) instructions: Vec<Instruction>,
    /// What is kept, and where; collapsed.
    pub(crate) stores: Vec<(Source, View)>,
    /// What goes to output ports, whose elements are in the shape's order.
    pub(crate) outputs: Vec<(Source, usize)>,
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
    /// What a leaf reads: working memory, constants, a port, or the result that is followed.
    fn leaf(&self, view: &View) -> Numbers<'a>;
    /// Working memory.
    fn target(&self, view: &View) -> Words<'a>;
    /// The memory of an output port.
    fn output(&self, port: usize) -> Output;
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
    let leaves = map.leaves.len();
    let block = |i: usize| Operand::Block(i * BLOCK);
    // Where operands stand is found once, not for each block.
    let mut operands = [Operand::Block(0); MOST_SOURCES];
    for (i, (operand, view)) in operands.iter_mut().zip(&map.leaves).enumerate() {
        let numbers = memory.leaf(view);
        *operand = match numbers {
            _ if view.layout.is_scalar() => {
                // SAFETY: one element inside its base, repeated; the block is this leaf's own.
                unsafe { scratch.write(i * BLOCK, BLOCK).fill(numbers.at(view.layout.offset)) };
                block(i)
            }
            Numbers::Words(words) => Operand::words(words, &view.layout, i * BLOCK),
            Numbers::Half(_) => block(i),
        };
    }
    for (i, operand) in operands[leaves..].iter_mut().take(map.instructions.len()).enumerate() {
        // Computed where it is stored first, if its elements stand together there, otherwise in a block.
        let mut stored = map.stores.iter().filter(|(source, _)| *source == Source::Instruction(i));
        *operand = match stored.next() {
            Some((_, target)) => Operand::words(memory.target(target), &target.layout, (leaves + i) * BLOCK),
            None => block(leaves + i),
        };
    }
    let blocks = Blocks { map, scratch, operands: &operands };
    let end = start + len;
    for start in (start..end).step_by(BLOCK) {
        // SAFETY: by contract.
        unsafe { blocks.run(memory, (start, BLOCK.min(end - start))) };
    }
}

/// Where the numbers of a leaf or of an instruction's result are.
#[derive(Debug, Clone, Copy)]
enum Operand<'a, 'm> {
    /// In the block of scratch that begins at that word.
    Block(usize),
    /// One behind the other, from that word on.
    Row(Words<'a>, usize),
    /// Where the layout says, if the elements of a block stand together there, otherwise in the block of scratch that begins
    /// at that word.
    Strided(Words<'a>, &'m Layout, usize),
}

impl<'a, 'm> Operand<'a, 'm> {
    fn words(words: Words<'a>, layout: &'m Layout, block: usize) -> Self {
        match layout.is_contiguous() {
            true => Self::Row(words, layout.offset),
            false => Self::Strided(words, layout, block),
        }
    }
}

struct Blocks<'a, 'm> {
    map: &'m Map,
    scratch: Words<'a>,
    /// Of leaves, and behind them of instructions.
    operands: &'m [Operand<'a, 'm>; MOST_SOURCES],
}

impl<'a> Blocks<'a, '_> {
    /// The words of an operand's elements in a block.
    fn place(&self, source: Source, (start, len): (usize, usize)) -> (Words<'a>, usize) {
        let operand = match source {
            Source::Leaf(i) => i,
            Source::Instruction(i) => self.map.leaves.len() + i,
        };
        match self.operands[operand] {
            Operand::Block(block) => (self.scratch, block),
            Operand::Row(words, offset) => (words, offset + start),
            Operand::Strided(words, layout, block) => {
                layout.run(start, len).map_or((self.scratch, block), |offset| (words, offset))
            }
        }
    }

    /// # Safety
    /// As [`range`].
    unsafe fn run(&self, memory: &impl Places<'a>, (start, len): (usize, usize)) {
        let map = self.map;
        let place = |source| self.place(source, (start, len));
        for (i, leaf) in map.leaves.iter().enumerate() {
            let block = i * BLOCK;
            if !leaf.layout.is_scalar() && place(Source::Leaf(i)) == (self.scratch, block) {
                // SAFETY: the view lies inside its base; the block is this leaf's own.
                unsafe { memory.leaf(leaf).gather(&leaf.layout, start, self.scratch.write(block, len)) };
            }
        }
        let find = |source: Source| -> &[f32] {
            let (words, at) = place(source);
            // SAFETY: leaves are inside their base and unwritten meanwhile; blocks and results were filled before and are
            // not written again before the next block.
            unsafe { words.read(at, len) }
        };
        for (i, instruction) in map.instructions.iter().enumerate() {
            let (to, at) = place(Source::Instruction(i));
            // SAFETY: operands are leaves or earlier instructions, so nothing refers to this place; tasks write disjoint
            // ranges of the targets.
            let out = unsafe { to.write(at, len) };
            apply(instruction.function, find(instruction.x), find(instruction.y), out);
            if instruction.round {
                half::round(out);
            }
        }
        for (source, target) in &map.stores {
            let words = memory.target(target);
            if target.layout.run(start, len).is_some_and(|offset| place(*source) == (words, offset)) {
                continue; // computed there
            }
            // SAFETY: the target lies inside its base, is not read in this step, and tasks write disjoint ranges.
            unsafe { strided::scatter(words, &target.layout, start, find(*source)) };
        }
        for (source, port) in &map.outputs {
            // SAFETY: tasks write disjoint ranges, and the port is this map's in this step.
            unsafe { memory.output(*port).write(start, find(*source)) };
        }
    }
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
