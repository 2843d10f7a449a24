//! The exported functions of the Objective-C runtime.

use std::ffi::{CStr, c_char};

use crate::class::{self, Class, Method, Sel};
use crate::control;
use crate::object::{self, Id, is_live};

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_getClass(name: *const c_char) -> *const Class {
    // SAFETY: terminated, by the function's contract.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    match class::find(&name).filter(|_| !control::is_hidden(&name)) {
        Some(class) => class,
        None => std::ptr::null(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn sel_registerName(name: *const c_char) -> Sel {
    // SAFETY: terminated, by the function's contract.
    class::intern(unsafe { CStr::from_ptr(name) })
}

#[unsafe(no_mangle)]
extern "C-unwind" fn sel_getName(selector: Sel) -> *const c_char {
    selector
}

#[unsafe(no_mangle)]
extern "C-unwind" fn objc_retain(object: Id) -> Id {
    object::retain(object)
}

#[unsafe(no_mangle)]
extern "C-unwind" fn objc_release(object: Id) {
    object::release(object);
}

#[unsafe(no_mangle)]
extern "C-unwind" fn objc_autorelease(object: Id) -> Id {
    object::autorelease(object)
}

#[unsafe(no_mangle)]
extern "C-unwind" fn objc_autoreleasePoolPush() -> usize {
    object::push_pool()
}

#[unsafe(no_mangle)]
extern "C-unwind" fn objc_autoreleasePoolPop(token: usize) {
    object::pop_pool(token);
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn class_getInstanceMethod(class: *const Class, selector: Sel) -> *const Method {
    // SAFETY: null, or a class, by the function's contract.
    match unsafe { class.as_ref() }.and_then(|class| class.method(selector)) {
        Some(method) => method,
        None => std::ptr::null(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn class_getClassMethod(class: *const Class, selector: Sel) -> *const Method {
    // SAFETY: as above.
    match unsafe { class.as_ref() }.and_then(Class::metaclass).and_then(|class| class.method(selector)) {
        Some(method) => method,
        None => std::ptr::null(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn class_copyMethodList(class: *const Class, count: *mut u32) -> *mut *const Method {
    // SAFETY: null, or a class, by the function's contract.
    let methods = unsafe { class.as_ref() }.map_or(&[][..], Class::own_methods);
    if !count.is_null() {
        // SAFETY: a place for a number, by the function's contract.
        unsafe { *count = methods.len() as u32 };
    }
    if methods.is_empty() {
        return std::ptr::null_mut();
    }
    // SAFETY: plain allocation; the caller frees it.
    let list = unsafe { libc::malloc(size_of_val(methods).max(methods.len() * size_of::<usize>())) };
    let list = list.cast::<*const Method>();
    if !list.is_null() {
        for (position, method) in methods.iter().enumerate() {
            // SAFETY: within what was allocated.
            unsafe { list.add(position).write(method) };
        }
    }
    list
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn method_getName(method: *const Method) -> Sel {
    // SAFETY: a method, by the function's contract.
    unsafe { (*method).selector }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn method_getTypeEncoding(method: *const Method) -> *const c_char {
    // SAFETY: a method, by the function's contract.
    let method = unsafe { &*method };
    match control::is_reencoded(&class::name_of(method.selector)) {
        true => method.wrong.as_ptr(),
        false => method.encoding.as_ptr(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn object_getClass(object: Id) -> *const Class {
    if object.is_null() {
        return std::ptr::null();
    }
    if !is_live(object) {
        control::violation(format!("object_getClass of {object:p}, which is gone"));
        return std::ptr::null();
    }
    // SAFETY: live.
    unsafe { (*object).isa }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn object_getClassName(object: Id) -> *const c_char {
    // SAFETY: as above.
    match unsafe { object_getClass(object).as_ref() } {
        Some(class) => class.name_pointer(),
        None => c"nil".as_ptr(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn class_getName(class: *const Class) -> *const c_char {
    // SAFETY: null, or a class, by the function's contract.
    match unsafe { class.as_ref() } {
        Some(class) => class.name_pointer(),
        None => c"nil".as_ptr(),
    }
}
