//! Plans: what a kernel does at each evaluation, decided once.
//!
//! * [`lower`] walks a function: views become strides; [`arithmetic`] makes steps of operations that compute,
//!   [`values`] knows where each value stands.
//! * [`targets`] finds those places.
//! * [`attention`] recognises causal attention in the operations that spell it out.
//! * [`fuse`] collects elementwise work, [`follow`] puts it behind the steps whose results it reads.
//! * [`spare`] leaves out the memory of results that are in an output port or are read by what follows alone.
//! * [`place`] assigns buffers to one arena by their lifetimes, and checks the contract that kernels rely on.
//!
//! Values are kept as f32, under fp16 numerics as f32 that are fp16 numbers, so that products read them without
//! conversion; memory is what this costs.

mod arithmetic;
mod attention;
mod follow;
mod fuse;
mod lower;
mod place;
mod spare;
mod targets;
mod values;

use engrad_engine::Port;

use crate::kernels::Team;
use crate::kernels::attention::Attention;
use crate::kernels::elementwise::Map;
use crate::kernels::matmul::Matmul;
use crate::kernels::ports::{Load, Store};
use crate::kernels::reduce::Reduce;
use crate::kernels::softmax::Softmax;
use crate::layout::Layout;

pub(crate) use follow::{Follower, Planned};
pub(crate) use lower::compile;

/// What a view's offsets count in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Base {
    /// A buffer of the plan; gone once buffers are placed.
    Buffer(usize),
    /// The arena.
    Arena,
    /// The plan's constants.
    Constants,
    /// Elements of an input port.
    Port(usize),
    /// Elements of an output port that an earlier step filled.
    Output(usize),
    /// The step's result, which goes nowhere but to what follows the step.
    Held,
}

/// A strided view of some memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) base: Base,
    pub(crate) layout: Layout,
}

impl View {
    /// The same elements in the same order, in as few dimensions as possible.
    fn collapse(self) -> Self {
        Self { layout: self.layout.collapse(), ..self }
    }
}

/// One step; steps run in order, each on all threads.
#[derive(Debug)]
pub(crate) enum Step {
    Load(Load),
    Map(Map),
    Matmul(Matmul),
    Softmax(Softmax),
    Attention(Box<Attention>),
    Reduce(Reduce),
    Store(Store),
}

impl Step {
    /// Views read, and views written.
    fn views(&mut self) -> (Vec<&mut View>, Vec<&mut View>) {
        match self {
            Self::Load(s) => (vec![&mut s.source], vec![&mut s.target]),
            Self::Map(s) => s.views(),
            Self::Matmul(s) => (vec![&mut s.x, &mut s.y], vec![&mut s.target]),
            Self::Softmax(s) => (vec![&mut s.source], vec![&mut s.target]),
            Self::Attention(s) => {
                let (mut sources, mut targets) =
                    (vec![&mut s.query, &mut s.key, &mut s.value], vec![&mut s.target]);
                if let Some(g) = &mut s.gradients {
                    sources.push(&mut g.d_result);
                    targets.extend([&mut g.d_query, &mut g.d_key]);
                }
                (sources, targets)
            }
            Self::Reduce(s) => (vec![&mut s.kept], vec![&mut s.target]),
            Self::Store(s) => (vec![&mut s.source], vec![]),
        }
    }

    /// Views read that may be of ports: their numbers need no conversion first.
    fn convertible(&mut self) -> Vec<&mut View> {
        match self {
            Self::Map(_) | Self::Matmul(_) | Self::Attention(_) => self.views().0,
            _ => Vec::new(),
        }
    }

    /// Words beyond the end of its views' layouts that the step touches, for (sources, targets).
    fn overhang(&self) -> (usize, usize) {
        match self {
            // The target's layout is that of rows.
            Self::Softmax(s) => (0, s.width - 1),
            // The source's layout is that of the kept axes.
            Self::Reduce(s) => (s.reduced.end() - 1, 0),
            _ => (0, 0),
        }
    }

    /// Words of scratch for each thread, and words that all threads share.
    pub(crate) fn scratch(&self) -> (usize, usize) {
        match self {
            Self::Map(map) => (map.scratch(), 0),
            Self::Matmul(matmul) => (matmul.scratch(), matmul.shared()),
            Self::Attention(attention) => (attention.scratch(), attention.shared()),
            _ => (0, 0),
        }
    }

    /// Numbers moved or multiplied, roughly what the step costs.
    fn work(&self) -> usize {
        match self {
            Self::Load(s) => s.target.layout.elements(),
            Self::Map(s) => s.work(),
            Self::Matmul(s) => s.work() / 16,
            Self::Attention(s) => s.work() / 16,
            Self::Softmax(s) => s.rows * s.width * 4,
            Self::Reduce(s) => s.kept.layout.elements().saturating_mul(s.reduced.elements()),
            Self::Store(s) => s.source.layout.elements(),
        }
    }
}

/// A compiled function.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) steps: Vec<Planned>,
    pub(crate) constants: Vec<f32>,
    /// Words of arena it needs, scratch not included.
    pub(crate) words: usize,
    /// Words of scratch each thread needs.
    pub(crate) scratch: usize,
    /// Words of scratch that threads share.
    pub(crate) shared: usize,
    /// Who evaluates it.
    pub(crate) team: Team,
}
