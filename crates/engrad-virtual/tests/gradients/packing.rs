//! Packed inputs: another place for the same numbers, never another program.

use engrad_mil::pack::{InputLayout, pack};
use engrad_mil::{DType, Function, Program, TensorType, verify};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::differences::{Placed, Tensors};
use crate::programs::random;

fn evaluate(function: &Function, layout: InputLayout, inputs: &Tensors) -> Tensors {
    let (function, packing) = pack(function, layout).unwrap();
    verify(&Program::new(function.clone())).unwrap();
    Placed { function: &function, packing: &packing }.evaluate(inputs)
}

fn check(name: &str, function: &Function) {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut numbers = |ty: &TensorType| (0..ty.elements()).map(|_| random.random_range(-1.0..1.0)).collect();
    let inputs = function.inputs().iter();
    let inputs: Tensors =
        inputs.map(|&id| (function.value(id).name.clone(), numbers(function.ty(id)))).collect();
    let [ports, packed] =
        [InputLayout::Ports, InputLayout::Packed].map(|layout| evaluate(function, layout, &inputs));
    assert_eq!(ports.len(), packed.len(), "{name}");
    for (output, numbers) in &ports {
        // A random program may divide by zero; bits compare what `==` would not.
        let bits = |numbers: &[f64]| numbers.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(numbers), bits(&packed[output]), "{name}: `{output}`");
    }
}

#[test]
fn packing_changes_no_random_program() {
    let mut shared = 0;
    for seed in 0..300 {
        let function = random(seed);
        let (packed, _) = pack(&function, InputLayout::Packed).unwrap();
        shared += usize::from(packed.inputs().len() < function.inputs().len());
        check(&format!("random program {seed}"), &function);
    }
    assert!(shared > 50, "only {shared} programs had inputs to share a port");
}

#[test]
fn a_packed_input_that_is_returned_keeps_its_name() {
    let mut b = engrad_mil::Builder::new("main");
    let ty = |width| TensorType::channels(DType::Fp32, 2, width);
    let (x, y) = (b.input("x", ty(3)), b.input("y", ty(2)));
    let product = b.square("square", x).unwrap();
    check("returned input", &b.finish(&[y, product]).unwrap());
}

#[test]
fn names_of_ports_give_way_to_names_of_values() {
    let mut b = engrad_mil::Builder::new("main");
    let ty = TensorType::channels(DType::Fp32, 2, 3);
    let (x, y) = (b.input("packed_2", ty.clone()), b.input("packed_2_begin", ty));
    let sum = b.sub("packed_2_2", x, y).unwrap();
    check("names", &b.finish(&[sum]).unwrap());
}
