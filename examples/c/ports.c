// The project's own functions: an engine by name, ports as the program has them, and a reason for every refusal.
//
//   cc examples/c/ports.c -I crates/engrad-bridge/include -L target/release -l engrad_bridge -o ports
//   LD_LIBRARY_PATH=target/release ./ports            # or ./ports apple on a Mac

#include <stdio.h>
#include <string.h>

#include "engrad_bridge.h"

static const char PROGRAM[] =
    "program(1.3)\n"
    "{\n"
    "  func main<ios18>(tensor<fp32, [1, 2, 1, 3]> a, tensor<fp32, [1, 2, 1, 3]> b) {\n"
    "    tensor<fp32, [1, 2, 1, 3]> sum = add(x = a, y = b)[name = string(\"sum\")];\n"
    "    tensor<fp32, [1, 2, 1, 3]> product = mul(x = a, y = b)[name = string(\"product\")];\n"
    "  } -> (sum, product);\n"
    "}\n";

static int refused(const char *what) {
  fprintf(stderr, "%s: %s\n", what, engrad_last_error());
  return 1;
}

static void describe(const char *kind, const EngradPort *port) {
  printf("%s `%s`: [", kind, port->name);
  for (size_t i = 0; i < port->rank; i++) printf(i == 0 ? "%zu" : ", %zu", port->shape[i]);
  printf("], %zu bytes, %zu in a surface with rows of %zu\n", port->packed_bytes, port->surface_bytes,
         port->row_stride);
}

int main(int argc, char **argv) {
  if (engrad_select_engine(argc > 1 ? argv[1] : "virtual-f32") != 0) return refused("engine");
  printf("engrad %s, engine %s\n", engrad_version(), engrad_engine_name());

  // A refusal names the place in the program's text.
  if (engrad_compile("program(1.3) { func }", 21, NULL, 0) != NULL) return 1;
  printf("%s\n", engrad_last_error());

  ANEKernelHandle *kernel = engrad_compile(PROGRAM, strlen(PROGRAM), NULL, 0);
  if (kernel == NULL) return refused("compile");
  EngradPort port;
  for (int i = 0; i < engrad_input_count(kernel); i++) {
    if (engrad_input_port(kernel, i, &port) != 0) return refused("input");
    describe("input", &port);
  }
  for (int i = 0; i < engrad_output_count(kernel); i++) {
    if (engrad_output_port(kernel, i, &port) != 0) return refused("output");
    describe("output", &port);
  }

  float a[] = {1, 2, 3, 4, 5, 6}, b[] = {10, 20, 30, 40, 50, 60}, sum[6], product[6];
  if (engrad_write_input(kernel, 0, a, sizeof a) != 0) return refused("write a");
  if (engrad_write_input(kernel, 1, b, sizeof b) != 0) return refused("write b");
  if (engrad_evaluate(kernel) != 0) return refused("evaluate");
  if (engrad_read_output(kernel, 0, sum, sizeof sum) != 0) return refused("read sum");
  if (engrad_read_output(kernel, 1, product, sizeof product) != 0) return refused("read product");
  for (int i = 0; i < 6; i++) printf("%g + %g = %g, %g * %g = %g\n", a[i], b[i], sum[i], a[i], b[i], product[i]);
  return engrad_free(kernel);
}
