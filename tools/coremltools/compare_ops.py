#!/usr/bin/env python3
"""Compares operations of the interpreter with coremltools' own evaluator, or with numpy and PyTorch where it has none.

Development only: needs coremltools and numpy (some cases PyTorch), and a built `engrad` binary.

    python tools/coremltools/compare_ops.py --engrad target/debug/engrad [--part tensor] [--only REGEX] [--keep DIR]

Cases are in `cases_*.py` beside this file, each with a list `CASES`. For each case a program of one operation is written,
declared with the types that coremltools infers, checked and run by `engrad mil run`, and its results are compared. Exit
code 1 if anything differs.
"""

import argparse
import dataclasses
import importlib
import re
import subprocess
import sys
import tempfile
import typing
from pathlib import Path

import numpy as np


@dataclasses.dataclass
class Case:
    """One operation on given arguments. A tuple of arrays is a tuple argument; a Python float is fp32, an int int32."""

    op: str
    # Run-time arguments by name: numpy arrays (or scalars), or tuples of them.
    inputs: dict
    # Constant arguments by name: numpy arrays, Python numbers, texts, lists, or tuples of scalars.
    constants: dict = dataclasses.field(default_factory=dict)
    opset: str = "ios18"
    # Computes the results from all arguments, as an array or a tuple of them; None: coremltools' evaluator.
    expected: typing.Optional[typing.Callable] = None
    # Largest allowed difference, relative to max(1, |expected|); None: 1e-5 for fp32, 2e-3 for fp16, 0 for others.
    tolerance: typing.Optional[float] = None
    # Distinguishes cases of one operation in the report.
    note: str = ""


NAMES = {
    "bool": "bool",
    "int8": "int8",
    "uint8": "uint8",
    "int16": "int16",
    "uint16": "uint16",
    "int32": "int32",
    "uint32": "uint32",
    "int64": "int64",
    "float16": "fp16",
    "float32": "fp32",
    "float64": "fp64",
}


def array(value):
    """A value as coremltools would type it: ints are int32, floats fp32."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    result = np.asarray(value)
    narrow = {"int64": np.int32, "float64": np.float32}.get(result.dtype.name)
    # An empty list is one of axes or extents.
    if result.size == 0:
        narrow = np.int32
    return result.astype(narrow) if narrow else result


def element_type(dtype):
    """Name of a numpy type; coremltools marks those below a byte."""
    narrow = (dtype.metadata or {}).get("true_dtype")
    if narrow is None:
        return NAMES[dtype.name]
    return f"{'u' * narrow.is_unsigned()}int{narrow.get_bitwidth()}"


def type_text(dtype, shape):
    extents = ", ".join(str(d) if isinstance(d, (int, np.integer)) else "?" for d in shape)
    return f"tensor<{dtype}, [{extents}]>" if shape else dtype


def element(value):
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    return repr(float(value)) if isinstance(value, (float, np.floating)) else str(int(value))


def nested(values):
    if values.ndim == 0:
        return element(values[()])
    return "[" + ", ".join(nested(v) for v in values) + "]"


def literal(value):
    """Type and literal of a constant."""
    if isinstance(value, str):
        return "string", f'string("{value}")'
    values = array(value)
    ty = type_text(element_type(values.dtype), values.shape)
    return ty, f"{ty}({nested(values)})"


def parts(name, value):
    """The values behind an argument, with their names."""
    if isinstance(value, tuple):
        return [(f"{name}_{i}", v) for i, v in enumerate(value)]
    return [(name, value)]


def program(case, types):
    """Text of the program, and its inputs by name."""
    inputs, statements, arguments = {}, [], []
    for name, value in sorted({**case.inputs, **case.constants}.items()):
        members = parts(name, value)
        for member, v in members:
            if name in case.inputs:
                inputs[member] = array(v)
            else:
                ty, text = literal(v)
                statements.append(f'        {ty} {member} = const()[name = string("{member}"), val = {text}];')
        passed = ", ".join(member for member, _ in members)
        arguments.append(f"{name} = ({passed})" if isinstance(value, tuple) else f"{name} = {passed}")
    results = [f"result{i}" for i in range(len(types))]
    declared = ", ".join(f"{ty} {name}" for ty, name in zip(types, results))
    statements.append(f'        {declared} = {case.op}({", ".join(arguments)})[name = string("op")];')
    parameters = ", ".join(f"{type_text(element_type(v.dtype), v.shape)} {n}" for n, v in inputs.items())
    body = "\n".join(statements)
    text = (
        "program(1.3)\n[buildInfo = dict<string, string>({})]\n{\n"
        f'    func main<{case.opset}>({parameters}) {{\n{body}\n    }} -> ({", ".join(results)});\n}}\n'
    )
    return text, inputs, results


def build(case, run_time):
    """The results as coremltools' variables; with inputs as placeholders, or as constants, which it then folds."""
    import coremltools as ct
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.converters.mil.mil import types

    target = getattr(ct.target, {"ios15": "iOS15", "ios16": "iOS16", "ios17": "iOS17", "ios18": "iOS18"}[case.opset])
    found = []

    def body(placeholders):
        def value(name, v):
            if name in placeholders:
                return placeholders[name]
            # Left as it is: coremltools makes the constant.
            return v if isinstance(v, (str, bool)) else array(v)[()]

        kwargs = {}
        for name, v in {**case.inputs, **case.constants}.items():
            members = [value(member, m) for member, m in parts(name, v)]
            kwargs[name] = tuple(members) if isinstance(v, tuple) else members[0]
        out = getattr(mb, case.op)(**kwargs, name="result")
        found.extend(out if isinstance(out, (tuple, list)) else [out])
        return out

    flat = {}
    if run_time:
        for name, v in case.inputs.items():
            flat.update({member: array(m) for member, m in parts(name, v)})
    specs = [
        mb.TensorSpec(shape=v.shape, dtype=types.numpy_type_to_builtin_type(v.dtype)) for v in flat.values()
    ]
    # The decorator reads the parameters' names.
    scope = {"body": body}
    names = ", ".join(flat)
    pairs = ", ".join(f"{n!r}: {n}" for n in flat)
    exec(f"def function({names}):\n    return body({{{pairs}}})", scope)
    mb.program(input_specs=specs, opset_version=target)(scope["function"])
    return found


def declared_type(var):
    from coremltools.converters.mil.mil import types

    return type_text(element_type(np.dtype(types.nptype_from_builtin(var.dtype))), tuple(var.shape))


def compare(case, found, expected):
    """What differs, or None."""
    if found.shape != expected.shape:
        return f"shape {found.shape}, expected {expected.shape}"
    if found.dtype.kind != expected.dtype.kind:
        return f"{found.dtype}, expected {expected.dtype}"
    if expected.dtype.kind != "f":
        return None if np.array_equal(found, expected) else f"{found.tolist()}, expected {expected.tolist()}"
    tolerance = case.tolerance
    if tolerance is None:
        tolerance = 2e-3 if expected.dtype == np.float16 else 1e-5
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        off = np.abs(found - expected) / np.maximum(1.0, np.abs(expected))
    off = np.where((found == expected) | (np.isnan(found) & np.isnan(expected)), 0.0, off)
    # A NaN on one side only is any distance away.
    worst = np.max(np.where(np.isnan(off), np.inf, off), initial=0.0)
    return None if worst <= tolerance else f"differs by {worst:.3g}"


def run(case, engrad, folder):
    """What is wrong, or None."""
    arguments = {**case.inputs, **case.constants}
    if case.expected is not None:
        expected = case.expected(**arguments)
        expected = list(expected) if isinstance(expected, tuple) else [expected]
    else:
        try:
            expected = [var.val for var in build(case, run_time=False)]
        except Exception as error:  # its evaluators do not check what they are given
            return f"coremltools cannot evaluate it: {error}"
        if any(value is None for value in expected):
            return "coremltools does not evaluate it: give the case an `expected`"
    expected = [array(value) for value in expected]
    if any(array(v).ndim == 0 for name, value in case.inputs.items() for _, v in parts(name, value)):
        # coremltools has no scalar inputs.
        types = [type_text(element_type(value.dtype), value.shape) for value in expected]
    else:
        try:
            types = [declared_type(var) for var in build(case, run_time=True)]
        except Exception as error:  # coremltools raises whatever it likes
            return f"coremltools refuses it: {error}"
    text, inputs, results = program(case, types)
    path = folder / "program.mil"
    path.write_text(text)
    command = [engrad, "mil", "run", str(path), "--out", str(folder / "out")]
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", value)
        command += ["--input", f"{name}={folder / name}.npy"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return f"exit {done.returncode}: {(done.stderr or done.stdout).strip()}"
    for name, value in zip(results, expected):
        wrong = compare(case, np.load(folder / "out" / f"{name}.npy"), value)
        if wrong:
            return f"{name}: {wrong}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engrad", default="target/debug/engrad", help="the binary to check")
    parser.add_argument("--part", action="append", help="only cases_PART.py; may be repeated")
    parser.add_argument("--only", default="", help="only operations whose name and note match this")
    parser.add_argument("--keep", type=Path, help="keep the programs and arrays of failing cases here")
    options = parser.parse_args()
    here = Path(__file__).parent
    sys.path.insert(0, str(here))
    # Case modules import this one; as a program it has another name.
    sys.modules["compare_ops"] = sys.modules["__main__"]
    found = options.part or sorted(path.stem.removeprefix("cases_") for path in here.glob("cases_*.py"))
    failed = passed = 0
    for part in found:
        for case in importlib.import_module(f"cases_{part}").CASES:
            label = f"{case.op} {case.note}".strip()
            if not re.search(options.only, label):
                continue
            with tempfile.TemporaryDirectory() as folder:
                wrong = run(case, options.engrad, Path(folder))
                if wrong and options.keep:
                    kept = options.keep / re.sub(r"\W+", "_", label)
                    kept.mkdir(parents=True, exist_ok=True)
                    for path in Path(folder).glob("*.*"):
                        path.replace(kept / path.name)
            if wrong:
                failed += 1
                print(f"FAILED {part}: {label}: {wrong}")
            else:
                passed += 1
    print(f"{passed} operations agree, {failed} do not")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
