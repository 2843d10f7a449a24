//! The functions of the Objective-C runtime in use.

use std::ffi::{CStr, CString, c_char, c_void};

use super::libraries::Libraries;
use crate::AppleError;

/// A reference to an object, or nil. Says nothing of who owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Object(pub(crate) *mut c_void);

/// A class, itself an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Class(pub(crate) *mut c_void);

/// A selector, unique for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Selector(pub(crate) *const c_void);

// SAFETY: a reference is a number; what it refers to is used by one thread at a time, or is immutable, which the layer
// above sees to.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}
// SAFETY: classes and selectors are immutable and live as long as the process.
unsafe impl Send for Class {}
// SAFETY: as above.
unsafe impl Sync for Class {}
// SAFETY: as above.
unsafe impl Send for Selector {}
// SAFETY: as above.
unsafe impl Sync for Selector {}

impl Object {
    pub(crate) const NIL: Self = Self(std::ptr::null_mut());

    pub(crate) fn is_nil(self) -> bool {
        self.0.is_null()
    }
}

impl From<Class> for Object {
    fn from(class: Class) -> Self {
        Self(class.0)
    }
}

macro_rules! functions {
    ($( $(#[$doc:meta])* $name:ident($($arg:ty),*) $(-> $result:ty)?; )*) => {
        /// The functions, looked up by the names of the fields.
        #[derive(Debug)]
        #[allow(non_snake_case, reason = "fields have the names of the functions")]
        pub(crate) struct Runtime {
            $( $(#[$doc])* pub(crate) $name: unsafe extern "C-unwind" fn($($arg),*) $(-> $result)?, )*
            /// What tells an object that was thrown from a C++ value; absent in runtimes that throw nothing else.
            thrown: Option<Thrown>,
        }

        impl Runtime {
            pub(crate) fn load(libraries: &Libraries) -> Result<Self, AppleError> {
                Ok(Self {
                    // SAFETY: the types are those of the runtime's public headers.
                    $( $name: unsafe { libraries.function(stringify!($name)) }?, )*
                    thrown: Thrown::load(libraries),
                })
            }
        }
    };
}

functions! {
    /// Sends a message; cast to the method's type before each call.
    objc_msgSend();
    objc_getClass(*const c_char) -> Class;
    objc_retain(Object) -> Object;
    /// May throw: `-dealloc` of framework classes does.
    objc_release(Object);
    objc_autoreleasePoolPush() -> *mut c_void;
    objc_autoreleasePoolPop(*mut c_void);
    objc_begin_catch(*mut c_void) -> Object;
    objc_end_catch();
    sel_registerName(*const c_char) -> Selector;
    class_getClassMethod(Class, Selector) -> *const c_void;
    class_getInstanceMethod(Class, Selector) -> *const c_void;
    class_copyMethodList(Class, *mut u32) -> *mut *const c_void;
    object_getClass(Object) -> Class;
    object_getClassName(Object) -> *const c_char;
    method_getName(*const c_void) -> Selector;
    method_getTypeEncoding(*const c_void) -> *const c_char;
    sel_getName(Selector) -> *const c_char;
}

/// Exceptions of both languages travel by the same mechanism; only the type information of the one being handled tells
/// which it is.
#[derive(Debug)]
struct Thrown {
    current_type: unsafe extern "C-unwind" fn() -> *const usize,
    /// The table of methods that all type information of Objective-C has, with its two leading words.
    object_types: usize,
}

impl Thrown {
    fn load(libraries: &Libraries) -> Option<Self> {
        // SAFETY: its type in the C++ ABI.
        let current_type = unsafe { libraries.function("__cxa_current_exception_type") }.ok()?;
        let object_types = libraries.address("objc_ehtype_vtable")?;
        Some(Self { current_type, object_types })
    }
}

impl Runtime {
    /// Whether the exception being handled is an object.
    pub(crate) fn caught_object(&self) -> bool {
        let Some(thrown) = &self.thrown else { return true };
        // SAFETY: takes nothing; the type information lives as long as the program.
        let information = unsafe { (thrown.current_type)() };
        // Where pointers are signed, the signature is above the bits of an address.
        let address = |word: usize| word & 0x7FFF_FFFF_FFFF;
        let expected = thrown.object_types + 2 * size_of::<usize>();
        // SAFETY: every type information begins with the address of its table of methods.
        !information.is_null() && address(unsafe { *information }) == address(expected)
    }

    /// Whether an object's class has a method of that name.
    pub(crate) fn responds(&self, object: Object, selector: &str) -> bool {
        // SAFETY: a live object.
        let class = unsafe { (self.object_getClass)(object) };
        self.encoding(class, self.selector(selector), true).is_some()
    }

    /// The text of the string that a method without arguments returns.
    pub(crate) fn text_of(&self, object: Object, selector: Selector) -> String {
        type Getter<R> = unsafe extern "C-unwind" fn(Object, Selector) -> R;
        // SAFETY: both are methods without arguments that return a reference and a terminated text; messages to nil
        // return null.
        unsafe {
            let get: Getter<Object> = std::mem::transmute(self.objc_msgSend);
            let get_text: Getter<*const c_char> = std::mem::transmute(self.objc_msgSend);
            text(get_text(get(object, selector), self.selector("UTF8String")))
        }
    }

    /// The class of that name, if there is one.
    pub(crate) fn class(&self, name: &str) -> Option<Class> {
        let name = CString::new(name).ok()?;
        // SAFETY: a look-up by a terminated name.
        let class = unsafe { (self.objc_getClass)(name.as_ptr()) };
        (!class.0.is_null()).then_some(class)
    }

    pub(crate) fn selector(&self, name: &str) -> Selector {
        // Selectors come from tables of this crate; none has a zero byte.
        let name = CString::new(name).unwrap_or_default();
        // SAFETY: interning of a terminated name.
        unsafe { (self.sel_registerName)(name.as_ptr()) }
    }

    /// The type encoding of a method; `None` if the class has no such method.
    pub(crate) fn encoding(&self, class: Class, selector: Selector, instance: bool) -> Option<String> {
        let look = if instance { self.class_getInstanceMethod } else { self.class_getClassMethod };
        // SAFETY: class and selector come from the runtime.
        let method = unsafe { look(class, selector) };
        (!method.is_null()).then(|| self.method_encoding(method))
    }

    fn method_encoding(&self, method: *const c_void) -> String {
        // SAFETY: the method comes from the runtime; the text lives as long as its class.
        text(unsafe { (self.method_getTypeEncoding)(method) })
    }

    /// Selector and type encoding of every method that a class itself defines.
    pub(crate) fn methods(&self, class: Class, instance: bool) -> Vec<(String, String)> {
        // The methods of a class object are the instance methods of its own class.
        let class = match instance {
            true => class,
            // SAFETY: a class is an object.
            false => unsafe { (self.object_getClass)(class.into()) },
        };
        let mut count = 0u32;
        // SAFETY: the class comes from the runtime; the list has `count` methods and is the caller's to free.
        let list = unsafe { (self.class_copyMethodList)(class, &raw mut count) };
        if list.is_null() {
            return Vec::new();
        }
        let name = |method| {
            // SAFETY: the method comes from the runtime.
            text(unsafe { (self.sel_getName)((self.method_getName)(method)) })
        };
        // SAFETY: as above.
        let methods = unsafe { std::slice::from_raw_parts(list, count as usize) };
        let methods = methods.iter().map(|&m| (name(m), self.method_encoding(m))).collect();
        // SAFETY: the runtime allocates the list with the C library's allocator.
        unsafe { free(list.cast()) };
        methods
    }

    /// The name of an object's class, for messages.
    pub(crate) fn class_name(&self, object: Object) -> String {
        if object.is_nil() {
            return "nil".to_owned();
        }
        // SAFETY: a live object; the name lives as long as its class.
        text(unsafe { (self.object_getClassName)(object) })
    }
}

unsafe extern "C" {
    fn free(memory: *mut c_void);
}

/// A terminated text; empty for null.
fn text(chars: *const c_char) -> String {
    if chars.is_null() {
        return String::new();
    }
    // SAFETY: terminated, by the runtime's contract.
    unsafe { CStr::from_ptr(chars) }.to_string_lossy().into_owned()
}
