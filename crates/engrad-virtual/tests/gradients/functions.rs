//! Cases of elementwise functions, activations, reductions, linear layers and normalisations.

use engrad_mil::{Argument, Builder, Constant, DType, Op, ValueId};

use crate::differences::Domain;
use crate::programs::constant;
use crate::rules::{Case, Made, SHAPES, binary, reductions, unary};

/// Inputs of inverse functions, inside (−1, 1).
const BELOW_ONE: Domain = Domain { magnitude: 0.1..0.8, signed: true };

/// The cases of an operation; none for one without a rule.
pub(crate) fn cases(op: Op) -> Vec<Case> {
    match op {
        Op::Sin => unary(Builder::sin),
        Op::Cos => unary(Builder::cos),
        Op::Sinh => unary(Builder::sinh),
        Op::Cosh => unary(Builder::cosh),
        Op::Erf => unary(Builder::erf),
        Op::Abs => unary(Builder::abs),
        Op::Relu => unary(Builder::relu),
        Op::Tan | Op::Atan | Op::Exp2 | Op::Softplus | Op::Softsign => with_numbers(op, &[]),
        Op::Asin | Op::Acos | Op::Atanh => {
            with_numbers(op, &[]).into_iter().map(|case| case.within(BELOW_ONE)).collect()
        }
        Op::LeakyRelu | Op::Elu | Op::Threshold => with_numbers(op, &[("alpha", 0.25)]),
        Op::Clip => with_numbers(op, &[("alpha", -0.625), ("beta", 0.875)]),
        Op::LinearActivation | Op::ScaledTanh | Op::SigmoidHard => {
            with_numbers(op, &[("alpha", 0.75), ("beta", 0.375)])
        }
        Op::Relu6 => vec![Case::new("of both sides of 0 and 6".to_owned(), &[&[3, 4]], |b, v| {
            let five = b.scalar("five", DType::Fp32, 5.0)?;
            let wide = b.mul("wide", v[0], five)?;
            call(b, op, "y", &[("x", wide)], &[])
        })],
        Op::Gelu => ["EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"].map(gelu).into(),
        Op::Pow => powers(),
        Op::Maximum | Op::Minimum => {
            let of = if op == Op::Maximum { maximum } else { minimum };
            binary(of)
        }
        Op::Select => selections(),
        Op::ReduceL1Norm => {
            let mut cases = reductions(op);
            cases.push(Case::new("of both signs".to_owned(), &[&[2, 3]], |b, v| {
                call(b, op, "y", &[("x", v[0])], &[])
            }));
            cases
        }
        Op::ReduceL2Norm | Op::ReduceSumSquare | Op::ReduceLogSum | Op::ReduceLogSumExp => reductions(op),
        Op::Cumsum => running_sums(),
        Op::Linear => linear_layers(),
        Op::LayerNorm => layer_norms(),
        Op::InstanceNorm => instance_norms(),
        Op::L2Norm => vec![Case::new("of four dimensions".to_owned(), &[&[2, 2, 1, 3]], |b, v| {
            call(b, op, "y", &[("x", v[0])], &[("epsilon", 0.25)])
        })],
        Op::BatchNorm => batch_norms(),
        Op::Flatten2d => vec![Case::new("of three dimensions".to_owned(), &[&[2, 3, 2]], |b, v| {
            let squared = b.square("squared", v[0])?;
            call(b, op, "y", &[("x", squared)], &[])
        })],
        _ => Vec::new(),
    }
}

/// An operation of values and numbers.
fn call(
    b: &mut Builder,
    op: Op,
    name: &str,
    values: &[(&'static str, ValueId)],
    numbers: &[(&'static str, f32)],
) -> Made {
    let mut arguments: Vec<_> = values.iter().map(|&(n, id)| (n, Argument::Value(id))).collect();
    for &(argument, number) in numbers {
        let number = b.scalar(&format!("{name}_{argument}"), DType::Fp32, number)?;
        arguments.push((argument, Argument::Value(number)));
    }
    b.op(op, name, arguments)
}

fn with_numbers(op: Op, numbers: &[(&'static str, f32)]) -> Vec<Case> {
    let case =
        |s: &&[usize]| Case::new(format!("of {s:?}"), &[s], |b, v| call(b, op, "y", &[("x", v[0])], numbers));
    SHAPES.iter().map(case).collect()
}

fn gelu(mode: &str) -> Case {
    Case::new(mode.to_owned(), &[&[3, 4]], |b, v| {
        let mode = b.constant("mode", Constant::string(mode));
        call(b, Op::Gelu, "y", &[("x", v[0]), ("mode", mode)], &[])
    })
}

fn maximum(b: &mut Builder, name: &str, x: ValueId, y: ValueId) -> Made {
    call(b, Op::Maximum, name, &[("x", x), ("y", y)], &[])
}

fn minimum(b: &mut Builder, name: &str, x: ValueId, y: ValueId) -> Made {
    call(b, Op::Minimum, name, &[("x", x), ("y", y)], &[])
}

fn powers() -> Vec<Case> {
    let pairs: [(&[usize], &[usize]); 4] =
        [(&[2, 3], &[2, 3]), (&[2, 3], &[3]), (&[2, 1], &[1, 3]), (&[], &[2])];
    let mut cases = Vec::new();
    for (x, y) in pairs {
        cases.push(
            Case::new(format!("of {x:?} and {y:?}"), &[x, y], |b, v| b.pow("y", v[0], v[1])).positive(),
        );
        let constant_exponent = Case::new(format!("of {x:?} to a constant {y:?}"), &[x], |b, v| {
            let table = constant(b, "table", y);
            b.pow("y", v[0], table)
        });
        cases.push(constant_exponent.positive());
    }
    let squares = Case::new("of both signs to two".to_owned(), &[&[2, 3]], |b, v| {
        let two = b.scalar("two", DType::Fp32, 2.0)?;
        b.pow("y", v[0], two)
    });
    cases.push(squares);
    cases
}

fn selections() -> Vec<Case> {
    let shapes: [&[&[usize]]; 3] = [&[&[2, 3], &[2, 3]], &[&[2, 3], &[3]], &[&[1, 3], &[2, 1]]];
    let case = |shapes: &[&[usize]]| {
        Case::new(format!("of {shapes:?}"), shapes, |b, v| {
            let zero = b.scalar("zero", DType::Fp32, 0.0)?;
            let cond = call(b, Op::GreaterEqual, "cond", &[("x", v[0]), ("y", zero)], &[])?;
            call(b, Op::Select, "y", &[("cond", cond), ("a", v[0]), ("b", v[1])], &[])
        })
    };
    shapes.map(case).into()
}

fn running_sums() -> Vec<Case> {
    let mut cases = Vec::new();
    for axis in [0, 1, -1] {
        for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
            let name = format!("along {axis}, exclusive {exclusive}, reverse {reverse}");
            cases.push(Case::new(name, &[&[2, 3, 2]], |b, v| {
                let squared = b.square("squared", v[0])?;
                let axis = b.constant("axis", Constant::int(axis));
                let exclusive = b.constant("exclusive", Constant::bool(exclusive));
                let reverse = b.constant("reverse", Constant::bool(reverse));
                let values = [("x", squared), ("axis", axis), ("exclusive", exclusive), ("reverse", reverse)];
                call(b, Op::Cumsum, "y", &values, &[])
            }));
        }
    }
    cases
}

fn linear_layers() -> Vec<Case> {
    let mut cases = Vec::new();
    for x in [&[3][..], &[2, 3], &[2, 2, 3], &[1, 2, 1, 3]] {
        let (weight, bias) = ([4, 3], [4]);
        cases.push(Case::new(format!("of {x:?}"), &[x, &weight, &bias], |b, v| {
            call(b, Op::Linear, "y", &[("x", v[0]), ("weight", v[1]), ("bias", v[2])], &[])
        }));
        cases.push(Case::new(format!("of {x:?} without bias"), &[x], |b, v| {
            let table = constant(b, "table", &weight);
            call(b, Op::Linear, "y", &[("x", v[0]), ("weight", table)], &[])
        }));
    }
    cases
}

fn layer_norms() -> Vec<Case> {
    let forms: [(&[usize], &[i32], &[usize]); 5] = [
        (&[4], &[0], &[4]),
        (&[2, 4], &[-1], &[4]),
        (&[4, 2], &[0], &[4]),
        (&[2, 3, 4], &[2, 1], &[3, 4]),
        (&[3, 2, 4], &[0, -1], &[3, 4]),
    ];
    let mut cases = Vec::new();
    for (x, axes, inner) in forms {
        cases.push(Case::new(format!("of {x:?} over {axes:?}"), &[x, inner, inner], |b, v| {
            let axes = b.constant("axes", Constant::ints(axes));
            let values = [("x", v[0]), ("axes", axes), ("gamma", v[1]), ("beta", v[2])];
            call(b, Op::LayerNorm, "y", &values, &[("epsilon", 0.25)])
        }));
        cases.push(Case::new(format!("of {x:?} over {axes:?}, plain"), &[x], |b, v| {
            let axes = b.constant("axes", Constant::ints(axes));
            call(b, Op::LayerNorm, "y", &[("x", v[0]), ("axes", axes)], &[("epsilon", 0.25)])
        }));
    }
    cases
}

fn instance_norms() -> Vec<Case> {
    vec![
        Case::new("of three dimensions".to_owned(), &[&[2, 2, 3]], |b, v| {
            call(b, Op::InstanceNorm, "y", &[("x", v[0])], &[("epsilon", 0.25)])
        }),
        Case::new("of four dimensions with parameters".to_owned(), &[&[2, 3, 2, 2], &[3], &[3]], |b, v| {
            call(
                b,
                Op::InstanceNorm,
                "y",
                &[("x", v[0]), ("gamma", v[1]), ("beta", v[2])],
                &[("epsilon", 0.25)],
            )
        }),
    ]
}

fn batch_norms() -> Vec<Case> {
    let case = |affine: bool| {
        Case::new(format!("affine {affine}"), &[&[2, 3, 2]], |b, v| {
            let positive = Constant::floats(DType::Fp32, [3], &[0.5, 1.0, 2.0])?;
            let (mean, variance) = (constant(b, "mean", &[3]), b.constant("variance", positive));
            let mut values = vec![("x", v[0]), ("mean", mean), ("variance", variance)];
            if affine {
                values.extend([("gamma", constant(b, "gamma", &[3])), ("beta", constant(b, "beta", &[3]))]);
            }
            call(b, Op::BatchNorm, "y", &values, &[("epsilon", 0.25)])
        })
    };
    vec![case(false), case(true)]
}
