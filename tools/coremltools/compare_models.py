#!/usr/bin/env python3
"""Compares whole models with PyTorch: each is converted by coremltools, saved as a package, run by `engrad mil run` and
its outputs are compared with those of the module itself.

Development only: needs coremltools, PyTorch and a built `engrad` binary.

    python tools/coremltools/compare_models.py --engrad target/debug/engrad [--only REGEX] [--keep DIR]
"""

import argparse
import logging
import re
import subprocess
import sys
import tempfile
from pathlib import Path

logging.disable(logging.CRITICAL)

import coremltools as ct
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
MODELS = []


def model(name, module, *inputs, shapes=None, targets=("iOS17",), half=False):
    """A module (or function) with example inputs; `shapes` where they are flexible."""
    if not isinstance(module, nn.Module):
        module = Function(module)
    for target in targets:
        MODELS.append((f"{name} {target}" if len(targets) > 1 else name, module.eval(), inputs, shapes, target, half))


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def floats(*shape):
    return torch.randn(*shape)


def ints(high, *shape):
    return torch.randint(0, high, shape).int()


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.width = heads, width

    def forward(self, x):
        split = lambda y: y.reshape(1, -1, self.heads, self.width // self.heads).transpose(1, 2)
        q, k, v = (split(y) for y in self.qkv(x).chunk(3, -1))
        weights = (q @ k.transpose(-1, -2) * 0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(1, -1, self.width))


class Conformer(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, 4)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.gate = nn.Conv1d(width, 2 * width, 1)
        self.depthwise = nn.Conv1d(width, width, 5, padding=2, groups=width)
        self.batch_norm, self.point = nn.BatchNorm1d(width), nn.Conv1d(width, width, 1)

    def forward(self, x):
        feed = lambda x: x + 0.5 * self.down(F.silu(self.up(self.norm(x))))
        x = feed(x)
        x = x + self.attention(self.norm(x))
        y = F.glu(self.gate(self.norm(x).transpose(1, 2)), dim=1)
        y = self.point(F.silu(self.batch_norm(self.depthwise(y))))
        return self.norm(feed(x + y.transpose(1, 2)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(32, 5)

    def forward(self, x):
        y, (h, c) = self.lstm(x)
        return self.out(y), h, c


class SuperResolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.slope = nn.Conv2d(3, 16, 3, padding=1), nn.PReLU(16)
        self.last, self.shuffle = nn.Conv2d(16, 12, 3, padding=1), nn.PixelShuffle(2)

    def forward(self, x):
        large = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return torch.clamp(self.shuffle(self.last(self.slope(self.first(x)))) + large, 0, 1)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8)
        self.down, self.up = nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.last = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        a = F.gelu(self.norm(self.first(x)))
        return torch.sigmoid(self.last(torch.cat([a, self.up(F.relu6(self.down(a)))], 1)))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.attention, self.out = nn.Embedding(50, 16), Attention(16, 4), nn.Linear(16, 50)

    def forward(self, ids):
        x = self.embedding(ids)
        return self.out(F.rms_norm(x + self.attention(x), (16,)))


def assigned(x, y):
    x = x.clone()
    x[:, 1:3] = y
    return x


TIME = ct.RangeDim(2, 40, default=6)
SIDE = ct.RangeDim(4, 32, default=8)
ALL = ("iOS15", "iOS16", "iOS17", "iOS18")

model("conformer", Conformer(), floats(1, 12, 16), targets=ALL)
model("conformer of any length", Conformer(), floats(1, 12, 16), shapes=[(1, ct.RangeDim(2, 50, default=12), 16)])
model("conformer in half precision", Conformer(), floats(1, 12, 16), half=True)
model("lstm", Recurrent(), floats(1, 7, 8), targets=("iOS15", "iOS17"))
model("super-resolution", SuperResolution(), torch.rand(1, 3, 8, 10), targets=("iOS15", "iOS17"))
model("super-resolution of any size", SuperResolution(), torch.rand(1, 3, 8, 8), shapes=[(1, 3, SIDE, SIDE)])
model("u-net", UNet(), floats(1, 3, 8, 8), targets=("iOS15", "iOS18"))
model("decoder", Decoder(), ints(50, 1, 9), targets=("iOS16", "iOS18"))
model(
    "mixed activations",
    nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True), nn.Hardswish(), nn.LocalResponseNorm(3),
        nn.AdaptiveAvgPool2d((2, 2)), nn.Flatten(), nn.Softplus(), nn.ELU(), nn.LeakyReLU(0.1), nn.Hardsigmoid(), nn.Mish(),
    ),
    floats(1, 3, 8, 8),
)
model(
    "convolutions of any size",
    nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2), nn.MaxPool2d(2)),
    floats(1, 3, 8, 8),
    shapes=[(1, 3, SIDE, SIDE)],
)
model("pools", lambda x: torch.cat([F.max_pool2d(x, 3, 2, 1, ceil_mode=True), F.avg_pool2d(x, 3, 2, 1)], 1), floats(1, 3, 7, 7))
model("sizes", lambda x: F.interpolate(x, scale_factor=2) + F.interpolate(x, size=(16, 20), mode="bilinear", align_corners=True), floats(1, 3, 8, 10))
model("grid", lambda x, g: F.grid_sample(x, g, align_corners=False), floats(1, 2, 6, 6), torch.rand(1, 4, 5, 2) * 2 - 1)
model("masked attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), *(floats(1, 2, 5, 4) for _ in range(3)), targets=("iOS17", "iOS18"))
model("largest", lambda x: torch.topk(x, 3, dim=1)[0], floats(2, 7), targets=ALL)
model("order", lambda x: torch.sort(x, dim=1, descending=True)[0], floats(2, 7))
model("class", lambda x: x.argmax(1).int(), floats(2, 7))
model("slices", lambda x: torch.cat([x[:, 1:], x[:, -1:], x[:, ::2], x.flip(1)], 1), floats(2, 6, 3))
model("gather", lambda x, i: torch.gather(x, 1, i.long()), floats(2, 6), ints(6, 2, 4), targets=ALL)
model("index", lambda x, i: x[:, i.long()], floats(2, 6, 3), ints(6, 4), targets=ALL)
model("two indices", lambda x, i: x[i.long(), i.long()], floats(6, 6, 3), ints(6, 4), targets=ALL)
model("assigned part", assigned, floats(2, 6, 3), floats(2, 2, 3), targets=ALL)
model("scatter", lambda x, i, y: x.scatter_add(1, i.long(), y), floats(2, 6), ints(6, 2, 4), floats(2, 4))
model("mask", lambda x: x.masked_fill(x > 0, -1.0) + torch.where(x > 1, x, torch.zeros_like(x)).cumsum(1), floats(4, 6))
model("one-hot", lambda i: F.one_hot(i.long(), 7).float(), ints(7, 2, 4))
model("unfold", lambda x: F.unfold(x, 3, padding=1), floats(1, 2, 5, 5))
model("margins", lambda x: F.pad(F.pad(F.pad(x, (1, 2, 2, 1), mode="reflect"), (1, 1), value=0.5), (2, 0, 0, 1), mode="replicate"), floats(1, 2, 5, 5))
model("einsum", lambda x, y: torch.einsum("bijd,bjkd->bikd", x, y), floats(1, 2, 5, 4), floats(1, 5, 6, 4))
model("reductions", lambda x: (x.mean((1, 2)), x.std(1), x.norm(dim=1), x.amax(2), torch.logsumexp(x, 1)), floats(2, 3, 4))
model("shape of any length", lambda x: x.reshape(2, -1).reshape(-1, 4).mean(0), floats(2, 6, 4), shapes=[(2, TIME, 4)])
model("half of any length", lambda x: torch.cat([x[:, : x.shape[1] // 2], torch.zeros(2, x.shape[1], 4)], 1), floats(2, 6, 4), shapes=[(2, TIME, 4)])
model("positions of any length", lambda x: torch.arange(x.shape[1]).unsqueeze(0).expand(2, -1).float() + x.sum(2), floats(2, 6, 4), shapes=[(2, TIME, 4)])
model("copies", lambda x: torch.cat([x.repeat(1, 2, 1), x.repeat_interleave(2, 1)], 1), floats(2, 3, 4))
model("triangles", lambda x: torch.roll(x, 2, 1) + torch.tril(x) + torch.triu(x, 1), floats(4, 4))
model("parts", lambda x: torch.stack(x.unbind(1)[::-1], 0), floats(2, 3, 4))
model("blocks of pixels", lambda x: F.pixel_unshuffle(x, 2), floats(1, 4, 6, 8))
model("elementary functions", lambda x: torch.stack([x.exp(), x.log(), x.sqrt(), x.rsqrt(), x.pow(2.5), x.sin(), x.tanh(), torch.erf(x), x.floor(), x.round(), x.abs(), torch.atan(x), x.sign()]), torch.rand(3, 4) + 0.5)
model("integers", lambda i: ((i // 3) + (i % 3)) * 2, ints(20, 3, 4))


def convert(module, inputs, shapes, target, half, path):
    traced = torch.jit.trace(module, inputs, check_trace=False)
    types = {torch.int32: np.int32, torch.float32: np.float32}
    described = [
        ct.TensorType(name=f"in{i}", shape=shapes[i] if shapes else x.shape, dtype=types[x.dtype])
        for i, x in enumerate(inputs)
    ]
    converted = ct.convert(
        traced,
        inputs=described,
        convert_to="mlprogram",
        minimum_deployment_target=getattr(ct.target, target),
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        skip_model_load=True,
    )
    converted.save(str(path))
    return [output.name for output in converted.get_spec().description.output]


def run(entry, engrad, folder):
    """What is wrong, or None."""
    _, module, inputs, shapes, target, half = entry
    with torch.no_grad():
        expected = module(*inputs)
    expected = list(expected) if isinstance(expected, (tuple, list)) else [expected]
    package = folder / "model.mlpackage"
    try:
        names = convert(module, inputs, shapes, target, half, package)
    except Exception as error:  # coremltools raises whatever it likes
        return f"coremltools does not convert it: {error}"
    command = [engrad, "mil", "run", str(package), "--out", str(folder / "out")]
    for i, x in enumerate(inputs):
        np.save(folder / f"in{i}.npy", x.numpy())
        command += ["--input", f"in{i}={folder / f'in{i}.npy'}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return f"exit {done.returncode}: {(done.stderr or done.stdout).strip()}"
    tolerance = 2e-2 if half else 1e-4
    for name, value in zip(names, expected):
        found, value = np.load(folder / "out" / f"{name}.npy").astype(np.float64), value.numpy().astype(np.float64)
        if found.shape != value.shape:
            return f"{name}: shape {found.shape}, expected {value.shape}"
        off = np.max(np.abs(found - value) / np.maximum(1.0, np.abs(value)), initial=0.0)
        if not off <= tolerance:
            return f"{name}: differs by {off:.3g}"
    return None


def main():
    parser = argparse.ArgumentParser(description="Compares whole models with PyTorch.")
    parser.add_argument("--engrad", default="target/debug/engrad", help="the binary to check")
    parser.add_argument("--only", default="", help="only models whose name matches this")
    parser.add_argument("--keep", type=Path, help="keep the packages of failing models here")
    options = parser.parse_args()
    failed = passed = 0
    for entry in MODELS:
        if not re.search(options.only, entry[0]):
            continue
        with tempfile.TemporaryDirectory() as folder:
            wrong = run(entry, options.engrad, Path(folder))
            if wrong and options.keep and (Path(folder) / "model.mlpackage").exists():
                kept = options.keep / (re.sub(r"\W+", "_", entry[0]) + ".mlpackage")
                kept.parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / "model.mlpackage").rename(kept)
        if wrong:
            failed += 1
            print(f"FAILED {entry[0]}: {wrong}")
        else:
            passed += 1
    print(f"{passed} models agree, {failed} do not")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
