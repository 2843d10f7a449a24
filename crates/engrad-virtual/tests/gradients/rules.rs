//! The rule of every operation, over the shapes and attribute forms that it treats differently.

use engrad_mil::differentiate::Request;
use engrad_mil::{Argument, Builder, Constant, DType, Function, MilError, Op, ValueId};

use crate::differences::Domain;
use crate::programs::{INPUTS, constant, program, reduce, with_ints};
use crate::{POSITIVE, SIGNED, check};

pub(crate) type Made = Result<ValueId, MilError>;

pub(crate) struct Case {
    name: String,
    function: Function,
    domain: Domain,
}

impl Case {
    pub(crate) fn new(
        name: String,
        shapes: &[&[usize]],
        body: impl FnOnce(&mut Builder, &[ValueId]) -> Made,
    ) -> Self {
        Self { name, function: program(shapes, body), domain: SIGNED }
    }

    pub(crate) fn positive(self) -> Self {
        self.within(POSITIVE)
    }

    pub(crate) fn within(self, domain: Domain) -> Self {
        Self { domain, ..self }
    }
}

#[test]
fn every_differentiable_operation_follows_its_rule() {
    for op in Op::all() {
        let cases = cases(op);
        assert_eq!(cases.is_empty(), !op.info().is_differentiable(), "cases of {}", op.name());
        for case in cases {
            let computes = case.function.ops().iter().any(|o| o.op == op);
            assert!(computes, "{} is not in its own case {}", op.name(), case.name);
            let activations: Vec<&str> = INPUTS[..case.function.inputs().len()].to_vec();
            let request = Request { activations: &activations, weights: &[], taps: &[] };
            check(&format!("{} {}", op.name(), case.name), &case.function, &request, &case.domain);
        }
    }
}

/// The cases of an operation; none for one without a rule: a new rule fails the test above without an arm here.
fn cases(op: Op) -> Vec<Case> {
    match op {
        Op::Add => binary(Builder::add),
        Op::Sub => binary(Builder::sub),
        Op::Mul => binary(Builder::mul),
        Op::RealDiv => binary(Builder::real_div),
        Op::Exp => unary(Builder::exp),
        Op::Square => unary(Builder::square),
        Op::Sigmoid => unary(Builder::sigmoid),
        Op::Silu => unary(Builder::silu),
        Op::Tanh => unary(Builder::tanh),
        Op::Identity => unary(Builder::identity),
        Op::Sqrt => unary(Builder::sqrt).into_iter().map(Case::positive).collect(),
        Op::Log => with_epsilon(Builder::log),
        Op::Rsqrt => with_epsilon(Builder::rsqrt),
        Op::Inverse => with_epsilon(Builder::inverse),
        Op::Cast => casts(),
        Op::Softmax => softmaxes(),
        Op::ReduceSum | Op::ReduceMean => reductions(op),
        Op::Matmul => products(),
        Op::Reshape => reshapes(),
        Op::ExpandDims => {
            axes_forms(op, &[(&[2, 3], &[0]), (&[2, 3], &[-1]), (&[3], &[-4, 1, -1]), (&[], &[0, 1])])
        }
        Op::Squeeze => axes_forms(op, &[(&[1, 3], &[0]), (&[2, 1, 3, 1], &[-1, 1]), (&[1, 1], &[-2, 1])]),
        Op::Transpose => transposes(),
        Op::SliceBySize => slices(),
        Op::Concat => concats(),
        Op::Stack => stacks(),
        Op::Flatten2d => numbered(op, &[(&[2, 3, 4], &[("axis", &[1])]), (&[2, 3], &[("axis", &[-1])])]),
        Op::Reverse => numbered(op, &[(&[2, 3], &[]), (&[2, 3, 2], &[("axes", &[-1, 0])])]),
        Op::Pad => numbered(op, &[(&[2, 3], &[("pad", &[1, 2, 0, 3])]), (&[2, 3], &[("pad", &[0, 1])])]),
        _ => crate::functions::cases(op),
    }
}

pub(crate) fn binary(op: fn(&mut Builder, &str, ValueId, ValueId) -> Made) -> Vec<Case> {
    const PAIRS: [(&[usize], &[usize]); 12] = [
        (&[2, 3], &[2, 3]),
        (&[2, 3], &[3]),
        (&[3], &[2, 3]),
        (&[2, 1], &[2, 3]),
        (&[2, 1], &[1, 3]),
        (&[1, 4, 1, 3], &[1, 1, 1, 3]),
        (&[1, 4, 1, 1], &[2, 1, 3, 1]),
        (&[1, 1, 3], &[2, 3]),
        (&[2, 3], &[]),
        (&[], &[1]),
        (&[], &[]),
        (&[3, 1, 1], &[2, 1]),
    ];
    let mut cases = Vec::new();
    for (x, y) in PAIRS {
        cases.push(Case::new(format!("of {x:?} and {y:?}"), &[x, y], |b, v| op(b, "y", v[0], v[1])));
        cases.push(Case::new(format!("of {x:?} and a constant {y:?}"), &[x], |b, v| {
            let table = constant(b, "table", y);
            op(b, "y", v[0], table)
        }));
        cases.push(Case::new(format!("of a constant {x:?} and {y:?}"), &[y], |b, v| {
            let table = constant(b, "table", x);
            op(b, "y", table, v[0])
        }));
    }
    cases.push(Case::new("of a value and itself".to_owned(), &[&[2, 3]], |b, v| op(b, "y", v[0], v[0])));
    cases
}

pub(crate) const SHAPES: [&[usize]; 4] = [&[], &[3], &[2, 3], &[1, 4, 1, 3]];

pub(crate) fn unary(op: fn(&mut Builder, &str, ValueId) -> Made) -> Vec<Case> {
    SHAPES.iter().map(|s| Case::new(format!("of {s:?}"), &[s], |b, v| op(b, "y", v[0]))).collect()
}

/// Only with an ε that is not small does a rule that forgets it show.
fn with_epsilon(op: fn(&mut Builder, &str, ValueId, f32) -> Made) -> Vec<Case> {
    let forms = [0.0f32, 0.75].into_iter().flat_map(|e| SHAPES.map(|s| (e, s)));
    forms
        .map(|(e, s)| Case::new(format!("of {s:?}, ε = {e}"), &[s], |b, v| op(b, "y", v[0], e)).positive())
        .collect()
}

fn casts() -> Vec<Case> {
    let there = |to: DType| {
        Case::new(format!("to {to}"), &[&[2, 3]], |b, v| {
            let squared = b.square("squared", v[0])?;
            b.cast("y", squared, to)
        })
    };
    let there_and_back = Case::new("to fp16 and back".to_owned(), &[&[2, 3]], |b, v| {
        let half = b.cast("half", v[0], DType::Fp16)?;
        let squared = b.square("squared", half)?;
        b.cast("y", squared, DType::Fp32)
    });
    vec![there(DType::Fp16), there(DType::Fp32), there_and_back]
}

fn softmaxes() -> Vec<Case> {
    let forms: [(&[usize], i32); 8] = [
        (&[3], 0),
        (&[2, 3, 4], 0),
        (&[2, 3, 4], 1),
        (&[2, 3, 4], 2),
        (&[2, 3, 4], -1),
        (&[2, 3, 4], -3),
        (&[1, 4, 1, 3], -2),
        (&[1, 4, 1, 3], 1),
    ];
    let case = |(s, axis): (&[usize], i32)| {
        Case::new(format!("of {s:?} along {axis}"), &[s], |b, v| b.softmax("y", v[0], axis))
    };
    forms.map(case).into()
}

pub(crate) fn reductions(op: Op) -> Vec<Case> {
    let forms: [(&[usize], &[i32]); 9] = [
        (&[3], &[0]),
        (&[2, 3, 4], &[0]),
        (&[2, 3, 4], &[1]),
        (&[2, 3, 4], &[-1]),
        (&[2, 3, 4], &[0, 2]),
        (&[2, 3, 4], &[-1, -3]),
        (&[2, 3, 4], &[2, 0, 1]),
        (&[1, 4, 1, 3], &[2]),
        (&[1, 4, 1, 3], &[1, -1]),
    ];
    let forms = forms.into_iter().flat_map(|(s, axes)| [(s, axes, true), (s, axes, false)]);
    forms
        .map(|(s, axes, keep)| {
            let name = format!("of {s:?} over {axes:?}, keep_dims = {keep}");
            Case::new(name, &[s], |b, v| {
                // Squared, so that the cotangent has somewhere to go wrong on its way.
                let squared = b.square("squared", v[0])?;
                reduce(b, op, "y", squared, axes, keep)
            })
        })
        .collect()
}

fn products() -> Vec<Case> {
    let batches: [(&[usize], &[usize]); 8] = [
        (&[], &[]),
        (&[2], &[2]),
        (&[2], &[1]),
        (&[1], &[2]),
        (&[], &[2]),
        (&[2], &[]),
        (&[2, 1], &[3]),
        (&[1, 1], &[1, 2]),
    ];
    let mut cases = Vec::new();
    for (tx, ty) in [(false, false), (false, true), (true, false), (true, true)] {
        for (batch_x, batch_y) in batches {
            let matrix = |batch: &[usize], rows, columns, transposed: bool| {
                let own = if transposed { [columns, rows] } else { [rows, columns] };
                [batch, &own].concat()
            };
            let (x, y) = (matrix(batch_x, 2, 3, tx), matrix(batch_y, 3, 4, ty));
            let name = format!("of {x:?} and {y:?}, transposed: {tx} and {ty}");
            cases.push(Case::new(name.clone(), &[&x, &y], |b, v| b.matmul("y", (v[0], tx), (v[1], ty))));
            cases.push(Case::new(format!("{name}, the left one a constant"), &[&y], |b, v| {
                let table = constant(b, "table", &x);
                b.matmul("y", (table, tx), (v[0], ty))
            }));
            cases.push(Case::new(format!("{name}, the right one a constant"), &[&x], |b, v| {
                let table = constant(b, "table", &y);
                b.matmul("y", (v[0], tx), (table, ty))
            }));
        }
        if (tx, ty) == (false, false) {
            let vectors: [(&[usize], &[usize]); 5] =
                [(&[3], &[3]), (&[3], &[3, 4]), (&[2, 3], &[3]), (&[3], &[2, 3, 4]), (&[2, 2, 3], &[3])];
            for (x, y) in vectors {
                let name = format!("of {x:?} and {y:?}");
                cases.push(Case::new(name, &[x, y], |b, v| b.matmul("y", (v[0], false), (v[1], false))));
            }
        }
        let name = format!("of a matrix and itself, transposed: {tx} and {ty}");
        cases.push(Case::new(name, &[&[3, 3]], |b, v| b.matmul("y", (v[0], tx), (v[0], ty))));
    }
    cases
}

fn reshapes() -> Vec<Case> {
    let forms: [(&[usize], &[i32]); 6] = [
        (&[2, 3], &[3, 2]),
        (&[2, 3], &[-1]),
        (&[2, 3, 4], &[4, -1, 1, 2]),
        (&[6], &[1, 2, 1, 3]),
        (&[], &[1, 1]),
        (&[2, 3], &[2, 3]),
    ];
    let case = |(s, to): (&[usize], &[i32])| {
        Case::new(format!("of {s:?} to {to:?}"), &[s], |b, v| {
            with_ints(b, Op::Reshape, "y", v[0], &[("shape", to)])
        })
    };
    forms.map(case).into()
}

fn axes_forms(op: Op, forms: &[(&[usize], &[i32])]) -> Vec<Case> {
    let case = |(s, axes): &(&[usize], &[i32])| {
        Case::new(format!("of {s:?}, axes {axes:?}"), &[s], |b, v| {
            with_ints(b, op, "y", v[0], &[("axes", axes)])
        })
    };
    forms.iter().map(case).collect()
}

fn transposes() -> Vec<Case> {
    // Most are not their own inverse.
    let forms: [(&[usize], &[i32]); 8] = [
        (&[2, 3], &[1, 0]),
        (&[2, 3], &[0, 1]),
        (&[2, 3, 4], &[1, 2, 0]),
        (&[2, 3, 4], &[2, 0, 1]),
        (&[2, 3, 4], &[-1, -3, -2]),
        (&[1, 2, 3, 2], &[0, 3, 1, 2]),
        (&[2, 1, 3, 2], &[3, 0, -2, 1]),
        (&[2, 1, 2, 1, 3], &[4, 0, 1, 3, 2]),
    ];
    let case = |(s, perm): (&[usize], &[i32])| {
        Case::new(format!("of {s:?} by {perm:?}"), &[s], |b, v| b.transpose("y", v[0], perm))
    };
    forms.map(case).into()
}

fn slices() -> Vec<Case> {
    let forms: [(&[usize], &[i32], &[i32]); 8] = [
        (&[5], &[1], &[3]),
        (&[5], &[0], &[-1]),
        (&[5], &[3], &[-1]),
        (&[2, 4], &[0, 3], &[2, 1]),
        (&[3, 4], &[1, 0], &[2, 2]),
        (&[3, 4, 5], &[2, 1, 1], &[1, 2, 3]),
        (&[3, 4, 5], &[0, 1, 2], &[-1, -1, -1]),
        (&[1, 4, 1, 6], &[0, 1, 0, 3], &[1, 2, 1, 2]),
    ];
    let case = |(s, begin, size): (&[usize], &[i32], &[i32])| {
        Case::new(format!("of {s:?} from {begin:?}, size {size:?}"), &[s], |b, v| {
            with_ints(b, Op::SliceBySize, "y", v[0], &[("begin", begin), ("size", size)])
        })
    };
    forms.map(case).into()
}

/// Forms whose arguments are all integers.
/// Extents of x, and lists of integers by name.
type Numbered<'a> = (&'a [usize], &'a [(&'static str, &'a [i32])]);

fn numbered(op: Op, forms: &[Numbered<'_>]) -> Vec<Case> {
    let case = |(s, arguments): &(&[usize], &[(&'static str, &[i32])])| {
        Case::new(format!("of {s:?}, {arguments:?}"), &[s], |b, v| with_ints(b, op, "y", v[0], arguments))
    };
    forms.iter().map(case).collect()
}

fn stacks() -> Vec<Case> {
    let case = |axis: i32, shape: &[usize]| {
        Case::new(format!("of {shape:?} along {axis}"), &[shape, shape], |b, v| {
            let axis = b.constant("axis", Constant::int(axis));
            let values = Argument::Tuple(vec![v[0], v[1], v[0]]);
            b.op(Op::Stack, "y", vec![("axis", Argument::Value(axis)), ("values", values)])
        })
    };
    vec![case(0, &[2, 3]), case(-1, &[2, 3]), case(1, &[2, 3]), case(0, &[])]
}

fn concats() -> Vec<Case> {
    let pairs: [(&[usize], &[usize], i32); 5] = [
        (&[2], &[3], 0),
        (&[2, 3], &[1, 3], 0),
        (&[2, 3], &[2, 1], -1),
        (&[1, 2, 1, 3], &[1, 4, 1, 3], 1),
        (&[1, 2, 1, 3], &[1, 2, 1, 2], -1),
    ];
    let mut cases = Vec::new();
    for (x, y, axis) in pairs {
        let name = format!("of {x:?} and {y:?} along {axis}");
        cases.push(Case::new(name.clone(), &[x, y], |b, v| b.concat("y", &[v[0], v[1]], axis)));
        cases.push(Case::new(format!("{name}, one twice"), &[x, y], |b, v| {
            b.concat("y", &[v[0], v[1], v[0]], axis)
        }));
        cases.push(Case::new(format!("{name}, around a constant"), &[x, y], |b, v| {
            let table = constant(b, "table", y);
            b.concat("y", &[v[0], table, v[1]], axis)
        }));
    }
    cases.push(Case::new("of scalars".to_owned(), &[&[], &[]], |b, v| b.concat("y", &[v[0], v[1], v[0]], 0)));
    cases.push(Case::new("of one value".to_owned(), &[&[2, 3]], |b, v| b.concat("y", &[v[0]], 1)));
    cases
}
