//! Exceptions, raised through the unwinder of the program.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::sync::LazyLock;

use crate::class::{Definition, Sel, m0};
use crate::control;
use crate::foundation::string;
use crate::object::{self, Id, NIL, argument, autorelease};

#[derive(Debug)]
struct Exception {
    name: String,
    reason: String,
}

/// What the unwinder is given, and what it takes for its own.
#[repr(C, align(16))]
struct Raised {
    class: u64,
    cleanup: Option<extern "C" fn(c_int, *mut c_void)>,
    private: [usize; 8],
    object: Id,
}

unsafe extern "C-unwind" {
    fn _Unwind_RaiseException(exception: *mut c_void) -> c_int;
}

/// Throws an exception object. Nothing may be locked.
pub(crate) fn throw(name: &str, reason: &str) -> ! {
    let object = object::new("NSException", Exception { name: name.to_owned(), reason: reason.to_owned() });
    let raised =
        Box::new(Raised { class: u64::from_be_bytes(*b"ENGDOBJC"), cleanup: None, private: [0; 8], object });
    // SAFETY: a new exception, which whoever catches it ends.
    unsafe { _Unwind_RaiseException(Box::into_raw(raised).cast()) };
    // Nobody catches it.
    std::process::abort()
}

thread_local! {
    static HANDLED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

#[unsafe(no_mangle)]
extern "C-unwind" fn objc_begin_catch(exception: *mut c_void) -> Id {
    HANDLED.with_borrow_mut(|handled| handled.push(exception as usize));
    // SAFETY: what the unwinder gives a handler of ours was raised above.
    unsafe { (*exception.cast::<Raised>()).object }
}

#[unsafe(no_mangle)]
extern "C-unwind" fn objc_end_catch() {
    match HANDLED.with_borrow_mut(Vec::pop) {
        Some(exception) => {
            // SAFETY: raised above, and handled once.
            let raised = unsafe { Box::from_raw(exception as *mut Raised) };
            object::release(raised.object);
        }
        None => control::violation("objc_end_catch with no exception being handled".to_owned()),
    }
}

/// Handlers begun and not ended, on this thread.
pub(crate) fn handled() -> usize {
    HANDLED.with_borrow(Vec::len)
}

#[unsafe(no_mangle)]
static objc_ehtype_vtable: [usize; 4] = [0; 4];

/// Type information of an object and of something else.
static TYPES: LazyLock<[usize; 2]> =
    LazyLock::new(|| [&raw const objc_ehtype_vtable as usize + 2 * size_of::<usize>(), 0]);

#[unsafe(no_mangle)]
extern "C-unwind" fn __cxa_current_exception_type() -> *const usize {
    &raw const TYPES[usize::from(control::fault("exception-is-no-object"))]
}

pub(crate) fn classes() -> Vec<Definition> {
    extern "C-unwind" fn name(this: Id, _: Sel) -> Id {
        autorelease(string(&argument::<Exception>(this, "the exception").name))
    }
    extern "C-unwind" fn reason(this: Id, _: Sel) -> Id {
        autorelease(string(&argument::<Exception>(this, "the exception").reason))
    }
    extern "C-unwind" fn user_info(_: Id, _: Sel) -> Id {
        NIL
    }
    vec![Definition {
        name: "NSException",
        class_methods: Vec::new(),
        instance_methods: vec![
            m0("name", "@16@0:8", name),
            m0("reason", "@16@0:8", reason),
            m0("userInfo", "@16@0:8", user_info),
        ],
    }]
}
