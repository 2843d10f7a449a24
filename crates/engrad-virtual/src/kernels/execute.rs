//! One evaluation: the plan's steps in order.

use engrad_engine::{ReadGuard, Request};
use engrad_kernels::{ElementType, Factor, RawMatrix};
use engrad_mil::DType;

use super::matmul::Operand;
use super::memory::{ALIGNMENT_WORDS, Arena, Words};
use super::panels::PanelCache;
use super::{Team, attention, elementwise, matmul, ports, reduce, softmax};
use crate::plan::{Base, Plan, Step, View};

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
    let constants = Words::constant(&plan.constants);
    let words = |view: &View| match view.base {
        Base::Constants => constants,
        // Placing left no other base but ports, which steps that read them handle.
        _ => arena,
    };
    let scratch = || {
        let thread = match team {
            Team::Caller => 0,
            Team::Pool => rayon::current_thread_index().unwrap_or(0),
        };
        // SAFETY: the arena ends with scratch for each thread.
        unsafe { arena.part(scratch_start + thread * plan.scratch, plan.scratch) }
    };
    for step in &plan.steps {
        // SAFETY: the plan was checked when it was made, and the arena is as long as it was checked for. A thread's
        // scratch is its own: work on it never yields to another task.
        unsafe {
            match step {
                Step::Load(s) => {
                    let (port, surface) = (&plan.inputs[s.port], &request.inputs()[s.port]);
                    ports::load(s, port, surface, words(&s.target), team);
                }
                Step::Map(s) => elementwise::run(s, words, scratch, team),
                Step::Matmul(s) => {
                    // Locks are held while the product reads ports in place.
                    let locked = lock(plan, request, [&s.x, &s.y]);
                    let [x, y] = locked.operands;
                    let x = x.unwrap_or_else(|| Operand::words(words(&s.x)));
                    let y = y.unwrap_or_else(|| Operand::words(words(&s.y)));
                    let shared = arena.part(shared_start, plan.shared);
                    let panels = |operand: usize, matrix: &RawMatrix, factor: Factor| {
                        let (view, data) = if operand == 0 { (&s.x, x.data) } else { (&s.y, y.data) };
                        let Base::Port(port) = view.base else { return None };
                        let place = (&request.inputs()[port], matrix.data.addr() - data.addr());
                        cache.get(place, matrix, factor, s.precision, team == Team::Pool)
                    };
                    matmul::run(s, (x, y), words(&s.target), shared, scratch, panels, team);
                    drop(locked.guards);
                }
                Step::Attention(s) => {
                    let d_result = s.gradients.as_ref().map_or(&s.value, |g| &g.d_result);
                    let views = [&s.query, &s.key, &s.value, d_result];
                    let locked = lock(plan, request, views);
                    let operand =
                        |i: usize| locked.operands[i].unwrap_or_else(|| Operand::words(words(views[i])));
                    let memory = attention::Memory {
                        query: operand(0),
                        key: operand(1),
                        value: operand(2),
                        d_result: s.gradients.as_ref().map(|_| operand(3)),
                        target: words(&s.target),
                    };
                    attention::run(s, &memory, scratch, team);
                    drop(locked.guards);
                }
                Step::Softmax(s) => softmax::run(s, words(&s.source), words(&s.target), team),
                Step::Reduce(s) => reduce::run(s, words(&s.kept), words(&s.target), team),
                Step::Store(s) => {
                    let (port, surface) = (&plan.outputs[s.port], &request.outputs()[s.port]);
                    ports::store(s, port, surface, words(&s.source), team);
                }
            }
        }
    }
}

/// Input ports locked for a step, and the elements of each of its operands.
struct Locked<'r, const N: usize> {
    guards: [Option<ReadGuard<'r>>; N],
    operands: [Option<Operand>; N],
}

/// Locks the ports among the views. A surface is locked once: a second lock by the same thread could wait for a writer
/// that waits for the first.
fn lock<'r, const N: usize>(plan: &Plan, request: &'r Request, views: [&View; N]) -> Locked<'r, N> {
    let mut locked = Locked { guards: [const { None }; N], operands: [None; N] };
    for (i, view) in views.iter().enumerate() {
        let Base::Port(port) = view.base else { continue };
        let surface = &request.inputs()[port];
        let element = match plan.inputs[port].ty.dtype {
            DType::Fp16 => ElementType::F16,
            _ => ElementType::F32,
        };
        let again = views[..i].iter().zip(&locked.operands).find_map(|(other, operand)| match other.base {
            Base::Port(other) if request.inputs()[other].is_same(surface) => *operand,
            _ => None,
        });
        let data = match again {
            Some(operand) => operand.data,
            None => locked.guards[i].insert(surface.read()).bytes().as_ptr(),
        };
        locked.operands[i] = Some(Operand { data, element });
    }
    locked
}
