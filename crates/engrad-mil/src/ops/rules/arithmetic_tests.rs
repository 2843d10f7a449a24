//! Result types and refusals of arithmetic operations: inputs and a call in text, the type in text.

use crate::ops::infer;
use crate::{Operands, text};

/// The result type of a call on these inputs, or the refusal.
fn infer_text(inputs: &str, call: &str) -> Result<String, String> {
    let text = format!(
        "program(1.3)\n{{\n func main<ios18>({inputs}) {{\n bool result = {call};\n }} -> (result);\n}}\n"
    );
    let program = text::parse(&text).map_err(|e| format!("{text}\n{e}"))?;
    let function = &program.functions[0];
    let op = function.ops.last().unwrap();
    let operands = Operands::of(function, op);
    infer(op.op, &operands).map(|types| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

pub(super) fn assert_types(cases: &[(&str, &str, &str)]) {
    for (inputs, call, expected) in cases {
        assert_eq!(infer_text(inputs, call).as_deref(), Ok(*expected), "{call} on {inputs}");
    }
}

pub(super) fn assert_refused(cases: &[(&str, &str, &str)]) {
    for (inputs, call, part) in cases {
        match infer_text(inputs, call) {
            Err(reason) => assert!(reason.contains(part), "{call} on {inputs}: {reason}"),
            Ok(ty) => panic!("{call} on {inputs} is {ty}"),
        }
    }
}

#[test]
fn elementwise_operations_broadcast_and_keep_or_change_the_type() {
    let pair = "tensor<fp16, [2, 1, 3]> x, tensor<fp16, [4, 1]> y";
    let open = "tensor<int32, [?, 3]> x, tensor<int32, [5, 1]> y";
    assert_types(&[
        (pair, "pow(x = x, y = y)", "tensor<fp16, [2, 4, 3]>"),
        (pair, "less_equal(x = x, y = y)", "tensor<bool, [2, 4, 3]>"),
        (open, "floor_div(x = x, y = y)", "tensor<int32, [5, 3]>"),
        (open, "mod(x = x, y = int32(2))", "tensor<int32, [?, 3]>"),
        ("tensor<bool, [2]> x, bool y", "logical_xor(x = x, y = y)", "tensor<bool, [2]>"),
        ("tensor<bool, [2]> x", "logical_not(x = x)", "tensor<bool, [2]>"),
        ("tensor<fp16, [2]> x", "threshold(alpha = fp32(0.5), x = x)", "tensor<fp16, [2]>"),
        ("tensor<int32, [2]> x", "threshold(alpha = int32(3), x = x)", "tensor<int32, [2]>"),
        ("tensor<fp16, [2]> x", "clip(alpha = fp32(0), beta = fp32(1), x = x)", "tensor<fp16, [2]>"),
        ("tensor<fp16, [2]> x", "log(epsilon = fp32(0.1), x = x)", "tensor<fp16, [2]>"),
        ("tensor<fp16, [?]> x", "cast(dtype = string(\"int8\"), x = x)", "tensor<int8, [?]>"),
        (
            "tensor<bool, [2, 1]> c, tensor<fp16, [3]> a, fp16 b",
            "select(a = a, b = b, cond = c)",
            "tensor<fp16, [2, 3]>",
        ),
    ]);
    assert_refused(&[
        ("tensor<fp16, [2]> x, tensor<fp16, [3]> y", "add(x = x, y = y)", "do not broadcast"),
        ("tensor<fp16, [2]> x, tensor<fp32, [2]> y", "equal(x = x, y = y)", "cast one"),
        ("tensor<fp16, [2]> x", "logical_not(x = x)", "must be bool"),
        ("tensor<fp16, [2]> x", "pow(x = x)", "`y` is missing"),
        ("tensor<bool, [2]> x", "exp(x = x)", "must be fp16 or fp32"),
        ("tensor<fp16, [2]> x", "threshold(alpha = int32(3), x = x)", "alpha is int32"),
        ("tensor<fp16, [2]> x", "cast(dtype = string(\"half\"), x = x)", "no element type"),
    ]);
}

#[test]
fn activations_keep_the_type_and_check_their_parameters() {
    let x = "tensor<fp16, [1, 3, ?]> x";
    let parameters = "tensor<fp16, [1, 3, ?]> x, tensor<fp32, [3]> a, tensor<fp32, [2]> b";
    let same = "tensor<fp16, [1, 3, ?]>";
    assert_types(&[
        (x, "gelu(mode = string(\"TANH_APPROXIMATION\"), x = x)", same),
        (x, "gelu(x = x)", same),
        (x, "elu(alpha = fp32(1), x = x)", same),
        (x, "sigmoid_hard(alpha = fp16(1), beta = fp32(1), x = x)", same),
        (x, "softmax(axis = int32(-3), x = x)", same),
        (parameters, "prelu(alpha = a, x = x)", same),
        (parameters, "softplus_parametric(alpha = a, beta = a, x = x)", same),
    ]);
    assert_refused(&[
        (x, "gelu(mode = string(\"FAST\"), x = x)", "is none of"),
        (x, "elu(x = x)", "`alpha` is missing"),
        (x, "softmax(axis = int32(3), x = x)", "out of range"),
        (parameters, "prelu(alpha = b, x = x)", "one element for each of 3"),
        ("tensor<fp16, [3]> x, tensor<fp16, [3]> a", "prelu(alpha = a, x = x)", "channel dimension"),
    ]);
}

#[test]
fn reductions_drop_or_keep_their_axes() {
    let x = "tensor<fp16, [2, ?, 3]> x";
    let vector = "tensor<int32, [4]> x";
    assert_types(&[
        (x, "reduce_max(x = x)", "fp16"),
        (x, "reduce_max(keep_dims = bool(true), x = x)", "tensor<fp16, [1, 1, 1]>"),
        (x, "reduce_prod(axes = tensor<int32, [2]>([-1, 0]), x = x)", "tensor<fp16, [?]>"),
        (x, "reduce_l2_norm(axes = int32(1), x = x)", "tensor<fp16, [2, 3]>"),
        (x, "reduce_log_sum_exp(axes = tensor<int32, [0]>([]), x = x)", "tensor<fp16, [2, ?, 3]>"),
        (vector, "reduce_argmin(axis = int32(0), x = x)", "int32"),
        (vector, "reduce_argmax(keep_dims = bool(true), x = x)", "tensor<int32, [1]>"),
        (
            x,
            "reduce_argmax(axis = int32(1), output_dtype = string(\"uint16\"), x = x)",
            "tensor<uint16, [2, 3]>",
        ),
        (
            x,
            "cumsum(axis = int32(-1), exclusive = bool(true), reverse = bool(true), x = x)",
            "tensor<fp16, [2, ?, 3]>",
        ),
    ]);
    assert_refused(&[
        (x, "reduce_sum(axes = tensor<int32, [1]>([3]), x = x)", "out of range"),
        (x, "reduce_sum(axes = tensor<int32, [2]>([0, -3]), x = x)", "repeats an axis"),
        (x, "reduce_argmax(output_dtype = string(\"fp16\"), x = x)", "int32 or uint16"),
        ("fp16 x", "cumsum(x = x)", "out of range"),
    ]);
}

#[test]
fn products_contract_what_agrees() {
    let vectors = "tensor<fp16, [3]> x, tensor<fp16, [3]> y";
    let matrices = "tensor<fp16, [2, ?, 3]> x, tensor<fp16, [5, 3]> y";
    let head = "tensor<fp16, [1, 8, 1, ?]> x, tensor<fp16, [2, ?, 4, 5]> y";
    assert_types(&[
        (vectors, "matmul(x = x, y = y)", "fp16"),
        (matrices, "matmul(transpose_y = bool(true), x = x, y = y)", "tensor<fp16, [2, ?, 5]>"),
        ("tensor<fp16, [4]> x, tensor<fp16, [10, 4, 3]> y", "matmul(x = x, y = y)", "tensor<fp16, [10, 3]>"),
        ("tensor<fp16, [10, 3, 4]> x, tensor<fp16, [4]> y", "matmul(x = x, y = y)", "tensor<fp16, [10, 3]>"),
        (
            "tensor<fp16, [2, 1]> x",
            "matmul(x = x, y = tensor<fp32, [1, 2]>([[1, 2]]))",
            "tensor<fp16, [2, 2]>",
        ),
        (matrices, "linear(weight = y, x = x)", "tensor<fp16, [2, ?, 5]>"),
        (
            "tensor<fp16, [3]> x, tensor<fp32, [5, 3]> w, tensor<fp32, [5]> b",
            "linear(bias = b, weight = w, x = x)",
            "tensor<fp16, [5]>",
        ),
        (
            head,
            "einsum(equation = string(\"nchw,nwhu->nchu\"), values = (x, y))",
            "tensor<fp16, [2, 8, 4, 5]>",
        ),
        (
            "tensor<fp16, [8, 4, 3]> x, tensor<fp16, [3, 4, 5]> y",
            "einsum(equation = string(\"abc, cbd -> abd\"), values = (x, y))",
            "tensor<fp16, [8, 4, 5]>",
        ),
        (
            "tensor<fp32, [2, 3, 3]> x",
            "einsum(equation = string(\"...ii->...i\"), values = (x))",
            "tensor<fp32, [2, 3]>",
        ),
        (
            "tensor<fp32, [3, 2]> x, tensor<fp32, [2, 5]> y",
            "einsum(equation = string(\"ij,jk\"), values = (x, y))",
            "tensor<fp32, [3, 5]>",
        ),
    ]);
    assert_refused(&[
        ("tensor<fp16, [2, 3]> x, tensor<fp16, [2, 3]> y", "matmul(x = x, y = y)", "inner extents 3 and 2"),
        (vectors, "matmul(transpose_x = bool(true), x = x, y = y)", "cannot be transposed"),
        ("tensor<fp16, [2, 2]> x, tensor<fp32, [2, 2]> y", "matmul(x = x, y = y)", "cast one"),
        (matrices, "linear(bias = x, weight = y, x = x)", "bias must be [5]"),
        ("tensor<fp16, [4]> x, tensor<fp16, [5, 3]> y", "linear(weight = y, x = x)", "4 features"),
        (vectors, "einsum(equation = string(\"ij,jk->ik\"), values = (x, y))", "not of rank 1"),
        (vectors, "einsum(equation = string(\"i,i->j\"), values = (x, y))", "cannot have that `j`"),
        (vectors, "einsum(equation = string(\"i->i\"), values = (x, y))", "for 1 operands"),
        (
            "tensor<fp16, [3]> x, tensor<fp16, [2]> y",
            "einsum(equation = string(\"i,i->i\"), values = (x, y))",
            "`i` is 3",
        ),
        (vectors, "einsum(equation = string(\"1,1->1\"), values = (x, y))", "no equation"),
    ]);
}

#[test]
fn attention_needs_agreeing_heads_and_a_mask_that_stretches() {
    let inputs = "tensor<fp16, [1, 2, 5, 8]> q, tensor<fp16, [1, 2, ?, 8]> k, tensor<fp16, [1, 2, ?, 4]> v, \
                  tensor<bool, [5, 7]> m, tensor<fp16, [2, 1, 1, 7]> large, tensor<fp16, [1, 1, 7, 8]> other";
    let call = |rest: &str| format!("scaled_dot_product_attention(key = k, query = q, value = v{rest})");
    assert_types(&[
        (inputs, &call(""), "tensor<fp16, [1, 2, 5, 4]>"),
        (inputs, &call(", attn_mask = m"), "tensor<fp16, [1, 2, 5, 4]>"),
    ]);
    assert_refused(&[
        (inputs, &call(", attn_mask = large"), "does not broadcast"),
        (inputs, "scaled_dot_product_attention(key = other, query = q, value = v)", "leading extents"),
    ]);
}

#[test]
fn normalisations_check_their_parameters() {
    let x = "tensor<fp16, [2, 3, ?, 4]> x, tensor<fp32, [3]> c, tensor<fp32, [4]> w, tensor<fp32, [3, 4]> cw";
    let same = "tensor<fp16, [2, 3, ?, 4]>";
    assert_types(&[
        (x, "batch_norm(beta = c, gamma = c, mean = c, variance = c, x = x)", same),
        (x, "batch_norm(epsilon = fp32(0.1), mean = c, variance = c, x = x)", same),
        (x, "instance_norm(beta = c, epsilon = fp16(0.1), gamma = c, x = x)", same),
        (x, "l2_norm(x = x)", same),
        (x, "layer_norm(axes = tensor<int32, [1]>([-1]), beta = w, gamma = w, x = x)", same),
        (x, "layer_norm(axes = tensor<int32, [2]>([3, 1]), gamma = cw, x = x)", same),
        (x, "layer_norm(x = x)", same),
        (x, "local_response_norm(size = int32(2), x = x)", same),
    ]);
    assert_refused(&[
        (x, "batch_norm(mean = c, variance = w, x = x)", "variance needs one element"),
        (x, "batch_norm(mean = c, x = x)", "`variance` is missing"),
        (x, "layer_norm(axes = tensor<int32, [1]>([1]), gamma = w, x = x)", "gamma must be [3]"),
        (x, "layer_norm(axes = tensor<int32, [1]>([4]), x = x)", "out of range"),
        (x, "local_response_norm(size = int32(0), x = x)", "size must be positive"),
        ("tensor<fp16, [2, 3]> x", "l2_norm(x = x)", "at least 3"),
    ]);
}

#[test]
fn random_tensors_take_their_type_from_their_parameters() {
    let inputs = "tensor<int32, [2]> s, tensor<fp16, [2, 9]> x";
    let shape = "tensor<int32, [2]>([2, 3])";
    assert_types(&[
        (inputs, "random_normal(shape = s)", "tensor<fp32, [?, ?]>"),
        (
            inputs,
            &format!("random_normal(mean = fp16(0), shape = {shape}, stddev = fp16(1))"),
            "tensor<fp16, [2, 3]>",
        ),
        (inputs, &format!("random_uniform(high = fp16(2), shape = {shape})"), "tensor<fp16, [2, 3]>"),
        (
            inputs,
            &format!("random_bernoulli(prob = fp32(0.1), seed = int32(4), shape = {shape})"),
            "tensor<fp32, [2, 3]>",
        ),
        (
            inputs,
            "random_categorical(mode = string(\"probs\"), size = int32(5), x = x)",
            "tensor<fp16, [2, 5]>",
        ),
        (inputs, "random_categorical(x = x)", "tensor<fp16, [2, 1]>"),
    ]);
    assert_refused(&[
        (inputs, "random_uniform(high = fp16(2), low = fp32(0), shape = s)", "different types"),
        (inputs, "random_normal(shape = tensor<int32, [1]>([-2]))", "extent -2"),
        (inputs, "random_categorical(mode = string(\"odds\"), x = x)", "mode is"),
    ]);
}

#[test]
fn quantisation_checks_its_parameters_along_the_axis() {
    let inputs = "tensor<fp16, [2, 3]> x, tensor<uint8, [2, 3]> q, tensor<fp16, [3]> s, tensor<uint8, [3]> z";
    assert_types(&[
        (
            inputs,
            "quantize(axis = int32(1), input = x, output_dtype = string(\"uint8\"), scale = s, zero_point = z)",
            "tensor<uint8, [2, 3]>",
        ),
        (
            inputs,
            "quantize(input = x, output_dtype = string(\"int8\"), scale = fp16(2))",
            "tensor<int8, [2, 3]>",
        ),
        (
            inputs,
            "dequantize(axis = int32(-1), input = q, scale = s, zero_point = z)",
            "tensor<fp16, [2, 3]>",
        ),
        (inputs, "dequantize(input = q, scale = fp32(2))", "tensor<fp32, [2, 3]>"),
    ]);
    assert_refused(&[
        (inputs, "quantize(input = x, output_dtype = string(\"int8\"), scale = s)", "`axis` is missing"),
        (inputs, "dequantize(axis = int32(0), input = q, scale = s)", "3 elements for 2"),
        (
            inputs,
            "quantize(input = x, output_dtype = string(\"int8\"), scale = fp16(1), zero_point = uint8(3))",
            "zero_point is uint8",
        ),
        (inputs, "quantize(input = x, output_dtype = string(\"int32\"), scale = fp16(1))", "int8 or uint8"),
    ]);
}
