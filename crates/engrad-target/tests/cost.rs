//! The cost model against arithmetic done by hand and against published timings.

use engrad_mil::Program;
use engrad_target::{Bound, Chip, FunctionCost, cost};

fn cost_of(body: &str, inputs: &str, outputs: &str, chip: &str) -> FunctionCost {
    let text = format!("program(1.3)\n{{\n func main<ios18>({inputs}) {{\n{body}\n }} -> ({outputs});\n}}\n");
    let program: Program = engrad_mil::parse(&text).map_err(|error| error.to_string()).unwrap();
    cost(&program, Chip::named(chip).unwrap()).functions.remove(0)
}

/// `[rows, inner]` times `[inner, columns]`, both inputs, or the second a constant.
fn product(rows: u64, inner: u64, columns: u64, constant: bool, chip: &str) -> FunctionCost {
    let weight = format!("tensor<fp16, [{inner}, {columns}]> w");
    let flags = "bool f = const()[name = string(\"f\"), val = bool(false)];";
    let blob = format!(
        "{weight} = const()[name = string(\"w\"), val = tensor<fp16, [{inner}, {columns}]>(BLOBFILE(path = string(\"w.bin\"), offset = uint64(64)))];"
    );
    let body = format!(
        "{flags} {} tensor<fp16, [{rows}, {columns}]> y = matmul(transpose_x = f, transpose_y = f, x = x, y = w)[name = string(\"y\")];",
        if constant { &blob } else { "" }
    );
    let x = format!("tensor<fp16, [{rows}, {inner}]> x");
    cost_of(&body, &if constant { x } else { format!("{weight}, {x}") }, "y", chip)
}

#[test]
fn a_product_counts_two_for_each_term_and_its_ports_with_padding() {
    let found = product(3, 64, 5, false, "h16");
    assert_eq!(found.flops, 2 * 3 * 64 * 5);
    // Rows of 64, 5 and 5 fp16 values take 128, 64 and 64 bytes.
    assert_eq!(found.port_bytes, 3 * 128 + 64 * 64 + 3 * 64);
    assert_eq!(found.weight_bytes, 0, "attributes are no weights");
    assert_eq!(found.bound, Bound::Dispatch);
}

#[test]
fn large_products_are_bound_by_arithmetic_and_thin_ones_by_weights() {
    assert_eq!(product(4096, 4096, 4096, true, "h16").bound, Bound::Compute);
    let thin = product(1, 8192, 8192, true, "h16");
    assert_eq!(thin.bound, Bound::Memory);
    assert_eq!(thin.weight_bytes, 8192 * 8192 * 2);
    assert_eq!(thin.flops, 2 * 8192 * 8192);
}

#[test]
fn time_is_the_longer_of_both_above_the_floor() {
    let found = product(1, 8192, 8192, true, "h13");
    assert!((found.floor_s - 220e-6).abs() < 1e-12);
    assert!((found.total_s() - (found.compute_s.max(found.memory_s) + found.floor_s)).abs() < 1e-12);
}

/// Microseconds of fact P04's source on an M5 Pro. The model is an order, not a clock: a factor of two is what it claims.
#[test]
fn published_timings_lie_within_a_factor_of_two() {
    for (rows, inner, columns, constant, measured) in [
        (1, 64, 64, true, 74.0),
        (1, 1024, 1024, true, 85.0),
        (1, 2048, 2048, true, 133.0),
        (1, 4096, 4096, true, 293.0),
        (128, 512, 2048, true, 114.0),
        (256, 1024, 1024, true, 145.0),
        (512, 1024, 4096, true, 530.0),
        (1024, 1024, 1024, true, 387.0),
    ] {
        let modelled = product(rows, inner, columns, constant, "h17s").total_s() * 1e6;
        let ratio = modelled / measured;
        assert!(
            (0.5..2.0).contains(&ratio),
            "{rows}×{inner}×{columns}: {modelled:.0} µs, measured {measured}"
        );
    }
}

#[test]
fn a_large_product_goes_to_the_engine_and_a_trivial_one_stays() {
    let large = product(1024, 1024, 1024, true, "h16").placement;
    assert_eq!((large.engine_ops, large.segments, large.changes), (1, 1, 1));
    let trivial = product(1, 8, 8, true, "h16").placement;
    assert_eq!((trivial.host_ops, trivial.segments, trivial.changes), (1, 0, 0));
    assert!(trivial.milliseconds < 0.125);
}
