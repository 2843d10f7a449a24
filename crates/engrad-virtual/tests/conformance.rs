//! Every operation in every form against the f64 reference.

mod common;

use common::check;
use engrad_mil::{Argument, Builder, Constant, DType, Function, MilError, Op, TensorType, ValueId};

const DTYPES: [DType; 2] = [DType::Fp16, DType::Fp32];

/// Builds a function on inputs of those shapes, in both floating types, and checks it.
fn on(shapes: &[&[usize]], build: impl Fn(&mut Builder, &[ValueId]) -> Result<Vec<ValueId>, MilError>) {
    for dtype in DTYPES {
        let mut b = Builder::new("main");
        let inputs: Vec<ValueId> = shapes
            .iter()
            .enumerate()
            .map(|(i, shape)| b.input(&format!("in{i}"), TensorType::new(dtype, *shape)))
            .collect();
        let outputs = build(&mut b, &inputs).unwrap();
        let function: Function = b.finish(&outputs).unwrap();
        check(&function, 7);
    }
}

/// Shifted to 0.5 … 2.5, where roots, logarithms and quotients are tame.
fn positive(b: &mut Builder, x: ValueId) -> Result<ValueId, MilError> {
    let shift = b.scalar("shift", b.ty(x).dtype, 1.5)?;
    b.add("positive", x, shift)
}

#[test]
fn elementwise_functions() {
    for shape in [&[1, 3, 1, 37][..], &[2, 600, 5], &[1], &[]] {
        on(&[shape], |b, x| {
            let p = positive(b, x[0])?;
            Ok(vec![
                b.exp("exp", x[0])?,
                b.log("log", p, 1e-3)?,
                b.sqrt("sqrt", p)?,
                b.rsqrt("rsqrt", p, 1e-3)?,
                b.inverse("inverse", p, 1e-3)?,
                b.square("square", x[0])?,
                b.op(Op::Relu, "relu", vec![("x", Argument::Value(x[0]))])?,
                b.sigmoid("sigmoid", x[0])?,
                b.silu("silu", x[0])?,
                b.tanh("tanh", x[0])?,
                b.identity("identity", x[0])?,
            ])
        });
    }
}

#[test]
fn elementwise_pairs_in_every_form_of_broadcast() {
    let forms: [(&[usize], &[usize]); 10] = [
        (&[1, 3, 5, 7], &[1, 3, 5, 7]),
        (&[1, 3, 5, 7], &[]),
        (&[1], &[1, 3, 5, 7]),
        (&[1, 4, 5, 6], &[1, 1, 5, 6]),
        (&[1, 1, 33, 33], &[1, 4, 33, 33]),
        (&[2, 3, 33, 5], &[2, 3, 33, 1]),
        (&[1, 1, 9, 1], &[1, 4, 9, 33]),
        (&[4, 1, 5], &[3, 1]),
        (&[1, 6, 1, 1], &[1, 1, 1, 40]),
        (&[2, 1, 3, 1, 4], &[3, 1, 5, 1]),
    ];
    for (x, y) in forms {
        on(&[x, y], |b, v| {
            let p = positive(b, v[1])?;
            let pair = |x, y| vec![("x", Argument::Value(x)), ("y", Argument::Value(y))];
            Ok(vec![
                b.add("add", v[0], v[1])?,
                b.sub("sub", v[0], v[1])?,
                b.mul("mul", v[1], v[0])?,
                b.real_div("div", v[0], p)?,
                b.op(Op::Maximum, "max", pair(v[0], v[1]))?,
                b.op(Op::Minimum, "min", pair(v[0], v[1]))?,
            ])
        });
    }
}

#[test]
fn softmax_over_every_axis_of_plain_and_transposed_operands() {
    on(&[&[2, 3, 5, 33]], |b, x| {
        let t = b.transpose("t", x[0], &[0, 3, 1, 2])?;
        let mut outputs = vec![b.softmax("last", x[0], -1)?];
        for axis in 0..4 {
            outputs.push(b.softmax("plain", x[0], axis)?);
            outputs.push(b.softmax("transposed", t, axis - 4)?);
        }
        Ok(outputs)
    });
    on(&[&[1, 1, 1, 1]], |b, x| Ok(vec![b.softmax("one", x[0], 1)?]));
}

#[test]
fn softmax_with_a_mask_of_the_lowest_fp16_number_gives_zeros_not_nan() {
    on(&[&[1, 2, 4, 4]], |b, x| {
        let mask: Vec<f32> = (0..16).map(|i| if i % 4 > i / 4 { -65504.0 } else { 0.0 }).collect();
        let mask = b.constant("mask", Constant::floats(b.ty(x[0]).dtype, [1, 1, 4, 4], &mask)?);
        let masked = b.add("masked", x[0], mask)?;
        Ok(vec![b.softmax("probabilities", masked, -1)?])
    });
}

#[test]
fn reductions_over_any_axes() {
    let sets: [&[i32]; 9] = [&[0], &[1], &[-1], &[2], &[1, 3], &[0, 2], &[2, 3], &[1, 2, 3], &[0, 1, 2, 3]];
    for axes in sets {
        for keep in [true, false] {
            on(&[&[2, 19, 3, 37]], |b, x| {
                let t = b.transpose("t", x[0], &[3, 1, 0, 2])?;
                let mut outputs = Vec::new();
                for (op, name) in [(Op::ReduceSum, "sum"), (Op::ReduceMean, "mean"), (Op::ReduceMax, "max")] {
                    for operand in [x[0], t] {
                        let list = b.constant("axes", Constant::ints(axes));
                        let flag = b.constant("keep", Constant::bool(keep));
                        let arguments = vec![
                            ("axes", Argument::Value(list)),
                            ("keep_dims", Argument::Value(flag)),
                            ("x", Argument::Value(operand)),
                        ];
                        outputs.push(b.op(op, name, arguments)?);
                    }
                }
                Ok(outputs)
            });
        }
    }
}

#[test]
fn a_reduction_of_a_broadcast_result() {
    on(&[&[1, 8, 1, 1], &[1, 1, 1, 70]], |b, v| {
        let outer = b.mul("outer", v[0], v[1])?;
        Ok(vec![b.reduce_sum("rows", outer, &[1])?, b.reduce_mean("columns", outer, &[-1])?])
    });
}

#[test]
fn products_with_all_transposes_and_broadcast_batches() {
    let batches: [(&[usize], &[usize]); 6] = [
        (&[], &[]),
        (&[2, 3], &[2, 3]),
        (&[2, 1], &[1, 3]),
        (&[4], &[]),
        (&[], &[2, 2]),
        (&[2, 3, 2], &[3, 1]),
    ];
    for (x_batch, y_batch) in batches {
        for (m, k, n) in [(1, 1, 1), (5, 7, 3), (33, 20, 65), (1, 40, 9), (9, 40, 1)] {
            for (tx, ty) in [(false, false), (true, false), (false, true), (true, true)] {
                let matrix = |batch: &[usize], rows, columns, t| {
                    let tail = if t { [columns, rows] } else { [rows, columns] };
                    [batch, &tail].concat()
                };
                let (x, y) = (matrix(x_batch, m, k, tx), matrix(y_batch, k, n, ty));
                on(&[&x, &y], |b, v| Ok(vec![b.matmul("product", (v[0], tx), (v[1], ty))?]));
            }
        }
    }
}

#[test]
fn products_larger_than_a_tile() {
    for (m, k, n) in [(700, 300, 130), (100, 600, 500)] {
        on(&[&[1, m, k], &[1, k, n]], |b, v| {
            let scale = b.scalar("scale", b.ty(v[0]).dtype, 0.1)?;
            let x = b.mul("scaled", v[0], scale)?;
            Ok(vec![
                b.matmul("product", (x, false), (v[1], false))?,
                b.matmul("direct", (v[0], false), (v[1], false))?,
            ])
        });
    }
}

#[test]
fn large_weights_from_ports_plain_transposed_and_as_part_of_a_port() {
    // Weights [out, in] and [in, out], activations [in, width]; widths that pad rows and widths that do not.
    for width in [64, 70] {
        on(&[&[1, 1, 320, 288], &[1, 1, 288, 320], &[1, 288, 1, width]], |b, v| {
            let x = b.reshape("x2", v[2], &[1, 1, 288, width])?;
            Ok(vec![
                b.matmul("plain", (v[0], false), (x, false))?,
                b.matmul("transposed", (v[1], true), (x, false))?,
                b.matmul("rows", (x, true), (v[0], true))?,
                b.matmul("columns", (x, true), (v[1], false))?,
            ])
        });
    }
    on(&[&[1, 288, 1, 64 + 320]], |b, v| {
        let x = b.slice_axis("x", v[0], 3, 0, 64)?;
        let w = b.slice_axis("w", v[0], 3, 64, 320)?;
        let x = b.reshape("x2", x, &[1, 1, 288, 64])?;
        let w = b.reshape("w2", w, &[1, 1, 288, 320])?;
        Ok(vec![b.matmul("product", (w, true), (x, false))?])
    });
}

#[test]
fn products_of_views_of_views() {
    on(&[&[1, 12, 1, 40], &[1, 12, 1, 40]], |b, v| {
        let q = b.reshape("q", v[0], &[1, 3, 4, 40])?;
        let k = b.reshape("k", v[1], &[1, 3, 4, 40])?;
        let q = b.slice_axis("q_part", q, 3, 5, 33)?;
        let k = b.slice_axis("k_part", k, 3, 2, 31)?;
        let kt = b.transpose("kt", k, &[0, 1, 3, 2])?;
        let scores = b.matmul("scores", (kt, false), (q, false))?;
        let again = b.matmul("again", (q, true), (kt, true))?;
        Ok(vec![scores, again])
    });
}

#[test]
fn views_of_views_and_reshapes_that_need_a_copy() {
    on(&[&[2, 3, 4, 35]], |b, x| {
        let t = b.transpose("t", x[0], &[0, 3, -2, 1])?;
        let s = b.slice_axis("s", t, 1, 3, 30)?;
        let r = b.reshape("r", s, &[2, 6, 60])?;
        let sum = b.add("sum", r, r)?;
        let axes = b.constant("at", Constant::ints(&[0, -1]));
        let e =
            b.op(Op::ExpandDims, "e", vec![("axes", Argument::Value(axes)), ("x", Argument::Value(r))])?;
        let axes = b.constant("away", Constant::ints(&[-1, 0]));
        let q = b.op(Op::Squeeze, "q", vec![("axes", Argument::Value(axes)), ("x", Argument::Value(e))])?;
        Ok(vec![t, s, r, sum, e, b.exp("eq", q)?])
    });
}

#[test]
fn a_slice_to_the_end_by_size_minus_one() {
    on(&[&[1, 6, 1, 40]], |b, x| {
        let begin = b.constant("begin", Constant::ints(&[0, 2, 0, 39]));
        let size = b.constant("size", Constant::ints(&[1, -1, 1, -1]));
        let arguments = vec![
            ("begin", Argument::Value(begin)),
            ("size", Argument::Value(size)),
            ("x", Argument::Value(x[0])),
        ];
        Ok(vec![b.op(Op::SliceBySize, "s", arguments)?])
    });
}

#[test]
fn concatenations_in_place_of_slices_and_nested() {
    on(&[&[1, 6, 5, 34], &[1, 6, 5, 34]], |b, v| {
        // Rotary position embedding's rotate-half: slices of one value, one of them negated.
        let low = b.slice_axis("low", v[0], 1, 0, 3)?;
        let high = b.slice_axis("high", v[0], 1, 3, 3)?;
        let minus = b.scalar("minus", b.ty(low).dtype, -1.0)?;
        let negated = b.mul("negated", high, minus)?;
        let rotated = b.concat("rotated", &[negated, low], 1)?;
        let product = b.mul("product", rotated, v[1])?;
        // Parts computed in place, through a reshape and a transpose, inside another concatenation.
        let a = b.exp("a", v[0])?;
        let p = b.matmul("p", (v[0], true), (v[1], false))?; // [1, 6, 34, 34]
        let p = b.slice_axis("p5", p, 2, 0, 5)?;
        let m = b.matmul("m", (v[1], false), (p, true))?; // [1, 6, 5, 5]
        let mt = b.transpose("mt", m, &[0, 1, 3, 2])?;
        let soft = b.softmax("soft", v[1], -1)?;
        let inner = b.concat("inner", &[a, mt, soft], 3)?;
        let flat = b.square("flat", v[1])?;
        let flat = b.reshape("flat2", flat, &[1, 6, 10, 17])?;
        let flat = b.reshape("flat3", flat, &[1, 6, 5, 34])?;
        let twice = b.silu("twice", v[0])?;
        let doubled = b.concat("doubled", &[low, low], 1)?;
        let outer = b.concat("outer", &[twice, inner, v[1], flat, twice, doubled], -1)?;
        let summed = b.reduce_sum("summed", outer, &[-1])?;
        Ok(vec![product, outer, summed, b.concat("alone", &[rotated], 0)?])
    });
}

#[test]
fn casts_round_in_fast_numerics_only() {
    let mut b = Builder::new("main");
    let x = b.input("x", TensorType::new(DType::Fp32, [1, 40]));
    let third = b.scalar("third", DType::Fp32, 1.0 / 3.0).unwrap();
    let x = b.mul("scaled", x, third).unwrap();
    let half = b.cast("half", x, DType::Fp16).unwrap();
    let back = b.cast("back", half, DType::Fp32).unwrap();
    let again = b.cast("again", half, DType::Fp16).unwrap();
    check(&b.finish(&[half, back, again]).unwrap(), 3);
}

#[test]
fn operations_on_constants_are_values_like_others() {
    on(&[&[1, 4, 33]], |b, x| {
        let dtype = b.ty(x[0]).dtype;
        let numbers: Vec<f32> = (0..132).map(|i| (i as f32 * 0.7).sin()).collect();
        let c = b.constant("c", Constant::floats(dtype, [1, 4, 33], &numbers)?);
        let t = b.transpose("t", c, &[0, 2, 1])?;
        let e = b.exp("e", t)?;
        let r = b.reshape("r", t, &[4, 33])?;
        let product = b.matmul("product", (c, false), (e, false))?;
        let y = b.matmul("y", (product, true), (x[0], false))?;
        Ok(vec![y, product, r, b.add("z", x[0], r)?])
    });
}

#[test]
fn more_elementwise_work_than_one_group_holds() {
    on(&[&[1, 5, 1, 130], &[1, 5, 1, 1]], |b, v| {
        let mut x = v[0];
        let mut kept = Vec::new();
        for i in 0..40 {
            let y = b.mul("y", x, v[0])?;
            let s = b.sigmoid("s", y)?;
            x = b.sub("x", s, v[1])?;
            if i % 7 == 0 {
                kept.push(s);
                kept.push(reduce_max(b, x)?);
            }
        }
        kept.push(x);
        Ok(kept)
    });
}

fn reduce_max(b: &mut Builder, x: ValueId) -> Result<ValueId, MilError> {
    let axes = b.constant("axes", Constant::ints(&[3]));
    let keep = b.constant("keep", Constant::bool(true));
    let arguments = vec![
        ("axes", Argument::Value(axes)),
        ("keep_dims", Argument::Value(keep)),
        ("x", Argument::Value(x)),
    ];
    b.op(Op::ReduceMax, "m", arguments)
}

#[test]
fn an_input_may_leave_as_an_output_and_one_value_twice() {
    on(&[&[1, 3, 1, 33], &[1, 2]], |b, v| {
        let t = b.transpose("t", v[0], &[3, 2, 1, 0])?;
        let e = b.exp("e", v[0])?;
        let same = b.identity("same", e)?;
        Ok(vec![v[0], t, e, same])
    });
}
