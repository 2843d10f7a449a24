// A linear layer, y = W x + b, by the functions of the known bridge alone: the same source runs on a Mac's Neural
// Engine and, over the virtual engine, on any processor.
//
//   cc examples/c/known_bridge.c -I crates/engrad-bridge/include -L target/release -l engrad_bridge -o known_bridge
//   LD_LIBRARY_PATH=target/release ./known_bridge

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ane_bridge.h"

// 64 inputs and 64 outputs for each of 32 positions; a position is one column. Rows of 32 fp16 numbers are 64 bytes
// long, so that tensors have no padding.
enum { CHANNELS = 64, POSITIONS = 32 };

static const char PROGRAM[] =
    "program(1.3)\n"
    "[buildInfo = dict<string, string>({{\"coremlc-component-MIL\", \"3510.2.1\"}, {\"coremlc-version\", "
    "\"3505.4.1\"}, {\"coremltools-component-milinternal\", \"\"}, {\"coremltools-version\", \"9.0\"}})]\n"
    "{\n"
    "  func main<ios18>(tensor<fp32, [1, 64, 1, 32]> x) {\n"
    "    string half = const()[name = string(\"half\"), val = string(\"fp16\")];\n"
    "    string single = const()[name = string(\"single\"), val = string(\"fp32\")];\n"
    "    bool no = const()[name = string(\"no\"), val = bool(false)];\n"
    "    tensor<int32, [3]> matrix = const()[name = string(\"matrix\"), val = tensor<int32, [3]>([1, 64, 32])];\n"
    "    tensor<int32, [4]> columns = const()[name = string(\"columns\"), val = tensor<int32, [4]>([1, 64, 1, 32])];\n"
    "    tensor<fp16, [1, 64, 64]> w = const()[name = string(\"w\"), val = tensor<fp16, [1, 64, 64]>(BLOBFILE(path = "
    "string(\"@model_path/weights/w.bin\"), offset = uint64(64)))];\n"
    "    tensor<fp16, [1, 64, 1]> b = const()[name = string(\"b\"), val = tensor<fp16, [1, 64, 1]>(BLOBFILE(path = "
    "string(\"@model_path/weights/b.bin\"), offset = uint64(64)))];\n"
    "    tensor<fp16, [1, 64, 1, 32]> x16 = cast(dtype = half, x = x)[name = string(\"x16\")];\n"
    "    tensor<fp16, [1, 64, 32]> xm = reshape(shape = matrix, x = x16)[name = string(\"xm\")];\n"
    "    tensor<fp16, [1, 64, 32]> wx = matmul(transpose_x = no, transpose_y = no, x = w, y = xm)[name = "
    "string(\"wx\")];\n"
    "    tensor<fp16, [1, 64, 32]> sum = add(x = wx, y = b)[name = string(\"sum\")];\n"
    "    tensor<fp16, [1, 64, 1, 32]> y16 = reshape(shape = columns, x = sum)[name = string(\"y16\")];\n"
    "    tensor<fp32, [1, 64, 1, 32]> y = cast(dtype = single, x = y16)[name = string(\"y\")];\n"
    "  } -> (y);\n"
    "}\n";

int main(void) {
  static float w[CHANNELS * CHANNELS], b[CHANNELS], x[CHANNELS * POSITIONS], y[CHANNELS * POSITIONS];
  for (int i = 0; i < CHANNELS * CHANNELS; i++) w[i] = (float)(i * 7 % 13 - 6) / 64;
  for (int i = 0; i < CHANNELS; i++) b[i] = (float)(i % 5) / 4;
  for (int i = 0; i < CHANNELS * POSITIONS; i++) x[i] = (float)(i * 5 % 17 - 8) / 16;

  if (ane_bridge_init() != 0) {
    fprintf(stderr, "no engine\n");
    return 1;
  }

  size_t lens[2];
  uint8_t *w_blob = ane_bridge_build_weight_blob(w, CHANNELS, CHANNELS, &lens[0]);
  uint8_t *b_blob = ane_bridge_build_weight_blob(b, CHANNELS, 1, &lens[1]);
  const char *names[] = {"@model_path/weights/w.bin", "@model_path/weights/b.bin"};
  const uint8_t *datas[] = {w_blob, b_blob};
  size_t bytes = sizeof x;
  ANEKernelHandle *kernel = ane_bridge_compile_multi_weights(PROGRAM, strlen(PROGRAM), names, datas, lens, 2, 1,
                                                             &bytes, 1, &bytes);
  ane_bridge_free_blob(w_blob);
  ane_bridge_free_blob(b_blob);
  if (kernel == NULL) {
    fprintf(stderr, "the program was refused\n");
    return 1;
  }

  ane_bridge_write_input(kernel, 0, x, bytes);
  if (!ane_bridge_eval(kernel)) {
    fprintf(stderr, "evaluation failed\n");
    return 1;
  }
  ane_bridge_read_output(kernel, 0, y, bytes);

  float largest = 0;
  for (int row = 0; row < CHANNELS; row++) {
    for (int column = 0; column < POSITIONS; column++) {
      float wanted = b[row];
      for (int i = 0; i < CHANNELS; i++) wanted += w[row * CHANNELS + i] * x[i * POSITIONS + column];
      largest = fmaxf(largest, fabsf(y[row * POSITIONS + column] - wanted));
    }
  }
  printf("%d program compiled, largest difference from the C loop %.4f\n", ane_bridge_get_compile_count(), largest);
  ane_bridge_free(kernel);
  return largest < 0.01f ? 0 : 1;
}
