//! Small programs for the tests: from a closure, or random.

use engrad_mil::{Argument, Builder, Constant, DType, Function, MilError, Op, TensorType, ValueId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Names of the inputs of [`program`], in order.
pub(crate) const INPUTS: [&str; 4] = ["a", "b", "c", "d"];

/// A function of fp32 inputs `a`, `b`, … of those shapes that returns one value.
pub(crate) fn program(
    shapes: &[&[usize]],
    body: impl FnOnce(&mut Builder, &[ValueId]) -> Result<ValueId, MilError>,
) -> Function {
    program_returning(shapes, |b, inputs| Ok(vec![body(b, inputs)?]))
}

/// As [`program`], with several outputs.
pub(crate) fn program_returning(
    shapes: &[&[usize]],
    body: impl FnOnce(&mut Builder, &[ValueId]) -> Result<Vec<ValueId>, MilError>,
) -> Function {
    let mut b = Builder::new("main");
    let input = |(shape, name): (&&[usize], &&str)| b.input(name, TensorType::new(DType::Fp32, *shape));
    let inputs: Vec<ValueId> = shapes.iter().zip(&INPUTS).map(input).collect();
    let outputs = body(&mut b, &inputs).expect("a valid program");
    b.finish(&outputs).expect("outputs that are not constants")
}

/// An fp32 constant of eighths, which are exact at every precision, none of them zero.
pub(crate) fn constant(b: &mut Builder, name: &str, shape: &[usize]) -> ValueId {
    let eighth = |i: usize| ((i * 5 % 13) as f32 - 6.5) / 8.0;
    let values: Vec<f32> = (0..shape.iter().product()).map(eighth).collect();
    b.constant(name, Constant::floats(DType::Fp32, shape, &values).unwrap())
}

/// An operation of one tensor and list attributes that the builder has no method for.
pub(crate) fn with_ints(
    b: &mut Builder,
    op: Op,
    name: &str,
    x: ValueId,
    attributes: &[(&'static str, &[i32])],
) -> Result<ValueId, MilError> {
    let mut arguments = vec![("x", Argument::Value(x))];
    for &(attribute, values) in attributes {
        let list = b.constant(&format!("{name}_{attribute}"), Constant::ints(values));
        arguments.push((attribute, Argument::Value(list)));
    }
    b.op(op, name, arguments)
}

/// A reduction with or without the reduced dimensions.
pub(crate) fn reduce(
    b: &mut Builder,
    op: Op,
    name: &str,
    x: ValueId,
    axes: &[i32],
    keep: bool,
) -> Result<ValueId, MilError> {
    let axes = b.constant(&format!("{name}_axes"), Constant::ints(axes));
    let keep = b.constant(&format!("{name}_keep"), Constant::bool(keep));
    let arguments = vec![
        ("axes", Argument::Value(axes)),
        ("keep_dims", Argument::Value(keep)),
        ("x", Argument::Value(x)),
    ];
    b.op(op, name, arguments)
}

/// A program of differentiable operations over inputs `a`, `b` and `c`, with one to three outputs. Results are
/// squashed where they would grow, so that differences stay accurate.
pub(crate) fn random(seed: u64) -> Function {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let shapes: [&[usize]; 5] = [&[1, 4, 1, 3], &[1, 4, 1, 2], &[2, 3], &[3], &[1, 2, 3, 2]];
    let mut b = Builder::new("main");
    let mut values = Vec::new();
    for name in &INPUTS[..3] {
        let shape = shapes[random.random_range(0..shapes.len())];
        values.push(b.input(name, TensorType::new(DType::Fp32, shape)));
    }
    values.push(constant(&mut b, "table", shapes[random.random_range(0..shapes.len())]));
    for _ in 0..random.random_range(3..14) {
        // Recent values are chosen more often, so that programs are deep.
        let mut pick = || values[values.len() - 1 - random.random_range(0..values.len().min(5))];
        let (x, y) = (pick(), pick());
        let shape = b.ty(x).shape.clone();
        let rank = shape.len();
        let kind = random.random_range(0..15);
        let axis = random.random_range(0..rank.max(1));
        let made = match kind {
            0 => b.add("add", x, y),
            1 => b.sub("sub", x, y),
            2 => b.mul("mul", x, y).and_then(|v| b.tanh("mul_squashed", v)),
            3 => b
                .sigmoid("sigmoid", x)
                .and_then(|v| b.real_div("ratio", y, v))
                .and_then(|v| b.tanh("squashed", v)),
            4 => b.silu("silu", x),
            5 => b.tanh("tanh", x).and_then(|v| b.exp("exp", v)).and_then(|v| b.log("log", v, 0.5)),
            6 => b.square("square", x).and_then(|v| b.rsqrt("rsqrt", v, 0.5)),
            7 if rank > 0 => b.softmax("softmax", x, axis as i32 - rank as i32),
            8 if rank > 0 => {
                reduce(&mut b, Op::ReduceMean, "mean", x, &[axis as i32], random.random_bool(0.5))
            }
            9 if rank > 0 => {
                let mut perm: Vec<i32> = (0..rank as i32).collect();
                perm.rotate_left(axis);
                b.transpose("transpose", x, &perm)
            }
            10 | 11 if rank > 0 => {
                let begin = random.random_range(0..shape[axis]);
                let size = random.random_range(1..=shape[axis] - begin);
                b.slice_axis("slice", x, axis, begin, size)
            }
            12 if rank > 0 => b.concat("concat", &[x, y, x], axis as i32),
            13 => b.reshape("reshape", x, &[1, b.ty(x).elements()]),
            _ => {
                let flags = (random.random_bool(0.5), random.random_bool(0.5));
                b.matmul("matmul", (x, flags.0), (y, flags.1)).and_then(|v| b.tanh("matmul_squashed", v))
            }
        };
        // An operation whose operands do not fit is not part of the program.
        if let Ok(value) = made
            && b.ty(value).elements() <= 64
        {
            values.push(value);
        }
    }
    // Some outputs must not be constants or unchanged inputs; the last value is given one way or the other.
    let last = b.identity("last", values[values.len() - 1]).unwrap();
    let mut outputs = vec![last];
    for _ in 0..2 {
        let candidate = values[random.random_range(4.min(values.len() - 1)..values.len())];
        if b.function().constant(candidate).is_none() && !outputs.contains(&candidate) {
            outputs.push(candidate);
        }
    }
    b.finish(&outputs).unwrap()
}

/// Names of the inputs that some output depends on.
pub(crate) fn reached(function: &Function) -> Vec<&str> {
    let mut live: Vec<ValueId> = function.outputs().to_vec();
    for op in function.ops().iter().rev() {
        if op.results.iter().any(|r| live.contains(r)) {
            live.extend(op.operands());
        }
    }
    let inputs = function.inputs().iter().filter(|id| live.contains(id));
    inputs.map(|&id| function.value(id).name.as_str()).collect()
}
