"""Shapes, slices, joins, gathering, sorting and construction."""

import numpy as np

from compare_ops import Case

RANDOM = np.random.default_rng(7)


def floats(*shape, dtype=np.float32):
    return RANDOM.standard_normal(shape).astype(dtype)


def ints(low, high, *shape, dtype=np.int32):
    return RANDOM.integers(low, high, shape).astype(dtype)


X = floats(2, 3, 4)
IMAGE = floats(2, 8, 4, 6)


def blocks_of_pixels(x, b, crd):
    """Channels to blocks; channel index is (c, by, bx) if crd, else (by, bx, c)."""
    n, c, h, w = x.shape
    if crd:
        y = x.reshape(n, c // (b * b), b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    else:
        y = x.reshape(n, b, b, c // (b * b), h, w).transpose(0, 3, 4, 1, 5, 2)
    return y.reshape(n, c // (b * b), h * b, w * b)


def channels_of_blocks(x, b, crd):
    n, c, h, w = x.shape
    y = x.reshape(n, c, h // b, b, w // b, b)
    y = y.transpose(0, 1, 3, 5, 2, 4) if crd else y.transpose(0, 3, 5, 1, 2, 4)
    return y.reshape(n, c * b * b, h // b, w // b)


def space_to_batch(x, block_shape, paddings):
    (bh, bw), pads = block_shape, np.asarray(paddings)
    x = np.pad(x, [(0, 0), (0, 0), tuple(pads[0]), tuple(pads[1])])
    n, c, h, w = x.shape
    y = x.reshape(n, c, h // bh, bh, w // bw, bw).transpose(3, 5, 0, 1, 2, 4)
    return y.reshape(n * bh * bw, c, h // bh, w // bw)


def batch_to_space(x, block_shape, crops):
    (bh, bw), crops = block_shape, np.asarray(crops)
    n, c, h, w = x.shape
    y = x.reshape(bh, bw, n // (bh * bw), c, h, w).transpose(2, 3, 4, 0, 5, 1)
    y = y.reshape(n // (bh * bw), c, h * bh, w * bw)
    return y[:, :, crops[0][0] : h * bh - crops[0][1], crops[1][0] : w * bw - crops[1][1]]


def windows(x, axis, size, stride=1):
    axis %= x.ndim
    starts = range(0, x.shape[axis] - size + 1, stride)
    return np.stack([np.take(x, range(s, s + size), axis) for s in starts], axis).reshape(
        x.shape[:axis] + (len(starts), size) + x.shape[axis + 1 :]
    )


def reverse_sequence(x, lengths, seq_axis=0, batch_axis=0):
    y = np.moveaxis(x.copy(), (batch_axis, seq_axis), (0, 1))
    for row, length in zip(y, lengths):
        row[:length] = row[:length][::-1].copy()
    return np.moveaxis(y, (0, 1), (batch_axis, seq_axis))


def interleaved(values, axis, interleave):
    joined = np.stack(values, axis + 1)
    shape = list(values[0].shape)
    shape[axis] *= len(values)
    return joined.reshape(shape)


COMBINE = {
    "update": lambda a, b: b,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "max": np.maximum,
    "min": np.minimum,
}


def scatter(data, indices, updates, axis=0, mode="add", **_):
    y = np.moveaxis(data.copy(), axis, 0)
    u = np.moveaxis(updates, axis, 0)
    for i, index in enumerate(indices):
        y[index] = COMBINE[mode](y[index], u[i])
    return np.moveaxis(y, 0, axis)


def scatter_along_axis(data, indices, updates, axis=0, mode="add", **_):
    y = data.copy()
    for place in np.ndindex(indices.shape):
        to = list(place)
        to[axis] = indices[place]
        y[tuple(to)] = COMBINE[mode](y[tuple(to)], updates[place])
    return y


def scatter_nd(data, indices, updates, mode="add", **_):
    y = data.copy()
    for place in np.ndindex(indices.shape[:-1]):
        to = tuple(indices[place])
        y[to] = COMBINE[mode](y[to], updates[place])
    return y


def gather_nd(x, indices, batch_dims=0, **_):
    out = [
        x[place[:batch_dims] + tuple(indices[place])] for place in np.ndindex(indices.shape[:-1])
    ]
    return np.stack(out).reshape(indices.shape[:-1] + x.shape[batch_dims + indices.shape[-1] :])


def one_hot(indices, one_hot_vector_size, axis=-1, on_value=1, off_value=0):
    y = np.equal(np.expand_dims(indices, -1), np.arange(one_hot_vector_size))
    dtype = np.asarray(on_value).dtype if isinstance(on_value, np.generic) else np.int32
    y = np.where(y, on_value, off_value).astype(dtype)
    return np.moveaxis(y, -1, axis)


def modes(op, data, indices, updates, expected, **constants):
    return [
        Case(op, {"data": data, "indices": indices, "updates": updates}, {"mode": mode, **constants},
             expected=expected, note=mode)
        for mode in COMBINE
    ]


SLICES = [
    ([0, 0, 0], [2, 3, 4], {}),
    ([1, 0, 1], [2, 2, 3], {}),
    ([0, -2, -3], [2, 3, -1], {}),
    ([0, 2, 3], [2, 0, 0], {"stride": [1, -1, -2]}),
    ([0, 0, 0], [0, 0, 0], {"begin_mask": [True] * 3, "end_mask": [True] * 3, "stride": [1, -1, -2]}),
    ([0, -1, 0], [2, 0, 4], {"end_mask": [False, True, False], "stride": [1, -1, 3]}),
    ([1, 2, 0], [0, 0, 4], {"squeeze_mask": [True, True, False]}),
    ([1, -1, 0], [0, 0, 3], {"squeeze_mask": [False, True, False], "end_mask": [True, False, False]}),
    ([0, 0, 1], [9, 9, 9], {}),
]

CASES = [
    Case("reshape", {"x": X}, {"shape": [4, 6]}),
    Case("reshape", {"x": X}, {"shape": [-1, 3]}, note="-1"),
    Case("reshape", {"x": X}, {"shape": [0, -1, 0]}, note="0"),
    Case("reshape", {"x": X}, {"shape": [1, 0, -1, 0]}, note="0 from the right"),
    Case("reshape", {"x": ints(-9, 9, 6, dtype=np.int8)}, {"shape": [3, 2]}, note="int8"),
    Case("expand_dims", {"x": X}, {"axes": [0, -1]}),
    Case("squeeze", {"x": floats(1, 3, 1, 2)}),
    Case("squeeze", {"x": floats(1, 3, 1, 2)}, {"axes": [-2]}),
    Case("squeeze", {"x": floats(2, 3, 1)}, {"axes": [0, 2]}, note="axes that stay",
         expected=lambda x, axes: x.reshape(2, 3)),
    Case("transpose", {"x": X}, {"perm": [2, 0, 1]}),
    Case("transpose", {"x": X}, {"perm": [-1, 0, -2]}, note="negative"),
    Case("transpose", {"x": floats(2, 3, 4, 5, 6)}, {"perm": [0, 3, 1, 4, 2]}, note="rank five"),
    *[Case("flatten2d", {"x": X}, {"axis": axis}, note=str(axis),
           expected=lambda x, axis: x.reshape(int(np.prod(x.shape[:axis])), -1)) for axis in (0, 1, 2, 3, -1)],
    Case("concat", {"values": (X, floats(2, 5, 4))}, {"axis": 1}),
    Case("concat", {"values": (X, floats(2, 3, 4), floats(2, 3, 4))}, {"axis": 1, "interleave": True},
         expected=interleaved, note="interleave"),
    Case("concat", {"values": (np.int32(3), np.int32(4))}, {"axis": 0}, note="scalars",
         expected=lambda values, axis: np.stack(values)),
    Case("stack", {"values": (X, floats(2, 3, 4))}, {"axis": -1}),
    Case("split", {"x": X}, {"num_splits": 2, "axis": 2}),
    Case("split", {"x": X}, {"split_sizes": [1, 2], "axis": -2}, note="sizes"),
    Case("tile", {"x": X}, {"reps": [2, 1, 3]}),
    Case("pad", {"x": X}, {"pad": [1, 2, 0, 3], "mode": "constant", "constant_val": 1.5}),
    Case("pad", {"x": X}, {"pad": [2, 1, 3, 2], "mode": "reflect"}, note="reflect"),
    Case("pad", {"x": X}, {"pad": [0, 1, 2, 2, 4, 0], "mode": "replicate"}, note="replicate"),
    Case("reverse", {"x": X}),
    Case("reverse", {"x": X}, {"axes": [0, -1]}),
    Case("reverse_sequence", {"x": X, "lengths": np.array([3, 2], np.int32)},
         {"seq_axis": 1, "batch_axis": 0}, expected=reverse_sequence),
    Case("reverse_sequence", {"x": X, "lengths": np.array([2, 0, 1, 2], np.int32)},
         {"seq_axis": 0, "batch_axis": 2}, expected=reverse_sequence),
    *[Case("slice_by_index", {"x": X}, {"begin": b, "end": e, **rest}, note=f"{b} {e} {rest}")
      for b, e, rest in SLICES],
    Case("slice_by_index", {"x": floats(5)}, {"begin": [3], "end": [0], "squeeze_mask": [True]}, note="to a scalar"),
    Case("slice_by_index", {"x": X, "begin": np.array([0, 1, 0], np.int32), "end": np.array([2, 3, 2], np.int32)},
         note="run-time bounds"),
    Case("slice_by_size", {"x": X}, {"begin": [0, 1, 2], "size": [2, -1, 1]}),
    Case("slice_by_size", {"x": X}, {"begin": [0, -2, 2], "size": [2, 1, 2]}, note="negative begin"),
    Case("slice_by_size", {"x": X, "begin": np.array([1, 0, 1], np.int32)}, {"size": [1, 2, 3]}, note="run-time begin"),
    Case("slice_update", {"x": X, "update": floats(2, 2, 2)},
         {"begin": [0, 1, 0], "end": [2, 3, 4], "stride": [1, 1, 2]}),
    Case("slice_update", {"x": X, "update": floats(3, 4)},
         {"begin": [1, 0, -1], "end": [0, 0, 0], "end_mask": [False, True, True],
          "squeeze_mask": [True, False, False], "stride": [1, 1, -1], "begin_mask": [False, True, True]}),
    Case("sliding_windows", {"x": X}, {"axis": 2, "size": 2}, expected=windows),
    Case("sliding_windows", {"x": floats(2, 9, 3)}, {"axis": -2, "size": 3, "stride": 2}, expected=windows),
    Case("depth_to_space", {"x": IMAGE}, {"block_size": 2},
         expected=lambda x, block_size: blocks_of_pixels(x, block_size, False)),
    Case("space_to_depth", {"x": IMAGE}, {"block_size": 2},
         expected=lambda x, block_size: channels_of_blocks(x, block_size, False)),
    Case("pixel_shuffle", {"x": IMAGE}, {"upscale_factor": 2},
         expected=lambda x, upscale_factor: blocks_of_pixels(x, upscale_factor, True)),
    Case("pixel_unshuffle", {"x": IMAGE}, {"downscale_factor": np.uint32(2)},
         expected=lambda x, downscale_factor: channels_of_blocks(x, int(downscale_factor), True)),
    Case("space_to_batch", {"x": IMAGE}, {"block_shape": [2, 3], "paddings": [[1, 1], [0, 3]]},
         expected=space_to_batch),
    Case("batch_to_space", {"x": floats(12, 2, 3, 2)}, {"block_shape": [2, 3], "crops": [[1, 0], [2, 1]]},
         expected=batch_to_space),
    *[Case("band_part", {"x": floats(2, 4, 5)}, {"lower": lower, "upper": upper}, note=f"{lower} {upper}")
      for lower, upper in ((0, -1), (-1, 0), (1, 2), (0, 0), (-1, -1))],
    Case("reshape_like", {"x": floats(2, 30), "ref_tensors": (floats(2, 3, 4), floats(1, 2, 5))},
         {"begins": (0, 1), "ends": (2, 0), "end_masks": (False, True)},
         expected=lambda x, **_: x.reshape(2, 3, 2, 5)),
    Case("gather", {"x": X, "indices": np.array([2, 0, -1], np.int32)}, {"axis": 1}, opset="ios16"),
    Case("gather", {"x": X, "indices": ints(0, 4, 2, 3, dtype=np.uint16)}, {"axis": -1, "batch_dims": 0}, note="matrix"),
    Case("gather", {"x": X, "indices": ints(0, 4, 2, 5)}, {"axis": 2, "batch_dims": 1, "validate_indices": True},
         note="batch"),
    Case("gather", {"x": X, "indices": np.int32(1)}, {"axis": 1, "batch_dims": 0}, note="scalar",
         expected=lambda x, **_: x[:, 1]),
    Case("gather", {"x": floats(4), "indices": np.int32(2)}, {"axis": 0}, note="to a scalar",
         expected=lambda x, **_: x[2]),
    Case("gather_along_axis", {"x": X, "indices": ints(0, 3, 2, 7, 4)}, {"axis": 1}),
    Case("gather_nd", {"x": X, "indices": ints(0, 2, 5, 2)}, expected=gather_nd),
    Case("gather_nd", {"x": X, "indices": ints(0, 3, 2, 5, 2)}, {"batch_dims": 1}, expected=gather_nd, note="batch"),
    *modes("scatter", X, np.array([1, 1, 2], np.int32), floats(2, 3, 4), scatter, axis=1),
    *modes("scatter_along_axis", X, ints(0, 3, 2, 5, 4), floats(2, 5, 4), scatter_along_axis, axis=1),
    *modes("scatter_nd", X, np.array([[0, 1], [1, 2], [0, 1]], np.int32), floats(3, 4), scatter_nd),
    Case("scatter_nd", {"data": ints(0, 9, 4), "indices": np.array([[1], [3], [1]], np.int32),
                        "updates": ints(1, 9, 3)}, {"mode": "add"}, expected=scatter_nd, note="integers"),
    *[Case("argsort", {"x": X}, {"axis": axis, "ascending": up}, note=f"{axis} {up}")
      for axis in (0, 1, -1) for up in (False, True)],
    *[Case("topk", {"x": floats(3, 7)}, {"k": 3, "axis": -1, "ascending": up}, note=f"ascending {up}")
      for up in (False, True)],
    Case("topk", {"x": floats(3, 7)}, {"k": 2, "axis": 0, "sort": True, "return_indices": False}, note="values only"),
    Case("topk", {"x": ints(-90, 90, 3, 7)}, {"k": 2, "axis": 1, "output_indices_dtype": "uint16"}, note="uint16",
         expected=lambda x, k, **_: (-np.sort(-x)[:, :k], np.argsort(-x, kind="stable")[:, :k].astype(np.uint16))),
    Case("non_zero", {"x": np.array([[0, 3, 0], [1, 0, 2]], np.int32)}),
    Case("non_zero", {"x": np.array([0.0, -1.5, 0.0], np.float32)}),
    Case("one_hot", {"indices": np.array([0, 2, 1], np.int32)}, {"one_hot_vector_size": 4}, expected=one_hot),
    Case("one_hot", {"indices": ints(0, 3, 2, 2)},
         {"one_hot_vector_size": 3, "axis": 0, "on_value": np.float32(2.5), "off_value": np.float32(-1)},
         expected=one_hot, note="values"),
    Case("shape", {"x": X}),
    Case("fill", {}, {"shape": [2, 3], "value": 1.5}),
    Case("fill", {"shape": np.array([2, 3], np.int32)}, {"value": np.int32(7)}, note="run-time shape"),
    Case("fill_like", {"ref_tensor": X}, {"value": np.float16(1.5)}),
    Case("range_1d", {}, {"start": 1, "end": 10, "step": 3}),
    Case("range_1d", {"end": np.int32(7)}, {"start": -2, "step": 2}, note="run-time end"),
    Case("range_1d", {}, {"start": 0.5, "end": -2.0, "step": -0.3}, note="floats"),
    Case("transpose", {"x": floats(3, 4, dtype=np.float16)}, {"perm": [1, 0]}, note="fp16"),
    Case("concat", {"values": (np.array([True, False]), np.array([True]))}, {"axis": 0}, note="bool"),
]
