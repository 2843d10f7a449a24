//! One evaluation: the plan's steps in order.

use engrad_engine::Request;

use super::matmul::Operand;
use super::memory::{ALIGNMENT_WORDS, Arena, Words};
use super::{elementwise, matmul, ports, reduce, softmax};
use crate::plan::{Base, Plan, Step, View};

/// Runs a plan on a request's surfaces, on the current thread pool. `arena` has the plan's words, and after them
/// its scratch for each thread of the pool.
pub(crate) fn run(plan: &Plan, arena: &mut Arena, request: &Request) {
    let threads = rayon::current_num_threads();
    let scratch_start = plan.words.next_multiple_of(ALIGNMENT_WORDS);
    debug_assert!(arena.len() >= scratch_start + threads * plan.scratch);
    let arena = arena.words();
    let constants = Words::constant(&plan.constants);
    let words = |view: &View| match view.base {
        Base::Constants => constants,
        // Placing left no other base but ports, which steps that read them handle.
        _ => arena,
    };
    let scratch = || {
        let thread = rayon::current_thread_index().unwrap_or(0);
        // SAFETY: the arena ends with scratch for each thread.
        unsafe { arena.part(scratch_start + thread * plan.scratch, plan.scratch) }
    };
    for step in &plan.steps {
        // SAFETY: the plan was checked when it was made, and the arena is as long as it was checked for. A thread's
        // scratch is its own: work on it never yields to another task.
        unsafe {
            match step {
                Step::Load(s) => {
                    ports::load(s, &plan.inputs[s.port], &request.inputs()[s.port], words(&s.target));
                }
                Step::Map(s) => elementwise::run(s, words, scratch),
                Step::Matmul(s) => {
                    let on_port = [&s.x, &s.y].into_iter().find_map(|view| match view.base {
                        Base::Port(port) => Some(port),
                        _ => None,
                    });
                    // The lock is held while the product reads the port in place.
                    let guard = on_port.map(|port| request.inputs()[port].read());
                    let operand = |view: &View| match (view.base, &guard) {
                        (Base::Port(_), Some(guard)) if s.widens => Operand::Half(guard.fp16()),
                        (Base::Port(_), Some(guard)) => Operand::Words(Words::constant(guard.fp32())),
                        _ => Operand::Words(words(view)),
                    };
                    matmul::run(s, (operand(&s.x), operand(&s.y)), words(&s.target), scratch);
                }
                Step::Softmax(s) => softmax::run(s, words(&s.source), words(&s.target)),
                Step::Reduce(s) => reduce::run(s, words(&s.kept), words(&s.target)),
                Step::Store(s) => {
                    ports::store(s, &plan.outputs[s.port], &request.outputs()[s.port], words(&s.source));
                }
            }
        }
    }
}
