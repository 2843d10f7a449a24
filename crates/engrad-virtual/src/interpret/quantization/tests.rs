use engrad_mil::DType;

use super::*;
use crate::interpret::testing::{assert_close, assert_ints, call_on, floats};

#[test]
fn quotients_round_to_even_shift_and_clip() {
    let inputs = [("x", floats(&[5], &[0.5, 1.5, -3.0, 1000.0, -1000.0]))];
    let found = call_on(
        &inputs,
        "quantize(input = x, output_dtype = string(\"int8\"), scale = fp32(1), zero_point = int8(-2))",
    );
    assert_ints(&found.unwrap(), DType::Int8, &[-2, 0, -5, 127, -128]);
    let found = call_on(&inputs, "quantize(input = x, output_dtype = string(\"uint8\"), scale = fp32(0.5))");
    assert_ints(&found.unwrap(), DType::UInt8, &[1, 3, 0, 255, 0]);
}

#[test]
fn parameters_lie_along_their_axis() {
    let bytes = Tensor::ints(DType::UInt8, vec![2, 2], vec![0, 255, 10, 20]).unwrap();
    let inputs = [
        ("q", bytes),
        ("s", floats(&[2], &[0.5, 2.0])),
        ("z", Tensor::ints(DType::UInt8, vec![2], vec![1, 200]).unwrap()),
    ];
    let rows = call_on(&inputs, "dequantize(axis = int32(0), input = q, scale = s, zero_point = z)").unwrap();
    assert_close(&rows, &[2, 2], &[-0.5, 127.0, -380.0, -360.0]);
    let columns = call_on(&inputs, "dequantize(axis = int32(-1), input = q, scale = s)").unwrap();
    assert_close(&columns, &[2, 2], &[0.0, 510.0, 5.0, 40.0]);
}
