//! Evaluation allocates nothing. One test alone in its binary: the allocator counts for the whole process.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use common::{bind, engine, random_inputs};
use engrad_engine::Engine;
use engrad_mil::{Builder, DType, Function, Program, TensorType};
use engrad_virtual::Numerics;

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: the system allocator, with counters beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn function(with_product: bool) -> Function {
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::channels(DType::Fp16, 96, 300));
    let y = b.input("y", TensorType::channels(DType::Fp32, 96, 300));
    let y = b.cast("half", y, DType::Fp16).unwrap();
    let t = b.transpose("t", x, &[0, 2, 3, 1]).unwrap();
    let s = b.softmax("s", t, -1).unwrap();
    let s = b.transpose("back", s, &[0, 3, 1, 2]).unwrap();
    let g = b.silu("g", x).unwrap();
    let g = b.mul("gated", g, y).unwrap();
    let joined = b.concat("joined", &[g, s, x], 1).unwrap();
    let mut outputs = vec![joined, b.reduce_sum("sum", joined, &[1]).unwrap()];
    if with_product {
        let m = b.reshape("m", joined, &[1, 1, 288, 300]).unwrap();
        outputs.push(b.matmul("square", (m, false), (m, true)).unwrap());
    }
    b.finish(&outputs).unwrap()
}

#[test]
fn evaluation_allocates_nothing_of_its_own() {
    let engine = engine(Numerics::Fast, 3);
    let requests = [false, true].map(|with_product| {
        let function = function(with_product);
        let kernel = engine.compile(&Program::new(function.clone())).unwrap();
        bind(&kernel, &random_inputs(&function, 5))
    });
    // From inside the pool: handing work to it from outside lets the pool's queue allocate a block now and then.
    engine.pool().install(|| {
        // Threads set up what they keep.
        for _ in 0..50 {
            requests.iter().for_each(|r| r.evaluate().unwrap());
        }
        let calls = CALLS.load(Ordering::Relaxed);
        for _ in 0..50 {
            requests[0].evaluate().unwrap();
        }
        assert_eq!(CALLS.load(Ordering::Relaxed) - calls, 0, "without products");
        let live = LIVE.load(Ordering::Relaxed);
        for _ in 0..50 {
            requests[1].evaluate().unwrap();
        }
        assert_eq!(LIVE.load(Ordering::Relaxed), live, "what products allocate is given back");
    });
}
