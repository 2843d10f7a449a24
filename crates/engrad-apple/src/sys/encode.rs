//! Type encodings: how the runtime writes a method's types.

use std::ffi::{c_char, c_void};

use super::runtime::{Class, Object, Selector};

/// A type that may be an argument or result of a message, and its code in encodings of Apple's 64-bit systems.
pub(crate) trait Encode {
    const CODE: &'static str;
}

/// A reference to an IOSurface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct SurfaceRef(pub(crate) *mut c_void);

// SAFETY: a reference is a number; IOSurface's functions may be called from any thread.
unsafe impl Send for SurfaceRef {}
// SAFETY: as above.
unsafe impl Sync for SurfaceRef {}

/// Where a method leaves an object, usually an error: a pointer to a reference.
pub(crate) type Out = *mut Object;

macro_rules! codes {
    ($($ty:ty = $code:literal;)*) => { $( impl Encode for $ty { const CODE: &'static str = $code; } )* };
}

codes! {
    () = "v";
    bool = "B";
    i8 = "c";
    i32 = "i";
    u32 = "I";
    i64 = "q";
    u64 = "Q";
    f64 = "d";
    Object = "@";
    Class = "#";
    Selector = ":";
    Out = "^@";
    SurfaceRef = "^{__IOSurface=}";
    *const c_void = "^v";
    *mut *mut c_void = "^^v";
    *const c_char = "*";
}

/// An encoding without frame offsets, qualifiers and names of classes: only what calls depend on.
pub(crate) fn normalize(encoding: &str) -> String {
    let mut plain = String::with_capacity(encoding.len());
    let (mut structures, mut quoted) = (0usize, false);
    for c in encoding.chars() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' => {
                structures += 1;
                plain.push(c);
            }
            '}' => {
                structures = structures.saturating_sub(1);
                plain.push(c);
            }
            _ if structures > 0 => plain.push(c),
            // Offsets, and the qualifiers const, in, out, inout, bycopy, byref, oneway.
            '0'..='9' | 'r' | 'n' | 'N' | 'o' | 'O' | 'R' | 'V' | '+' | '-' => {}
            // A block is passed as any object is.
            '?' if plain.ends_with('@') => {}
            _ => plain.push(c),
        }
    }
    plain.replace("{__IOSurface}", "{__IOSurface=}")
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn offsets_qualifiers_and_block_marks_do_not_matter_but_types_do() {
        assert_eq!(normalize("B36@0:8I16@20^@28"), "B@:I@^@");
        assert_eq!(normalize("r*16@0:8"), "*@:");
        assert_eq!(normalize("v24@0:8@?16"), "v@:@");
        assert_eq!(normalize("@24@0:8^{__IOSurface=}16"), "@@:^{__IOSurface=}");
        assert_eq!(normalize("@\"NSString\"16@0:8"), "@@:");
        assert_ne!(normalize("B36@0:8I16@20^@28"), normalize("B40@0:8Q16@24^@32"));
    }
}
