//! Calls that may throw Objective-C exceptions.
//!
//! Rust cannot catch a foreign exception: `catch_unwind` aborts the process. The usual remedy, a helper in Objective-C,
//! needs Apple's compiler and links the runtime. Here the handler is a frame of our own instead, on the unwinder that
//! every Rust program has: a few instructions of assembly that call a function and return its result, whose unwind
//! information names [`personality`]. That routine stops every exception but Rust's own panics at this frame and
//! lets it return normally, with the exception in the place of the result. The runtime's `objc_begin_catch`, looked up
//! like everything else, then gives the exception object.
//!
//! The same instructions run on Linux against the stand-in, whose `objc_exception_throw` raises through the same
//! unwinder. On processors other than x86-64 and arm64 there is no such frame, and no engine.
//!
//! Frames between the throw and the handler are Objective-C's, or functions of this crate declared `C-unwind`, which run
//! their destructors.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;

use super::runtime::{Object, Runtime};
use crate::AppleError;

#[cfg(target_arch = "x86_64")]
macro_rules! body {
    ($personality:literal) => {
        concat!(
            ".cfi_startproc\n",
            ".cfi_personality ",
            $personality,
            ", {personality}\n",
            "push rbp\n",
            ".cfi_def_cfa_offset 16\n",
            ".cfi_offset rbp, -16\n",
            "mov rbp, rsp\n",
            ".cfi_def_cfa_register rbp\n",
            "mov rax, rdi\n",
            "mov rdi, rsi\n",
            "call rax\n",
            "pop rbp\n",
            "ret\n",
            ".cfi_endproc\n",
        )
    };
}

#[cfg(target_arch = "aarch64")]
macro_rules! body {
    ($personality:literal) => {
        concat!(
            ".cfi_startproc\n",
            ".cfi_personality ",
            $personality,
            ", {personality}\n",
            "stp x29, x30, [sp, #-16]!\n",
            "mov x29, sp\n",
            ".cfi_def_cfa w29, 16\n",
            ".cfi_offset w30, -8\n",
            ".cfi_offset w29, -16\n",
            "mov x8, x0\n",
            "mov x0, x1\n",
            "blr x8\n",
            "ldp x29, x30, [sp], #16\n",
            "ret\n",
            ".cfi_endproc\n",
        )
    };
}

// The personality is found by a relative address on ELF, through the table of imported addresses on Mach-O, as the
// compilers of each do it.
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_vendor = "apple"))]
std::arch::global_asm!(
    ".private_extern _engrad_apple_catch",
    ".p2align 2",
    "_engrad_apple_catch:",
    body!("155"),
    personality = sym personality,
);

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(target_vendor = "apple"), unix))]
std::arch::global_asm!(
    ".hidden engrad_apple_catch",
    ".globl engrad_apple_catch",
    ".type engrad_apple_catch, %function",
    ".p2align 4",
    "engrad_apple_catch:",
    body!("0x1b"),
    ".size engrad_apple_catch, . - engrad_apple_catch",
    personality = sym personality,
);

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix))]
unsafe extern "C-unwind" {
    /// Calls `body(context)` and returns its result, or the exception that left it.
    fn engrad_apple_catch(
        body: unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void,
        context: *mut c_void,
    ) -> *mut c_void;
}

#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix)))]
unsafe fn engrad_apple_catch(
    _: unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void,
    _: *mut c_void,
) -> *mut c_void {
    // No library of the kind can be loaded here, so that there is nothing to call.
    std::process::abort()
}

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix))]
unsafe extern "C" {
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_SetIP(context: *mut c_void, address: usize);
    fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
}

const SEARCH_PHASE: c_int = 1;
const HANDLER_FRAME: c_int = 4;
const FORCED_UNWIND: c_int = 8;
const FATAL_IN_PHASE_2: c_int = 2;
const HANDLER_FOUND: c_int = 6;
const INSTALL_CONTEXT: c_int = 7;
const CONTINUE_UNWIND: c_int = 8;
/// Class of Rust's panics.
const RUST: u64 = u64::from_be_bytes(*b"MOZ\0RUST");

/// What the unwinder asks about the frame of `engrad_apple_catch` (Itanium C++ ABI, level I).
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix))]
extern "C" fn personality(
    version: c_int,
    actions: c_int,
    class: u64,
    exception: *mut c_void,
    context: *mut c_void,
) -> c_int {
    if version != 1 {
        return FATAL_IN_PHASE_2;
    }
    if class == RUST || actions & FORCED_UNWIND != 0 {
        return CONTINUE_UNWIND;
    }
    if actions & SEARCH_PHASE != 0 {
        return HANDLER_FOUND;
    }
    if actions & HANDLER_FRAME == 0 {
        return CONTINUE_UNWIND;
    }
    // Register 0 holds a function's result in both ABIs' numbering (rax, x0), and execution goes on just behind the
    // call, as if it had returned the exception.
    // SAFETY: the unwinder's own context, in the phase that may change it.
    unsafe {
        _Unwind_SetGR(context, 0, exception as usize);
        _Unwind_SetIP(context, _Unwind_GetIP(context));
    }
    INSTALL_CONTEXT
}

struct Call<F, R> {
    function: Option<F>,
    result: MaybeUninit<R>,
}

unsafe extern "C-unwind" fn run<F: FnOnce() -> R, R>(context: *mut c_void) -> *mut c_void {
    // SAFETY: `call` passes its own `Call`, which nobody else looks at meanwhile.
    let call = unsafe { &mut *context.cast::<Call<F, R>>() };
    if let Some(function) = call.function.take() {
        call.result.write(function());
    }
    std::ptr::null_mut()
}

/// Calls `function`; an Objective-C exception that leaves it becomes an error. Panics pass.
pub(crate) fn call<R>(runtime: &Runtime, function: impl FnOnce() -> R) -> Result<R, AppleError> {
    match catch(runtime, function) {
        Ok(result) => Ok(result),
        Err(exception) => {
            let error = describe(runtime, exception);
            // SAFETY: ends the handler that `catch` began, and with it the exception's life.
            unsafe { (runtime.objc_end_catch)() };
            Err(error)
        }
    }
}

/// The exception is the caller's until it calls `objc_end_catch`.
fn catch<F: FnOnce() -> R, R>(runtime: &Runtime, function: F) -> Result<R, Object> {
    let mut call = Call { function: Some(function), result: MaybeUninit::uninit() };
    // SAFETY: `run` gets the call it is made for, which outlives it.
    let exception = unsafe { engrad_apple_catch(run::<F, R>, (&raw mut call).cast()) };
    if exception.is_null() {
        // SAFETY: `run` came to its end, and so has written the result.
        return Ok(unsafe { call.result.assume_init() });
    }
    // SAFETY: the unwinder's exception, once.
    Err(unsafe { (runtime.objc_begin_catch)(exception) })
}

fn describe(runtime: &Runtime, exception: Object) -> AppleError {
    if !runtime.caught_object() {
        let name = "C++ exception".to_owned();
        return AppleError::Exception { name, reason: "thrown by the framework".to_owned() };
    }
    let text = |selector: &str| {
        let selector = runtime.selector(selector);
        let string = catch(runtime, || runtime.text_of(exception, selector));
        string.unwrap_or_else(|_| {
            // SAFETY: ends the handler just begun.
            unsafe { (runtime.objc_end_catch)() };
            String::new()
        })
    };
    match runtime.responds(exception, "reason") {
        true => AppleError::Exception { name: text("name"), reason: text("reason") },
        false => AppleError::Exception {
            name: runtime.class_name(exception),
            reason: "no reason given".to_owned(),
        },
    }
}

#[cfg(all(test, target_os = "macos", target_arch = "aarch64"))]
mod tests {
    use super::super::libraries::Libraries;
    use super::super::message::Message;
    use super::super::runtime::{Object, Runtime};
    use crate::{AppleError, Source};

    /// The one test of the handler against Apple's own unwinder and runtime.
    #[test]
    fn an_exception_of_foundation_is_caught() {
        let runtime = Runtime::load(&Libraries::open(&Source::System).unwrap()).unwrap();
        // SAFETY: takes nothing.
        let pool = unsafe { (runtime.objc_autoreleasePoolPush)() };
        let class = runtime.class("NSArray").unwrap();
        let array = Message::<(), Object>::find(&runtime, class, "array", false).unwrap();
        let at = Message::<(u64,), Object>::find(&runtime, class, "objectAtIndex:", true).unwrap();
        // SAFETY: a class method without arguments; an index, which is out of bounds and so throws.
        let error = unsafe { at.send(&runtime, array.send(&runtime, class.into()).unwrap(), 5) }.unwrap_err();
        // SAFETY: the pool above.
        unsafe { (runtime.objc_autoreleasePoolPop)(pool) };
        assert!(
            matches!(&error, AppleError::Exception { name, .. } if name == "NSRangeException"),
            "{error}"
        );
    }
}
