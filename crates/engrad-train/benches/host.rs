//! Every kernel of the host, in bytes a second, to be held against the memory's speed (`engrad bench train`) or, for
//! what stays in caches, against one another. `cargo bench -p engrad-train --features benchmarks`; set
//! `RAYON_NUM_THREADS` to choose the threads.
#![allow(missing_docs, reason = "criterion's macros define undocumented items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engrad_train::benchmarks::CASES;

fn kernels(c: &mut Criterion) {
    for case in CASES {
        let (group, kernel) = case.name.split_once('/').unwrap_or(("host", case.name));
        let mut group = c.benchmark_group(group);
        let bytes = case.elements * case.bytes_per_element;
        group.sample_size(20).throughput(Throughput::Bytes(bytes as u64));
        let mut run = None;
        group.bench_function(kernel, |bench| {
            // Only if it is chosen, and once.
            let run = run.get_or_insert_with(|| (case.prepare)().expect("memory"));
            bench.iter(run);
        });
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
