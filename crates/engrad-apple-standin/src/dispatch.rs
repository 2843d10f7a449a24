//! `objc_msgSend`: finds the method of the receiver's class and jumps there with all arguments in place.

use std::ffi::c_void;

use crate::class::{Sel, name_of};
use crate::control;
use crate::exceptions::throw;
use crate::object::{Id, class_name, is_live};

#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn objc_msgSend() {
    // Argument registers survive the search; the odd number of pushes keeps the stack aligned for the call.
    std::arch::naked_asm!(
        "push rdi", "push rsi", "push rdx", "push rcx", "push r8", "push r9", "push rax",
        "sub rsp, 128",
        "movups [rsp], xmm0", "movups [rsp + 16], xmm1", "movups [rsp + 32], xmm2", "movups [rsp + 48], xmm3",
        "movups [rsp + 64], xmm4", "movups [rsp + 80], xmm5", "movups [rsp + 96], xmm6", "movups [rsp + 112], xmm7",
        "call {search}",
        "mov r11, rax",
        "movups xmm0, [rsp]", "movups xmm1, [rsp + 16]", "movups xmm2, [rsp + 32]", "movups xmm3, [rsp + 48]",
        "movups xmm4, [rsp + 64]", "movups xmm5, [rsp + 80]", "movups xmm6, [rsp + 96]", "movups xmm7, [rsp + 112]",
        "add rsp, 128",
        "pop rax", "pop r9", "pop r8", "pop rcx", "pop rdx", "pop rsi", "pop rdi",
        "jmp r11",
        search = sym search,
    )
}

#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn objc_msgSend() {
    std::arch::naked_asm!(
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "sub sp, sp, #208",
        "stp x0, x1, [sp]", "stp x2, x3, [sp, #16]", "stp x4, x5, [sp, #32]", "stp x6, x7, [sp, #48]",
        "str x8, [sp, #64]",
        "stp q0, q1, [sp, #80]", "stp q2, q3, [sp, #112]", "stp q4, q5, [sp, #144]", "stp q6, q7, [sp, #176]",
        "bl {search}",
        "mov x16, x0",
        "ldp x0, x1, [sp]", "ldp x2, x3, [sp, #16]", "ldp x4, x5, [sp, #32]", "ldp x6, x7, [sp, #48]",
        "ldr x8, [sp, #64]",
        "ldp q0, q1, [sp, #80]", "ldp q2, q3, [sp, #112]", "ldp q4, q5, [sp, #144]", "ldp q6, q7, [sp, #176]",
        "add sp, sp, #208",
        "ldp x29, x30, [sp], #16",
        "br x16",
        search = sym search,
    )
}

/// The code to jump to. Throws nothing itself: the frame above cannot be unwound.
extern "C" fn search(receiver: Id, selector: Sel) -> *const c_void {
    if receiver.is_null() {
        return nothing as *const c_void;
    }
    if !is_live(receiver) {
        return gone as *const c_void;
    }
    // SAFETY: live; classes never end.
    let class = unsafe { (*receiver).isa.as_ref() };
    match class.and_then(|class| class.method(selector)) {
        Some(method) => method.code,
        None => unrecognized as *const c_void,
    }
}

extern "C-unwind" fn nothing(_: Id, _: Sel) -> usize {
    0
}

extern "C-unwind" fn gone(receiver: Id, selector: Sel) -> usize {
    let reason = format!("{} sent to {receiver:p}, which is gone", name_of(selector));
    control::violation(reason.clone());
    throw("NSInvalidArgumentException", &reason)
}

extern "C-unwind" fn unrecognized(receiver: Id, selector: Sel) -> usize {
    let reason = format!("{} does not understand {}", class_name(receiver), name_of(selector));
    control::violation(reason.clone());
    throw("NSInvalidArgumentException", &reason)
}
