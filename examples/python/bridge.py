"""The C interface from Python, by ctypes alone: a softmax over rows on the virtual engine.

    python3 examples/python/bridge.py target/release/libengrad_bridge.so
"""

import ctypes
import math
import sys

PROGRAM = b"""program(1.3)
{
  func main<ios18>(tensor<fp32, [1, 4, 1, 8]> x) {
    int32 axis = const()[name = string("axis"), val = int32(-1)];
    tensor<fp32, [1, 4, 1, 8]> y = softmax(axis = axis, x = x)[name = string("y")];
  } -> (y);
}
"""
ROWS, WIDTH = 4, 8


class Port(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("element_type", ctypes.c_int),
        ("element_bytes", ctypes.c_size_t),
        ("rank", ctypes.c_size_t),
        ("shape", ctypes.c_size_t * 16),
        ("row_stride", ctypes.c_size_t),
        ("surface_bytes", ctypes.c_size_t),
        ("packed_bytes", ctypes.c_size_t),
    ]


def load(path):
    library = ctypes.CDLL(path)
    handle, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    for name, result, arguments in [
        ("engrad_last_error", text, []),
        ("engrad_select_engine", ctypes.c_int, [text]),
        ("engrad_compile", handle, [text, size, ctypes.c_void_p, size]),
        ("engrad_input_port", ctypes.c_int, [handle, ctypes.c_int, ctypes.POINTER(Port)]),
        ("engrad_write_input", ctypes.c_int, [handle, ctypes.c_int, ctypes.c_void_p, size]),
        ("engrad_evaluate", ctypes.c_int, [handle]),
        ("engrad_read_output", ctypes.c_int, [handle, ctypes.c_int, ctypes.c_void_p, size]),
        ("engrad_free", ctypes.c_int, [handle]),
    ]:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def main(path):
    library = load(path)

    def check(status):
        if status != 0:
            sys.exit(library.engrad_last_error().decode())

    check(library.engrad_select_engine(b"virtual-f32"))
    kernel = library.engrad_compile(PROGRAM, len(PROGRAM), None, 0)
    check(0 if kernel else -1)
    port = Port()
    check(library.engrad_input_port(kernel, 0, ctypes.byref(port)))
    print(port.name.decode(), list(port.shape[: port.rank]), port.packed_bytes, "bytes")

    values = [[math.sin(row * WIDTH + column) for column in range(WIDTH)] for row in range(ROWS)]
    x = (ctypes.c_float * (ROWS * WIDTH))(*[value for row in values for value in row])
    y = (ctypes.c_float * (ROWS * WIDTH))()
    check(library.engrad_write_input(kernel, 0, x, ctypes.sizeof(x)))
    check(library.engrad_evaluate(kernel))
    check(library.engrad_read_output(kernel, 0, y, ctypes.sizeof(y)))
    check(library.engrad_free(kernel))

    for row, numbers in enumerate(values):
        total = sum(math.exp(number) for number in numbers)
        for column, number in enumerate(numbers):
            difference = abs(y[row * WIDTH + column] - math.exp(number) / total)
            if difference > 1e-5:
                sys.exit(f"row {row}, column {column} differs by {difference}")
    print("softmax agrees with Python's own")

    if library.engrad_evaluate(kernel) == 0:
        sys.exit("a freed kernel ran")
    print("a freed kernel is refused:", library.engrad_last_error().decode())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
