// The Apple engine behind the C interface, on the library named by the first argument; unequal rows, so that strides of
// the loaded model matter. Exits 0 if every number is right.

#include <stdio.h>
#include <string.h>

#include "ane_bridge.h"

static const char PROGRAM[] =
    "program(1.3) { func main<ios18>(tensor<fp32, [1, 4, 1, 3]> b, tensor<fp32, [1, 4, 1, 3]> a) {\n"
    "  string half = const()[name = string(\"half\"), val = string(\"fp16\")];\n"
    "  string single = const()[name = string(\"single\"), val = string(\"fp32\")];\n"
    "  tensor<fp16, [1, 4, 1, 3]> a16 = cast(dtype = half, x = a)[name = string(\"a16\")];\n"
    "  tensor<fp16, [1, 4, 1, 3]> b16 = cast(dtype = half, x = b)[name = string(\"b16\")];\n"
    "  tensor<fp16, [1, 4, 1, 3]> z16 = sub(x = b16, y = a16)[name = string(\"z16\")];\n"
    "  tensor<fp16, [1, 4, 1, 3]> y16 = add(x = b16, y = a16)[name = string(\"y16\")];\n"
    "  tensor<fp32, [1, 4, 1, 3]> z = cast(dtype = single, x = z16)[name = string(\"z\")];\n"
    "  tensor<fp32, [1, 4, 1, 3]> y = cast(dtype = single, x = y16)[name = string(\"y\")];\n"
    "} -> (z, y); }";

static int refused(const char *what) {
  fprintf(stderr, "%s: %s\n", what, engrad_last_error());
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  if (engrad_select_apple_library(argv[1]) != 0) return refused("library");
  if (strcmp(engrad_engine_name(), "apple") != 0) return refused("name");
  float a[12], b[12], z[12], y[12];
  for (int i = 0; i < 12; i++) a[i] = (float)i, b[i] = (float)(i * i);
  size_t sizes[] = {sizeof a, sizeof a};
  if (ane_bridge_init() != 0) return refused("init");
  ANEKernelHandle *kernel = ane_bridge_compile(PROGRAM, strlen(PROGRAM), NULL, 0, 2, sizes, 2, sizes);
  if (kernel == NULL) return refused("compile");
  ane_bridge_write_input(kernel, 0, b, sizeof b);
  ane_bridge_write_input(kernel, 1, a, sizeof a);
  if (!ane_bridge_eval(kernel)) return refused("eval");
  ane_bridge_read_output(kernel, 0, z, sizeof z);
  ane_bridge_read_output(kernel, 1, y, sizeof y);
  ane_bridge_free(kernel);
  for (int i = 0; i < 12; i++) {
    if (z[i] != b[i] - a[i] || y[i] != b[i] + a[i]) return refused("wrong number");
  }
  printf("right\n");
  return 0;
}
