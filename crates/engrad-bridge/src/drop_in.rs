//! The functions of the known bridge, `ane_bridge_*`.
//!
//! Signatures and meaning are that bridge's. What is new is that wrong arguments are refused: functions that return
//! something return NULL, `false` or −1, and every refusal is in `engrad_last_error`.
//!
//! **Sizes.** The sizes given when compiling decide how the bytes of `ane_bridge_write_input` and
//! `ane_bridge_read_output` lie. The size of the elements alone: packed, one row directly behind the other. The size of the
//! surface or more: as in the surface, each row padded to 64 bytes. Both are the same where rows are multiples of 64
//! bytes. Anything else is refused when compiling; and later every transfer covers the whole tensor.
//!
//! **Order.** Index `i` is the i-th input or output of the program's main function.

use std::ffi::{c_char, c_int, c_void};

use crate::error::{BridgeError, guard};
use crate::kernel::{BoundKernel, Sizes};
use crate::weights::File;
use crate::{blob, engine, handles, raw};

/// A compiled kernel. Opaque: a handle is a number and points to nothing.
#[allow(clippy::upper_case_acronyms, reason = "the name of the type in C")]
pub struct ANEKernelHandle {
    _private: [u8; 0],
}

impl std::fmt::Debug for ANEKernelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ANEKernelHandle")
    }
}

/// The path of the only weight file of [`ane_bridge_compile`].
const WEIGHT_PATH: &str = "@model_path/weights/weight.bin";

/// Makes the engine ready. On Macs with Apple silicon it is the Neural Engine, elsewhere the virtual engine, unless
/// engrad_select_engine chose. Returns 0, or -1 if there is no such engine.
#[unsafe(no_mangle)]
pub extern "C" fn ane_bridge_init() -> c_int {
    guard(-1, || engine::initialise().map(|_| 0))
}

/// Compiles a MIL program whose weights, if any, are in one file, "@model_path/weights/weight.bin".
/// weight_data may be NULL. input_sizes and output_sizes are in bytes, one for each input and output of the program.
/// Returns a kernel, to be freed by ane_bridge_free, or NULL.
///
/// # Safety
/// Pointers are to as many bytes and elements as the lengths beside them say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ane_bridge_compile(
    mil_text: *const c_char,
    mil_len: usize,
    weight_data: *const u8,
    weight_len: usize,
    n_inputs: c_int,
    input_sizes: *const usize,
    n_outputs: c_int,
    output_sizes: *const usize,
) -> *mut ANEKernelHandle {
    guard(std::ptr::null_mut(), || {
        // SAFETY: by the caller, here and below.
        let text = unsafe { raw::slice(mil_text.cast(), mil_len, "mil_text") }?;
        let given = !weight_data.is_null() && weight_len > 0;
        // SAFETY: as above.
        let data = unsafe { raw::slice(weight_data, if given { weight_len } else { 0 }, "weight_data") }?;
        let files: &[File<'_>] = if given { &[(WEIGHT_PATH, data)] } else { &[] };
        // SAFETY: as above.
        let sizes = unsafe { sizes(n_inputs, input_sizes, n_outputs, output_sizes) }?;
        compile(text, files, sizes)
    })
}

/// Compiles a MIL program with n_weights named weight files; a name is a path as the program's text has it, such as
/// "@model_path/weights/wq.bin". Otherwise as ane_bridge_compile.
///
/// # Safety
/// Pointers are to as many bytes and elements as the lengths beside them say; names are terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ane_bridge_compile_multi_weights(
    mil_text: *const c_char,
    mil_len: usize,
    weight_names: *mut *const c_char,
    weight_datas: *mut *const u8,
    weight_lens: *const usize,
    n_weights: c_int,
    n_inputs: c_int,
    input_sizes: *const usize,
    n_outputs: c_int,
    output_sizes: *const usize,
) -> *mut ANEKernelHandle {
    guard(std::ptr::null_mut(), || {
        // SAFETY: by the caller, here and below.
        let text = unsafe { raw::slice(mil_text.cast(), mil_len, "mil_text") }?;
        let count = raw::count(n_weights, "weight files")?;
        // SAFETY: as above.
        let names = unsafe { raw::slice(weight_names.cast_const(), count, "weight_names") }?;
        // SAFETY: as above.
        let datas = unsafe { raw::slice(weight_datas.cast_const(), count, "weight_datas") }?;
        // SAFETY: as above.
        let lens = unsafe { raw::slice(weight_lens, count, "weight_lens") }?;
        let mut files: Vec<File<'_>> = Vec::with_capacity(count);
        for ((&name, &data), &len) in names.iter().zip(datas).zip(lens) {
            // SAFETY: as above.
            let name = unsafe { raw::text(name, "a weight name") }?;
            // SAFETY: as above.
            files.push((name, unsafe { raw::slice(data, len, "a weight's data") }?));
        }
        // SAFETY: as above.
        let sizes = unsafe { sizes(n_inputs, input_sizes, n_outputs, output_sizes) }?;
        compile(text, &files, sizes)
    })
}

/// # Safety
/// Pointers are to as many elements as the counts say.
unsafe fn sizes<'a>(
    n_inputs: c_int,
    input_sizes: *const usize,
    n_outputs: c_int,
    output_sizes: *const usize,
) -> Result<Sizes<'a>, BridgeError> {
    let (inputs, outputs) = (raw::count(n_inputs, "inputs")?, raw::count(n_outputs, "outputs")?);
    // SAFETY: by the caller.
    let inputs = unsafe { raw::slice(input_sizes, inputs, "input_sizes") }?;
    // SAFETY: by the caller.
    Ok((inputs, unsafe { raw::slice(output_sizes, outputs, "output_sizes") }?))
}

fn compile(text: &[u8], files: &[File<'_>], sizes: Sizes<'_>) -> Result<*mut ANEKernelHandle, BridgeError> {
    let kernel = BoundKernel::compile(engine::current()?.as_ref(), text, files, Some(sizes))?;
    engine::count_compile();
    Ok(handles::keep(kernel))
}

/// Runs a kernel on what its inputs hold. Returns when the outputs are written; false if it failed.
#[unsafe(no_mangle)]
pub extern "C" fn ane_bridge_eval(kernel: *mut ANEKernelHandle) -> bool {
    guard(false, || handles::find(kernel)?.evaluate().map(|()| true))
}

/// Copies a whole input tensor in.
///
/// # Safety
/// data is to as many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ane_bridge_write_input(
    kernel: *mut ANEKernelHandle,
    idx: c_int,
    data: *const c_void,
    bytes: usize,
) {
    guard((), || {
        let kernel = handles::find(kernel)?;
        let idx = raw::index(idx, kernel.inputs.len(), "input")?;
        // SAFETY: by the caller.
        let data = unsafe { raw::slice(data.cast::<u8>(), bytes, "data") }?;
        kernel.inputs[idx].write(data)
    });
}

/// Copies a whole output tensor out.
///
/// # Safety
/// data is to as many writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ane_bridge_read_output(
    kernel: *mut ANEKernelHandle,
    idx: c_int,
    data: *mut c_void,
    bytes: usize,
) {
    guard((), || {
        let kernel = handles::find(kernel)?;
        let idx = raw::index(idx, kernel.outputs.len(), "output")?;
        // SAFETY: by the caller; bytes may hold anything.
        let data = unsafe { raw::slice_mut(data.cast::<u8>(), bytes, "data") }?;
        kernel.outputs[idx].read(data)
    });
}

/// Frees a kernel and all that belongs to it. NULL is ignored; a kernel freed before is refused.
#[unsafe(no_mangle)]
pub extern "C" fn ane_bridge_free(kernel: *mut ANEKernelHandle) {
    guard((), || if kernel.is_null() { Ok(()) } else { handles::free(kernel) });
}

/// Programs compiled by this process since the last reset. Devices allow about 119 in the life of a process.
#[unsafe(no_mangle)]
pub extern "C" fn ane_bridge_get_compile_count() -> c_int {
    guard(0, || Ok(engine::compiles()))
}

/// Sets the count to 0.
#[unsafe(no_mangle)]
pub extern "C" fn ane_bridge_reset_compile_count() {
    guard((), || {
        engine::reset_compiles();
        Ok(())
    });
}

/// Builds a weight file with one fp16 blob from rows x cols numbers: 128 bytes of headers, then the elements.
/// A program refers to it by offset 64. Free it with ane_bridge_free_blob or free.
///
/// # Safety
/// src is to rows x cols numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ane_bridge_build_weight_blob(
    src: *const f32,
    rows: c_int,
    cols: c_int,
    out_len: *mut usize,
) -> *mut u8 {
    // SAFETY: by the caller.
    unsafe { build(src, rows, cols, out_len, |weights, extent| blob::fp16(weights, extent, false)) }
}

/// As ane_bridge_build_weight_blob, of the transposed matrix: the blob holds cols x rows.
///
/// # Safety
/// src is to rows x cols numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ane_bridge_build_weight_blob_transposed(
    src: *const f32,
    rows: c_int,
    cols: c_int,
    out_len: *mut usize,
) -> *mut u8 {
    // SAFETY: by the caller.
    unsafe { build(src, rows, cols, out_len, |weights, extent| blob::fp16(weights, extent, true)) }
}

/// Builds the known bridge's int8 blob: 64 bytes of header, then the elements; for constexpr_affine_dequantize.
/// A program refers to it by offset 64. Free it with ane_bridge_free_blob or free.
///
/// # Safety
/// src is to rows x cols numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ane_bridge_build_weight_blob_int8(
    src: *const i8,
    rows: c_int,
    cols: c_int,
    out_len: *mut usize,
) -> *mut u8 {
    // SAFETY: by the caller.
    unsafe { build(src, rows, cols, out_len, |weights, extent| blob::int8(weights.iter().copied(), extent)) }
}

/// Quantises to int8 with one scale for the whole matrix, largest magnitude / 127, and builds the int8 blob.
/// out_scale receives that one scale.
///
/// # Safety
/// src is to rows x cols numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ane_bridge_build_weight_blob_quantized(
    src: *const f32,
    rows: c_int,
    cols: c_int,
    out_scale: *mut f32,
    out_len: *mut usize,
) -> *mut u8 {
    let quantized = |weights: &[f32], extent| {
        // SAFETY: NULL or writable, by the caller.
        let place = unsafe { raw::place(out_scale, "out_scale") }?;
        let (scale, values) = blob::quantize(weights);
        let buffer = blob::int8(values, extent)?;
        *place = scale;
        Ok(buffer)
    };
    // SAFETY: by the caller.
    unsafe { build(src, rows, cols, out_len, quantized) }
}

/// # Safety
/// `src` is NULL or to `rows` x `cols` numbers, `out_len` NULL or writable.
unsafe fn build<T>(
    src: *const T,
    rows: c_int,
    cols: c_int,
    out_len: *mut usize,
    make: impl FnOnce(&[T], blob::Extent) -> Result<blob::Buffer, BridgeError>,
) -> *mut u8 {
    guard(std::ptr::null_mut(), || {
        // SAFETY: by the caller, here and below.
        *unsafe { raw::place(out_len, "out_len") }? = 0;
        let extent = blob::Extent::new(rows, cols)?;
        // SAFETY: as above.
        let weights = unsafe { raw::slice(src, extent.elements(), "src") }?;
        // SAFETY: as above.
        unsafe { make(weights, extent)?.hand_over(out_len) }
    })
}

/// Frees a blob of the functions above. NULL is ignored.
///
/// # Safety
/// ptr is NULL or such a blob, not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ane_bridge_free_blob(ptr: *mut c_void) {
    guard((), || {
        // SAFETY: by the caller.
        unsafe { blob::free(ptr) };
        Ok(())
    });
}
