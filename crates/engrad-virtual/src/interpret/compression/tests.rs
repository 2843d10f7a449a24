use engrad_mil::DType;

use super::super::tensor::Tensor;
use super::super::testing::{run, tensor};

fn floats(op: &str, inputs: &[(&str, Tensor)]) -> (Vec<usize>, Vec<f32>) {
    let y = run(op, inputs).unwrap();
    let last = y.last().unwrap();
    (last.shape.clone(), last.to_f32().unwrap().into_owned())
}

fn ints(dtype: DType, shape: &[usize], values: &[i32]) -> Tensor {
    Tensor::ints(dtype, shape.to_vec(), values.to_vec()).unwrap()
}

#[test]
fn affine_weights_are_shifted_before_they_are_scaled() {
    let data = ints(DType::Int8, &[2, 2], &[-128, 127, 3, 4]);
    let scale = ("s", tensor(&[2], &[0.5, 2.]));
    let op =
        "constexpr_affine_dequantize(axis = int32(0), quantized_data = q, scale = s, zero_point = int8(1))";
    assert_eq!(floats(op, &[("q", data), scale]), (vec![2, 2], vec![-64.5, 63., 4., 6.]));
}

#[test]
fn packed_indices_cross_bytes_lowest_bits_first() {
    // Six bits each: 1, 2, 63.
    let bytes = ints(DType::UInt8, &[3], &[0b1000_0001, 0b1111_0000, 0b11]);
    let lut = tensor(&[64], &(0..64).map(|v| v as f32).collect::<Vec<_>>());
    let op = "constexpr_lut_to_dense(indices = i, lut = l, shape = tensor<uint32, [1]>([3]))";
    assert_eq!(floats(op, &[("i", bytes), ("l", lut)]), (vec![3], vec![1., 2., 63.]));
}

#[test]
fn operands_of_older_programs_are_attributes() {
    let op = "constexpr_lut_to_dense()[indices = tensor<uint8, [1]>([1]), lut = tensor<fp32, [2]>([5, 7]), shape = tensor<uint32, [2]>([2, 1])]";
    assert_eq!(floats(op, &[]), (vec![2, 1], vec![7., 5.]));
}

#[test]
fn every_block_has_its_own_table() {
    let indices = ints(DType::UInt2, &[6, 2], &[2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3]);
    let lut = tensor(&[2, 1, 4, 1], &[1., 5., 9., 13., 2., 10., 18., 26.]);
    let expected = vec![9., 13., 13., 1., 5., 1., 26., 2., 18., 10., 2., 26.];
    let op = "constexpr_lut_to_dense(indices = i, lut = l)";
    assert_eq!(floats(op, &[("i", indices), ("l", lut)]), (vec![6, 2], expected));
}

#[test]
fn vectors_lie_along_their_axis() {
    let indices = ints(DType::UInt1, &[1, 2, 2], &[0, 0, 1, 0]);
    let lut = ints(DType::Int8, &[1, 1, 1, 2, 3], &[1, 2, 3, -4, -5, -6]);
    let inputs = [("i", indices), ("l", lut)];
    let op = |axis: i32| format!("constexpr_lut_to_dense(indices = i, lut = l, vector_axis = int32({axis}))");
    let rows = vec![1., 1., 2., 2., 3., 3., -4., 1., -5., 2., -6., 3.];
    assert_eq!(floats(&op(1), &inputs), (vec![1, 6, 2], rows));
    let columns = vec![1., 2., 3., 1., 2., 3., -4., -5., -6., 1., 2., 3.];
    assert_eq!(floats(&op(-1), &inputs), (vec![1, 2, 6], columns));
}

#[test]
fn an_index_outside_its_table_is_an_error() {
    let indices = ints(DType::UInt1, &[1], &[1]);
    // The kernel is asked directly: its rule refuses such a table.
    let op = "constexpr_lut_to_dense(indices = i, lut = l)";
    let refused = run(op, &[("i", indices), ("l", tensor(&[1, 1, 1], &[5.]))]).unwrap_err();
    assert_eq!(refused, "a table of 1 entries is none of 2 to 256, a power of two");
}

#[test]
fn marked_elements_are_spread() {
    let packed = ints(DType::UInt8, &[1], &[0b1100]);
    let data = ("d", tensor(&[2], &[4., 5.]));
    let op = "constexpr_sparse_to_dense(mask = m, nonzero_data = d, shape = tensor<uint32, [1]>([5]))";
    assert_eq!(floats(op, &[("m", packed), data.clone()]), (vec![5], vec![0., 0., 4., 5., 0.]));
    let mask = ints(DType::UInt1, &[2, 2], &[0, 1, 1, 0]);
    let op = "constexpr_sparse_to_dense(mask = m, nonzero_data = d)";
    assert_eq!(floats(op, &[("m", mask), data.clone()]), (vec![2, 2], vec![0., 4., 5., 0.]));
    let more = ints(DType::UInt1, &[2, 2], &[1, 1, 1, 0]);
    let refused = run(op, &[("m", more), data]).unwrap_err();
    assert!(refused.ends_with("the mask does not mark 2 elements"), "{refused}");
}

#[test]
fn blocks_are_shifted_and_scaled_each_by_its_own() {
    let data = ints(DType::Int4, &[2, 4], &[-8, 7, 1, 2, 3, 4, 5, 6]);
    let inputs = [
        ("d", data),
        ("o", ints(DType::Int4, &[2, 2], &[0, 1, 1, 0])),
        ("s", tensor(&[2, 2], &[1., 10., 100., 1000.])),
    ];
    let op = "constexpr_blockwise_shift_scale(data = d, offset = o, scale = s)";
    assert_eq!(floats(op, &inputs), (vec![2, 4], vec![-8., 7., 0., 10., 200., 300., 5000., 6000.]));
}

#[test]
fn sparse_data_is_shifted_and_scaled_where_it_lies() {
    let inputs = [
        ("m", ints(DType::UInt1, &[4, 4], &[1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0])),
        ("d", ints(DType::Int8, &[9], &[10, 11, 3, 4, 5, 6, 7, 8, 9])),
        ("o", ints(DType::Int8, &[1, 4], &[1, 2, 3, 4])),
        ("s", tensor(&[1, 4], &[1., 2., 3., 4.])),
    ];
    let op = "constexpr_sparse_blockwise_shift_scale(data_mask = m, nonzero_data = d, offset = o, scale = s)";
    assert_eq!(floats(op, &inputs).1, [9., 18., 2., 4., 6., 9., 12., 7., 14.]);
}

#[test]
fn vectors_of_sparse_indices_stretch_the_mask() {
    let inputs = [
        ("m", ints(DType::UInt1, &[2, 2], &[1, 0, 0, 1])),
        ("i", ints(DType::UInt1, &[2], &[0, 1])),
        ("l", tensor(&[1, 1, 2, 2], &[2., 2.5, 3., 3.5])),
    ];
    let op = "constexpr_lut_to_sparse(indices_mask = m, indices_nonzero_data = i, lut = l, vector_axis = int32(0))";
    let y = run(op, &inputs).unwrap();
    assert_eq!(
        (y[0].shape.clone(), &y[0].as_ints().unwrap()[..]),
        (vec![4, 2], &[1, 0, 1, 0, 0, 1, 0, 1][..])
    );
    assert_eq!(y[1].as_floats().unwrap(), [2., 2.5, 3., 3.5]);
}
