//! Classes, methods and selectors.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::object::{Id, Object};
use crate::{control, device, exceptions, extras, foundation, iosurface, model, request};

/// A selector: its interned name.
pub(crate) type Sel = *const c_char;

/// A class or the class of a class. The first word is where every object has its class.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Class {
    isa: *const Class,
    name: CString,
    superclass: Option<&'static Class>,
    methods: Vec<Method>,
}

// SAFETY: immutable after it is made.
unsafe impl Send for Class {}
// SAFETY: as above.
unsafe impl Sync for Class {}

/// A method: selector, types as the real class has them, code.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) selector: Sel,
    pub(crate) encoding: CString,
    /// What `method_getTypeEncoding` gives when the test wants it wrong.
    pub(crate) wrong: CString,
    pub(crate) code: *const c_void,
}

impl Class {
    pub(crate) fn name(&self) -> &str {
        self.name.to_str().unwrap_or("")
    }

    pub(crate) fn name_pointer(&self) -> *const c_char {
        self.name.as_ptr()
    }

    pub(crate) fn own_methods(&self) -> &[Method] {
        &self.methods
    }

    /// The method of the class or the nearest class above.
    pub(crate) fn method(&self, selector: Sel) -> Option<&Method> {
        let mut class = Some(self);
        while let Some(this) = class {
            if let Some(method) = this.methods.iter().find(|m| m.selector == selector) {
                return Some(method).filter(|_| !control::is_hidden(&name_of(selector)));
            }
            class = this.superclass;
        }
        None
    }

    pub(crate) fn metaclass(&self) -> Option<&Class> {
        // SAFETY: null, or a class, which never ends.
        unsafe { self.isa.as_ref() }
    }

    pub(crate) fn is_kind_of(&self, other: *const Class) -> bool {
        let mut class = Some(self);
        while let Some(this) = class {
            if std::ptr::eq(this, other) {
                return true;
            }
            class = this.superclass;
        }
        false
    }
}

/// What a class is made of.
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) class_methods: Vec<Method>,
    pub(crate) instance_methods: Vec<Method>,
}

/// A type that methods take or return, with its code.
pub(crate) trait Code {
    const CODE: &'static str;
}

macro_rules! codes {
    ($($ty:ty = $code:literal;)*) => { $( impl Code for $ty { const CODE: &'static str = $code; } )* };
}

codes! {
    () = "v";
    bool = "B";
    i8 = "c";
    u32 = "I";
    i64 = "q";
    u64 = "Q";
    Id = "@";
    *const Class = "#";
    *mut Id = "^@";
    *const Id = "r^@";
    *const c_void = "r^v";
    *const c_char = "r*";
    SurfaceArgument = "^{__IOSurface=}";
}

/// An IOSurface where a method takes one.
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct SurfaceArgument(pub(crate) Id);

macro_rules! methods {
    ($($name:ident($($arg:ident)*);)*) => { $(
        /// A method, its code held against its encoding: a difference is a mistake of this library.
        #[allow(non_snake_case, reason = "one name for each type parameter")]
        pub(crate) fn $name<$($arg: Code,)* R: Code>(
            selector: &str,
            encoding: &str,
            code: extern "C-unwind" fn(Id, Sel, $($arg),*) -> R,
        ) -> Method {
            let types = [R::CODE, "@", ":", $($arg::CODE),*].concat();
            make(selector, encoding, &types, code as *const c_void)
        }
    )* };
}

methods! {
    m0();
    m1(A);
    m2(A B);
    m3(A B C);
    m4(A B C D);
    m5(A B C D E);
    m7(A B C D E F G);
    m9(A B C D E F G H I);
}

fn make(selector: &str, encoding: &str, types: &str, code: *const c_void) -> Method {
    let mut plain = String::new();
    let mut depth = 0;
    for c in encoding.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth > 0 || !c.is_ascii_digit() {
            plain.push(c);
        }
    }
    if plain != types {
        control::violation(format!("{selector}: encoding {encoding}, code {types}"));
    }
    let text = |t: &str| CString::new(t).unwrap_or_default();
    Method { selector: intern(&text(selector)), encoding: text(encoding), wrong: text("v16@0:8d16"), code }
}

struct Registry {
    by_name: HashMap<&'static str, &'static Class>,
    addresses: HashSet<usize>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry { by_name: HashMap::new(), addresses: HashSet::new() };
    let definitions = [
        foundation::classes(),
        exceptions::classes(),
        iosurface::classes(),
        model::classes(),
        request::classes(),
        device::classes(),
        extras::classes(),
    ];
    let mut root: Option<(&'static Class, &'static Class)> = None;
    for definition in definitions.into_iter().flatten() {
        let name = CString::new(definition.name).unwrap_or_default();
        let meta: &'static Class = Box::leak(Box::new(Class {
            isa: std::ptr::null(),
            name: name.clone(),
            superclass: root.map(|(_, meta)| meta),
            methods: definition.class_methods,
        }));
        let class: &'static Class = Box::leak(Box::new(Class {
            isa: meta,
            name,
            superclass: root.map(|(class, _)| class),
            methods: definition.instance_methods,
        }));
        root = root.or(Some((class, meta)));
        registry.by_name.insert(definition.name, class);
        registry.addresses.insert(std::ptr::from_ref(class) as usize);
        registry.addresses.insert(std::ptr::from_ref(meta) as usize);
    }
    registry
});

pub(crate) fn find(name: &str) -> Option<&'static Class> {
    REGISTRY.by_name.get(name).copied()
}

pub(crate) fn is_class(object: *const Object) -> bool {
    REGISTRY.addresses.contains(&(object as usize))
}

static SELECTORS: LazyLock<Mutex<HashMap<CString, usize>>> = LazyLock::new(Mutex::default);

/// The one selector of a name.
pub(crate) fn intern(name: &CStr) -> Sel {
    let mut selectors = SELECTORS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(&selector) = selectors.get(name) {
        return selector as Sel;
    }
    let selector = name.to_owned().into_raw();
    selectors.insert(name.to_owned(), selector as usize);
    selector
}

pub(crate) fn name_of(selector: Sel) -> String {
    if selector.is_null() {
        return String::new();
    }
    // SAFETY: selectors are interned, terminated names that never end.
    unsafe { CStr::from_ptr(selector) }.to_string_lossy().into_owned()
}
