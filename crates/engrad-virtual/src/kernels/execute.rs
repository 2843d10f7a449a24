//! One evaluation: the plan's steps in order.

use engrad_engine::{HostAccess, Port, Request};
use engrad_kernels::{ElementType, Factor, RawMatrix};
use engrad_mil::DType;

use super::elementwise::Places;
use super::follow::Following;
use super::matmul::{Follow, Operand, SharedPanels};
use super::memory::{ALIGNMENT_WORDS, Arena, Words};
use super::numbers::Numbers;
use super::panels::PanelCache;
use super::ports::Output;
use super::{Team, attention, matmul, ports, reduce, softmax};
use crate::plan::{Base, Plan, Planned, Step, View};

/// Words of arena that a plan needs on a pool of that many threads: its values, scratch that threads share, and
/// scratch for each.
pub(crate) fn arena_words(plan: &Plan, threads: usize) -> usize {
    shared_start(plan) + plan.shared + plan.scratch * threads
}

fn shared_start(plan: &Plan) -> usize {
    plan.words.next_multiple_of(ALIGNMENT_WORDS)
}

/// Runs a plan on a request's surfaces. `arena` has [`arena_words`] for the current thread pool, or for one thread if
/// the plan is the caller's alone.
pub(crate) fn run(plan: &Plan, arena: &mut Arena, request: &Request, cache: &PanelCache) {
    let team = plan.team;
    let shared_start = shared_start(plan);
    let scratch_start = shared_start + plan.shared;
    debug_assert!(arena.len() >= scratch_start + plan.scratch);
    let arena = arena.words();
    let access = request.access();
    let access = &access;
    let memory = &Bases { plan, access, arena, constants: Words::constant(&plan.constants) };
    let words = |view: &View| memory.target(view);
    let element = |port: &Port| match port.ty.dtype {
        DType::Fp16 => ElementType::F16,
        _ => ElementType::F32,
    };
    // Products and attention read ports in place.
    let operand = |view: &View| match view.base {
        Base::Port(port) => {
            Operand { data: access.input(port).as_ptr(), element: element(&plan.inputs[port]) }
        }
        Base::Output(port) => {
            Operand { data: access.output(port).0.cast_const(), element: element(&plan.outputs[port]) }
        }
        // SAFETY: views have elements.
        _ => unsafe { Operand::words(words(view)) },
    };
    let thread = || match team {
        Team::Caller => 0,
        Team::Pool => rayon::current_thread_index().unwrap_or(0),
    };
    // SAFETY: the arena ends with scratch for each thread.
    let scratch = || unsafe { arena.part(scratch_start + thread() * plan.scratch, plan.scratch) };
    // SAFETY: these words are for panels alone.
    let mut shared = SharedPanels::new(unsafe { arena.part(shared_start, plan.shared) });
    for Planned { step, followers } in &plan.steps {
        if !matches!(step, Step::Matmul(_)) {
            shared.forget();
        }
        let behind = step.scratch().0.next_multiple_of(ALIGNMENT_WORDS);
        // SAFETY: scratch is as long as the step and its followers need, one behind the other.
        let scratch_of_followers = || unsafe { scratch().part(behind, plan.scratch - behind) };
        let following = Following { followers, memory, scratch: scratch_of_followers };
        // SAFETY: the plan was checked when it was made, and the arena is as long as it was checked for. A thread's
        // scratch is its own: work on it never yields to another task. All surfaces are held.
        unsafe {
            match step {
                Step::Load(s) => {
                    let (port, surface) = (&plan.inputs[s.port], access.input(s.port));
                    ports::load(s, port, surface, words(&s.target), team);
                }
                Step::Map(s) => following.after_map(s, scratch, team),
                Step::Matmul(s) => {
                    let [x, y] = [&s.x, &s.y].map(operand);
                    let panels = |operand: usize, matrix: &RawMatrix, factor: Factor| {
                        let (view, data) = if operand == 0 { (&s.x, x.data) } else { (&s.y, y.data) };
                        let Base::Port(port) = view.base else { return None };
                        let place = (&request.inputs()[port], matrix.data.addr() - data.addr());
                        cache.get(place, matrix, factor, s.precision, team == Team::Pool)
                    };
                    let follow = |start, len, first| following.range(start, len, first);
                    let follow: Option<&Follow<'_>> = if followers.is_empty() { None } else { Some(&follow) };
                    let work = (team, follow);
                    matmul::run(s, (x, y), words(&s.target), &mut shared, scratch, panels, work);
                }
                Step::Attention(s) => {
                    let memory = attention::Memory {
                        query: operand(&s.query),
                        key: operand(&s.key),
                        value: operand(&s.value),
                        d_result: s.gradients.as_ref().map(|g| operand(&g.d_result)),
                        target: words(&s.target),
                    };
                    attention::run(s, &memory, shared.words(), scratch, team);
                }
                Step::Softmax(s) => softmax::run(s, words(&s.source), words(&s.target), team),
                Step::Reduce(s) => reduce::run(s, words(&s.kept), words(&s.target), team),
                Step::Store(s) => ports::store(s, memory.output(s.port), words(&s.source), team),
            }
        }
    }
}

/// What the bases of a plan's views stand for in one evaluation.
struct Bases<'a, 'r> {
    plan: &'a Plan,
    access: &'a HostAccess<'r>,
    arena: Words<'a>,
    constants: Words<'a>,
}

impl<'a> Places<'a> for Bases<'a, '_> {
    fn leaf(&self, view: &View) -> Numbers<'a> {
        match view.base {
            Base::Port(port) => Numbers::of_surface(self.access.input(port), self.plan.inputs[port].ty.dtype),
            Base::Output(port) => {
                let (data, bytes) = self.access.output(port);
                // SAFETY: the surface is ours while accessed, and an earlier step filled it.
                let surface = unsafe { std::slice::from_raw_parts(data.cast_const(), bytes) };
                Numbers::of_surface(surface, self.plan.outputs[port].ty.dtype)
            }
            _ => Numbers::Words(self.target(view)),
        }
    }

    fn target(&self, view: &View) -> Words<'a> {
        match view.base {
            Base::Constants => self.constants,
            // Placing left no other base but ports, which steps that read them handle, and results that are held.
            _ => self.arena,
        }
    }

    fn output(&self, port: usize) -> Output {
        Output::new(&self.plan.outputs[port], self.access.output(port).0)
    }
}
