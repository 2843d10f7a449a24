//! The project's own functions, `engrad_*`. They share kernels with [`drop_in`](crate::drop_in): a handle of one set is
//! good for the other.
//!
//! Functions that can refuse return 0 or -1 (or NULL), and the reason is in [`engrad_last_error`].

use std::ffi::{c_char, c_int, c_void};

use engrad_mil::DType;

use crate::drop_in::ANEKernelHandle;
use crate::error::{self, BridgeError, guard};
use crate::kernel::{Bound, BoundKernel, packed_bytes};
use crate::weights::File;
use crate::{engine, handles, raw};

/// Most dimensions of a port.
pub const ENGRAD_MAX_RANK: usize = 16;

/// A weight file: a path as the program's text has it, and its content.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct EngradWeight {
    /// Terminated, such as "@model_path/weights/wq.bin".
    pub path: *const c_char,
    /// The content.
    pub data: *const u8,
    /// Bytes of content.
    pub len: usize,
}

/// Element type of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum EngradType {
    /// None of those below.
    Other = 0,
    /// IEEE half precision.
    Fp16 = 1,
    /// IEEE single precision.
    Fp32 = 2,
    /// Unsigned byte.
    Uint8 = 3,
    /// Signed byte.
    Int8 = 4,
    /// One byte, 0 or 1.
    Bool = 5,
    /// Signed 32-bit integer.
    Int32 = 6,
}

/// What a port is and how its bytes lie.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct EngradPort {
    /// Name in the program; holds until the kernel is freed.
    pub name: *const c_char,
    /// Element type.
    pub element_type: EngradType,
    /// Bytes of one element.
    pub element_bytes: usize,
    /// Number of dimensions.
    pub rank: usize,
    /// Extents, outermost first; 0 behind the last.
    pub shape: [usize; ENGRAD_MAX_RANK],
    /// Bytes from one row to the next in the surface.
    pub row_stride: usize,
    /// Bytes of the surface.
    pub surface_bytes: usize,
    /// Bytes of the elements without padding: what transfers of kernels from engrad_compile take.
    pub packed_bytes: usize,
}

/// Why this thread's last call was refused; "" if it was not. Holds until the thread's next call. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn engrad_last_error() -> *const c_char {
    error::last()
}

/// Version of the library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn engrad_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Chooses the engine of kernels compiled from now on, and makes it: "virtual" (any processor, fp16 as the device
/// rounds), "virtual-f32", "virtual-bf16", or "apple" (the Neural Engine). Kernels compiled before keep theirs.
///
/// # Safety
/// name is terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engrad_select_engine(name: *const c_char) -> c_int {
    guard(-1, || {
        // SAFETY: by the caller.
        engine::select(unsafe { raw::text(name, "name") }?, None).map(|()| 0)
    })
}

/// Chooses the engine "apple" over one library that exports what Apple's runtime and frameworks do: a stand-in, for tests
/// on other systems. The library's code is run.
///
/// # Safety
/// path is terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engrad_select_apple_library(path: *const c_char) -> c_int {
    guard(-1, || {
        // SAFETY: by the caller.
        engine::select("apple", Some(unsafe { raw::text(path, "path") }?)).map(|()| 0)
    })
}

/// Name of the engine that is chosen.
#[unsafe(no_mangle)]
pub extern "C" fn engrad_engine_name() -> *const c_char {
    guard(c"".as_ptr(), || Ok(engine::name().as_ptr()))
}

/// Compiles a MIL program with its weight files; the program says what its ports are. Makes the engine if there is none
/// yet. Transfers of the kernel are packed: packed_bytes of the port. Returns a kernel or NULL.
///
/// # Safety
/// Pointers are to as many bytes and elements as the lengths beside them say; paths are terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engrad_compile(
    mil_text: *const c_char,
    mil_len: usize,
    weights: *const EngradWeight,
    n_weights: usize,
) -> *mut ANEKernelHandle {
    guard(std::ptr::null_mut(), || {
        // SAFETY: by the caller, here and below.
        let text = unsafe { raw::slice(mil_text.cast(), mil_len, "mil_text") }?;
        // SAFETY: as above.
        let weights = unsafe { raw::slice(weights, n_weights, "weights") }?;
        let mut files: Vec<File<'_>> = Vec::new();
        for weight in weights {
            // SAFETY: as above.
            let path = unsafe { raw::text(weight.path, "a weight's path") }?;
            // SAFETY: as above.
            files.push((path, unsafe { raw::slice(weight.data, weight.len, "a weight's data") }?));
        }
        let kernel = BoundKernel::compile(engine::initialise()?.as_ref(), text, &files, None)?;
        engine::count_compile();
        Ok(handles::keep(kernel))
    })
}

/// Number of inputs, or -1.
#[unsafe(no_mangle)]
pub extern "C" fn engrad_input_count(kernel: *const ANEKernelHandle) -> c_int {
    guard(-1, || count(&handles::find(kernel)?.inputs))
}

/// Number of outputs, or -1.
#[unsafe(no_mangle)]
pub extern "C" fn engrad_output_count(kernel: *const ANEKernelHandle) -> c_int {
    guard(-1, || count(&handles::find(kernel)?.outputs))
}

fn count(ports: &[Bound]) -> Result<c_int, BridgeError> {
    c_int::try_from(ports.len()).map_err(|_| BridgeError::argument("too many ports for an int"))
}

/// Describes an input.
///
/// # Safety
/// port is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engrad_input_port(
    kernel: *const ANEKernelHandle,
    idx: c_int,
    port: *mut EngradPort,
) -> c_int {
    guard(-1, || {
        let kernel = handles::find(kernel)?;
        // SAFETY: by the caller.
        *unsafe { raw::place(port, "port") }? = describe(&kernel.inputs, idx, "input")?;
        Ok(0)
    })
}

/// Describes an output.
///
/// # Safety
/// port is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engrad_output_port(
    kernel: *const ANEKernelHandle,
    idx: c_int,
    port: *mut EngradPort,
) -> c_int {
    guard(-1, || {
        let kernel = handles::find(kernel)?;
        // SAFETY: by the caller.
        *unsafe { raw::place(port, "port") }? = describe(&kernel.outputs, idx, "output")?;
        Ok(0)
    })
}

fn describe(ports: &[Bound], idx: c_int, what: &str) -> Result<EngradPort, BridgeError> {
    let bound = &ports[raw::index(idx, ports.len(), what)?];
    let port = &bound.port;
    let mut shape = [0; ENGRAD_MAX_RANK];
    for (to, extent) in shape.iter_mut().zip(&port.ty.shape) {
        *to = *extent;
    }
    Ok(EngradPort {
        name: bound.name.as_ptr(),
        element_type: match port.ty.dtype {
            DType::Fp16 => EngradType::Fp16,
            DType::Fp32 => EngradType::Fp32,
            DType::UInt8 => EngradType::Uint8,
            DType::Int8 => EngradType::Int8,
            DType::Bool => EngradType::Bool,
            DType::Int32 => EngradType::Int32,
            _ => EngradType::Other,
        },
        element_bytes: port.ty.dtype.size(),
        rank: port.ty.rank(),
        shape,
        row_stride: port.row_stride,
        surface_bytes: port.bytes(),
        packed_bytes: packed_bytes(port),
    })
}

/// As ane_bridge_write_input, and says whether it was refused.
///
/// # Safety
/// data is to as many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engrad_write_input(
    kernel: *const ANEKernelHandle,
    idx: c_int,
    data: *const c_void,
    bytes: usize,
) -> c_int {
    guard(-1, || {
        let kernel = handles::find(kernel)?;
        let idx = raw::index(idx, kernel.inputs.len(), "input")?;
        // SAFETY: by the caller.
        let data = unsafe { raw::slice(data.cast::<u8>(), bytes, "data") }?;
        kernel.inputs[idx].write(data).map(|()| 0)
    })
}

/// As ane_bridge_read_output, and says whether it was refused.
///
/// # Safety
/// data is to as many writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engrad_read_output(
    kernel: *const ANEKernelHandle,
    idx: c_int,
    data: *mut c_void,
    bytes: usize,
) -> c_int {
    guard(-1, || {
        let kernel = handles::find(kernel)?;
        let idx = raw::index(idx, kernel.outputs.len(), "output")?;
        // SAFETY: by the caller; bytes may hold anything.
        let data = unsafe { raw::slice_mut(data.cast::<u8>(), bytes, "data") }?;
        kernel.outputs[idx].read(data).map(|()| 0)
    })
}

/// Runs a kernel on what its inputs hold; 0 when the outputs are written.
#[unsafe(no_mangle)]
pub extern "C" fn engrad_evaluate(kernel: *const ANEKernelHandle) -> c_int {
    guard(-1, || handles::find(kernel)?.evaluate().map(|()| 0))
}

/// Frees a kernel; 0, or -1 if it was freed before. NULL is ignored.
#[unsafe(no_mangle)]
pub extern "C" fn engrad_free(kernel: *mut ANEKernelHandle) -> c_int {
    guard(-1, || if kernel.is_null() { Ok(0) } else { handles::free(kernel).map(|()| 0) })
}
