//! Kernels on arguments that no verifier has seen: anything but a panic will do, if the result is a tensor.

use engrad_mil::{ArgumentKind, ArgumentSpec, DType, Default, Op, TensorType, Type};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::call::{Call, Passed};
use super::kernels::kernel;
use super::tensor::{Data, Tensor};

/// Calls of each operation.
const CALLS: usize = 1000;

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0.next_u32() as usize % end
    }

    fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Mostly small; now and then a large extent beside a zero.
    fn shape(&mut self) -> Vec<usize> {
        let rank = self.one(&[0, 1, 1, 2, 3, 3, 4, 4, 5]);
        let mut shape: Vec<usize> = (0..rank).map(|_| self.one(&[1, 1, 2, 2, 3, 3, 4, 0])).collect();
        if rank > 1 && self.below(20) == 0 {
            let (zero, huge) = (self.below(rank), self.below(rank));
            shape[huge] = 1 << 20;
            shape[zero] = 0;
        }
        shape
    }

    fn tensor(&mut self, dtype: DType, shape: Vec<usize>) -> Tensor {
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(0);
        const FLOATS: [f32; 9] =
            [0.0, -0.0, 1.0, -1.5, 2.5, 1e30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        const INTS: [i32; 9] = [0, 1, 2, 3, -1, -2, 5, i32::MIN, i32::MIN];
        if dtype == DType::Bool {
            return Tensor::bools(shape, (0..count).map(|_| self.below(2) == 1).collect()).unwrap();
        }
        if dtype.is_float() {
            let values = (0..count).map(|_| self.one(&FLOATS)).collect();
            return Tensor::floats(dtype, shape, values).unwrap();
        }
        // Usually small, so that positions and extents are often legal.
        let end = if self.below(8) == 0 { INTS.len() } else { 5 };
        Tensor::ints(dtype, shape, (0..count).map(|_| self.one(&INTS[..end])).collect()).unwrap()
    }

    fn text(&mut self) -> Tensor {
        const TEXTS: &str = "EXACT TANH_APPROXIMATION int32 fp16 fp32 uint8 int8 bool string valid same same_lower custom \
                             constant reflect replicate add update sub mul div min max logits probs ij,jk->ik ij->ji \
                             nchw,nwhu->nchu ...,...->... ii->i forward reverse bidirectional sigmoid tanh relu lower upper \
                             unused ALIGN_CORNERS STRICT_ALIGN_CORNERS DEFAULT OFFSET_CORNERS UNALIGN_CORNERS CORNERS_HEIGHT_FIRST \
                             CENTER_SIZE_WIDTH_FIRST bilinear nearest border reflection symmetric zeros iofz";
        let texts: Vec<&str> = TEXTS.split_whitespace().collect();
        let text = self.one(&texts).to_owned();
        Tensor { dtype: DType::String, shape: Vec::new(), data: Data::Texts(vec![text]) }
    }

    fn argument(&mut self, spec: &ArgumentSpec) -> Vec<Tensor> {
        const TYPES: [DType; 7] =
            [DType::Fp32, DType::Fp32, DType::Fp16, DType::Int32, DType::Int32, DType::Bool, DType::UInt8];
        let list = vec![self.below(6)];
        match spec.kind {
            ArgumentKind::String => vec![self.text()],
            ArgumentKind::Int => vec![self.tensor(DType::Int32, Vec::new())],
            ArgumentKind::Ints => vec![self.tensor(DType::Int32, list)],
            ArgumentKind::Bool => vec![self.tensor(DType::Bool, Vec::new())],
            ArgumentKind::Bools => vec![self.tensor(DType::Bool, list)],
            ArgumentKind::Float => vec![self.tensor(DType::Fp32, Vec::new())],
            ArgumentKind::Tensors => {
                let (count, dtype, shape) = (1 + self.below(3), self.one(&TYPES), self.shape());
                (0..count).map(|_| self.tensor(dtype, shape.clone())).collect()
            }
            _ if spec.dtypes.accept(DType::Fp32) => {
                let (dtype, shape) = (self.one(&TYPES), self.shape());
                vec![self.tensor(dtype, shape)]
            }
            _ => {
                let shape = if self.below(2) == 0 { list } else { self.shape() };
                vec![
                    self.tensor(
                        if spec.dtypes.accept(DType::Int32) { DType::Int32 } else { DType::Bool },
                        shape,
                    ),
                ]
            }
        }
    }
}

#[test]
fn no_kernel_panics_on_arguments_that_do_not_fit() {
    for op in Op::all() {
        let Some(kernel) = kernel(op) else { continue };
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(op as u64));
        for _ in 0..CALLS {
            let mut given: Vec<(&str, Vec<Tensor>)> = Vec::new();
            for spec in op.info().arguments {
                if spec.default == Default::Required || dice.below(3) > 0 {
                    let argument = dice.argument(spec);
                    given.push((spec.name, argument));
                }
            }
            let shared = dice.below(2) == 0;
            let first =
                given.iter().find_map(|(_, tensors)| tensors.first().filter(|t| t.rank() > 0).cloned());
            // Half the time all large arguments are of one shape, so that calls get beyond the first check.
            if let (true, Some(first)) = (shared, first) {
                for (_, tensors) in given.iter_mut().filter(|(_, tensors)| tensors[0].rank() > 1) {
                    tensors.iter_mut().for_each(|tensor| *tensor = first.clone());
                }
            }
            let types = [DType::Fp32, DType::Int32].map(|dtype| Type::Tensor(TensorType::new(dtype, [2, 2])));
            let results: Vec<&Type> = types.iter().collect();
            let passed = given.iter().map(|(name, tensors)| {
                let passed = match &tensors[..] {
                    [one] => Passed::One(one),
                    many => Passed::Many(many.iter().collect()),
                };
                (*name, passed)
            });
            let call = Call { op, arguments: passed.collect(), results: &results };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| kernel(&call)));
            let outcome = outcome.unwrap_or_else(|_| panic!("{} panicked on {given:?}", op.name()));
            for tensor in outcome.unwrap_or_default() {
                let expected = tensor.shape.iter().fold(1usize, |n, &d| n.saturating_mul(d));
                let empty = tensor.shape.contains(&0);
                assert_eq!(tensor.len(), if empty { 0 } else { expected }, "{} on {given:?}", op.name());
            }
        }
    }
}
