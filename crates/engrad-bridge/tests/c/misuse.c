// Everything a caller can get wrong that a library can notice. Exits 0 if every case is refused with a reason.

#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ane_bridge.h"

static int failures = 0;

static void check(int holds, const char *what, int line) {
  if (!holds) {
    fprintf(stderr, "line %d: %s; last error `%s`\n", line, what, engrad_last_error());
    failures++;
  }
}

#define CHECK(condition) check((condition), #condition, __LINE__)
#define REFUSED(condition) check((condition) && engrad_last_error()[0] != '\0', "refused: " #condition, __LINE__)
#define ACCEPTED(condition) check((condition) && engrad_last_error()[0] == '\0', "accepted: " #condition, __LINE__)

// Rows of 3 fp16 numbers: 6 bytes, 64 in a surface.
static const char PROGRAM[] =
    "program(1.3) { func main<ios18>(tensor<fp16, [1, 2, 1, 3]> x) {\n"
    "  tensor<fp16, [1, 2, 1, 3]> y = add(x = x, y = x)[name = string(\"y\")];\n"
    "} -> (y); }";

static const char WEIGHTS[] =
    "program(1.3) { func main<ios18>(tensor<fp16, [2, 3]> x) {\n"
    "  tensor<fp16, [2, 3]> w = const()[name = string(\"w\"), val = tensor<fp16, [2, 3]>(BLOBFILE(path = "
    "string(\"@model_path/weights/weight.bin\"), offset = uint64(64)))];\n"
    "  tensor<fp16, [2, 3]> y = add(x = x, y = w)[name = string(\"y\")];\n"
    "} -> (y); }";

static ANEKernelHandle *compile(size_t input, size_t output) {
  return ane_bridge_compile(PROGRAM, strlen(PROGRAM), NULL, 0, 1, &input, 1, &output);
}

static void compiling(void) {
  size_t size = 12, sizes[2] = {12, 12};
  REFUSED(ane_bridge_compile(NULL, 10, NULL, 0, 1, &size, 1, &size) == NULL);
  REFUSED(ane_bridge_compile(NULL, 0, NULL, 0, 0, NULL, 0, NULL) == NULL);
  REFUSED(ane_bridge_compile(PROGRAM, SIZE_MAX, NULL, 0, 1, &size, 1, &size) == NULL);
  REFUSED(ane_bridge_compile(PROGRAM, strlen(PROGRAM) - 1, NULL, 0, 1, &size, 1, &size) == NULL);
  REFUSED(ane_bridge_compile("\xff\xfe", 2, NULL, 0, 1, &size, 1, &size) == NULL);
  REFUSED(ane_bridge_compile(PROGRAM, strlen(PROGRAM), NULL, 0, 1, NULL, 1, &size) == NULL);
  REFUSED(ane_bridge_compile(PROGRAM, strlen(PROGRAM), NULL, 0, 1, &size, 1, NULL) == NULL);
  REFUSED(ane_bridge_compile(PROGRAM, strlen(PROGRAM), NULL, 0, 2, sizes, 1, &size) == NULL);
  REFUSED(ane_bridge_compile(PROGRAM, strlen(PROGRAM), NULL, 0, -1, &size, 1, &size) == NULL);
  REFUSED(ane_bridge_compile(PROGRAM, strlen(PROGRAM), NULL, 0, INT_MAX, &size, INT_MIN, &size) == NULL);
  REFUSED(compile(11, 12) == NULL);
  REFUSED(compile(12, 64) == NULL);
  REFUSED(compile(0, 12) == NULL);

  REFUSED(ane_bridge_compile(WEIGHTS, strlen(WEIGHTS), NULL, 0, 1, &size, 1, &size) == NULL);
  uint8_t short_file[100] = {0};
  REFUSED(ane_bridge_compile(WEIGHTS, strlen(WEIGHTS), short_file, sizeof short_file, 1, &size, 1, &size) == NULL);
  float numbers[6] = {1, 2, 3, 4, 5, 6};
  size_t len = 0;
  uint8_t *blob = ane_bridge_build_weight_blob(numbers, 2, 3, &len);
  ACCEPTED(blob != NULL && len == 128 + 12);
  REFUSED(ane_bridge_compile(WEIGHTS, strlen(WEIGHTS), blob, len - 1, 1, &size, 1, &size) == NULL);
  const char *names[2] = {"@model_path/weights/weight.bin", NULL};
  const uint8_t *datas[2] = {blob, NULL};
  size_t lens[2] = {len, 4};
  int before = ane_bridge_get_compile_count();
  REFUSED(ane_bridge_compile_multi_weights(WEIGHTS, strlen(WEIGHTS), names, datas, lens, 2, 1, &size, 1, &size) == NULL);
  names[1] = "@model_path/weights/other.bin";
  REFUSED(ane_bridge_compile_multi_weights(WEIGHTS, strlen(WEIGHTS), names, datas, lens, 2, 1, &size, 1, &size) == NULL);
  REFUSED(ane_bridge_compile_multi_weights(WEIGHTS, strlen(WEIGHTS), NULL, datas, lens, 1, 1, &size, 1, &size) == NULL);
  REFUSED(ane_bridge_compile_multi_weights(WEIGHTS, strlen(WEIGHTS), names, NULL, lens, 1, 1, &size, 1, &size) == NULL);
  REFUSED(ane_bridge_compile_multi_weights(WEIGHTS, strlen(WEIGHTS), names, datas, NULL, 1, 1, &size, 1, &size) == NULL);
  REFUSED(ane_bridge_compile_multi_weights(WEIGHTS, strlen(WEIGHTS), names, datas, lens, -5, 1, &size, 1, &size) == NULL);
  CHECK(ane_bridge_get_compile_count() == before);
  ANEKernelHandle *kernel =
      ane_bridge_compile_multi_weights(WEIGHTS, strlen(WEIGHTS), names, datas, lens, 1, 1, &size, 1, &size);
  ACCEPTED(kernel != NULL);
  CHECK(ane_bridge_get_compile_count() == before + 1);
  ane_bridge_free(kernel);
  free(blob);  // As the known bridge's header says.
}

static void transfers(void) {
  uint16_t x[6] = {0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600}, y[64];
  ANEKernelHandle *kernel = compile(12, 12);
  ACCEPTED(kernel != NULL);
  ane_bridge_write_input(kernel, 0, x, 12);
  ACCEPTED(1);
  ACCEPTED(ane_bridge_eval(kernel));

  memset(y, 0x55, sizeof y);
  ane_bridge_read_output(kernel, 0, y, 11), REFUSED(1);
  ane_bridge_read_output(kernel, 0, y, 13), REFUSED(1);
  ane_bridge_read_output(kernel, 0, y, 0), REFUSED(1);
  ane_bridge_read_output(kernel, 1, y, 12), REFUSED(1);
  ane_bridge_read_output(kernel, -1, y, 12), REFUSED(1);
  ane_bridge_read_output(kernel, INT_MIN, y, 12), REFUSED(1);
  ane_bridge_read_output(kernel, 0, NULL, 12), REFUSED(1);
  ane_bridge_read_output(NULL, 0, y, 12), REFUSED(1);
  ane_bridge_read_output(kernel, 0, y, SIZE_MAX), REFUSED(1);
  CHECK(y[0] == 0x5555 && y[63] == 0x5555);
  ane_bridge_read_output(kernel, 0, y, 12), ACCEPTED(1);
  CHECK(y[0] == 0x4000 && y[5] == 0x4a00 && y[6] == 0x5555);

  ane_bridge_write_input(kernel, 0, NULL, 12), REFUSED(1);
  ane_bridge_write_input(kernel, 0, x, 2), REFUSED(1);
  ane_bridge_write_input(kernel, 0, x, 13), REFUSED(1);
  ane_bridge_write_input(kernel, 1, x, 12), REFUSED(1);
  ane_bridge_write_input(kernel, -1, x, 12), REFUSED(1);
  ane_bridge_write_input(NULL, 0, x, 12), REFUSED(1);
  ACCEPTED(ane_bridge_eval(kernel));
  ane_bridge_read_output(kernel, 0, y, 12);
  CHECK(y[5] == 0x4a00);
  ane_bridge_free(kernel);

  // Rows as in the surface, and more than the surface: the second row begins at byte 64.
  uint8_t rows[256] = {0}, out[256];
  memcpy(rows, x, 6);
  memcpy(rows + 64, x + 3, 6);
  kernel = compile(128, 256);
  ACCEPTED(kernel != NULL);
  ane_bridge_write_input(kernel, 0, rows, 12), REFUSED(1);
  ane_bridge_write_input(kernel, 0, rows, 256), REFUSED(1);
  ane_bridge_write_input(kernel, 0, rows, 128), ACCEPTED(1);
  ACCEPTED(ane_bridge_eval(kernel));
  memset(out, 0x55, sizeof out);
  ane_bridge_read_output(kernel, 0, out, 256), ACCEPTED(1);
  CHECK(out[64 + 5] == 0x4a && out[255] == 0);
  ane_bridge_free(kernel);
}

static void handles(void) {
  ANEKernelHandle *kernel = compile(12, 12);
  CHECK(kernel != NULL);
  ane_bridge_free(kernel), ACCEPTED(1);
  ane_bridge_free(kernel), REFUSED(1);
  ane_bridge_free(NULL), ACCEPTED(1);
  REFUSED(!ane_bridge_eval(kernel));
  REFUSED(!ane_bridge_eval(NULL));
  int local = 0;
  REFUSED(!ane_bridge_eval((ANEKernelHandle *)&local));
  REFUSED(engrad_input_count(kernel) == -1);
  REFUSED(engrad_evaluate(NULL) == -1);
  ANEKernelHandle *other = compile(12, 12);
  CHECK(other != NULL && other != kernel);
  EngradPort port;
  REFUSED(engrad_input_port(other, 1, &port) == -1);
  REFUSED(engrad_input_port(other, 0, NULL) == -1);
  ACCEPTED(engrad_output_port(other, 0, &port) == 0);
  CHECK(strcmp(port.name, "y") == 0 && port.packed_bytes == 12 && port.surface_bytes == 128 && port.rank == 4);
  ACCEPTED(engrad_free(other) == 0);
  REFUSED(engrad_free(other) == -1);
}

static void blobs(void) {
  float numbers[6] = {1, 2, 3, 4, 5, -6};
  int8_t bytes[6] = {1, 2, 3, 4, 5, -6};
  float scale = 0;
  size_t len = 7;
  REFUSED(ane_bridge_build_weight_blob(NULL, 2, 3, &len) == NULL);
  CHECK(len == 0);
  REFUSED(ane_bridge_build_weight_blob(numbers, 2, 3, NULL) == NULL);
  REFUSED(ane_bridge_build_weight_blob(numbers, 0, 3, &len) == NULL);
  REFUSED(ane_bridge_build_weight_blob(numbers, -2, -3, &len) == NULL);
  REFUSED(ane_bridge_build_weight_blob(numbers, INT_MAX, INT_MAX, &len) == NULL);
  REFUSED(ane_bridge_build_weight_blob_transposed(NULL, 2, 3, &len) == NULL);
  REFUSED(ane_bridge_build_weight_blob_int8(NULL, 2, 3, &len) == NULL);
  REFUSED(ane_bridge_build_weight_blob_int8(bytes, 2, INT_MIN, &len) == NULL);
  REFUSED(ane_bridge_build_weight_blob_quantized(numbers, 2, 3, NULL, &len) == NULL);
  REFUSED(ane_bridge_build_weight_blob_quantized(NULL, 2, 3, &scale, &len) == NULL);
  uint8_t *blob = ane_bridge_build_weight_blob_int8(bytes, 2, 3, &len);
  CHECK(blob != NULL && len == 64 + 6 && blob[0] == 0xef && blob[3] == 0xde && (int8_t)blob[69] == -6);
  ane_bridge_free_blob(blob);
  blob = ane_bridge_build_weight_blob_quantized(numbers, 2, 3, &scale, &len);
  CHECK(blob != NULL && len == 64 + 6 && scale == 6.0f / 127.0f && (int8_t)blob[69] == -127);
  free(blob);
  ane_bridge_free_blob(NULL), ACCEPTED(1);
}

static void *on_another_thread(void *kernel) {
  uint16_t y[6];
  for (int i = 0; i < 200; i++) {
    ane_bridge_eval(kernel);  // Refused once the other thread has freed it.
    ane_bridge_read_output(kernel, 0, y, sizeof y);
  }
  return NULL;
}

static void threads(void) {
  ANEKernelHandle *kernel = compile(12, 12);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, on_another_thread, kernel) == 0);
  ane_bridge_free(kernel);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  REFUSED(!ane_bridge_eval(kernel));
}

int main(void) {
  size_t size = 12;
  REFUSED(ane_bridge_compile(PROGRAM, strlen(PROGRAM), NULL, 0, 1, &size, 1, &size) == NULL);  // Not initialised.
  REFUSED(engrad_select_engine(NULL) == -1);
  REFUSED(engrad_select_engine("gpu") == -1);
  REFUSED(engrad_select_apple_library("/nowhere/library") == -1);
  ACCEPTED(engrad_select_engine("virtual") == 0);
  ACCEPTED(ane_bridge_init() == 0);
  CHECK(strcmp(engrad_engine_name(), "virtual") == 0);
  compiling();
  transfers();
  handles();
  blobs();
  threads();
  ane_bridge_reset_compile_count();
  CHECK(ane_bridge_get_compile_count() == 0);
  if (failures == 0) printf("every misuse was refused\n");
  return failures == 0 ? 0 : 1;
}
