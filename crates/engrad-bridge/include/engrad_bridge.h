// C interface of engrad: MIL programs compiled and evaluated on the Neural Engine or on any processor.
// Generated from the source of engrad-bridge; do not edit.

#ifndef ENGRAD_BRIDGE_H
#define ENGRAD_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Most dimensions of a port.
#define ENGRAD_MAX_RANK 16

// Element type of a port.
typedef enum {
  // None of those below.
  ENGRAD_TYPE_OTHER = 0,
  // IEEE half precision.
  ENGRAD_TYPE_FP16 = 1,
  // IEEE single precision.
  ENGRAD_TYPE_FP32 = 2,
  // Unsigned byte.
  ENGRAD_TYPE_UINT8 = 3,
  // Signed byte.
  ENGRAD_TYPE_INT8 = 4,
  // One byte, 0 or 1.
  ENGRAD_TYPE_BOOL = 5,
  // Signed 32-bit integer.
  ENGRAD_TYPE_INT32 = 6,
} EngradType;

// A compiled kernel. Opaque: a handle is a number and points to nothing.
typedef struct ANEKernelHandle ANEKernelHandle;

// A weight file: a path as the program's text has it, and its content.
typedef struct {
  // Terminated, such as "@model_path/weights/wq.bin".
  const char *path;
  // The content.
  const uint8_t *data;
  // Bytes of content.
  size_t len;
} EngradWeight;

// What a port is and how its bytes lie.
typedef struct {
  // Name in the program; holds until the kernel is freed.
  const char *name;
  // Element type.
  EngradType element_type;
  // Bytes of one element.
  size_t element_bytes;
  // Number of dimensions.
  size_t rank;
  // Extents, outermost first; 0 behind the last.
  size_t shape[ENGRAD_MAX_RANK];
  // Bytes from one row to the next in the surface.
  size_t row_stride;
  // Bytes of the surface.
  size_t surface_bytes;
  // Bytes of the elements without padding: what transfers of kernels from engrad_compile take.
  size_t packed_bytes;
} EngradPort;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Makes the engine ready. On Macs with Apple silicon it is the Neural Engine, elsewhere the virtual engine, unless
// engrad_select_engine chose. Returns 0, or -1 if there is no such engine.
int ane_bridge_init(void);

// Compiles a MIL program whose weights, if any, are in one file, "@model_path/weights/weight.bin".
// weight_data may be NULL. input_sizes and output_sizes are in bytes, one for each input and output of the program.
// Returns a kernel, to be freed by ane_bridge_free, or NULL.
// Pointers are to as many bytes and elements as the lengths beside them say.
ANEKernelHandle *ane_bridge_compile(const char *mil_text,
                                    size_t mil_len,
                                    const uint8_t *weight_data,
                                    size_t weight_len,
                                    int n_inputs,
                                    const size_t *input_sizes,
                                    int n_outputs,
                                    const size_t *output_sizes);

// Compiles a MIL program with n_weights named weight files; a name is a path as the program's text has it, such as
// "@model_path/weights/wq.bin". Otherwise as ane_bridge_compile.
// Pointers are to as many bytes and elements as the lengths beside them say; names are terminated.
ANEKernelHandle *ane_bridge_compile_multi_weights(const char *mil_text,
                                                  size_t mil_len,
                                                  const char **weight_names,
                                                  const uint8_t **weight_datas,
                                                  const size_t *weight_lens,
                                                  int n_weights,
                                                  int n_inputs,
                                                  const size_t *input_sizes,
                                                  int n_outputs,
                                                  const size_t *output_sizes);

// Runs a kernel on what its inputs hold. Returns when the outputs are written; false if it failed.
bool ane_bridge_eval(ANEKernelHandle *kernel);

// Copies a whole input tensor in.
// data is to as many bytes.
void ane_bridge_write_input(ANEKernelHandle *kernel, int idx, const void *data, size_t bytes);

// Copies a whole output tensor out.
// data is to as many writable bytes.
void ane_bridge_read_output(ANEKernelHandle *kernel, int idx, void *data, size_t bytes);

// Frees a kernel and all that belongs to it. NULL is ignored; a kernel freed before is refused.
void ane_bridge_free(ANEKernelHandle *kernel);

// Programs compiled by this process since the last reset. Devices allow about 119 in the life of a process.
int ane_bridge_get_compile_count(void);

// Sets the count to 0.
void ane_bridge_reset_compile_count(void);

// Builds a weight file with one fp16 blob from rows x cols numbers: 128 bytes of headers, then the elements.
// A program refers to it by offset 64. Free it with ane_bridge_free_blob or free.
// src is to rows x cols numbers.
uint8_t *ane_bridge_build_weight_blob(const float *src, int rows, int cols, size_t *out_len);

// As ane_bridge_build_weight_blob, of the transposed matrix: the blob holds cols x rows.
// src is to rows x cols numbers.
uint8_t *ane_bridge_build_weight_blob_transposed(const float *src, int rows, int cols, size_t *out_len);

// Builds the known bridge's int8 blob: 64 bytes of header, then the elements; for constexpr_affine_dequantize.
// A program refers to it by offset 64. Free it with ane_bridge_free_blob or free.
// src is to rows x cols numbers.
uint8_t *ane_bridge_build_weight_blob_int8(const int8_t *src,
                                           int rows,
                                           int cols,
                                           size_t *out_len);

// Quantises to int8 with one scale for the whole matrix, largest magnitude / 127, and builds the int8 blob.
// out_scale receives that one scale.
// src is to rows x cols numbers.
uint8_t *ane_bridge_build_weight_blob_quantized(const float *src,
                                                int rows,
                                                int cols,
                                                float *out_scale,
                                                size_t *out_len);

// Frees a blob of the functions above. NULL is ignored.
// ptr is NULL or such a blob, not freed before.
void ane_bridge_free_blob(void *ptr);

// Why this thread's last call was refused; "" if it was not. Holds until the thread's next call. Never NULL.
const char *engrad_last_error(void);

// Version of the library, such as "0.1.0".
const char *engrad_version(void);

// Chooses the engine of kernels compiled from now on, and makes it: "virtual" (any processor, fp16 as the device
// rounds), "virtual-f32", "virtual-bf16", or "apple" (the Neural Engine). Kernels compiled before keep theirs.
// name is terminated.
int engrad_select_engine(const char *name);

// Chooses the engine "apple" over one library that exports what Apple's runtime and frameworks do: a stand-in, for tests
// on other systems. The library's code is run.
// path is terminated.
int engrad_select_apple_library(const char *path);

// Name of the engine that is chosen.
const char *engrad_engine_name(void);

// Compiles a MIL program with its weight files; the program says what its ports are. Makes the engine if there is none
// yet. Transfers of the kernel are packed: packed_bytes of the port. Returns a kernel or NULL.
// Pointers are to as many bytes and elements as the lengths beside them say; paths are terminated.
ANEKernelHandle *engrad_compile(const char *mil_text,
                                size_t mil_len,
                                const EngradWeight *weights,
                                size_t n_weights);

// Number of inputs, or -1.
int engrad_input_count(const ANEKernelHandle *kernel);

// Number of outputs, or -1.
int engrad_output_count(const ANEKernelHandle *kernel);

// Describes an input.
// port is NULL or writable.
int engrad_input_port(const ANEKernelHandle *kernel, int idx, EngradPort *port);

// Describes an output.
// port is NULL or writable.
int engrad_output_port(const ANEKernelHandle *kernel, int idx, EngradPort *port);

// As ane_bridge_write_input, and says whether it was refused.
// data is to as many bytes.
int engrad_write_input(const ANEKernelHandle *kernel, int idx, const void *data, size_t bytes);

// As ane_bridge_read_output, and says whether it was refused.
// data is to as many writable bytes.
int engrad_read_output(const ANEKernelHandle *kernel, int idx, void *data, size_t bytes);

// Runs a kernel on what its inputs hold; 0 when the outputs are written.
int engrad_evaluate(const ANEKernelHandle *kernel);

// Frees a kernel; 0, or -1 if it was freed before. NULL is ignored.
int engrad_free(ANEKernelHandle *kernel);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ENGRAD_BRIDGE_H */
