//! Random programs: whatever the builder accepts, the engine runs, and agrees with the reference.

mod common;

use engrad_mil::{Argument, Builder, Constant, DType, Function, Op, TensorType, ValueId};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const SHAPES: [&[usize]; 6] = [&[1, 4, 1, 33], &[2, 3, 8], &[4, 6], &[1, 2, 6, 6], &[12, 1], &[5]];

/// One step of a random program: what to do, and numbers that choose operands and attributes.
type Choice = (u8, usize, usize, usize);

fn build(dtype: DType, inputs: &[usize], choices: &[Choice]) -> Function {
    let mut b = Builder::new("main");
    let mut values: Vec<ValueId> =
        inputs.iter().map(|&i| b.input("in", TensorType::new(dtype, SHAPES[i % SHAPES.len()]))).collect();
    for &(kind, i, j, k) in choices {
        // Values that leave fp16's range or lose all precision say nothing, so chains stay tame: squashed sums.
        let (x, y) = (values[i % values.len()], values[j % values.len()]);
        let shape = b.ty(x).shape.clone();
        let rank = shape.len();
        if rank == 0 && ![0, 1, 2, 3, 4, 13].contains(&(kind % 14)) {
            continue; // a scalar has no axes
        }
        let axis = k % rank.max(1);
        let made = match kind % 14 {
            0 => b.add("add", x, y),
            1 => b.mul("mul", x, y),
            2 => b.sub("sub", x, y),
            3 => b.tanh("tanh", x),
            4 => b.sigmoid("sigmoid", x),
            5 => b.softmax("softmax", x, axis as i32 - rank as i32),
            6 => b.reduce_mean("mean", x, &[axis as i32]),
            7 => {
                let mut perm: Vec<i32> = (0..rank as i32).collect();
                perm.rotate_left(axis);
                b.transpose("transpose", x, &perm)
            }
            8 => {
                let begin = j % shape.get(axis).copied().unwrap_or(1);
                b.slice_axis("slice", x, axis, begin, 1 + i % (shape.get(axis).unwrap_or(&1) - begin))
            }
            9 => b.concat("concat", &[x, y, x], axis as i32),
            10 => {
                let elements: usize = shape.iter().product();
                let first = [2, 3, 4, 6].into_iter().find(|d| elements.is_multiple_of(*d)).unwrap_or(1);
                b.reshape("reshape", x, &[first, 1, elements / first])
            }
            11 => b.matmul("matmul", (x, k % 2 == 1), (y, k % 4 > 1)).and_then(|m| b.tanh("squashed", m)),
            12 => {
                let flag = b.constant("keep", Constant::bool(false));
                let axes = b.constant("axes", Constant::ints(&[axis as i32]));
                let arguments = vec![
                    ("axes", Argument::Value(axes)),
                    ("keep_dims", Argument::Value(flag)),
                    ("x", Argument::Value(x)),
                ];
                b.op(Op::ReduceMax, "max", arguments)
            }
            _ => {
                let other = if b.ty(x).dtype == DType::Fp16 { DType::Fp32 } else { DType::Fp16 };
                b.cast("cast", x, other)
            }
        };
        // An operation whose operands do not fit is simply not part of the program.
        if let Ok(value) = made
            && b.ty(value).elements() <= 1 << 14
        {
            values.push(value);
        }
    }
    let outputs: Vec<ValueId> = values.iter().rev().step_by(2).take(4).copied().collect();
    b.finish(&outputs).expect("outputs are not constants")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_240_607),
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_programs_agree_with_the_reference(
        half: bool,
        inputs in prop::collection::vec(0usize..6, 1..4),
        choices in prop::collection::vec((any::<u8>(), 0usize..100, 0usize..100, 0usize..100), 1..24),
        seed: u64,
    ) {
        let dtype = if half { DType::Fp16 } else { DType::Fp32 };
        common::check(&build(dtype, &inputs, &choices), seed);
    }
}
