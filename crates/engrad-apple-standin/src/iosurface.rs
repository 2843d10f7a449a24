//! IOSurface, and as much of CoreFoundation as making one takes. CoreFoundation's objects are Foundation's.

use std::ffi::{c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use engrad_engine::Surface;

use crate::class::Definition;
use crate::control;
use crate::foundation::{Dictionary, Number};
use crate::object::{self, Id, NIL, Ref};

/// Who uses a surface now.
#[derive(Debug, Default)]
struct Use {
    readers: u32,
    writers: u32,
    /// Evaluations that read it, and that write it.
    read_by_device: u32,
    written_by_device: u32,
}

/// An IOSurface.
#[derive(Debug)]
pub(crate) struct IoSurface {
    pub(crate) memory: Surface,
    address: usize,
    pub(crate) bytes: usize,
    usage: Mutex<Use>,
}

impl IoSurface {
    fn usage(&self) -> MutexGuard<'_, Use> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the surface for an evaluation; what the host still holds is a violation.
    pub(crate) fn begin(&self, write: bool) {
        let mut usage = self.usage();
        if usage.writers > 0 || (write && usage.readers > 0) {
            let role = if write { "output" } else { "input" };
            control::violation(format!(
                "an {role} surface of an evaluation has {} locks for reading, {} for writing",
                usage.readers, usage.writers
            ));
        }
        usage.read_by_device += u32::from(!write);
        usage.written_by_device += u32::from(write);
    }

    pub(crate) fn end(&self, write: bool) {
        let mut usage = self.usage();
        usage.read_by_device -= u32::from(!write);
        usage.written_by_device -= u32::from(write);
    }
}

impl Drop for IoSurface {
    fn drop(&mut self) {
        let usage = self.usage();
        if usage.readers + usage.writers + usage.read_by_device + usage.written_by_device > 0 {
            drop(usage);
            control::violation("a surface ended while it was in use".to_owned());
        }
    }
}

const READ_ONLY: u32 = 1;
/// `kIOReturnBadArgument`, `kIOReturnCannotLock`.
const BAD_ARGUMENT: c_int = 0xE000_02C2_u32 as c_int;
const CANNOT_LOCK: c_int = 0xE000_02CC_u32 as c_int;

fn property(properties: Id, key: &str) -> Option<i128> {
    let value = object::payload::<Dictionary>(properties)?.get(key)?;
    Some(object::payload::<Number>(value)?.0)
}

#[unsafe(no_mangle)]
extern "C" fn IOSurfaceCreate(properties: Id) -> Id {
    if control::fault("surface-create-fails") {
        return NIL;
    }
    let need = |key| property(properties, key).filter(|&v| v >= 0);
    let (Some(width), Some(height), Some(element), Some(row)) = (
        need("IOSurfaceWidth"),
        need("IOSurfaceHeight"),
        need("IOSurfaceBytesPerElement"),
        need("IOSurfaceBytesPerRow"),
    ) else {
        control::violation("IOSurfaceCreate: width, height, bytes per element or per row missing".to_owned());
        return NIL;
    };
    if width * element > row || width == 0 || height == 0 {
        control::violation(format!("IOSurfaceCreate: {width} elements of {element} bytes in rows of {row}"));
        return NIL;
    }
    let Ok(bytes) = usize::try_from(need("IOSurfaceAllocSize").unwrap_or(row * height).max(row * height))
    else {
        return NIL;
    };
    let Ok(memory) = Surface::new(bytes) else { return NIL };
    // The host's access is by address under IOSurfaceLock; evaluations, which use the surface's own guards, are kept
    // apart from it by the record of uses.
    let address = memory.write().bytes_mut().as_mut_ptr() as usize;
    object::new("IOSurface", IoSurface { memory, address, bytes, usage: Mutex::default() })
}

#[unsafe(no_mangle)]
extern "C" fn IOSurfaceLock(surface: Id, options: u32, _seed: *mut u32) -> c_int {
    let Some(surface) = object::payload::<IoSurface>(surface) else {
        control::violation("IOSurfaceLock of no surface".to_owned());
        return BAD_ARGUMENT;
    };
    if control::fault("surface-lock-fails") {
        return CANNOT_LOCK;
    }
    let write = options & READ_ONLY == 0;
    let mut usage = surface.usage();
    if usage.written_by_device > 0 || (write && usage.read_by_device > 0) {
        control::violation("a surface was locked while a program uses it".to_owned());
    }
    usage.writers += u32::from(write);
    usage.readers += u32::from(!write);
    0
}

#[unsafe(no_mangle)]
extern "C" fn IOSurfaceUnlock(surface: Id, options: u32, _seed: *mut u32) -> c_int {
    let Some(surface) = object::payload::<IoSurface>(surface) else {
        control::violation("IOSurfaceUnlock of no surface".to_owned());
        return BAD_ARGUMENT;
    };
    let mut usage = surface.usage();
    let count = if options & READ_ONLY == 0 { &mut usage.writers } else { &mut usage.readers };
    match count.checked_sub(1) {
        Some(rest) => *count = rest,
        None => {
            control::violation("IOSurfaceUnlock of a surface that is not locked that way".to_owned());
            return BAD_ARGUMENT;
        }
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn IOSurfaceGetBaseAddress(surface: Id) -> *mut c_void {
    object::payload::<IoSurface>(surface).map_or(0, |s| s.address) as *mut c_void
}

#[unsafe(no_mangle)]
extern "C" fn IOSurfaceGetAllocSize(surface: Id) -> usize {
    object::payload::<IoSurface>(surface).map_or(0, |s| s.bytes)
}

#[unsafe(no_mangle)]
extern "C" fn CFRelease(object: Id) {
    if object.is_null() {
        control::violation("CFRelease of null".to_owned());
    }
    object::release(object);
}

#[unsafe(no_mangle)]
extern "C" fn CFRetain(object: Id) -> Id {
    object::retain(object)
}

/// `kCFNumberSInt64Type`.
const SINT64: isize = 4;

#[unsafe(no_mangle)]
unsafe extern "C" fn CFNumberCreate(_allocator: *const c_void, kind: isize, value: *const c_void) -> Id {
    if kind != SINT64 || value.is_null() {
        control::violation(format!("CFNumberCreate: kind {kind}"));
        return NIL;
    }
    // SAFETY: a number of that kind, by the function's contract.
    object::new("NSNumber", Number(i128::from(unsafe { *value.cast::<i64>() })))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn CFDictionaryCreate(
    _allocator: *const c_void,
    keys: *const Id,
    values: *const Id,
    count: isize,
    key_callbacks: *const c_void,
    value_callbacks: *const c_void,
) -> Id {
    // Without the callbacks the real dictionary would not retain what is put in.
    if key_callbacks != (&raw const kCFTypeDictionaryKeyCallBacks).cast()
        || value_callbacks != (&raw const kCFTypeDictionaryValueCallBacks).cast()
    {
        control::violation("CFDictionaryCreate: not the type's callbacks".to_owned());
        return NIL;
    }
    let pair = |i: isize| {
        // SAFETY: `count` keys and values, by the function's contract.
        unsafe { (Ref::retain(*keys.offset(i)), Ref::retain(*values.offset(i))) }
    };
    object::new("NSDictionary", Dictionary((0..count).map(pair).collect()))
}

#[unsafe(no_mangle)]
static kCFTypeDictionaryKeyCallBacks: [usize; 6] = [0; 6];
#[unsafe(no_mangle)]
static kCFTypeDictionaryValueCallBacks: [usize; 5] = [0; 5];

macro_rules! constants {
    ($($name:ident = $text:literal;)*) => {
        $( #[unsafe(no_mangle)] static mut $name: Id = NIL; )*

        extern "C" fn make_constants() {
            // SAFETY: runs while the library is loaded, before anyone can use it.
            unsafe { $( $name = object::new_immortal("NSString", crate::foundation::Text(c_string($text))); )* }
        }
    };
}

fn c_string(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).unwrap_or_default()
}

constants! {
    kIOSurfaceWidth = "IOSurfaceWidth";
    kIOSurfaceHeight = "IOSurfaceHeight";
    kIOSurfaceBytesPerElement = "IOSurfaceBytesPerElement";
    kIOSurfaceBytesPerRow = "IOSurfaceBytesPerRow";
    kIOSurfaceAllocSize = "IOSurfaceAllocSize";
    kIOSurfacePixelFormat = "IOSurfacePixelFormat";
    kANEFPerformanceStatsMask = "ANEFPerformanceStatsMask";
    kANEFKeepModelMemoryWiredKey = "ANEFKeepModelMemoryWired";
    kANEFEnablePowerSavingKey = "ANEFEnablePowerSaving";
    kANEFSkipPreparePhaseKey = "ANEFSkipPreparePhase";
    kANEFEnableLateLatchKey = "ANEFEnableLateLatch";
}

#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static MAKE_CONSTANTS: extern "C" fn() = make_constants;

pub(crate) fn classes() -> Vec<Definition> {
    vec![Definition { name: "IOSurface", class_methods: Vec::new(), instance_methods: Vec::new() }]
}
