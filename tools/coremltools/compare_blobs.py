"""Weight blobs cross both ways between coremltools 9 and this project, byte for byte.

Needs coremltools 9 and numpy; the tool is `cargo build -p engrad-package --example blobs`.

    python tools/coremltools/compare_blobs.py target/debug/examples/blobs
"""

import ast
import os
import subprocess
import sys
import tempfile

import numpy as np
from coremltools.libmilstoragepython import _BlobStorageReader as Reader
from coremltools.libmilstoragepython import _BlobStorageWriter as Writer

# Name here, name there, type of the array that holds the elements there. coremltools has no access to bf16 and fp8 blobs.
TYPES = [
    ("int4", "int4", np.int8),
    ("uint1", "uint1", np.uint8),
    ("uint2", "uint2", np.uint8),
    ("uint3", "uint3", np.uint8),
    ("uint4", "uint4", np.uint8),
    ("uint6", "uint6", np.uint8),
    ("int8", "int8", np.int8),
    ("uint8", "uint8", np.uint8),
    ("int16", "int16", np.int16),
    ("uint16", "uint16", np.uint16),
    ("int32", "int32", np.int32),
    ("uint32", "uint32", np.uint32),
    ("fp16", "fp16", np.uint16),
    ("fp32", "float", np.float32),
]
RANDOM = np.random.default_rng(1)


def elements(name, dtype, count):
    if name == "fp32":
        return RANDOM.standard_normal(count).astype(dtype)
    if name == "fp16":
        return RANDOM.standard_normal(count).astype(np.float16).view(np.uint16)
    bits = int(name.lstrip("uint"))
    low, high = (0, 1 << bits) if name.startswith("u") else (-(1 << (bits - 1)), 1 << (bits - 1))
    return RANDOM.integers(low, high, count).astype(dtype)


def listed(tool, path):
    """Type, offset, bytes and values of every blob, as this project reads them."""
    lines = subprocess.run([tool, "read", path], capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split(" ", 3) for line in lines]
    return [(name, int(offset), bytes.fromhex(data), ast.literal_eval(values.replace("NaN", "None")) if values else None) for name, offset, data, values in rows]


def main():
    tool = sys.argv[1]
    folder = tempfile.mkdtemp()
    checks = 0

    # Theirs: every type at lengths that end on and off byte and record boundaries.
    path = os.path.join(folder, "theirs.bin")
    writer, expected = Writer(path), []
    for name, theirs, dtype in TYPES:
        for count in (1, 2, 3, 5, 8, 9, 63, 64, 65, 200):
            values = elements(name, dtype, count)
            expected.append((name, getattr(writer, f"write_{theirs}_data")(values), values))
    del writer
    found = listed(tool, path)
    assert len(found) == len(expected), (len(found), len(expected))
    for (name, offset, _, values), (their_name, their_offset, their_values) in zip(found, expected):
        assert (name, offset) == (their_name, their_offset)
        if name == "fp16":
            their_values = their_values.view(np.float16)
        assert values == [float(v) for v in their_values], (name, offset)
        checks += 1

    # Ours: read there, then the same blobs written there are the same file.
    path, again = os.path.join(folder, "ours.bin"), os.path.join(folder, "again.bin")
    subprocess.run([tool, "write", path], check=True)
    names = {name: (theirs, dtype) for name, theirs, dtype in TYPES}
    reader, writer = Reader(path), Writer(again)
    content, regions = open(path, "rb").read(), []
    for name, offset, data, values in listed(tool, path):
        if name not in names:
            continue
        theirs, dtype = names[name]
        read = getattr(reader, f"read_{theirs}_data")(offset)
        numbers = read.view(np.float16) if name == "fp16" else read
        if values is not None:
            assert [float(v) for v in numbers] == values or np.isnan(numbers.astype(np.float64)).any(), name
        regions.append((offset, len(data), getattr(writer, f"write_{theirs}_data")(read)))
        checks += 1
    del writer
    written = open(again, "rb").read()
    for offset, size, other in regions:
        ours, theirs = bytearray(content[offset : offset + 64 + size]), bytearray(written[other : other + 64 + size])
        # The offset of the elements is that of the file.
        ours[16:24] = theirs[16:24] = bytes(8)
        assert ours == theirs, (offset, ours[:64].hex(), theirs[:64].hex())
        checks += 1
    assert content[4:64] == written[4:64]
    print(f"{checks} comparisons, all equal")


if __name__ == "__main__":
    main()
