"""Packages cross both ways between coremltools 9 and this project.

Builds models that together use every kind of value of the format, saves each as an .mlpackage, and for each:

1. `convert` makes it program text, which must verify, and an .mlmodelc;
2. `convert` makes text, then an .mlpackage of that text;
3. coremltools loads the result, and gets the same operations, types, constants and interface as from its own file.

Needs coremltools 9 and numpy; the tool is `cargo build -p engrad-package --example convert`.

    python tools/coremltools/compare_packages.py target/debug/examples/convert [FOLDER]
"""

import logging
import os
import subprocess
import sys
import tempfile

logging.disable(logging.CRITICAL)

import coremltools as ct
import numpy as np
from coremltools.converters.mil import Builder as mb
from coremltools.converters.mil.frontend.milproto.load import load as load_program
from coremltools.converters.mil.mil import types

RANDOM = np.random.default_rng(1)


def weights(*shape, dtype=np.float32):
    return RANDOM.standard_normal(shape).astype(dtype)


def convert(program, target, **options):
    # Nothing is optimised away or cast: the values that a model is about stay.
    options.setdefault("pass_pipeline", ct.PassPipeline.EMPTY)
    options.setdefault("compute_precision", ct.precision.FLOAT32)
    return ct.convert(program, source="milinternal", convert_to="mlprogram", minimum_deployment_target=target, skip_model_load=True, **options)


def conv_and_linear():
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3, 16, 16))], opset_version=ct.target.iOS15)
    def program(x):
        y = mb.conv(x=x, weight=weights(8, 3, 3, 3), bias=weights(8), strides=[2, 2], pad_type="same", name="conv/1")
        y = mb.relu(x=y)
        y = mb.reshape(x=y, shape=[1, -1])
        y = mb.linear(x=y, weight=weights(5, 512), bias=weights(5))
        return mb.softmax(x=y, axis=-1, name="0.output:0")

    return convert(program, ct.target.iOS15)


def half_precision_by_passes():
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3, 16, 16))], opset_version=ct.target.iOS16)
    def program(x):
        y = mb.conv(x=x, weight=weights(8, 3, 3, 3), pad_type="valid")
        y = mb.max_pool(x=y, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid")
        y = mb.gelu(x=y, mode="TANH_APPROXIMATION")
        a, b = mb.split(x=y, num_splits=2, axis=1)
        return mb.concat(values=[b, a], axis=1)

    return convert(
        program, ct.target.iOS16, pass_pipeline=ct.PassPipeline.DEFAULT, compute_precision=ct.precision.FLOAT16
    )


def lstm():
    @mb.program(input_specs=[mb.TensorSpec(shape=(7, 1, 6))], opset_version=ct.target.iOS15)
    def program(x):
        y, h, c = mb.lstm(
            x=x,
            initial_h=np.zeros((1, 4), np.float32),
            initial_c=np.zeros((1, 4), np.float32),
            weight_ih=weights(16, 6),
            weight_hh=weights(16, 4),
            bias=weights(16),
            output_sequence=True,
        )
        return y, h, c

    return convert(program, ct.target.iOS15)


def flexible_range():
    shape = ct.Shape((1, ct.RangeDim(1, 64, default=5), 8))

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, ct.converters.mil.mil.get_new_symbol(), 8))], opset_version=ct.target.iOS16)
    def program(x):
        return mb.linear(x=x, weight=weights(3, 8))

    return convert(program, ct.target.iOS16, inputs=[ct.TensorType(name="x", shape=shape)])


def enumerated_shapes():
    shape = ct.EnumeratedShapes(shapes=[(1, 4, 8), (1, 9, 8), (1, 20, 8)], default=(1, 9, 8))

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, ct.converters.mil.mil.get_new_symbol(), 8))], opset_version=ct.target.iOS16)
    def program(x):
        return mb.relu(x=mb.transpose(x=x, perm=[0, 2, 1]))

    return convert(program, ct.target.iOS16, inputs=[ct.TensorType(name="x", shape=shape)])


def image_input():
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3, 32, 24))], opset_version=ct.target.iOS15)
    def program(image):
        return mb.reduce_mean(x=image, axes=[2, 3], keep_dims=False)

    return convert(program, ct.target.iOS15, inputs=[ct.ImageType(name="image", shape=(1, 3, 32, 24))])


def state():
    @mb.program(
        input_specs=[mb.TensorSpec(shape=(1, 4), dtype=types.fp16), mb.StateTensorSpec(shape=(1, 4), dtype=types.fp16)],
        opset_version=ct.target.iOS18,
    )
    def program(x, total):
        y = mb.add(x=mb.read_state(input=total), y=x)
        y = mb.coreml_update_state(state=total, value=y)
        return mb.mul(x=y, y=np.float16(2))

    return convert(program, ct.target.iOS18)


def palettized():
    return ct.optimize.coreml.palettize_weights(
        conv_and_linear(),
        ct.optimize.coreml.OptimizationConfig(ct.optimize.coreml.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=10)),
    )


def quantized():
    return ct.optimize.coreml.linear_quantize_weights(
        conv_and_linear(),
        ct.optimize.coreml.OptimizationConfig(ct.optimize.coreml.OpLinearQuantizerConfig(weight_threshold=10)),
    )


def pruned():
    return ct.optimize.coreml.prune_weights(
        conv_and_linear(),
        ct.optimize.coreml.OptimizationConfig(
            ct.optimize.coreml.OpMagnitudePrunerConfig(target_sparsity=0.5, weight_threshold=10)
        ),
    )


def newest_conv():
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 32, 8, 8))], opset_version=ct.target.iOS18)
    def program(x):
        y = mb.conv(x=x, weight=weights(64, 32, 1, 1), pad_type="valid")
        return mb.conv(x=y, weight=weights(32, 64, 3, 3), pad_type="same")

    return convert(program, ct.target.iOS18)


def palettized_per_group(bits):
    def model():
        return ct.optimize.coreml.palettize_weights(
            newest_conv(),
            ct.optimize.coreml.OptimizationConfig(
                ct.optimize.coreml.OpPalettizerConfig(
                    mode="uniform", nbits=bits, granularity="per_grouped_channel", group_size=16, weight_threshold=10
                )
            ),
        )

    model.__name__ = f"palettized_per_group_{bits}"
    return model


def quantized_by_blocks():
    return ct.optimize.coreml.linear_quantize_weights(
        newest_conv(),
        ct.optimize.coreml.OptimizationConfig(
            ct.optimize.coreml.OpLinearQuantizerConfig(
                dtype="int4", granularity="per_block", block_size=16, weight_threshold=10
            )
        ),
    )


def constants_of_every_type():
    @mb.program(input_specs=[mb.TensorSpec(shape=(2, 3))], opset_version=ct.target.iOS18)
    def program(x):
        small = np.array([[1, 2, 3], [4, 5, 6]])
        values = [mb.cast(x=mb.const(val=small.astype(t)), dtype="fp32") for t in (np.int8, np.uint8, np.int16, np.uint16, np.int32)]
        y = mb.select(cond=np.array([[True, False, True], [False, False, True]]), a=x, b=values[0])
        for value in values[1:]:
            y = mb.add(x=y, y=value)
        y = mb.mul(x=y, y=mb.cast(x=mb.const(val=weights(2, 3, dtype=np.float16)), dtype="fp32"))
        return mb.gather(x=y, indices=np.array([1, 0], np.int32), axis=1)

    return convert(program, ct.target.iOS18)


def large_integers():
    @mb.program(input_specs=[mb.TensorSpec(shape=(40,))], opset_version=ct.target.iOS18)
    def program(x):
        y = mb.gather(x=x, indices=np.arange(40, dtype=np.int32)[::-1].copy(), axis=0)
        z = mb.gather(x=y, indices=np.arange(40, dtype=np.uint16), axis=0)
        return mb.gather(x=z, indices=np.arange(40, dtype=np.int16), axis=0)

    return convert(program, ct.target.iOS18)


def classifier():
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 4))], opset_version=ct.target.iOS15)
    def program(x):
        return mb.softmax(x=mb.linear(x=x, weight=weights(3, 4)), axis=-1, name="probabilities")

    return convert(program, ct.target.iOS15, classifier_config=ct.ClassifierConfig(["cat", "dog", 'a "bird"\n']))


def several_functions():
    folder = tempfile.mkdtemp()
    description = ct.utils.MultiFunctionDescriptor()
    for name, make in [("main", newest_conv), ("adapter", newest_conv)]:
        path = os.path.join(folder, f"{name}.mlpackage")
        make().save(path)
        description.add_function(path, src_function_name="main", target_function_name=name)
    description.default_function_name = "main"
    path = os.path.join(folder, "both.mlpackage")
    ct.utils.save_multifunction(description, path)
    return path


def control_flow():
    @mb.program(input_specs=[mb.TensorSpec(shape=(1,))], opset_version=ct.target.iOS15)
    def program(x):
        p = mb.squeeze(x=mb.greater(x=x, y=np.float32(0)))
        return mb.cond(pred=p, _true_fn=lambda: mb.add(x=x, y=np.float32(1)), _false_fn=lambda: mb.mul(x=x, y=np.float32(2)))

    return convert(program, ct.target.iOS15)


MODELS = [
    conv_and_linear,
    half_precision_by_passes,
    lstm,
    flexible_range,
    enumerated_shapes,
    image_input,
    state,
    palettized,
    quantized,
    pruned,
    palettized_per_group(1),
    palettized_per_group(2),
    palettized_per_group(3),
    palettized_per_group(4),
    palettized_per_group(6),
    quantized_by_blocks,
    constants_of_every_type,
    large_integers,
    classifier,
    several_functions,
]


def run(tool, source, target):
    done = subprocess.run([tool, source, target], capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


def summary(path):
    """What coremltools reads from a package: interface, then operations with constants."""
    model = ct.models.MLModel(path, skip_model_load=True)
    spec = model.get_spec()
    description = spec.description
    features = []
    for part in [description, *description.functions]:
        for kind in ("input", "output", "state"):
            for feature in getattr(part, kind):
                kept = type(feature.type)()
                kept.CopyFrom(feature.type)
                # Shapes of outputs are optional in the format; ours has those that are known.
                if kind == "output" and kept.WhichOneof("Type") == "multiArrayType":
                    kept.multiArrayType.ClearField("shape")
                features.append((getattr(part, "name", ""), kind, feature.name, kept.SerializeToString(deterministic=True)))
    program = load_program(spec, spec.specificationVersion, model.weights_dir)
    program.validate()
    functions = []
    for name, function in sorted(program.functions.items()):
        ops = []
        for op in function.operations:
            inputs = []
            for key, value in sorted(op.inputs.items()):
                for value in value if isinstance(value, (list, tuple)) else [value]:
                    constant = None if value.val is None else (str(value.dtype), np.asarray(value.val).tobytes())
                    inputs.append((key, constant if constant else value.name))
            if op.op_type != "const":
                ops.append((op.op_type, inputs, [o.dtype.__type_info__() if hasattr(o.dtype, "__type_info__") else str(o.dtype) for o in op.outputs]))
        functions.append((name, ops, [output.name for output in function.outputs]))
    return spec.specificationVersion, features, functions


def main():
    tool = sys.argv[1]
    folder = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    failed = 0
    for make in MODELS:
        name = make.__name__
        theirs = os.path.join(folder, f"{name}.theirs.mlpackage")
        model = make()
        if isinstance(model, str):
            theirs = model
        else:
            model.save(theirs)
        wrong = []
        paths = [theirs] + [os.path.join(folder, f"{name}.{ending}") for ending in ("mlmodelc", "again.mlpackage", "mil/model.mil", "ours.mlpackage")]
        for source, target in zip(paths, paths[1:]):
            code, said = run(tool, source, target)
            if code != 0 or said:
                wrong.append(f"{os.path.basename(source)} -> {os.path.basename(target)}: exit {code}: {said}")
                break
        if not wrong:
            expected, direct = summary(theirs), os.path.join(folder, f"{name}.direct.mlpackage")
            run(tool, theirs, direct)
            for result, parts in ((direct, 3), (paths[-1], 3)):
                found = summary(result)
                for what, a, b in list(zip(("format version", "features", "functions"), expected, found))[:parts]:
                    # Text has no images and no classifier's names: through text they are plain arrays.
                    if a != b and not (result == paths[-1] and name == "image_input" and what == "features"):
                        wrong.append(f"{os.path.basename(result)}: {what} differ:\n    {str(a)[:1500]}\n    {str(b)[:1500]}")
        print(f"{'ok' if not wrong else 'WRONG':6}{name}")
        for line in wrong:
            print(f"      {line}")
        failed += bool(wrong)
    theirs = os.path.join(folder, "control_flow.mlpackage")
    control_flow().save(theirs)
    code, said = run(tool, theirs, os.path.join(folder, "control_flow.mil"))
    refused = code == 2 and "cond" in said
    print(f"{'ok' if refused else 'WRONG':6}control_flow is refused: {said}")
    failed += not refused
    print(f"{len(MODELS) + 1 - failed} of {len(MODELS) + 1}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
