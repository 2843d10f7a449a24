"""Convolutions, pools, images, recurrent layers and compressed weights."""

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from coremltools.converters.mil.mil import types
from coremltools.converters.mil.mil.ops.defs.iOS16 import constexpr_ops as ios16
from coremltools.converters.mil.mil.ops.defs.iOS18 import compression as ios18

from compare_ops import Case

RANDOM = np.random.default_rng(11)
CASES = []


def floats(*shape, dtype=np.float32):
    return RANDOM.standard_normal(shape).astype(dtype)


def add(op, inputs, constants, expected, note="", **rest):
    CASES.append(Case(op, inputs, constants, expected=expected, note=note, **rest))


def tensors(*arrays):
    return [None if a is None else torch.from_numpy(np.asarray(a, np.float32)) for a in arrays]


def padded(x, kernel, strides, dilations, pad_type, pad, value=0.0):
    """x with explicit padding around its spatial dimensions."""
    amounts = []
    for i, k in enumerate(kernel):
        extent, size = x.shape[2 + i], (k - 1) * dilations[i] + 1
        if pad_type == "custom":
            amounts.append((pad[2 * i], pad[2 * i + 1]))
        elif pad_type == "valid":
            amounts.append((0, 0))
        else:
            total = max(0, (-(-extent // strides[i]) - 1) * strides[i] + size - extent)
            small = total // 2
            amounts.append((small, total - small) if pad_type == "same" else (total - small, small))
    return F.pad(x, [a for pair in reversed(amounts) for a in pair], value=value)


def filled(rank, strides, dilations, pad):
    return strides or [1] * rank, dilations or [1] * rank, pad if pad is not None else [0] * 2 * rank


def conv(x, weight, bias=None, strides=None, dilations=None, groups=1, pad_type="valid", pad=None):
    rank = x.ndim - 2
    strides, dilations, pad = filled(rank, strides, dilations, pad)
    x, weight, bias = tensors(x, weight, bias)
    function = [F.conv1d, F.conv2d, F.conv3d][rank - 1]
    x = padded(x, weight.shape[2:], strides, dilations, pad_type, pad)
    return function(x, weight, bias, stride=strides, dilation=dilations, groups=groups).numpy()


EXTENTS = {1: [17], 2: [9, 12], 3: [5, 6, 7]}
KERNELS = {1: [4], 2: [3, 2], 3: [2, 3, 1]}
for rank, pad_type in itertools.product([1, 2, 3], ["valid", "same", "same_lower", "custom"]):
    for strides, dilations, groups in [(1, 1, 1), (2, 1, 2), (1, 2, 4), (3, 2, 1)]:
        constants = {
            "weight": floats(8, 4 // groups, *KERNELS[rank]),
            "bias": floats(8),
            "strides": [strides] * rank,
            "dilations": [dilations] * rank,
            "groups": groups,
            "pad_type": pad_type,
        }
        if pad_type == "custom":
            constants["pad"] = [1, 2, 0, 3, 2, 1][: 2 * rank]
        note = f"{rank}-D {pad_type} strides {strides} dilations {dilations} groups {groups}"
        add("conv", {"x": floats(2, 4, *EXTENTS[rank])}, constants, conv, note)
add("conv", {"x": floats(1, 6, 8, 8), "weight": floats(4, 6, 3, 3)}, {"pad_type": "same"}, conv, "weight at run time")
add("conv", {"x": floats(1, 64, 40, 40)}, {"weight": floats(96, 64, 3, 3) / 24, "pad_type": "same"}, conv, "blocks", tolerance=1e-4)
add("conv", {"x": floats(3, 32, 7, 5)}, {"weight": floats(16, 32, 1, 1), "bias": floats(16)}, conv, "pointwise")
add("conv", {"x": floats(1, 24, 50)}, {"weight": floats(24, 1, 31), "groups": 24, "pad_type": "same"}, conv, "depthwise 31")
add("conv", {"x": floats(1, 6, 9, 9)}, {"weight": floats(12, 1, 3, 3), "groups": 6, "strides": [2, 2], "pad_type": "same"}, conv, "depthwise, two each")
add("conv", {"x": floats(4, 32, 6)}, {"weight": floats(32, 8, 3), "groups": 4}, conv, "many groups")
add("conv", {"x": floats(1, 3, 8, 8, dtype=np.float16)}, {"weight": floats(5, 3, 3, 3, dtype=np.float16), "pad_type": "same"},
    lambda **a: conv(**a).astype(np.float16), "fp16")


def conv_transpose(x, weight, bias=None, strides=None, dilations=None, groups=1, pad_type="valid", pad=None, output_shape=None):
    rank = x.ndim - 2
    strides, dilations, pad = filled(rank, strides, dilations, pad)
    x, weight, bias = tensors(x, weight, bias)
    function = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d][rank - 1]
    y = function(x, weight, None, stride=strides, dilation=dilations, groups=groups)
    for i in range(rank):
        full = y.shape[2 + i]
        wanted = None if output_shape is None else output_shape[2 + i]
        if pad_type == "same":
            wanted = wanted or x.shape[2 + i] * strides[i]
            front = max(full - wanted, 0) // 2
        elif pad_type == "custom":
            front = pad[2 * i]
            wanted = wanted or full - pad[2 * i] - pad[2 * i + 1]
        else:
            front, wanted = 0, wanted or full
        y = F.pad(y, [0, 0] * (rank - 1 - i) + [0, max(0, front + wanted - full)]).narrow(2 + i, front, wanted)
    if bias is not None:
        y = y + bias.reshape([1, -1] + [1] * rank)
    return y.contiguous().numpy()


for rank, pad_type in itertools.product([1, 2, 3], ["valid", "same", "custom"]):
    for strides, dilations, groups in [(1, 1, 1), (2, 1, 2), (3, 2, 1), (2, 1, 4)]:
        constants = {
            "weight": floats(4, 6 // (1 if groups == 1 else 2), *KERNELS[rank]),
            "bias": floats(6 // (1 if groups == 1 else 2) * groups),
            "strides": [strides] * rank,
            "dilations": [dilations] * rank,
            "groups": groups,
            "pad_type": pad_type,
        }
        if pad_type == "custom":
            constants["pad"] = [1, 0, 0, 1, 1, 1][: 2 * rank]
            if rank == 3:
                constants["pad"] = [0, 1, 0, 1, 0, 0]
        note = f"{rank}-D {pad_type} strides {strides} dilations {dilations} groups {groups}"
        add("conv_transpose", {"x": floats(2, 4, *[e - 3 for e in EXTENTS[rank]])}, constants, conv_transpose, note)
add("conv_transpose", {"x": floats(1, 3, 5, 5)}, {"weight": floats(3, 2, 3, 3), "strides": [2, 2], "pad_type": "same", "output_shape": [1, 2, 9, 10]},
    conv_transpose, "output_shape")
add("conv_transpose", {"x": floats(1, 3, 5, 5)},
    {"weight": floats(3, 2, 3, 3), "strides": [2, 2], "pad_type": "custom", "pad": [1, 1, 1, 1], "output_shape": [1, 2, 10, 10]},
    conv_transpose, "output_shape and pad")


def pool(kind):
    def expected(x, kernel_sizes, pad_type, strides=None, pad=None, ceil_mode=False, exclude_padding_from_average=False):
        rank = x.ndim - 2
        strides, dilations, pad = filled(rank, strides, None, pad)
        (x,) = tensors(x)
        value = -np.inf if kind == "max" else 0.0
        names = {"max": [F.max_pool1d, F.max_pool2d, F.max_pool3d], "avg": [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d]}
        if ceil_mode:
            # PyTorch's own padding: what hangs over depends on it.
            symmetric = [pad[2 * i] for i in range(rank)] if pad_type == "custom" else [0] * rank
            if kind == "max":
                return names["max"][rank - 1](x, kernel_sizes, strides, symmetric, ceil_mode=True).numpy()
            include = not exclude_padding_from_average
            return names["avg"][rank - 1](x, kernel_sizes, strides, symmetric, ceil_mode=True, count_include_pad=include).numpy()
        y = padded(x, kernel_sizes, strides, dilations, pad_type, pad, value)
        if kind == "max":
            return names["max"][rank - 1](y, kernel_sizes, strides).numpy()
        area = float(np.prod(kernel_sizes))
        average = names["avg"][rank - 1]
        if kind == "l2":
            return torch.sqrt(average(y * y, kernel_sizes, strides) * area).numpy()
        y = average(y, kernel_sizes, strides)
        if exclude_padding_from_average:
            y = y / average(padded(torch.ones_like(x), kernel_sizes, strides, dilations, pad_type, pad), kernel_sizes, strides)
        return y.numpy()

    return expected


for rank, pad_type, strides in itertools.product([1, 2, 3], ["valid", "same", "same_lower", "custom"], [1, 2]):
    for kind in ["avg", "max", "l2"]:
        if kind == "l2" and rank == 3:
            continue
        constants = {"kernel_sizes": [3, 2, 3][:rank], "pad_type": pad_type, "strides": [strides] * rank}
        if pad_type == "custom":
            constants["pad"] = [1, 0, 0, 1, 1, 2][: 2 * rank]
        note = f"{rank}-D {pad_type} strides {strides}"
        x = {"x": floats(2, 3, *EXTENTS[rank])}
        add(f"{kind}_pool", x, constants, pool(kind), note)
        if kind == "avg":
            add("avg_pool", x, {**constants, "exclude_padding_from_average": True}, pool(kind), f"{note} without padding")
for kind, extent, kernel, stride, pad in itertools.product(["avg", "max"], [7, 8], [2, 3], [2, 3], [0, 1]):
    constants = {"kernel_sizes": [kernel, 2], "strides": [stride, 2], "ceil_mode": True}
    constants.update({"pad_type": "custom", "pad": [pad, pad, 1, 1]} if pad else {"pad_type": "valid"})
    add(f"{kind}_pool", {"x": floats(1, 2, extent, 5)}, constants, pool(kind), f"ceil mode {extent} {kernel} {stride} {pad}")

# Images.


def grid(mode, count, extent):
    i = np.arange(count)
    if mode == "DEFAULT":
        points = i * extent / count
    elif mode == "OFFSET_CORNERS":
        points = (i + 0.5) * max(1, extent - 1) / count
    elif mode == "UNALIGN_CORNERS":
        points = (i + 0.5) * extent / count - 0.5
    elif count == 1:
        points = np.array([(extent - 1) / 2 if mode == "ALIGN_CORNERS" else 0.0])
    else:
        points = i * (extent - 1) / (count - 1)
    return np.clip(points, 0, extent - 1)


def interpolated(x, axis, points):
    low = np.minimum(np.floor(points).astype(int), x.shape[axis] - 1)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    part = (points - low).reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
    return np.take(x, low, axis) * (1 - part) + np.take(x, high, axis) * part


def bilinear(x, height, width, mode):
    x = interpolated(x.astype(np.float64), -2, grid(mode, height, x.shape[-2]))
    return interpolated(x, -1, grid(mode, width, x.shape[-1])).astype(np.float32)


IMAGE = floats(2, 3, 7, 5)
MODES = ["DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "OFFSET_CORNERS", "UNALIGN_CORNERS"]
for mode, (height, width) in itertools.product(MODES, [(14, 10), (3, 9), (1, 1), (7, 5)]):
    constants = {"target_size_height": height, "target_size_width": width, "sampling_mode": mode}
    add("resize_bilinear", {"x": IMAGE}, constants,
        lambda x, target_size_height, target_size_width, sampling_mode: bilinear(x, target_size_height, target_size_width, sampling_mode),
        f"{mode} {height} {width}")
    add("resize", {"x": IMAGE}, {"shape": [2, 3, height, width], "resized_dims": np.uint32(2), "sampling_mode": mode},
        lambda x, shape, resized_dims, sampling_mode: bilinear(x, shape[2], shape[3], sampling_mode), f"{mode} {height} {width}")
for height, width in [(14, 10), (3, 9), (1, 1)]:
    add("resize_nearest_neighbor", {"x": IMAGE}, {"target_size_height": height, "target_size_width": width},
        lambda x, target_size_height, target_size_width: F.interpolate(torch.from_numpy(x), (target_size_height, target_size_width)).numpy(),
        f"{height} {width}")
for scales in [(2, 3), (2.5, 2.0), (0.5, 0.75)]:
    constants = {"scale_factor_height": scales[0], "scale_factor_width": scales[1]}
    add("upsample_nearest_neighbor", {"x": IMAGE}, {k: np.float32(v) for k, v in constants.items()},
        lambda x, scale_factor_height, scale_factor_width: F.interpolate(
            torch.from_numpy(x), (int(scale_factor_height * x.shape[2]), int(scale_factor_width * x.shape[3]))).numpy(), f"{scales}")
    for aligned in [True, False]:
        add("upsample_bilinear", {"x": IMAGE}, {**{k: np.float32(v) for k, v in constants.items()}, "align_corners": aligned},
            lambda x, scale_factor_height, scale_factor_width, align_corners: F.interpolate(
                torch.from_numpy(x), scale_factor=(float(scale_factor_height), float(scale_factor_width)), mode="bilinear",
                align_corners=align_corners, recompute_scale_factor=True).numpy(), f"{scales} aligned {aligned}")
add("crop", {"x": IMAGE}, {"crop_height": [1, 2], "crop_width": [0, 3]},
    lambda x, crop_height, crop_width: x[:, :, 1:-2, :2])

POINTS = (RANDOM.random((2, 6, 4, 2)) * 4 - 2).astype(np.float32)
for mode, padding, aligned in itertools.product(["bilinear", "nearest"], ["constant", "border", "reflection"], [True, False]):
    # PyTorch mirrors at the outer elements if aligned, at the edges if not.
    name = "symmetric" if padding == "reflection" and not aligned else padding
    constants = {"sampling_mode": mode, "padding_mode": name, "padding_value": 0.0,
                 "coordinates_mode": "normalized_minus_one_to_one", "align_corners": aligned}
    other = {"constant": "zeros"}.get(padding, padding)
    add("resample", {"x": IMAGE, "coordinates": POINTS}, constants,
        lambda x, coordinates, other=other, mode=mode, aligned=aligned, **_: F.grid_sample(
            torch.from_numpy(x), torch.from_numpy(coordinates), mode, other, aligned).numpy(), f"{mode} {name} aligned {aligned}")


def affine(x, transform_matrix, output_height, output_width, **_):
    map_ = torch.from_numpy(transform_matrix).reshape(-1, 2, 3)
    points = F.affine_grid(map_, [len(x), x.shape[1], output_height, output_width], align_corners=True)
    return F.grid_sample(torch.from_numpy(x), points, "bilinear", "zeros", True).numpy()


add("affine", {"x": IMAGE, "transform_matrix": floats(2, 6) * 0.5},
    {"output_height": 6, "output_width": 4, "sampling_mode": "bilinear", "padding_mode": "constant", "padding_value": 0.0,
     "coordinates_mode": "normalized_minus_one_to_one", "align_corners": True}, affine)

# Recurrent layers. PyTorch's gates: LSTM input, forget, cell, output; GRU reset, update, new.


def reordered(weight, order):
    return np.concatenate([np.split(weight, len(order))[i] for i in order])


def torch_lstm(x, initial_h, initial_c, bidirectional, weights, output_sequence):
    layer = torch.nn.LSTM(x.shape[2], initial_h.shape[1] // (2 if bidirectional else 1), bidirectional=bidirectional)
    state = {}
    for suffix, w_ih, w_hh, bias in weights:
        state[f"weight_ih_l0{suffix}"], state[f"weight_hh_l0{suffix}"], state[f"bias_ih_l0{suffix}"] = (
            torch.from_numpy(reordered(w, [0, 1, 3, 2])) for w in (w_ih, w_hh, bias))
        state[f"bias_hh_l0{suffix}"] = torch.zeros(len(bias))
    layer.load_state_dict(state)
    directions = 2 if bidirectional else 1
    split = lambda s: torch.from_numpy(np.ascontiguousarray(s.reshape(len(s), directions, -1).swapaxes(0, 1)))
    joined = lambda s: s.detach().numpy().swapaxes(0, 1).reshape(x.shape[1], -1)
    y, (h, c) = layer(torch.from_numpy(np.ascontiguousarray(x)), (split(initial_h), split(initial_c)))
    h, c = joined(h), joined(c)
    return (y.detach().numpy() if output_sequence else h[None]), h, c


def lstm(x, initial_h, initial_c, weight_ih, weight_hh, bias, direction="forward", output_sequence=False,
         weight_ih_back=None, weight_hh_back=None, bias_back=None):
    weights = [("", weight_ih, weight_hh, bias)]
    if direction == "bidirectional":
        weights.append(("_reverse", weight_ih_back, weight_hh_back, bias_back))
    # A reversed layer gives its states in the order they come about.
    x = x[::-1] if direction == "reverse" else x
    return torch_lstm(x, initial_h, initial_c, direction == "bidirectional", weights, output_sequence)


for direction, sequence, batch in itertools.product(["forward", "reverse", "bidirectional"], [True, False], [1, 3, 7]):
    hidden, features, count = 20, 9, 2 if direction == "bidirectional" else 1
    inputs = {"x": floats(5, batch, features), "initial_h": floats(batch, count * hidden), "initial_c": floats(batch, count * hidden)}
    constants = {"direction": direction, "output_sequence": sequence}
    for suffix in ["", "_back"][:count]:
        constants[f"weight_ih{suffix}"] = floats(4 * hidden, features) / 3
        constants[f"weight_hh{suffix}"] = floats(4 * hidden, hidden) / 4
        constants[f"bias{suffix}"] = floats(4 * hidden)
    add("lstm", inputs, constants, lstm, f"{direction} sequence {sequence} batch {batch}")


def gru_after(x, initial_h, weight_ih, weight_hh, bias, input_bias, direction, output_sequence, reset_after):
    layer = torch.nn.GRU(x.shape[2], initial_h.shape[1])
    order = [0, 2, 1]
    layer.load_state_dict({name: torch.from_numpy(reordered(w, order)) for name, w in [
        ("weight_ih_l0", weight_ih), ("weight_hh_l0", weight_hh), ("bias_hh_l0", bias), ("bias_ih_l0", input_bias)]})
    x = x[::-1].copy() if direction == "reverse" else x
    y, h = layer(torch.from_numpy(x), torch.from_numpy(initial_h)[None])
    h = h.detach().numpy()
    return (y.detach().numpy() if output_sequence else h), h[0]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru_before(x, initial_h, weight_ih, weight_hh, bias, direction="forward", output_sequence=False):
    h, states = initial_h, []
    for step in x[::-1] if direction == "reverse" else x:
        r, o, z = np.split(step @ weight_ih.T + bias, 3, -1)
        R, O, Z = np.split(weight_hh, 3)
        r, z = sigmoid(r + h @ R.T), sigmoid(z + h @ Z.T)
        h = (1 - z) * np.tanh(o + (r * h) @ O.T) + z * h
        states.append(h)
    return (np.stack(states) if output_sequence else h[None]), h


for direction, sequence, batch in itertools.product(["forward", "reverse"], [True, False], [1, 6]):
    inputs = {"x": floats(5, batch, 9), "initial_h": floats(batch, 20)}
    constants = {"weight_ih": floats(60, 9) / 3, "weight_hh": floats(60, 20) / 4, "bias": floats(60), "direction": direction,
                 "output_sequence": sequence}
    note = f"{direction} sequence {sequence} batch {batch}"
    add("gru", inputs, constants, gru_before, note)
    add("gru", inputs, {**constants, "input_bias": floats(60), "reset_after": True}, gru_after, f"{note} reset after")


def rnn(x, initial_h, weight_ih, weight_hh, bias, activation="tanh", output_sequence=False):
    function = {"tanh": np.tanh, "relu": lambda v: np.maximum(v, 0), "sigmoid": sigmoid, "linear": lambda v: v}[activation]
    h, states = initial_h, []
    for step in x:
        h = function(step @ weight_ih.T + h @ weight_hh.T + bias)
        states.append(h)
    return (np.stack(states) if output_sequence else h[None]), h


for activation in ["tanh", "relu", "sigmoid", "linear"]:
    add("rnn", {"x": floats(4, 2, 3), "initial_h": floats(2, 5)},
        {"weight_ih": floats(5, 3), "weight_hh": floats(5, 5) / 3, "bias": floats(5), "activation": activation, "output_sequence": True},
        rnn, activation)

# Compressed weights, by coremltools' own decompression.


def sub_byte(values, name):
    return np.asarray(values).astype(types.type_mapping.string_to_nptype(name))


def bits(count, *shape):
    return RANDOM.integers(0, 2**count, shape).astype(np.uint8)


add("constexpr_affine_dequantize", {}, {"quantized_data": RANDOM.integers(-128, 128, (4, 5)).astype(np.int8),
    "scale": np.abs(floats(5)), "zero_point": RANDOM.integers(-128, 128, 5).astype(np.int8), "axis": np.int32(1)},
    lambda quantized_data, scale, zero_point, axis: ios16.constexpr_affine_dequantize.decompress(quantized_data, zero_point, scale, axis),
    opset="ios16")
for count in [1, 2, 4, 6, 8]:
    indices = bits(8, -(-count * 21 // 8))
    add("constexpr_lut_to_dense", {}, {"indices": indices, "lut": floats(2**count, dtype=np.float16), "shape": np.array([3, 7], np.uint32)},
        lambda lut, indices, shape: ios16.constexpr_lut_to_dense.decompress(lut, indices, shape), f"packed {count}", opset="ios16")
MASK = np.packbits(bits(1, 21), bitorder="little")
add("constexpr_sparse_to_dense", {}, {"mask": MASK, "nonzero_data": floats(int(np.unpackbits(MASK).sum())), "shape": np.array([3, 7], np.uint32)},
    lambda nonzero_data, mask, shape: np.concatenate(
        [ios16.constexpr_sparse_to_dense.decompress(nonzero_data, mask, [24])])[:21].reshape(3, 7), "packed", opset="ios16")
for count in [1, 2, 3, 4, 6, 8]:
    name = f"uint{count}"
    for blocks, vector, axis in [((1, 1, 1), 1, None), ((2, 1, 3), 1, None), ((1, 2, 1), 3, 1), ((2, 2, 1), 2, 0), ((1, 1, 1), 4, -1)]:
        constants = {"indices": sub_byte(bits(count, 2, 4, 3), name), "lut": floats(*blocks, 2**count, vector)}
        if axis is not None:
            constants["vector_axis"] = np.int32(axis)
        add("constexpr_lut_to_dense", {}, constants,
            lambda indices, lut, vector_axis=None: ios18.constexpr_lut_to_dense.decompress(indices, lut, vector_axis),
            f"{name} blocks {blocks} vectors {vector} along {axis}")
for name, low, high in [("int4", -8, 8), ("uint4", 0, 16), ("int8", -128, 128), ("uint8", 0, 256)]:
    for dtype in [np.float32, np.float16]:
        data = sub_byte(RANDOM.integers(low, high, (4, 6)), name)
        constants = {"data": data, "scale": np.abs(floats(2, 3, dtype=dtype)), "offset": sub_byte(RANDOM.integers(low, high, (2, 3)), name)}
        add("constexpr_blockwise_shift_scale", {}, constants,
            lambda data, scale, offset: ios18.constexpr_blockwise_shift_scale.decompress(data, scale, offset.astype(scale.dtype)),
            f"{name} {np.dtype(dtype)}")
MARKS = sub_byte(bits(1, 4, 6), "uint1")
COUNT = int(MARKS.astype(int).sum())
add("constexpr_sparse_to_dense", {}, {"mask": MARKS, "nonzero_data": floats(COUNT)},
    lambda mask, nonzero_data: ios18.constexpr_sparse_to_dense.decompress(nonzero_data, mask))
for vector, axis in [(1, None), (2, 0), (3, 1)]:
    constants = {"indices_mask": MARKS, "indices_nonzero_data": sub_byte(bits(2, COUNT), "uint2"), "lut": floats(2, 1, 4, vector)}
    if axis is not None:
        constants["vector_axis"] = np.int32(axis)
    add("constexpr_lut_to_sparse", {}, constants, lambda indices_mask, indices_nonzero_data, lut, vector_axis=None: (
        ios18.constexpr_lut_to_sparse.decompress(indices_mask, indices_nonzero_data, lut, vector_axis)), f"vectors {vector} along {axis}")
add("constexpr_sparse_blockwise_shift_scale", {}, {"data_mask": MARKS, "nonzero_data": RANDOM.integers(-128, 128, COUNT).astype(np.int8),
    "scale": np.abs(floats(2, 3)), "offset": RANDOM.integers(-128, 128, (2, 3)).astype(np.int8)},
    lambda data_mask, nonzero_data, scale, offset: ios18.constexpr_sparse_blockwise_shift_scale.decompress(data_mask, nonzero_data, scale, offset))
