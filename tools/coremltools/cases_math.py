"""Elementwise operations, activations, reductions, products, normalisations, quantisation."""

import numpy as np

from compare_ops import Case

RANDOM = np.random.default_rng(11)


def floats(*shape, dtype=np.float32, scale=1.0):
    return (RANDOM.standard_normal(shape) * scale).astype(dtype)


def positive(*shape, dtype=np.float32):
    return (np.abs(RANDOM.standard_normal(shape)) + 0.05).astype(dtype)


def ints(low, high, *shape, dtype=np.int32):
    return RANDOM.integers(low, high, shape).astype(dtype)


def truths(*shape):
    return RANDOM.integers(0, 2, shape).astype(bool)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, -2.5, 2.5, 0.5, -0.5], np.float32)
PAIRS = [((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (4,)), ((3, 1), (2, 1, 4)), ((2, 3), (1, 1)), ((1,), (5,)), ((4, 1, 3), (4, 5, 1))]
BINARY = ["add", "sub", "mul", "real_div", "floor_div", "mod", "maximum", "minimum"]
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
CASES = []


def add(op, inputs, constants=None, **more):
    CASES.append(Case(op, inputs, constants or {}, **more))


for op in BINARY + COMPARISONS:
    for a, b in PAIRS:
        add(op, {"x": floats(*a, scale=3), "y": floats(*b)}, note=f"{a} {b}")
    add(op, {"x": np.repeat(SPECIAL, len(SPECIAL)), "y": np.tile(SPECIAL, len(SPECIAL))}, note="special values")
    add(op, {"x": floats(3, 5, dtype=np.float16), "y": floats(5, dtype=np.float16)}, note="fp16", tolerance=4e-3)
    if op != "real_div":
        divisor = ints(1, 7, 3, 1) * np.array([[1], [-1], [1]], np.int32)
        add(op, {"x": ints(-20, 20, 3, 8), "y": divisor}, note="int32")
add("real_div", {"x": ints(-20, 20, 3, 8), "y": ints(1, 7, 3, 1)}, note="int32",
    expected=lambda x, y: np.trunc(x / y).astype(np.int32))
add("add", {"x": np.array([2**31 - 1, -(2**31)], np.int32), "y": np.array([1, -1], np.int32)}, note="wraps")
add("mul", {"x": np.array([65536, 2**31 - 1], np.int32), "y": np.array([65537, 2**31 - 1], np.int32)}, note="wraps")
add("pow", {"x": positive(2, 5), "y": floats(5)})
add("pow", {"x": floats(2, 5), "y": np.array([2.0], np.float32)}, note="of two")
add("pow", {"x": SPECIAL, "y": np.full(10, 3, np.float32)}, note="special values")
add("pow", {"x": ints(-4, 5, 9), "y": ints(0, 6, 9)}, note="int32")
for op in ["logical_and", "logical_or", "logical_xor"]:
    add(op, {"x": truths(3, 4), "y": truths(4)})
add("logical_not", {"x": truths(3, 4)})
add("select", {"cond": truths(2, 3), "a": floats(2, 3), "b": floats(2, 3)})
add("select", {"cond": truths(2, 3), "a": floats(2, 3), "b": floats(1, 3)}, note="broadcast")
add("select", {"cond": truths(3), "a": ints(-5, 5, 2, 3), "b": ints(-5, 5, 2, 1)}, note="int32")
add("select", {"cond": truths(3), "a": truths(2, 3), "b": truths(2, 1)}, note="bool")

for op in ["abs", "sign", "square"]:
    add(op, {"x": floats(3, 4)})
    add(op, {"x": SPECIAL}, note="special values")
    add(op, {"x": ints(-9, 9, 3, 4)}, note="int32")
add("exp2", {"x": floats(3, 4)})
for op in ["acos", "asin", "atanh"]:
    add(op, {"x": np.tanh(floats(3, 4))})
    add(op, {"x": SPECIAL}, note="special values")
for op in ["atan", "ceil", "cos", "cosh", "erf", "exp", "floor", "round", "sin", "sinh", "sqrt", "tan", "tanh"]:
    x = positive(3, 4) if op == "sqrt" else floats(3, 4, scale=2)
    add(op, {"x": x})
    add(op, {"x": x.astype(np.float16)}, note="fp16")
    add(op, {"x": SPECIAL}, note="special values")
add("erf", {"x": np.linspace(-4, 4, 4001, dtype=np.float32)}, note="accuracy", tolerance=2e-7)
for op in ["log", "rsqrt", "inverse"]:
    add(op, {"x": positive(3, 4)})
    add(op, {"x": positive(3, 4)}, {"epsilon": 0.3}, note="epsilon")
    add(op, {"x": positive(3, 4)}, {"epsilon": 0.3}, note="ios15", opset="ios15")
    add(op, {"x": SPECIAL}, note="special values", tolerance=1e-4)
add("clip", {"x": floats(3, 4, scale=3)}, {"alpha": -1.5, "beta": 2.0})
add("clip", {"x": SPECIAL}, {"alpha": -1.5, "beta": 2.0}, note="special values")
add("threshold", {"x": floats(3, 4)}, {"alpha": 0.25})
add("threshold", {"x": ints(-5, 5, 3, 4)}, {"alpha": 1}, note="int32")
add("identity", {"x": truths(3)})
KINDS = [np.float32, np.float16, np.int32, np.int16, np.uint16, np.int8, np.uint8, np.bool_]
NAMES = dict(zip(KINDS, ["fp32", "fp16", "int32", "int16", "uint16", "int8", "uint8", "bool"]))
for source in KINDS:
    for target in KINDS:
        x = np.array([0, 1, 3, 100, 7], source) if source == np.uint8 else np.array([0, 1, -3, 100, -7]).astype(source)
        if source in (np.float32, np.float16):
            x = np.array([0.0, 1.7, -1.7, 100.5, -2.5, 0.4], source)
        add("cast", {"x": x}, {"dtype": NAMES[target]}, note=f"{NAMES[source]} to {NAMES[target]}")
add("cast", {"x": np.array([3e9, -3e9, np.nan, np.inf, 2147483520.0], np.float32)}, {"dtype": "int32"}, note="beyond int32")
add("cast", {"x": np.array([300, -300, 70000], np.int32)}, {"dtype": "uint8"}, note="beyond uint8")
add("cast", {"x": np.array([70000.0, 1e-8, 2049.0, 0.1], np.float32)}, {"dtype": "fp16"}, note="beyond fp16", tolerance=0)

for op in ["relu", "relu6", "sigmoid", "softplus", "softsign"]:
    add(op, {"x": floats(3, 4, scale=4)})
    add(op, {"x": floats(3, 4, dtype=np.float16)}, note="fp16")
    if op != "softplus":
        add(op, {"x": SPECIAL}, note="special values")
add("silu", {"x": floats(3, 4, scale=3)}, expected=lambda x: x / (1 + np.exp(-x)))
add("softplus", {"x": np.array([100.0, -100.0, 0.0], np.float32)}, note="far out")
for mode in ["EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"]:
    add("gelu", {"x": floats(3, 4, scale=2)}, {"mode": mode}, note=mode)
    add("gelu", {"x": floats(3, 4, dtype=np.float16)}, {"mode": mode}, note=f"{mode} fp16")
add("gelu", {"x": np.linspace(-6, 6, 2001, dtype=np.float32)}, note="accuracy", tolerance=5e-7)
for op in ["elu", "leaky_relu", "thresholded_relu"]:
    for dtype in [np.float32, np.float16]:
        add(op, {"x": floats(3, 4, dtype=dtype)}, {"alpha": dtype(0.3)}, note=dtype.__name__)
    add(op, {"x": floats(3, 4, dtype=np.float16)}, {"alpha": 0.3}, note="fp16 with fp32")
for op in ["clamped_relu", "linear_activation", "scaled_tanh", "sigmoid_hard"]:
    add(op, {"x": floats(3, 4, scale=3)}, {"alpha": 0.3, "beta": 1.2})
    add(op, {"x": floats(3, 4, dtype=np.float16)}, {"alpha": np.float16(0.3), "beta": np.float16(0.4)}, note="fp16")
add("prelu", {"x": floats(2, 3, 4, 5)}, {"alpha": floats(3)})
add("prelu", {"x": floats(2, 3, 4)}, {"alpha": np.full(3, 0.2, np.float32)}, note="rank 3")
add("softplus_parametric", {"x": floats(2, 3, 4, 5)}, {"alpha": floats(3), "beta": floats(3)})
for axis in [0, 1, -1]:
    add("softmax", {"x": floats(3, 4, 5, scale=5)}, {"axis": axis}, note=f"axis {axis}")
add("softmax", {"x": floats(2, 3, 100, dtype=np.float16)}, note="fp16")
add("softmax", {"x": np.array([[1e4, 1e4, 0], [-1e4, -1e4, 0]], np.float32)}, note="stable")

REDUCTIONS = ["reduce_l1_norm", "reduce_l2_norm", "reduce_log_sum", "reduce_log_sum_exp", "reduce_max", "reduce_mean",
              "reduce_min", "reduce_prod", "reduce_sum", "reduce_sum_square"]
for op in REDUCTIONS:
    x = positive(2, 3, 4)
    for axes in [[0], [1], [-1], [0, 2], [1, -1], [2, 1, 0]]:
        for keep in [False, True]:
            if not keep and len(axes) == 3:
                continue
            add(op, {"x": x}, {"axes": axes, "keep_dims": keep}, note=f"{axes} {keep}")
    add(op, {"x": x}, {"keep_dims": True}, note="all axes")
    add(op, {"x": x.astype(np.float16)}, {"axes": [1]}, note="fp16", tolerance=5e-3)
    if op != "reduce_log_sum_exp":
        add(op, {"x": ints(1, 9, 3, 5)}, {"axes": [1]}, note="int32")
    if op != "reduce_log_sum":
        add(op, {"x": floats(3, 70000)}, {"axes": [1]}, note="long", tolerance=1e-4)
        add(op, {"x": np.array([[1.0, np.nan, 3.0], [1, 2, 3], [np.nan, 0, 1]], np.float32)}, {"axes": [1]}, note="nan")
for op in ["reduce_argmax", "reduce_argmin"]:
    for axis in [0, 1, -1]:
        for keep in [False, True]:
            add(op, {"x": ints(0, 3, 3, 4, 5).astype(np.float32)}, {"axis": axis, "keep_dims": keep}, note=f"{axis} {keep}")
    add(op, {"x": ints(0, 9, 3, 4)}, note="int32")
    add(op, {"x": ints(0, 9, 3, 4)}, note="ios15", opset="ios15")
    add(op, {"x": floats(3, 4)}, {"output_dtype": "uint16"}, note="uint16",
        expected=lambda x, output_dtype, op=op: getattr(np, op.removeprefix("reduce_"))(x, -1).astype(np.uint16))
    add(op, {"x": np.array([[1.0, np.nan, 3.0], [2, 1, 0]], np.float32)}, note="nan")


def cumsum(x, axis=0, exclusive=False, reverse=False):
    y = np.flip(x, axis) if reverse else x
    sums = np.cumsum(y, axis, dtype=x.dtype)
    sums = sums - y if exclusive else sums
    return np.flip(sums, axis) if reverse else sums


for axis in [0, 1, -1]:
    for exclusive in [False, True]:
        for reverse in [False, True]:
            add("cumsum", {"x": ints(-9, 9, 3, 4, 5)}, {"axis": axis, "exclusive": exclusive, "reverse": reverse},
                note=f"int32 {axis} {exclusive} {reverse}", expected=cumsum)
            add("cumsum", {"x": floats(3, 4, 5)}, {"axis": axis, "exclusive": exclusive, "reverse": reverse},
                note=f"{axis} {exclusive} {reverse}", expected=cumsum)
add("cumsum", {"x": floats(3, 4)}, note="defaults")

for a, b in [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (1, 6, 4, 5)), ((4,), (4, 3)), ((1, 2, 64, 64), (1, 2, 64, 64))]:
    add("matmul", {"x": floats(*a), "y": floats(*b)}, note=f"{a} {b}", tolerance=1e-4)
add("matmul", {"x": floats(2, 4, 3), "y": floats(2, 4, 5)}, {"transpose_x": True}, note="transpose_x")
add("matmul", {"x": floats(2, 3, 4), "y": floats(5, 4)}, {"transpose_y": True}, note="transpose_y")
add("matmul", {"x": floats(2, 4, 3), "y": floats(5, 4)}, {"transpose_x": True, "transpose_y": True}, note="both")
add("matmul", {"x": ints(-9, 9, 2, 3, 4), "y": ints(-9, 9, 4, 5)}, note="int32")
add("matmul", {"x": floats(2, 3, 4, dtype=np.float16), "y": floats(2, 4, 3, dtype=np.float16)}, note="fp16", tolerance=4e-3)
add("matmul", {"x": floats(2, 4, dtype=np.float16)}, {"y": floats(4, 3)}, note="fp16 with fp32 weights", tolerance=4e-3,
    expected=lambda x, y: (x.astype(np.float32) @ y).astype(np.float16))
for shape in [(4,), (3, 4), (2, 3, 4), (2, 1, 3, 4)]:
    add("linear", {"x": floats(*shape)}, {"weight": floats(5, 4), "bias": floats(5)}, note=f"{shape}")
add("linear", {"x": floats(3, 4)}, {"weight": floats(5, 4)}, note="no bias")
add("linear", {"x": ints(-5, 5, 3, 4)}, {"weight": ints(-5, 5, 5, 4), "bias": ints(-5, 5, 5)}, note="int32")
for a, b, equation in [((2, 3, 4, 5), (2, 5, 4, 6), "nchw,nwhu->nchu"), ((1, 3, 4, 5), (2, 5, 1, 6), "abcd,adce->abce"),
                       ((3, 4, 5), (5, 4, 6), "chw,whr->chr"), ((3, 1, 5), (5, 4, 6), "chw,whr->chr")]:
    add("einsum", {"values": (floats(*a), floats(*b))}, {"equation": equation}, note=f"{equation} {a}")


def attention(query, key, value, attn_mask=None):
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1])
    if attn_mask is not None:
        scores = scores + (np.where(attn_mask, 0, -np.inf) if attn_mask.dtype == bool else attn_mask)
    return (softmax(scores) @ value).astype(query.dtype)


QKV = {"query": floats(2, 3, 5, 8), "key": floats(2, 3, 7, 8), "value": floats(2, 3, 7, 4)}
MASK = truths(5, 7)
MASK[:, 0] = True
add("scaled_dot_product_attention", QKV)
add("scaled_dot_product_attention", {**QKV, "attn_mask": MASK}, note="bool mask", expected=attention)
add("scaled_dot_product_attention", {**QKV, "attn_mask": floats(2, 1, 5, 7)}, note="float mask", expected=attention)
add("scaled_dot_product_attention", {"query": floats(1, 5, 8), "key": floats(1, 7, 8), "value": floats(1, 7, 8)}, note="rank 3")
add("scaled_dot_product_attention", {name: x.astype(np.float16) for name, x in QKV.items()}, note="fp16", tolerance=4e-3)


def torch_norm(name):
    def expected(x, **more):
        import torch

        given = {key: torch.from_numpy(np.atleast_1d(v)) if isinstance(v, np.ndarray) else v for key, v in more.items()}
        x, epsilon = torch.from_numpy(x), float(more.get("epsilon", 1e-5))
        gamma, beta = given.get("gamma"), given.get("beta")
        if name == "batch_norm":
            result = torch.nn.functional.batch_norm(x, given["mean"], given["variance"], gamma, beta, eps=epsilon)
        elif name == "instance_norm":
            result = torch.nn.functional.instance_norm(x, weight=gamma, bias=beta, eps=epsilon)
        else:
            options = {key: float(more[key]) for key in ("alpha", "beta", "k") if key in more}
            result = torch.nn.functional.local_response_norm(x, int(more["size"]), **options)
        return result.numpy()

    return expected


for shape in [(2, 3, 5), (2, 3, 4, 5), (2, 3, 2, 4, 5)]:
    add("batch_norm", {"x": floats(*shape)}, {"mean": floats(3), "variance": positive(3)}, note=f"{shape}",
        expected=torch_norm("batch_norm"))
    add("batch_norm", {"x": floats(*shape)},
        {"mean": floats(3), "variance": positive(3), "gamma": floats(3), "beta": floats(3), "epsilon": 0.1},
        note=f"{shape} affine", expected=torch_norm("batch_norm"))
for shape in [(2, 3, 5), (2, 3, 4, 5)]:
    add("instance_norm", {"x": floats(*shape)}, note=f"{shape}", expected=torch_norm("instance_norm"))
    add("instance_norm", {"x": floats(*shape)}, {"gamma": floats(3), "beta": floats(3), "epsilon": 0.1},
        note=f"{shape} affine", expected=torch_norm("instance_norm"))
for size in [1, 2, 3, 5]:
    add("local_response_norm", {"x": floats(2, 6, 4, 5, scale=3)}, {"size": size}, note=f"{size}",
        expected=torch_norm("local_response_norm"))
    add("local_response_norm", {"x": floats(2, 6, 4, scale=3)}, {"size": size, "alpha": 0.5, "beta": 1.5, "k": 2.0},
        note=f"{size} with parameters", expected=torch_norm("local_response_norm"))
add("l2_norm", {"x": floats(3, 4, 5)})
add("l2_norm", {"x": floats(2, 3, 4, 5)}, {"epsilon": 0.5}, note="rank 4")
for axes in [[-1], [1], [1, 2], [0, 2], [2, 0], [0, 1, 2]]:
    inner = [(3, 4, 5)[a] for a in sorted(a % 3 for a in axes)]
    add("layer_norm", {"x": floats(3, 4, 5)}, {"axes": axes}, note=f"{axes}")
    add("layer_norm", {"x": floats(3, 4, 5)}, {"axes": axes, "gamma": floats(*inner), "beta": floats(*inner), "epsilon": 0.01},
        note=f"{axes} affine")
add("layer_norm", {"x": floats(3, 64, dtype=np.float16)}, {"axes": [-1]}, note="fp16", tolerance=5e-3)

for zero_point in [None, np.int8(3)]:
    more = {} if zero_point is None else {"zero_point": zero_point}
    add("quantize", {"input": floats(3, 4, scale=40)}, {"scale": 0.3, "output_dtype": "int8", **more}, note=f"{zero_point}")
    add("dequantize", {"input": ints(-128, 128, 3, 4, dtype=np.int8)}, {"scale": 0.3, **more}, note=f"{zero_point}",
        expected=lambda input, scale, zero_point=0: ((input.astype(np.float32) - zero_point) * np.float32(scale)))
add("quantize", {"input": floats(3, 4, scale=40)},
    {"axis": 1, "scale": positive(4), "zero_point": ints(0, 9, 4, dtype=np.uint8), "output_dtype": "uint8"}, note="axis")
add("dequantize", {"input": ints(0, 255, 3, 4, dtype=np.uint8)},
    {"axis": -2, "scale": positive(3), "zero_point": ints(0, 9, 3, dtype=np.uint8)}, note="axis",
    expected=lambda input, axis, scale, zero_point: (input.astype(np.float32) - zero_point[:, None]) * scale[:, None])
